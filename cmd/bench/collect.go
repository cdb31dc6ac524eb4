package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cuflow/cmd/bench/internal/show"

	"github.com/spf13/cobra"
)

func collectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "collect DIR",
		Short: "Put what scripts/gpu has measured into one table",
		Long: `Put what scripts/gpu has measured into one table, and into DIR/report.json. What was not measured is named.

DIR holds a JSON object a line: checks.jsonl, steps.jsonl (bench step), traffic.jsonl (bench traffic), ops.jsonl (bench kernels),
trained.jsonl (train eval), peers.jsonl (another program's training steps), and peaks.json: the device and what a library gets
out of it.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("give the folder of the measurements: use it as `%s`", c.UseLine())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			r, err := readCollection(args[0])
			if err != nil {
				return err
			}
			text, err := json.MarshalIndent(r, "", "  ")
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(args[0], "report.json"), append(text, '\n'), 0o644); err != nil {
				return err
			}
			return r.write(c.OutOrStdout())
		},
	}
}

// collection is all that was measured on one GPU.
type collection struct {
	Peaks   *peaks          `json:"peaks"`
	Checks  []checkReport   `json:"checks"`
	Steps   []record        `json:"steps"`
	Peers   []peerReport    `json:"peers"`
	Traffic []trafficReport `json:"traffic"`
	Ops     []kernelReport  `json:"ops"`
	Trained []trainedReport `json:"trained"`
}

// peaks are what a device does at most, by a library of its maker.
type peaks struct {
	GPU     string             `json:"gpu"`
	Driver  string             `json:"driver"`
	Date    string             `json:"date"`
	Library string             `json:"library"`
	Copy    float64            `json:"copy_gb_per_second"`
	Product map[string]float64 `json:"gflops"` // of large matrix products, by precision
}

// checkReport is what came of a check.
type checkReport struct {
	Check   string  `json:"check"`
	Result  string  `json:"result"` // "passed", "failed", "out of time" or "not run: why"
	Seconds float64 `json:"seconds"`
}

// peerReport is a training step of another program.
type peerReport struct {
	Workload string  `json:"workload"`
	Batch    int     `json:"batch"`
	Setting  string  `json:"setting"`
	Median   float64 `json:"ms"`
}

// trainedReport is the score of a run.
type trainedReport struct {
	Preset     string  `json:"preset"`
	Device     string  `json:"device"`
	BitsPerDim float64 `json:"bits_per_dim"`
	Stderr     float64 `json:"stderr"`
	Seconds    float64 `json:"seconds"`
}

// readCollection reads what is there of a folder's files.
func readCollection(dir string) (*collection, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, usagef("%s is no folder of measurements: scripts/gpu makes one", dir)
	}
	r := &collection{}
	var p []peaks
	for name, into := range map[string]any{
		"peaks.json": &p, "checks.jsonl": &r.Checks, "steps.jsonl": &r.Steps, "peers.jsonl": &r.Peers,
		"traffic.jsonl": &r.Traffic, "ops.jsonl": &r.Ops, "trained.jsonl": &r.Trained,
	} {
		if err := readLines(filepath.Join(dir, name), into); err != nil {
			return nil, err
		}
	}
	if len(p) > 0 {
		r.Peaks = &p[0]
	}
	return r, nil
}

// readLines reads JSON objects into a slice. A file that is not there has none.
func readLines(path string, into any) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var all []json.RawMessage
	for d := json.NewDecoder(bytes.NewReader(text)); d.More(); {
		var o json.RawMessage
		if err := d.Decode(&o); err != nil {
			return fmt.Errorf("%s: object %d: %w", path, len(all)+1, err)
		}
		all = append(all, o)
	}
	joined, err := json.Marshal(all)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(joined, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// peerOf is the fastest setting of another program for the same model and batch.
func (r *collection) peerOf(s record) *peerReport {
	var best *peerReport
	for i, p := range r.Peers {
		if p.Workload == s.Preset && p.Batch == s.Batch && (best == nil || p.Median < best.Median) {
			best = &r.Peers[i]
		}
	}
	return best
}

// section writes a table under its title, or that there is nothing for it.
func section(out io.Writer, title string, t show.Table) error {
	if t.Rows() < 2 {
		_, err := fmt.Fprintf(out, "\n%s: not measured\n", title)
		return err
	}
	if _, err := fmt.Fprintf(out, "\n%s\n", title); err != nil {
		return err
	}
	return t.Write(out)
}

func (r *collection) write(out io.Writer) error {
	head := "GPU unknown: peaks.json was not measured"
	product := map[string]float64{}
	if p := r.Peaks; p != nil {
		product = p.Product
		head = fmt.Sprintf("%s, driver %s, %s; by %s: copy %s GB/s", p.GPU, p.Driver, p.Date, p.Library, show.Number(p.Copy))
		for _, name := range []string{"fp32", "tf32", "bf16"} {
			head += fmt.Sprintf(", %s products %s TFLOP/s", name, show.Number(p.Product[name]/1e3))
		}
	}
	if _, err := fmt.Fprintln(out, head); err != nil {
		return err
	}

	checks := show.Table{Left: 2}
	checks.Add("check", "result", "s")
	for _, c := range r.Checks {
		checks.Add(c.Check, c.Result, show.Number(c.Seconds))
	}
	steps := show.Table{Left: 1}
	steps.Add("training step", "batch", "precision", "graph", "ms", "samples/s", "TFLOP/s", "of peak", "MiB", "best peer", "times faster")
	for _, s := range r.Steps {
		peer, faster := "-", "-"
		if p := r.peerOf(s); p != nil {
			peer, faster = fmt.Sprintf("%s ms %s", show.Number(p.Median), p.Setting), show.Number(p.Median/s.Median)
		}
		graph := "off"
		if s.Recorded {
			graph = "on"
		}
		steps.Add(s.Preset, fmt.Sprint(s.Batch), s.Precision, graph, show.Number(s.Median), show.Number(s.ImagesPerSecond),
			show.Number(s.GFLOPS/1e3), show.Percent(share(s.GFLOPS, product[s.Precision])), show.Mebibytes(s.Total), peer, faster)
	}
	traffic := show.Table{Left: 1}
	traffic.Add("memory traffic", "MiB", "µs", "GB/s", "of own copy", "of the library's")
	for _, t := range r.Traffic {
		var of *float64
		if r.Peaks != nil {
			of = share(t.GBs, r.Peaks.Copy)
		}
		traffic.Add(t.Op, fmt.Sprint(t.MiB), show.Number(1e3*t.Median), show.Number(t.GBs), show.Percent(t.OfCopy), show.Percent(of))
	}
	ops := show.Table{Left: 1}
	ops.Add("operation", "µs", "GFLOP/s", "GB/s", "runs")
	for _, o := range r.Ops {
		ops.Add(o.Op, show.Number(1e3*o.Median), show.Optional(o.GFLOPS), show.Optional(o.GBs), fmt.Sprint(o.Runs))
	}
	trained := show.Table{Left: 2}
	trained.Add("trained", "on", "bits/dim", "s")
	for _, t := range r.Trained {
		trained.Add(t.Preset, t.Device, fmt.Sprintf("%.3f ± %.3f", t.BitsPerDim, t.Stderr), show.Number(t.Seconds))
	}
	return errors.Join(
		section(out, "Operations at the sizes of models", ops), section(out, "Memory traffic", traffic),
		section(out, "Models trained to the end", trained), section(out, "Checks", checks), section(out, "Training steps", steps))
}
