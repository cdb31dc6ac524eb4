package stats

import (
	"fmt"
	"math"
	"slices"

	"github.com/aclements/go-moremath/stats"
)

const (
	confidence = 0.95
	alpha      = 1 - confidence
)

// Middle is a median with the interval in which it lies, of the population that the sample is from, with a probability of at least
// 95 %. The interval's ends are infinite where the sample is too small, below 6. No distribution is assumed: it is that of benchstat.
type Middle struct{ Median, Lo, Hi float64 }

// MiddleOf is that of a sample.
func MiddleOf(sample []float64) Middle {
	s := stats.Sample{Xs: slices.Sorted(slices.Values(sample)), Sorted: true}
	m, lo, hi := stats.QuantileCI(len(sample), 0.5, confidence).SampleCI(s)
	return Middle{m, lo, hi}
}

// Spread is the greatest distance of the interval's ends from the median, as a share of it; 0 where it is not known.
func (m Middle) Spread() float64 {
	if math.IsInf(m.Lo, 0) || math.IsInf(m.Hi, 0) || m.Median == 0 {
		return 0
	}
	return max(m.Hi-m.Median, m.Median-m.Lo) / m.Median
}

// Verdict is what the comparison of two samples has come to.
type Verdict string

const (
	Same    Verdict = "no significant difference"
	Faster  Verdict = "faster"
	Slower  Verdict = "slower"           // by no more than the tolerance, as far as is known
	TooSlow Verdict = "slower, too much" // than the tolerance allows
	Unknown Verdict = "too few repeats"
)

// Comparison is a new sample beside an old one.
type Comparison struct {
	Old, New Middle
	Ratio    float64 // of the medians, new to old
	P        float64 // how likely samples at least as different are if nothing has changed
	Verdict  Verdict
}

// Compare compares times by Mann and Whitney's test, as benchstat does: it knows order alone, so that an outlier counts as one value.
// New times are too slow where they would still be significantly greater if the old ones were longer by the tolerance, a share.
func Compare(old, new []float64, tolerance float64) Comparison {
	c := Comparison{Old: MiddleOf(old), New: MiddleOf(new), P: differ(old, new), Verdict: Same}
	c.Ratio = c.New.Median / c.Old.Median
	longer := make([]float64, len(old))
	for i, v := range old {
		longer[i] = v * (1 + tolerance)
	}
	switch {
	case leastP(len(old), len(new)) >= alpha:
		c.Verdict = Unknown
	case c.Ratio > 1+tolerance && differ(longer, new) < alpha:
		c.Verdict = TooSlow
	case c.P >= alpha:
	case c.Ratio > 1:
		c.Verdict = Slower
	case c.Ratio < 1:
		c.Verdict = Faster
	}
	return c
}

// differ is the P of two samples; that of equal ones is 1.
func differ(a, b []float64) float64 {
	u, err := stats.MannWhitneyUTest(a, b, stats.LocationDiffers)
	if err != nil { // all values are one
		return 1
	}
	return u.P
}

// leastP is the least P that samples of such sizes can have: 2 of all ways to choose whose values are whose.
func leastP(n, m int) float64 {
	ways := 1.0
	for i := 1; i <= min(n, m); i++ {
		ways *= float64(n+m-i+1) / float64(i)
	}
	return min(1, 2/ways)
}

// LeastRepeats is how many values both samples need for any difference to be significant.
const LeastRepeats = 4

func (c Comparison) String() string {
	return fmt.Sprintf("%+.1f %% (p=%.3f): %s", 100*(c.Ratio-1), c.P, c.Verdict)
}
