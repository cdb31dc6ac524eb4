package flowgpu

import (
	"fmt"
	"math"
)

// has says whether a number lies in the interval. NaN lies in none.
func (i interval) has(v float32) bool {
	switch i {
	case unit:
		return v > 0 && v < 1
	case symmetric:
		return v > -1 && v < 1
	case positive:
		return v > 0
	case closed:
		return v >= 0 && v <= 1
	case angle:
		return v >= -math.Pi && v < math.Pi
	}
	return v == v
}

// domain is the interval of the flow's x. Every flow but some chains and splines takes the whole real line.
func (c Config) domain() interval {
	switch c.Domain {
	case onInterval:
		return closed
	case onCircle:
		return angle
	}
	if c.Kind != "chain" {
		return realLine
	}
	_, data, err := parseChain(c.Layers, c.Prior)
	if err != nil { // Validate has said so
		return realLine
	}
	return data
}

// TakesAll says whether the flow takes every number, so that there is nothing for CheckData to find.
func (c Config) TakesAll() bool { return c.domain() == realLine }

// CheckData says whether vectors x [D][n], as the flow takes them, lie where its density does: a flow that begins on (0, 1), or has a
// uniform base and nothing before it, gives no density to others. The error counts the values that do not, and shows the first; it
// takes x for the samples from number first on.
func (c Config) CheckData(x []float32, n, first int) error {
	return c.checkDomain(n, first, func(sample, dim int) float32 { return x[dim*n+sample] })
}

// checkDomain is CheckData of values that at gives.
func (c Config) checkDomain(n, first int, at func(sample, dim int) float32) error {
	in := c.domain()
	if in == realLine {
		return nil
	}
	list := c.Columns.List()
	inside := func(v float32, d int) bool {
		if in == closed && list != nil && list[d].Step > 0 { // with all the noise that may come
			return in.has(v) && v+float32(list[d].Step/list[d].Std) <= 1+1e-6
		}
		return in.has(v)
	}
	bad, sample, dim := 0, 0, 0
	for i := range n {
		for d := range c.D() {
			if !inside(at(i, d), d) {
				if bad == 0 {
					sample, dim = i, d
				}
				bad++
			}
		}
	}
	if bad == 0 {
		return nil
	}
	value, name, advice := at(sample, dim), "", "bring the data there"
	if list != nil {
		l := list[dim]
		name = fmt.Sprintf(", column %q", l.Name)
		if c.bounded() {
			return c.errOutside(bad, n, first+sample, value, l)
		}
		if l.Mean != 0 || l.Std != 1 {
			name += fmt.Sprintf(" (%.6g before it was standardised)", l.Value(value))
			advice = "take the data as it is (--raw) if it lies there"
		}
	}
	return fmt.Errorf("%d of %d values lie outside %v, where the flow %q with the %s prior begins: the first is %g in sample %d%s; "+
		"%s, or let the flow begin with a layer that takes the real line", bad, n*c.D(), in, c.Layers, c.Prior, value, first+sample, name, advice)
}

// errOutside tells of data that is not on the circle or the interval that the columns are laid out on.
func (c Config) errOutside(bad, n, sample int, value float32, l Column) error {
	lo, hi := l.Mean, l.Mean+l.Std
	end := "]"
	if c.Domain == onCircle {
		lo, hi, end = l.Mean-math.Pi*l.Std, l.Mean+math.Pi*l.Std, ")"
	}
	step := ""
	if l.Step > 0 {
		step = fmt.Sprintf(" (and up to %g more, its step)", l.Step)
	}
	return fmt.Errorf("%d of %d values lie outside the %s [%.6g, %.6g%s: the first is %.6g%s in sample %d, column %q; give the right --range",
		bad, n*c.D(), c.Domain, lo, hi, end, l.Value(value), step, sample, l.Name)
}
