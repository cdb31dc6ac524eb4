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
and the arithmetic that it costs. Memory is planned, not allocated: any model and batch can be asked for. A preset whose depth no one
number says is shown as it is.`,
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
	StepFlops int64  `json:"flops_per_step"`
	Skipped   string `json:"skipped,omitempty"` // why there is no plan
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

// depthsOf are those that memory is shown at where the preset has its own, or none: 0.
func depthsOf(steps int) []int {
	if steps == 0 {
		return []int{0}
	}
	all := append(depths[:], steps)
	slices.Sort(all)
	return slices.Compact(all)
}

// allModes are all memory modes, the fastest first.
func allModes() []flowgpu.Mode {
	return []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible}
}

// planMemory sizes the workload at every depth in every mode. On a Tally nothing is allocated but what initial weights
// take, one model at a time. A depth other than the workload's own that the model does not take is skipped.
func planMemory(w workload, steps []int, modes []flowgpu.Mode) (reports []memoryReport, err error) {
	own := w.model.Steps
	for _, w.model.Steps = range steps {
		budgets, err := flowgpu.Plan(w.model, w.stepping(), modes...)
		if err != nil && w.model.Steps == own {
			return nil, err
		}
		for i, mode := range modes {
			r := memoryReport{Preset: w.name, Batch: w.batch, Levels: w.model.Levels, Steps: w.model.Steps, Mode: mode}
			if err != nil {
				r.Skipped = err.Error()
			} else {
				r.memoryBytes, r.StepFlops = bytesOf(budgets[i].Memory), budgets[i].Flops
			}
			reports = append(reports, r)
		}
	}
	return reports, nil
}

func writeMemory(out io.Writer, w workload, reports []memoryReport) error {
	levels := ""
	if n := w.model.Levels; n > 0 {
		levels = counted(n, "level") + ", "
	}
	if _, err := fmt.Fprintf(out, "%s, %sbatches of %d; MiB\n\n", w.name, levels, w.batch); err != nil {
		return err
	}
	t := show.Table{Left: 2}
	t.Add("steps", "memory", "activations", "parameters", "optimiser", "total", "GFLOP/step")
	last, skipped := 0, ""
	for _, r := range reports {
		steps := ""
		if r.Steps != last {
			last = r.Steps
			steps = fmt.Sprint(r.Steps)
			if r.Skipped != "" {
				skipped += fmt.Sprintf("not planned at %d: %s\n", r.Steps, r.Skipped)
			}
		}
		if r.Skipped != "" {
			continue
		}
		t.Add(steps, string(r.Mode), show.Mebibytes(r.Activations), show.Mebibytes(r.Parameters), show.Mebibytes(r.Optimiser),
			show.Mebibytes(r.Total), show.Number(float64(r.StepFlops)/1e9))
	}
	if err := t.Write(out); err != nil {
		return err
	}
	_, err := io.WriteString(out, skipped)
	return err
}
