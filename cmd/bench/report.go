package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"cuflow/device"
	"cuflow/device/meter"

	"github.com/spf13/cobra"
)

// reportFlags are those of bench alone.
type reportFlags struct {
	deviceFlags
	seconds float64
	where   string
	json    bool
}

func (f *reportFlags) add(c *cobra.Command) {
	f.deviceFlags.add(c)
	c.Flags().Float64Var(&f.seconds, "seconds", 1, "measure each workload for at least this long")
	c.Flags().StringVar(&f.where, "where", "glow-mnist", "`preset` whose step is taken apart")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
}

// standard are the workloads that machines are compared by: images and vectors, large and small.
func standard() ([]workload, error) {
	var all []workload
	for _, s := range []struct {
		preset string
		batch  int
	}{{"glow-mnist", 64}, {"glow-digits", 64}, {"realnvp-tab", 512}, {"realnvp-tab", 64}, {"realnvp-2d", 512}, {"maf-tab", 512}, {"nsf-tab", 512}} {
		w, err := newWorkload(s.preset, 0)
		if err != nil {
			return nil, err
		}
		w.batch = s.batch
		all = append(all, w)
	}
	return all, nil
}

// report is what bench alone tells of a machine.
type report struct {
	Platform string      `json:"platform"`
	Device   string      `json:"device"`
	Cores    int         `json:"cores,omitempty"`
	Peaks    meter.Peaks `json:"peaks"`
	Steps    []*record   `json:"training"`
	Draws    []*record   `json:"sampling"`

	Where  string     `json:"where"` // workload whose parts follow
	Sum    profileSum `json:"sum"`
	Passes []part     `json:"passes"`
	Ops    []part     `json:"ops"`
	Layers []part     `json:"layers"` // by kind
}

func (f *reportFlags) run(out io.Writer) error {
	limit, err := budget(f.seconds)
	if err != nil {
		return err
	}
	where, err := newWorkload(f.where, 0)
	if err != nil {
		return err
	}
	all, err := standard()
	if err != nil {
		return err
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	r, p, err := measureReport(be, all, where, limit)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	return r.write(out, be, p)
}

func measureReport(be device.Backend, all []workload, where workload, limit time.Duration) (*report, *profile, error) {
	r := &report{Platform: platform(), Device: be.Name(), Cores: workers(be), Where: where.name}
	p, peaks, err := profiled(be, where, limit)
	if err != nil {
		return nil, nil, err
	}
	r.Peaks, r.Sum = peaks, p.sum()
	r.Passes, r.Ops, r.Layers = p.parts(byPass), p.parts(byOp), p.parts(byKind)
	if r.Steps, err = inRounds(be, all, 1, limit, timeSteps); err != nil {
		return nil, nil, err
	}
	// Sampling of the first workload alone: that of the others is what bench sample is for.
	first := all[0]
	first.batch = drawn(first)
	r.Draws, err = inRounds(be, []workload{first}, 1, limit, timeDraws)
	return r, p, err
}

func (r *report) write(out io.Writer, be device.Backend, p *profile) error {
	rows := func(parts []part) []part {
		var few []part
		for _, s := range parts {
			if s.Share >= 0.01 {
				few = append(few, s)
			}
		}
		return few
	}
	records := append(append([]*record{}, r.Steps...), r.Draws...)
	_, err := fmt.Fprintf(out, "%s\ndevice %s; %s\n\ntraining steps and sampling, after %s to warm up\n", r.Platform, onDevice(be), writtenPeaks(be, r.Peaks), counted(records[0].WarmUp, "step"))
	if err != nil {
		return err
	}
	if err := writeRecords(out, records); err != nil {
		return err
	}
	for _, t := range []struct {
		what  string
		parts []part
	}{{"op", rows(r.Ops)}, {"layer", rows(r.Layers)}} {
		if _, err := fmt.Fprintf(out, "\nwhere a step of %s goes, by %s (parts of at least 1 %%)\n", r.Where, t.what); err != nil {
			return err
		}
		if err := p.writeTable(out, t.parts, t.what, t.what == "op"); err != nil {
			return err
		}
	}
	return errors.Join(p.writeSum(out), writeHint(out))
}

func writeHint(out io.Writer) error {
	_, err := io.WriteString(out, "limit is the roofline; `bench ops`, `bench layers`, `bench step`, `bench sample`, `bench scale` and `bench memory` tell more, of any preset\n")
	return err
}
