package train

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"cuflow/device"
	"cuflow/flowgpu"
)

// Inspect writes what the run at path is: its settings, how far it is, and the model's layers with shapes and parameters.
func Inspect(path string, out io.Writer) error {
	s, err := open(path)
	if err != nil {
		return err
	}
	m, err := flowgpu.New(&device.Tally{}, s.c.Model) // counted, not computed
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	defer m.Close()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	s.settings(w, m)
	columns(w, m.Config())
	layers(w, m)
	return w.Flush()
}

func (s *saved) settings(w io.Writer, m *flowgpu.Model) {
	c, at := s.Config, s.Position
	row := func(name, format string, args ...any) { fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	row("checkpoint", "%s", s.path)
	row("step", "%d of %d, %s of training", at.Step, c.Steps, clock(duration(at.Seconds)))
	if at.Final != nil {
		row("held-out", "%s", at.Final)
	}
	if at.Best != nil {
		row("best", "step %d, validation %s", at.Best.Step, at.Best.Score)
	}
	if at.Imported != "" {
		row("weights", "imported from %s before step 1", at.Imported)
	}
	row("preset", "%s", c.Preset)
	row("model", "%s, seed %d", describe(c.Model), c.Model.Seed)
	row("parameters", "%s", thousands(m.NumParams()))
	if c.vectors() {
		row("data", "%s", c.table())
	} else {
		row("data", "%s, %d intensities", c.Data, c.Model.Intensities)
	}
	row("training", "%s", c.describe())
	row("memory mode", "%s", c.Memory)
	row("device", "%s", c.Device)
	row("cadence", "%s", c.cadence())
	var names []string
	for _, part := range s.c.Sections {
		names = append(names, fmt.Sprintf("%s (%s)", part.Name, thousands(len(part.Data))))
	}
	row("stored", "%s", strings.Join(names, ", "))
	fmt.Fprintln(w)
}

// columns lists those of vectors, with what makes them mean 0 and variance 1.
func columns(w io.Writer, m flowgpu.Config) {
	list := m.Columns.List()
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, "column\tmean\tstd\tstep")
	for _, c := range list {
		step := "-"
		if c.Step > 0 {
			step = fmt.Sprintf("%g", c.Step)
		}
		fmt.Fprintf(w, "%s\t%.6g\t%.6g\t%s\n", c.Name, c.Mean, c.Std, step)
	}
	for _, c := range m.Context.List() {
		if len(c.Values) > 0 {
			fmt.Fprintf(w, "given %s\t%s\n", c.Name, strings.Join(c.Values, ", "))
			continue
		}
		fmt.Fprintf(w, "given %s\t%.6g\t%.6g\n", c.Name, c.Mean, c.Std)
	}
	fmt.Fprintln(w)
}

// layers lists the model in forward order with the shape that leaves each layer. A layer like the one before says so.
func layers(w io.Writer, m *flowgpu.Model) {
	fmt.Fprintln(w, "layer\toutput\ttrained\tparameters")
	cfg := m.Config()
	shape := size
	if vectors(cfg) {
		shape = func(c, _, _ int) string { return fmt.Sprint(c) }
	}
	fmt.Fprintf(w, "data\t%s\t\t\n", shape(cfg.Channels, cfg.Height, cfg.Width))
	above, like := "", ""
	for _, l := range m.Layers() {
		text, n := parameters(l)
		if text == above && text != "" {
			text = "like " + like
		} else {
			above, like = text, l.Name
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Name, shape(l.C, l.H, l.W), thousands(n), text)
	}
}

// parameters names a layer's arrays with their shapes and counts the trained values.
func parameters(l flowgpu.LayerInfo) (text string, trained int) {
	var names []string
	for _, p := range l.Params {
		shape, values := "", 1
		for i, d := range p.Shape {
			if i > 0 {
				shape += "x"
			}
			shape += fmt.Sprint(d)
			values *= d
		}
		name := p.Name + " " + shape
		if p.Fixed {
			name += " (fixed)"
			values = 0
		}
		names = append(names, name)
		trained += values
	}
	return strings.Join(names, ", "), trained
}
