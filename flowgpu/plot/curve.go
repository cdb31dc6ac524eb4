package plot

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"sort"
)

// Curve is a density on the line, by what a model says at places X.
type Curve struct {
	Name     string    // of the axis: a column's name, with its unit if it has one
	X        []float64 // ascending
	LogP     []float64 // log p(x) in nats
	CDF      []float64 // share of the mass below x
	Z        []float64 // latent of x, and
	LogSlope []float64 // log |dz/dx| in nats; both nil for a model that is no flow
	Latent   string    // what z is called; "": z
	Exact    []float64 // log-density, in nats, of what drew the data; nil where it is not known
}

func (c Curve) check() error {
	if len(c.X) < 2 || !slices.IsSorted(c.X) {
		return errors.New("a curve needs ascending places, two at least")
	}
	if (c.Z == nil) != (c.LogSlope == nil) {
		return errors.New("a map has both z and its slope")
	}
	for _, part := range []struct {
		name   string
		values []float64
		needed bool
	}{{"log p", c.LogP, true}, {"CDF", c.CDF, true}, {"z", c.Z, false}, {"log slope", c.LogSlope, false}, {"exact log p", c.Exact, false}} {
		if len(part.values) != len(c.X) && (part.needed || part.values != nil) {
			return fmt.Errorf("%s has %d values at %d places", part.name, len(part.values), len(c.X))
		}
	}
	return nil
}

func (c Curve) latent() string { return cmp.Or(c.Latent, "z") }

func exps(logs []float64) []float64 {
	all := make([]float64, len(logs))
	for i, v := range logs {
		all[i] = math.Exp(v)
	}
	return all
}

// at is the value of ys at x by straight lines between ascending xs; beyond them that of the nearest end.
func at(xs, ys []float64, x float64) float64 {
	i := sort.SearchFloat64s(xs, x)
	switch {
	case i == 0:
		return ys[0]
	case i == len(xs):
		return ys[len(xs)-1]
	}
	t := (x - xs[i-1]) / (xs[i] - xs[i-1])
	return (1-t)*ys[i-1] + t*ys[i]
}

// part cuts xs and ys to what lies between low and high, with values at both ends.
func part(xs, ys []float64, low, high float64) (x, y []float64) {
	x, y = []float64{low}, []float64{at(xs, ys, low)}
	for i, v := range xs {
		if v > low && v < high {
			x, y = append(x, v), append(y, ys[i])
		}
	}
	return append(x, high), append(y, at(xs, ys, high))
}
