package plot

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot/vg"
)

// Plane is a density on the plane, by what a model says on a grid.
type Plane struct {
	Names [2]string // of the axes: columns' names, with their units if they have one
	Grid
	LogP []float64 // log p(x) in nats, on the grid
	// LogPOfSamples are the log-densities of samples of the model. They tell how much of the mass lies where the density is above
	// some level: lines of the picture enclose the shares of Regions.
	LogPOfSamples []float64
	Exact         []float64 // log-density, in nats, of what drew the data, on the grid; nil where it is not known
}

// depth is how many nats below its greatest value a log-density is shown.
const depth = 14

// side of a panel of a plane, in points; what is wider than high gets less height, and the other way round.
const side = vg.Length(250)

// sides are those of a frame for a window.
func sides(longest vg.Length, ratio float64) (w, h vg.Length) {
	if ratio >= 1 {
		return longest, vg.Length(math.Round(float64(longest) / ratio))
	}
	return vg.Length(math.Round(float64(longest) * ratio)), longest
}

// Heat draws a density and its logarithm, both with a bar that tells the values, and where it is known those of what drew the data,
// in the same colours.
func Heat(p Plane) (*Figure, error) {
	if err := p.check(p.LogP); err != nil {
		return nil, err
	}
	_, top, ok := span(p.LogP)
	if !ok {
		return nil, errors.New("the density has no finite values")
	}
	all := []heatOf{{"Learned density", p.LogP, p.LogPOfSamples}}
	if p.Exact != nil {
		if err := p.check(p.Exact); err != nil {
			return nil, err
		}
		all = append(all, heatOf{"Density that drew the data", p.Exact, nil})
		top = max(top, greatest(p.Exact))
	}
	w := window{p.X0, p.X1, p.Y0, p.Y1}
	width, height := sides(side, w.shape())
	x, y := w.framed(float64(width / height)).axes(p.Names)

	densities, logarithms := []*panel{}, []*panel{}
	for _, h := range all {
		logs := aboveFloor(h.logp, top-2*depth)
		linear := &panel{x: x, y: y, marks: []mark{heat{p.Grid, exps(logs), 0, math.Exp(top)}}}
		linear.title, linear.notes = h.title, []string{"per unit of area"}
		nats := &panel{x: x, y: y, marks: []mark{heat{p.Grid, logs, top - depth, top}}}
		nats.title, nats.notes = "Its logarithm", []string{"nats"}
		if len(h.samples) > 0 {
			nats.marks = append(nats.marks, p.regions(logs, h.samples))
			nats.notes[0] += "; lines hold 50, 90, 99% of the mass"
		}
		densities, logarithms = append(densities, linear), append(logarithms, nats)
	}
	if p.Exact == nil {
		row := []*panel{densities[0], bar(0, math.Exp(top)), logarithms[0], bar(top-depth, top)}
		return arrange([][]*panel{row}, layout{widths: []vg.Length{width, 11, width, 11}, heights: []vg.Length{height}}), nil
	}
	return arrange([][]*panel{append(densities, bar(0, math.Exp(top))), append(logarithms, bar(top-depth, top))},
		layout{widths: []vg.Length{width, width, 11}, heights: []vg.Length{height, height}}), nil
}

// heatOf is one density of a picture.
type heatOf struct {
	title   string
	logp    []float64
	samples []float64 // log-densities of samples
}

// aboveFloor replaces what is less than a floor, and what is no number: there, a model has no density.
func aboveFloor(logp []float64, floor float64) []float64 {
	all := make([]float64, len(logp))
	for i, v := range logp {
		all[i] = max(v, floor)
		if math.IsNaN(v) {
			all[i] = floor
		}
	}
	return all
}

// bar tells which colour stands for which value.
func bar(low, high float64) *panel {
	g := Grid{X0: 0, X1: 1, Y0: low, Y1: high, NX: 2, NY: 2}
	return &panel{
		x:     axis{low: 0, high: 1, bare: true},
		y:     axis{low: low, high: high, far: true},
		marks: []mark{heat{g, []float64{low, low, high, high}, low, high}},
	}
}

// regions are lines of one density each that enclose shares of the mass: where samples' densities have these quantiles.
func (p Plane) regions(logs, samples []float64) mark {
	sorted := slices.Sorted(slices.Values(samples))
	c := contours{Grid: p.Grid, values: logs, style: stroke(ink(), 0.8)}
	for _, share := range []float64{0.99, 0.9, 0.5} {
		c.levels = append(c.levels, stat.Quantile(1-share, stat.Empirical, sorted, nil))
	}
	return c
}

// Samples draws the data, and samples of the model over it.
func Samples(names [2]string, data, samples Points) (*Figure, error) {
	w, err := around(0.001, data, samples)
	if err != nil {
		return nil, err
	}
	width, height := sides(side, w.shape())
	w = w.framed(float64(width / height))
	x, y := w.axes(names)
	of := func(p Points) dots {
		c := blue()
		c.A = 150
		return dots{xs: p.X, ys: p.Y, radius: vg.Length(radius(p.Len())), fill: c}
	}
	below, above := of(data), of(samples)
	below.fill, above.fill = pale(), orange()
	above.fill.A = 150
	left := &panel{x: x, y: y, marks: []mark{of(data)}}
	left.title, left.legend = "Data", []entry{{thousands(data.Len()) + " points", blue(), dot}}
	right := &panel{x: x, y: y, marks: []mark{below, above}}
	right.title, right.legend = "Samples of the model", []entry{{thousands(samples.Len()) + " samples", orange(), dot}, {"data", pale(), dot}}
	right.y.label, right.y.nameless = "", true
	return arrange([][]*panel{{left, right}}, layout{widths: []vg.Length{width, width}, heights: []vg.Length{height}}), nil
}
