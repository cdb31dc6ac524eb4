package main

import (
	"fmt"
	"io"
	"slices"

	"cuflow/cmd/bench/internal/show"
	"cuflow/flowgpu"

	"github.com/spf13/cobra"
)

// depths are the steps per level that memory is shown at, beside the preset's own.
var depths = [...]int{8, 16, 32}

type memoryFlags struct {
	workloadFlags
	formatFlags
}

func memoryCommand() *cobra.Command {
	var f memoryFlags
	c := &cobra.Command{
		Use:   "memory",
		Short: "Show what training takes in each memory mode, by depth",
		Long: `Show what training takes in each memory mode at the preset's depth (steps per level, couplings or layers) and at 8, 16 and 32,
and the arithmetic that it costs. Memory is planned, not allocated: any model and batch can be asked for.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runMemory(c.OutOrStdout(), f) },
	}
	f.workloadFlags.add(c)
	f.formatFlags.add(c)
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
	w, err := f.only()
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	modes := allModes()
	if f.memory != "" {
		modes = []flowgpu.Mode{w.mode}
	}
	reports, err := planMemory(w, depthsOf(w.model.Steps), modes)
	if err != nil {
		return err
	}
	if done, err := printed(f.formatFlags, out, reports); done {
		return err
	}
	return writeMemory(out, w, reports)
}

// depthsOf are those that memory is shown at where the preset has its own.
func depthsOf(steps int) []int {
	all := append(depths[:], steps)
	slices.Sort(all)
	return slices.Compact(all)
}

// allModes are all memory modes, the fastest first.
func allModes() []flowgpu.Mode {
	return []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible}
}

// planMemory sizes the workload at every depth in every mode. On a Tally nothing is allocated but what initial weights
// take, one model at a time.
func planMemory(w workload, steps []int, modes []flowgpu.Mode) (reports []memoryReport, err error) {
	for _, w.model.Steps = range steps {
		budgets, err := flowgpu.Plan(w.model, w.stepping(), modes...)
		if err != nil {
			return nil, err
		}
		for i, b := range budgets {
			reports = append(reports, memoryReport{
				Preset: w.name, Batch: w.batch, Levels: w.model.Levels, Steps: w.model.Steps, Mode: modes[i],
				memoryBytes: bytesOf(b.Memory), StepFlops: b.Flops,
			})
		}
	}
	return reports, nil
}

func writeMemory(out io.Writer, w workload, reports []memoryReport) error {
	if _, err := fmt.Fprintf(out, "%s, %d levels, batches of %d; MiB\n\n", w.name, w.model.Levels, w.batch); err != nil {
		return err
	}
	t := show.Table{Left: 2}
	t.Add("steps", "memory", "activations", "parameters", "optimiser", "total", "GFLOP/step")
	last := 0
	for _, r := range reports {
		steps := ""
		if r.Steps != last {
			last = r.Steps
			steps = fmt.Sprint(r.Steps)
		}
		t.Add(steps, string(r.Mode), show.Mebibytes(r.Activations), show.Mebibytes(r.Parameters), show.Mebibytes(r.Optimiser),
			show.Mebibytes(r.Total), show.Number(float64(r.StepFlops)/1e9))
	}
	return t.Write(out)
}
