package train

import (
	"fmt"
	"io"
	"text/tabwriter"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Write tells all about a recipe, what training takes included.
func (r Recipe) Write(out io.Writer) error {
	planned := r.Config
	if planned.Model.Channels == AutoDims {
		planned.Model.Channels = nominalDims
		if toy, ok := data.FindToy(r.Data); ok {
			planned.Model.Channels = toy.D
		}
	}
	budgets, err := flowgpu.Plan(planned.Model, planned.stepping(r.Memory), modes()...)
	if err != nil {
		return err
	}
	params := thousands(budgets[0].Params)
	if r.Model.Channels == AutoDims {
		params += fmt.Sprintf(" for %d dimensions", planned.Model.Channels)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := [][2]string{
		{"preset", r.Preset}, {"", r.Title},
		{"model", describe(r.Model)},
		{"parameters", params},
		{"data", r.dataset()},
		{"training", r.Config.describe()},
		{"cadence", r.cadence()},
		{"memory", fmt.Sprintf("parameters and optimiser %s; to train on one %s (in a batch of %d):",
			mebibytes(budgets[0].Parameters+budgets[0].Optimiser), r.unit().thing, r.Batch)},
	}
	for i, mode := range modes() {
		b, n := budgets[i], int64(r.Batch)
		row := fmt.Sprintf("mode %s: %s KiB and %s MFLOP", mode, thousands(int(b.Activations/n>>10)), megaflops(b.Flops/n))
		if mode == r.Memory {
			row += " (this preset's)"
		}
		rows = append(rows, [2]string{"", row})
	}
	rows = append(rows, [2]string{"source", r.Source}, [2]string{"reaches", r.Expect})
	for i, d := range r.Deviations {
		name := ""
		if i == 0 {
			name = "deviations"
		}
		rows = append(rows, [2]string{name, d})
	}
	for _, row := range rows {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	return w.Flush()
}

func megaflops(flops int64) string {
	if flops < 10e6 {
		return fmt.Sprintf("%.2g", float64(flops)/1e6)
	}
	return thousands(int(flops / 1e6))
}

// modes are all memory modes, from fastest to smallest.
func modes() []flowgpu.Mode {
	return []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible}
}
