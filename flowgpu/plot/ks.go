package plot

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Distance is the Kolmogorov-Smirnov distance of two samples: the greatest difference of their empirical distribution functions,
// from 0 to 1. Values that are no numbers are left out; it is NaN where none are left.
func Distance(a, b []float64) float64 {
	a, b = ascendingNumbers(a), ascendingNumbers(b)
	if len(a) == 0 || len(b) == 0 {
		return math.NaN()
	}
	return stat.KolmogorovSmirnov(a, nil, b, nil)
}

func ascendingNumbers(values []float64) []float64 {
	return slices.DeleteFunc(slices.Sorted(slices.Values(values)), func(v float64) bool { return !finite(v) })
}

// DistanceTo is that of a sample and a distribution function.
func DistanceTo(sample []float64, cdf func(float64) float64) float64 {
	sorted := ascendingNumbers(sample)
	worst, n := 0.0, float64(len(sorted))
	for i, v := range sorted {
		c := cdf(v)
		worst = max(worst, math.Abs(c-float64(i)/n), math.Abs(float64(i+1)/n-c))
	}
	return worst
}

// Usual is the distance that two samples of n and m values of one distribution stay below in 95 of 100 cases, for n and m of
// some dozens or more (Smirnov's limit law). With m = 0 it is that of one sample and its own distribution function.
func Usual(n, m int) float64 {
	const quantile = 1.3581 // of Kolmogorov's distribution at 0.95
	if m == 0 {
		return quantile / math.Sqrt(float64(n))
	}
	return quantile * math.Sqrt(1/float64(n)+1/float64(m))
}
