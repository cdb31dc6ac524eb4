package flowgpu

import "fmt"

// has says whether a number lies in the interval. NaN lies in none.
func (i interval) has(v float32) bool {
	switch i {
	case unit:
		return v > 0 && v < 1
	case symmetric:
		return v > -1 && v < 1
	case positive:
		return v > 0
	}
	return v == v
}

// domain is the interval of the flow's x. Every flow but some chains takes the whole real line.
func (c Config) domain() interval {
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
	bad, sample, dim := 0, 0, 0
	for i := range n {
		for d := range c.D() {
			if !in.has(at(i, d)) {
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
	if list := c.Columns.List(); list != nil {
		l := list[dim]
		name = fmt.Sprintf(", column %q", l.Name)
		if l.Mean != 0 || l.Std != 1 {
			name += fmt.Sprintf(" (%.6g before it was standardised)", l.Value(value))
			advice = "take the data as it is (--raw) if it lies there"
		}
	}
	return fmt.Errorf("%d of %d values lie outside %v, where the flow %q with the %s prior begins: the first is %g in sample %d%s; "+
		"%s, or let the flow begin with a layer that takes the real line", bad, n*c.D(), in, c.Layers, c.Prior, value, first+sample, name, advice)
}
