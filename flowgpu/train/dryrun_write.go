package train

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Write tells people what a run would take.
func (e *Estimate) Write(out io.Writer) error {
	c, thing := e.Config, e.Config.unit().thing
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("model", "%s: %s", c.Preset, describe(c.Model))
	row("parameters", "%s", thousands(e.Params))
	row("device", "%s", c.Device)
	row("data", "%s", c.dataset())
	for i, mode := range e.Modes {
		b, name, mine := e.Budgets[i], "", ""
		if i == 0 {
			name = "memory"
		}
		if mode == c.Memory {
			mine = " (this run's)"
		}
		each := int64(c.Batch)
		row(name, "%s: %s with %s for validation; of one %s in a batch of %d %s KiB and %s MFLOP%s", mode, mebibytes(b.Total()+e.Eval), mebibytes(e.Eval), thing, c.Batch,
			thousands(int(b.Activations/each>>10)), megaflops(b.Flops/each), mine)
	}
	if len(e.Parts) > 0 {
		row("step", "%s", e.step())
		for i, p := range e.Parts {
			name := ""
			if i == 0 {
				name = "run"
			}
			row(name, "%s", p)
		}
		most := ""
		if c.Patience > 0 || c.em() {
			most = "at most "
		}
		row("in all", "%s%s (%s)", most, clock(duration(e.Seconds)), spent(e.Seconds))
	}
	for _, n := range e.Notes {
		row("note", "%s", n)
	}
	return w.Flush()
}

// step says how long one takes, and how that is known.
func (e *Estimate) step() string {
	c := e.Config
	took := fmt.Sprintf("%d in %.2f s", e.Measured, e.Took)
	if e.Grown > 1 {
		took += fmt.Sprintf(", times %.2f for solves that grow longer", e.Grown)
	}
	switch {
	case c.em():
		return fmt.Sprintf("%.3g s an iteration (measured: %s, on 1/%.3g of the data)", e.Step, took, e.Scaled)
	case e.Scaled != 1:
		return fmt.Sprintf("%.3g s in batches of %d (measured: %s in batches of %d, times %.1f by arithmetic and memory traffic)", e.Step, c.Batch, took, e.Batch, e.Scaled)
	}
	return fmt.Sprintf("%.3g s in batches of %d (measured: %s)", e.Step, c.Batch, took)
}
