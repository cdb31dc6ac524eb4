package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"cuflow/device"
	"cuflow/flowgpu"

	"github.com/spf13/cobra"
)

// depths are the steps per level that memory is shown at, beside the preset's own.
var depths = [...]int{8, 16, 32}

type memoryFlags struct {
	workloadFlags
	json bool
}

func memoryCommand() *cobra.Command {
	var f memoryFlags
	c := &cobra.Command{
		Use:   "memory",
		Short: "Show what training takes in each memory mode, by depth",
		Long: `Show what training takes in each memory mode at the preset's steps per level and at 8, 16 and 32, and the arithmetic that
it costs. Memory is planned, not allocated: any model and batch can be asked for.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runMemory(c.OutOrStdout(), f) },
	}
	f.workloadFlags.add(c)
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
	return c
}

// memoryReport is what training takes at one depth in one mode.
type memoryReport struct {
	Preset string       `json:"preset"`
	Batch  int          `json:"batch"`
	Levels int          `json:"levels"`
	Steps  int          `json:"steps_per_level"`
	Mode   flowgpu.Mode `json:"memory"`
	memoryBytes
	StepFlops int64 `json:"flops_per_step"`
}

func runMemory(out io.Writer, f memoryFlags) error {
	w, err := f.workload()
	if err != nil {
		return err
	}
	reports, err := planMemory(w)
	if err != nil {
		return err
	}
	if f.json {
		e := json.NewEncoder(out)
		for _, r := range reports {
			if err := e.Encode(r); err != nil {
				return err
			}
		}
		return nil
	}
	return writeMemory(out, w, reports)
}

// planMemory sizes the workload at every depth in every mode. On a Tally nothing is allocated but what initial weights
// take, one model at a time.
func planMemory(w workload) (reports []memoryReport, err error) {
	steps := append(depths[:], w.model.Steps)
	slices.Sort(steps)
	for _, w.model.Steps = range slices.Compact(steps) {
		m, err := flowgpu.New(&device.Tally{}, w.model)
		if err != nil {
			return nil, err
		}
		for _, mode := range []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible} {
			s, err := flowgpu.NewStepper(m, flowgpu.StepConfig{Batch: w.batch, Mode: mode, Adam: w.adam})
			if err != nil {
				return nil, err
			}
			reports = append(reports, memoryReport{
				Preset: w.name, Batch: w.batch, Levels: w.model.Levels, Steps: w.model.Steps, Mode: mode,
				memoryBytes: bytesOf(s.Memory()), StepFlops: s.Flops(),
			})
			s.Close()
		}
		m.Close()
	}
	return reports, nil
}

func writeMemory(out io.Writer, w workload, reports []memoryReport) error {
	if _, err := fmt.Fprintf(out, "%s, %d levels, batches of %d; MiB\n\n", w.name, w.model.Levels, w.batch); err != nil {
		return err
	}
	t := table{left: 2}
	t.add("steps", "memory", "activations", "parameters", "optimiser", "total", "GFLOP/step")
	last := 0
	for _, r := range reports {
		steps := ""
		if r.Steps != last {
			last = r.Steps
			steps = fmt.Sprint(r.Steps)
		}
		t.add(steps, string(r.Mode), mebibytes(r.Activations), mebibytes(r.Parameters), mebibytes(r.Optimiser),
			mebibytes(r.Total), number(float64(r.StepFlops)/1e9))
	}
	return t.write(out)
}
