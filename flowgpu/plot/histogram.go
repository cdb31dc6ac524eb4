package plot

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Histogram counts values in bins of one width. Densities are shares of all values, those outside included, by width.
type Histogram struct {
	Edges   []float64 // one more than there are bins
	Density []float64
}

// NewHistogram puts values into bins between low and high.
func NewHistogram(values []float64, low, high float64, bins int) Histogram {
	h := Histogram{Edges: make([]float64, bins+1), Density: make([]float64, bins)}
	width := (high - low) / float64(bins)
	for i := range h.Edges {
		h.Edges[i] = low + float64(i)*width
	}
	h.Edges[bins] = high
	for _, v := range values {
		if v >= low && v <= high {
			h.Density[min(int((v-low)/width), bins-1)] += 1 / (width * float64(len(values)))
		}
	}
	return h
}

// bins are as many as suit values between low and high: twice those of Freedman and Diaconis, "On the histogram as a density
// estimator", 1981, whose width, twice the interquartile range by the cube root of the values' number, hides narrow peaks.
func bins(values []float64, low, high float64) int {
	const least, most = 10, 80
	if len(values) == 0 || !(high > low) {
		return least
	}
	sorted := slices.Sorted(slices.Values(values))
	spread := stat.Quantile(0.75, stat.Empirical, sorted, nil) - stat.Quantile(0.25, stat.Empirical, sorted, nil)
	if spread <= 0 {
		return most
	}
	return int(min(max((high-low)/spread*math.Cbrt(float64(len(values))), least), most))
}

// steps is the outline of the bars, without the sides between them.
func (h Histogram) steps() (xs, ys []float64) {
	xs, ys = []float64{h.Edges[0]}, []float64{0}
	for i, d := range h.Density {
		xs, ys = append(xs, h.Edges[i], h.Edges[i+1]), append(ys, d, d)
	}
	return append(xs, h.Edges[len(h.Density)]), append(ys, 0)
}

func (h Histogram) top() float64 { return slices.Max(h.Density) }
