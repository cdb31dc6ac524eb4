package curves

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot"
)

// kept is the share of a curve's values that the vertical axis is sure to show. A run's first steps are worse than all others
// by so much that beside them the rest would look flat.
const kept = 0.95

// setSpan makes the axes of p fit the curves: from step 0, and high enough for nearly all values of each.
func setSpan(p *plot.Plot, curves []Series) error {
	right := 0.0
	low, high, top := math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, s := range curves {
		for _, x := range s.Steps {
			right = max(right, x)
		}
		v := slices.Sorted(slices.Values(s.Values))
		low, top = min(low, v[0]), max(top, v[len(v)-1])
		high = max(high, v[int(math.Ceil(kept*float64(len(v)-1)))])
	}
	if top-low < 1.5*(high-low) {
		high = top // what a cut would win is not worth it
	}
	// Curves that are flat get some room, more than rounding errors.
	least := max(1e-6*max(math.Abs(low), math.Abs(high)), 1e-9)
	margin := max(0.04*(high-low), least)
	if limit := 1e30; right > limit || math.Abs(low) > limit || high > limit {
		return errors.New("values beyond 1e30")
	}
	p.X.Min, p.X.Max = 0, max(right, 1)
	p.Y.Min, p.Y.Max = low-margin, high+margin
	return nil
}

// check finds what cannot be drawn.
func (s Series) check() error {
	if len(s.Steps) != len(s.Values) {
		return fmt.Errorf("curve %q has %d steps and %d values", s.Name, len(s.Steps), len(s.Values))
	}
	for i := range s.Steps {
		if x, y := s.Steps[i], s.Values[i]; math.IsNaN(x-x) || math.IsNaN(y-y) || x < 0 {
			return fmt.Errorf("curve %q has the value %g at step %g", s.Name, y, x)
		}
	}
	return nil
}
