package train

import (
	"fmt"
	"io"
	"text/tabwriter"

	"cuflow/flowgpu"
)

// Write tells all about a recipe, what training takes included.
func (r Recipe) Write(out io.Writer) error {
	budgets, err := flowgpu.Plan(r.Model, r.stepping(r.Memory), modes()...)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	rows := [][2]string{
		{"preset", r.Preset}, {"", r.Title},
		{"model", describe(r.Model)},
		{"parameters", thousands(budgets[0].Params)},
		{"data", r.dataset()},
		{"training", r.Config.describe()},
		{"cadence", r.cadence()},
		{"memory", fmt.Sprintf("parameters and optimiser %s; to train on one image (in a batch of %d):",
			mebibytes(budgets[0].Parameters+budgets[0].Optimiser), r.Batch)},
	}
	for i, mode := range modes() {
		b, n := budgets[i], int64(r.Batch)
		row := fmt.Sprintf("mode %s: %s KiB and %s MFLOP", mode, thousands(int(b.Activations/n>>10)), thousands(int(b.Flops/n/1e6)))
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

// modes are all memory modes, from fastest to smallest.
func modes() []flowgpu.Mode {
	return []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible}
}
