package plot

import (
	"errors"
	"fmt"
	"slices"

	"gonum.org/v1/plot/vg"
)

// Of pictures of one panel, in points.
const (
	wide = vg.Length(500)
	high = vg.Length(270)
)

var errNoData = errors.New("there is no data to draw")

// greatest of the finite values; 0 where there are none.
func greatest(values []float64) float64 {
	if _, high, ok := span(values); ok {
		return high
	}
	return 0
}

// Density draws a histogram of the data, the learned density over it, and the exact one where it is known.
func Density(c Curve, data []float64) (*Figure, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, errNoData
	}
	low, top := c.X[0], c.X[len(c.X)-1]
	h := NewHistogram(data, low, top, bins(data, low, top))
	p := exps(c.LogP)
	most := max(h.top(), greatest(p))
	v := &panel{
		heading: heading{title: "Learned density", legend: []entry{
			{fmt.Sprintf("data (%s values)", thousands(len(data))), tint(blue(), 0.6), patch}, {"learned p(x)", orange(), stripe},
		}},
		x: axis{label: c.Name, low: low, high: top},
	}
	xs, ys := h.steps()
	v.marks = []mark{
		area{xs: xs, highs: ys, fill: tint(blue(), 0.68)},
		line{xs, ys, stroke(tint(blue(), 0.45), 0.7)},
	}
	if c.Exact != nil {
		exact := exps(c.Exact)
		most = max(most, greatest(exact))
		v.marks = append(v.marks, line{c.X, exact, stroke(ink(), 1.4, 5, 3)})
		v.legend = append(v.legend, entry{"density that drew the data", ink(), dashed})
	}
	v.marks = append(v.marks, line{c.X, p, stroke(orange(), 2)})
	v.y = axis{label: "density", low: 0, high: 1.06 * most}
	return single(v), nil
}

// CDF draws the share of the data, and that of the model's mass, below each x, and where the two are farthest apart.
func CDF(c Curve, data []float64) (*Figure, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return nil, errNoData
	}
	sorted := slices.Sorted(slices.Values(data))
	xs, ys := []float64{c.X[0]}, []float64{0}
	for i, v := range sorted {
		xs, ys = append(xs, v, v), append(ys, float64(i)/float64(len(sorted)), float64(i+1)/float64(len(sorted)))
	}
	xs, ys = append(xs, c.X[len(c.X)-1]), append(ys, 1)
	worst := DistanceTo(sorted, func(x float64) float64 { return at(c.X, c.CDF, x) })
	v := &panel{
		heading: heading{
			title:  "Cumulative distribution",
			notes:  []string{fmt.Sprintf("Kolmogorov-Smirnov distance %.4f (if the model were right: below %.4f in 95 of 100 cases)", worst, Usual(len(data), 0))},
			legend: []entry{{fmt.Sprintf("data (%s values)", thousands(len(data))), blue(), stripe}, {"learned P(X <= x)", orange(), dashed}},
		},
		x: axis{label: c.Name, low: c.X[0], high: c.X[len(c.X)-1]},
		y: axis{label: "share of the mass below x", low: -0.02, high: 1.02},
		marks: []mark{
			line{xs, ys, stroke(blue(), 2)},
			line{c.X, c.CDF, stroke(orange(), 1.6, 6, 3)},
		},
	}
	v.y.ticks = ticks(0, 1, 6)
	return single(v), nil
}

func single(p *panel) *Figure {
	return arrange([][]*panel{{p}}, layout{widths: []vg.Length{wide}, heights: []vg.Length{high}})
}

func thousands(n int) string { return number(float64(n), 1, 0) }
