package plot

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
)

// slices of equal mass that the picture of a map is coloured by.
const slicesOfMass = 10

// Map draws how a flow of one dimension carries mass from data to latent: the map itself, the base's density beside its z-axis,
// the density of x below its x-axis, and its slope. What has one colour holds the same mass on both sides.
func Map(c Curve) (*Figure, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Z == nil {
		return nil, errors.New("a model that is no flow has no map")
	}
	if c = c.finite(); len(c.X) < 2 || c.Z[0] == c.Z[len(c.Z)-1] {
		return nil, errors.New("the map has no finite values, or only one")
	}
	low, high := c.X[0], c.X[len(c.X)-1]
	zlow, zhigh, _ := span(c.Z)
	p, slope, base := exps(c.LogP), exps(c.LogSlope), make([]float64, len(c.X))
	for i := range base {
		base[i] = math.Exp(c.LogP[i] - c.LogSlope[i])
	}
	across := axis{low: low, high: high}
	upward := axis{low: zlow, high: zhigh}
	if c.Z[0] > c.Z[len(c.Z)-1] {
		upward.low, upward.high = upward.high, upward.low // a falling map rises on an axis that falls
	}
	topOf := func(v []float64) float64 { return 1.08 * max(greatest(v), math.SmallestNonzeroFloat32) }

	z := c.latent()
	zs, bs := ascending(c.Z, base)
	left := &panel{
		heading: heading{title: "Base p(" + z + ")"}, x: axis{low: topOf(base), high: 0}, y: upward, // its foot is at the map
	}
	left.y.label = z + " (latent)"
	left.x.ticks = ticks(0, left.x.low, 3)
	middle := &panel{x: across, y: upward}
	middle.title = "Map from data to latent, " + z + " = f(x)"
	middle.x.nameless, middle.y.nameless = true, true
	below := &panel{x: across, y: axis{label: "p(x)", low: 0, high: topOf(p)}}
	below.x.nameless = true
	bottom := &panel{x: across, y: axis{label: "|d" + z + "/dx|", low: 0, high: topOf(slope)}}
	bottom.x.label = c.Name

	for k := range slicesOfMass {
		fill := sliceColour(k)
		a, b := c.place(k), c.place(k+1)
		x, y := part(c.X, p, a, b)
		below.marks = append(below.marks, area{xs: x, highs: y, fill: fill})
		za, zb := at(c.X, c.Z, a), at(c.X, c.Z, b)
		zk, y := part(zs, bs, min(za, zb), max(za, zb))
		left.marks = append(left.marks, area{xs: zk, highs: y, fill: fill, across: true})
		cx, cz := part(c.X, c.Z, a, b)
		soft := tint(fill, 0.62)
		middle.marks = append(middle.marks,
			area{xs: cx, lows: repeat(upward.low, len(cx)), highs: cz, fill: soft},        // down to x
			area{xs: cz, lows: repeat(low, len(cz)), highs: cx, fill: soft, across: true}) // and left to z
	}
	left.marks = append(left.marks, line{bs, zs, stroke(ink(), 1.4)})
	middle.marks = append(middle.marks, line{c.X, c.Z, stroke(ink(), 2)})
	below.marks = append(below.marks, line{c.X, p, stroke(ink(), 1.4)})
	bottom.marks = []mark{line{c.X, slope, stroke(orange(), 1.8)}}
	middle.notes = []string{fmt.Sprintf("each colour holds 1/%d of the mass; p(x) = p(%s) |d%s/dx|", slicesOfMass, z, z)}
	return arrange([][]*panel{{left, middle}, {nil, below}, {nil, bottom}},
		layout{widths: []vg.Length{110, 380}, heights: []vg.Length{230, 100, 80}}), nil
}

// sliceColour is that of the k-th slice.
func sliceColour(k int) color.NRGBA { return tint(viridis((float64(k)+0.5)/slicesOfMass), 0.25) }

// place is where k slices of the mass lie to the left.
func (c Curve) place(k int) float64 {
	switch k {
	case 0:
		return c.X[0]
	case slicesOfMass:
		return c.X[len(c.X)-1]
	}
	i, _ := slices.BinarySearch(c.CDF, float64(k)/slicesOfMass)
	i = min(max(i, 1), len(c.X)-1)
	t := 0.0
	if d := c.CDF[i] - c.CDF[i-1]; d > 0 {
		t = (float64(k)/slicesOfMass - c.CDF[i-1]) / d
	}
	return c.X[i-1] + t*(c.X[i]-c.X[i-1])
}

// finite leaves out places that the flow takes to no number, as it does beyond the support of its base.
func (c Curve) finite() Curve {
	f := Curve{Name: c.Name, Latent: c.Latent}
	for i := range c.X {
		if finite(c.Z[i]) && finite(c.LogP[i]) && finite(c.LogSlope[i]) {
			f.X, f.LogP, f.CDF = append(f.X, c.X[i]), append(f.LogP, c.LogP[i]), append(f.CDF, c.CDF[i])
			f.Z, f.LogSlope = append(f.Z, c.Z[i]), append(f.LogSlope, c.LogSlope[i])
		}
	}
	return f
}

// ascending orders pairs by the first, which rises or falls throughout.
func ascending(xs, ys []float64) (x, y []float64) {
	x, y = slices.Clone(xs), slices.Clone(ys)
	if x[0] > x[len(x)-1] {
		slices.Reverse(x)
		slices.Reverse(y)
	}
	return x, y
}

func repeat(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }
