package plot

import (
	"errors"
	"fmt"
	"image/color"
	"image/gif"
	"io"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot/vg"
)

// Moment is a density on the plane at one time of a continuous flow, and where the particles are then that go with it.
type Moment struct {
	Name   string    // "t = 0.5"
	LogP   []float64 // in nats, on the picture's Grid
	Points           // of the particles, the same ones in every moment
}

const (
	momentSide = vg.Length(132)
	momentRow  = 5
	standing   = 15 // hundredths of a second that a moment stands
	heatShades = 72 // of a moving picture's viridis: pictures of fewer colours pack better
)

// Moments draws a density that moves, in small panels, with the particles' trajectories so far.
func Moments(title string, g Grid, all []Moment) (*Figure, error) {
	if err := checkMoments(g, all); err != nil {
		return nil, err
	}
	columns := min(len(all), momentRow)
	lines := (len(all) + columns - 1) / columns
	columns = (len(all) + lines - 1) / lines // as even as may be
	rows := make([][]*panel, lines)
	w, h := momentSides(g)
	for i := range all {
		p := momentPanel(g, all[:i+1])
		p.y.nameless, p.x.nameless = i%columns > 0, i+columns < len(all)
		if i%columns == 0 {
			rows[i/columns] = make([]*panel, columns)
		}
		rows[i/columns][i%columns] = p
	}
	return arrange(rows, layout{
		head:   heading{title: title, notes: []string{"the density at that time, and the ways of some samples so far"}},
		widths: slices.Repeat([]vg.Length{w}, columns), heights: slices.Repeat([]vg.Length{h}, lines),
	}), nil
}

// Passing writes the same as an animated GIF.
func Passing(w io.Writer, g Grid, all []Moment) error {
	if err := checkMoments(g, all); err != nil {
		return err
	}
	width, height := momentSides(g)
	whole := layout{widths: []vg.Length{width}, heights: []vg.Length{height}}
	panels := make([]*panel, len(all))
	for i := range all {
		panels[i] = momentPanel(g, all[:i+1])
		left, right, _, _ := panels[i].margins(width, height)
		whole.left, whole.right = max(whole.left, left), max(whole.right, right, panels[i].width()-width)
	}
	var out gif.GIF
	colours := momentPalette()
	for i, p := range panels {
		out.Image = append(out.Image, quantised(arrange([][]*panel{{p}}, whole).raster().Image(), colours))
		out.Disposal, out.Delay = append(out.Disposal, gif.DisposalNone), append(out.Delay, standing)
		if i == 0 || i == len(panels)-1 {
			out.Delay[i] = ending
		}
	}
	differences(out.Image)
	return gif.EncodeAll(w, &out)
}

func checkMoments(g Grid, all []Moment) error {
	if len(all) < 2 || all[0].Len() == 0 {
		return errors.New("a continuous flow needs two moments, of some particles")
	}
	for _, m := range all {
		if err := g.check(m.LogP); err != nil {
			return fmt.Errorf("moment %q: %w", m.Name, err)
		}
		if m.Len() != all[0].Len() || len(m.X) != len(m.Y) {
			return fmt.Errorf("moment %q has %d particles, the first has %d", m.Name, m.Len(), all[0].Len())
		}
		if _, _, ok := span(m.LogP); !ok {
			return fmt.Errorf("moment %q: the density has no finite values", m.Name)
		}
	}
	return nil
}

// momentSides are those of a panel for the grid.
func momentSides(g Grid) (w, h vg.Length) {
	return sides(momentSide, window{g.X0, g.X1, g.Y0, g.Y1}.shape())
}

// momentPanel is that of the last of some moments, with the ways through all of them.
func momentPanel(g Grid, all []Moment) *panel {
	last := all[len(all)-1]
	top := brightest(last.LogP)
	x, y := window{g.X0, g.X1, g.Y0, g.Y1}.axes([2]string{})
	p := &panel{heading: heading{notes: []string{last.Name}}, x: x, y: y}
	p.marks = append(p.marks, heat{g, exps(aboveFloor(last.LogP, top-2*depth)), 0, math.Exp(top)})
	way := paper()
	way.A = 120
	for i := range last.X {
		var xs, ys []float64
		for _, m := range all {
			xs, ys = append(xs, m.X[i]), append(ys, m.Y[i])
		}
		p.marks = append(p.marks, line{xs, ys, stroke(way, 0.6)})
	}
	p.marks = append(p.marks, dots{xs: last.X, ys: last.Y, radius: 1.1, fill: orange()})
	return p
}

// brightest is the log-density from which on a panel is in its brightest colour: what one point in 200 exceeds, since a spike would leave the
// rest in the dark.
func brightest(logp []float64) float64 {
	sorted := slices.DeleteFunc(slices.Clone(logp), func(v float64) bool { return !finite(v) })
	slices.Sort(sorted)
	return stat.Quantile(0.995, stat.Empirical, sorted, nil)
}

// momentPalette are the colours of a moving density: none, greys, viridis, and mixtures of it with those of ways and particles.
func momentPalette() color.Palette {
	all := color.Palette{color.NRGBA{}}
	const greys = 16
	for i := range greys {
		v := uint8(255 * i / (greys - 1))
		all = append(all, color.NRGBA{R: v, G: v, B: v, A: 255})
	}
	for i := range heatShades {
		c := viridis(float64(i) / (heatShades - 1))
		all = append(all, c)
		if i%2 == 0 {
			all = append(all, tint(c, 0.25), tint(c, 0.5))
		}
		if i%8 == 0 {
			all = append(all, blend(c, orange(), 0.5))
		}
	}
	return append(all, orange())
}
