package data

import (
	"math"
	"slices"
	"testing"
)

// integrate gives the integrals of p and of -p log p over a toy's box, widened by half on each side, by the midpoint rule: with
// steps of less than a standard deviation it is as good as exact for a sum of Gaussians.
func integrate(t Toy, steps int) (one, entropy float64) {
	low, high := slices.Clone(t.Low), slices.Clone(t.High)
	cell := 1.
	for c := range t.D {
		half := (high[c] - low[c]) / 2
		low[c], high[c] = low[c]-half, high[c]+half
		cell *= (high[c] - low[c]) / float64(steps)
	}
	x := make([]float64, t.D)
	add := func() {
		if logp := t.LogDensity(x); !math.IsInf(logp, -1) {
			p := math.Exp(logp)
			one, entropy = one+p, entropy-p*logp
		}
	}
	for i := range steps {
		x[0] = low[0] + (float64(i)+0.5)*(high[0]-low[0])/float64(steps)
		if t.D == 1 {
			add()
			continue
		}
		for j := range steps {
			x[1] = low[1] + (float64(j)+0.5)*(high[1]-low[1])/float64(steps)
			add()
		}
	}
	return one * cell, entropy * cell
}

// fineness is how many steps integrate needs of a toy.
func fineness(t Toy) int {
	switch {
	case t.D == 1:
		return 200_000 // of skewed, whose narrowest Gaussian has a standard deviation of 0.06, and of bounded, which has edges
	case t.Name == "checkerboard":
		return 64 // whose squares are whole numbers of cells
	case t.Name == "pinwheel":
		return 320 // whose vanes are thinner where they are sheared
	case t.Name == "two-moons" || t.Name == "eight-gaussians" || t.Name == "correlated":
		return 120
	}
	return 200
}

// TestToysIntegrateToOne, and their entropies are what they say.
func TestToysIntegrateToOne(t *testing.T) {
	for _, toy := range Toys() {
		one, entropy := integrate(toy, fineness(toy))
		if math.Abs(one-1) > 1e-6 {
			t.Errorf("%s integrates to %.9f", toy.Name, one)
		}
		if math.Abs(entropy-toy.Entropy) > 1e-6 {
			t.Errorf("%s has an entropy of %.8f, not %.8f", toy.Name, entropy, toy.Entropy)
		}
	}
}

// TestToySamplesFollowTheirDensity: the mean of -log p over samples is the entropy, and a histogram of the samples agrees
// with the density, cell by cell: chi-squared per degree of freedom is about 1.
func TestToySamplesFollowTheirDensity(t *testing.T) {
	const n = 20_000
	for _, toy := range Toys() {
		cells := 12
		if toy.D == 1 {
			cells = 60
		}
		index := func(x []float64) (int, bool) {
			at := 0
			for c, v := range x {
				i := int(math.Floor((v - toy.Low[c]) / (toy.High[c] - toy.Low[c]) * float64(cells)))
				if i < 0 || i >= cells {
					return 0, false
				}
				at = at*cells + i
			}
			return at, true
		}
		counts := make([]float64, int(math.Pow(float64(cells), float64(toy.D))))
		x := make([]float64, toy.D)
		sum, squares, outside := 0., 0., 0
		for i := range n {
			toy.Sample(5, i, x)
			logp := toy.LogDensity(x)
			sum, squares = sum-logp, squares+logp*logp
			if at, ok := index(x); ok {
				counts[at]++
			} else {
				outside++
			}
		}
		mean := sum / n
		stderr := math.Sqrt(max(0, squares/n-mean*mean) / n)
		if !(math.Abs(mean-toy.Entropy) <= 4*stderr+1e-9) {
			t.Errorf("%s: -log p of its samples is %.4f ± %.4f, its entropy %.4f", toy.Name, mean, stderr, toy.Entropy)
		}
		if outside > 4 {
			t.Errorf("%s: %d of %d samples outside of its box", toy.Name, outside, n)
		}
		// The probability of each cell, by a fine midpoint rule.
		const fine = 8
		chi, freedom := 0., -1
		for at, count := range counts {
			p, point := 0., 1
			if toy.D == 2 {
				point = fine
			}
			volume := 1.
			for c := range toy.D {
				volume *= (toy.High[c] - toy.Low[c]) / float64(cells) / fine
			}
			place := []int{at % cells, at % cells}
			if toy.D == 2 {
				place[0] = at / cells
			}
			for i := range fine {
				for j := range point {
					for c, k := range []int{i, j}[:toy.D] {
						x[c] = toy.Low[c] + (float64(place[c])+(float64(k)+0.5)/fine)*(toy.High[c]-toy.Low[c])/float64(cells)
					}
					p += math.Exp(toy.LogDensity(x)) * volume
				}
			}
			if want := n * p; want > 5 {
				chi += (count - want) * (count - want) / want
				freedom++
			} else if count > want+10+5*math.Sqrt(want) {
				t.Errorf("%s: %v samples in a cell that should have %.3g", toy.Name, count, want)
			}
		}
		if limit := 1 + 5*math.Sqrt(2/float64(freedom)); chi/float64(freedom) > limit {
			t.Errorf("%s: chi-squared of %.3g per degree of freedom, of %d", toy.Name, chi/float64(freedom), freedom)
		}
	}
}

// TestToySamplesAreThoseOfSeedAndIndex, in any order and from any goroutine.
func TestToySamplesAreThoseOfSeedAndIndex(t *testing.T) {
	for _, toy := range Toys() {
		a, b, other, seed := make([]float64, toy.D), make([]float64, toy.D), make([]float64, toy.D), make([]float64, toy.D)
		toy.Sample(3, 17, a)
		toy.Sample(3, 18, other)
		toy.Sample(4, 17, seed)
		toy.Sample(3, 17, b)
		if !slices.Equal(a, b) {
			t.Errorf("%s: the same sample is %v and %v", toy.Name, a, b)
		}
		if a[0] == other[0] || a[0] == seed[0] {
			t.Errorf("%s: samples of other indices and seeds are the same", toy.Name)
		}
	}
}

// TestToysFarOut: a density stays a number where it is small.
func TestToysFarOut(t *testing.T) {
	for _, toy := range Toys() {
		x := make([]float64, toy.D)
		for _, far := range []float64{-50, 50} {
			for c := range x {
				x[c] = far
			}
			logp := toy.LogDensity(x)
			unbounded := toy.Name != "checkerboard" && toy.Name != "bounded"
			if math.IsNaN(logp) || math.IsInf(logp, -1) == unbounded || logp > -100 {
				t.Errorf("%s at %v: log p is %v", toy.Name, x, logp)
			}
		}
	}
}

// TestBessel against values of Abramowitz and Stegun, table 9.8, and where the two series meet.
func TestBessel(t *testing.T) {
	for z, want := range map[float64]float64{0: 1, 1: 0.4657596076, 5: 0.1835408126, 10: 0.1278333372, 20: 0.0897803119} {
		if got := besselI0e(z); math.Abs(got-want) > 6e-11 {
			t.Errorf("exp(-%g) I0(%g) is %.10f, not %.10f", z, z, got, want)
		}
	}
	below, above := besselI0e(math.Nextafter(30, 0)), besselI0e(30)
	if math.Abs(below-above) > 1e-14 {
		t.Errorf("at 30 the series give %.17g and %.17g", below, above)
	}
}
