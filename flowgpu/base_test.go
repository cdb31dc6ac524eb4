package flowgpu

import (
	"math"
	"slices"
	"strings"
	"testing"

	"cuflow/device"

	"gonum.org/v1/gonum/stat/distuv"
)

func parseBase(t *testing.T, text string) Base {
	t.Helper()
	b, err := ParseBase(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A base on (0, 1) is a density of logit u: with the derivative it is gonum's density of u, and so are its shares.
func TestBasesAgreeWithGonum(t *testing.T) {
	for text, of := range map[string]distuv.Beta{
		"uniform": {Alpha: 1, Beta: 1}, "beta": {Alpha: 5, Beta: 5}, "beta(2, 3)": {Alpha: 2, Beta: 3}, "beta(0.5,0.5)": {Alpha: 0.5, Beta: 0.5},
	} {
		b := parseBase(t, text)
		for _, z := range []float64{-15, -4, -1, -1e-3, 0, 0.3, 2, 7, 15} {
			u := 1 / (1 + math.Exp(-z))
			if got, want := b.LogProb(z), of.LogProb(u)+math.Log(u)+math.Log1p(-u); math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
				t.Errorf("%s: log p(%v) = %v, want %v", text, z, got, want)
			}
			if got, want := b.CDF(z), of.CDF(u); math.Abs(got-want) > 1e-9 {
				t.Errorf("%s: CDF(%v) = %v, want %v", text, z, got, want)
			}
			if got := b.Shown(z); math.Abs(got-u) > 1e-15 {
				t.Errorf("%s: z = %v shows as %v, want u = %v", text, z, got, u)
			}
		}
	}
	for text, cdf := range map[string]func(float64) float64{
		"standard": distuv.UnitNormal.CDF, "logistic": distuv.Logistic{S: 1}.CDF,
	} {
		b := parseBase(t, text)
		for _, z := range []float64{-6, -1, 0, 0.5, 4} {
			if math.Abs(b.CDF(z)-cdf(z)) > 1e-12 || b.Shown(z) != z {
				t.Errorf("%s: CDF(%v) = %v, want %v; shown as %v", text, z, b.CDF(z), cdf(z), b.Shown(z))
			}
		}
	}
}

// The uniform base in u is the logistic one in logit u, and the same as Beta(1, 1): to the last digit, also where u rounds to 1.
func TestUniformIsLogisticOfLogit(t *testing.T) {
	uniform, logistic, one := parseBase(t, "uniform"), parseBase(t, "logistic"), parseBase(t, "beta(1,1)")
	for _, z := range []float64{-700, -90, -17, 0, 17, 90, 700} {
		if uniform.LogProb(z) != logistic.LogProb(z) || math.Abs(one.LogProb(z)-uniform.LogProb(z)) > 1e-12 {
			t.Errorf("log p(%v) = %v, %v, %v", z, uniform.LogProb(z), logistic.LogProb(z), one.LogProb(z))
		}
		if got, want := uniform.LogProb(z), -math.Abs(z); math.Abs(z) > 40 && math.Abs(got-want) > 1e-12 {
			t.Errorf("log p(%v) = %v, want %v", z, got, want)
		}
	}
}

func TestParseBaseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":            "unknown base",
		"gamma":       "use standard, logistic, uniform, beta",
		"beta(5":      "unknown base",
		"beta()":      `a is ""`,
		"beta(5)":     `b is ""`,
		"beta(0,5)":   `a is "0"`,
		"beta(5,-1)":  `b is "-1"`,
		"beta(5,NaN)": `b is "NaN"`,
		"beta(5,1e9)": `b is "1e9": it must be a number from 0.001 to 10000`,
		"beta(1,2,3)": `b is "2,3"`,
	} {
		if _, err := ParseBase(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", text, err, want)
		}
	}
}

// Samples of a Beta base have its distribution, by the Kolmogorov-Smirnov distance, and each depends on its own number alone.
func TestBetaSamples(t *testing.T) {
	eachCPU(t, func(t *testing.T, be device.Backend) {
		for _, text := range []string{"beta", "beta(0.3,2)", "beta(1000,40)"} {
			base := parseBase(t, text)
			const n = 20000
			draw := func(first, count int) []float32 {
				s := &State{Backend: be, N: count}
				at, z := alloc(t, be, 2), alloc(t, be, count)
				be.Upload(at, []float32{0, float32(first)})
				p := betaPrior{float32(base.a), float32(base.b)}
				p.Sample(s, device.Rows{C: 1, N: count, P: 1}, 1, device.Stream{Seed: 3, ID: streamSample}, at, z)
				out := make([]float32, count)
				if err := be.Download(out, z); err != nil {
					t.Fatal(err)
				}
				return out
			}
			z := draw(0, n)
			if part := draw(1234, 100); !slices.Equal(part, z[1234:1334]) {
				t.Errorf("%s: samples 1234 to 1333 by themselves are others", text)
			}
			slices.Sort(z)
			worst := 0.0
			for i, v := range z {
				worst = max(worst, math.Abs(base.CDF(float64(v))-(float64(i)+0.5)/n))
			}
			if worst > 1.63/math.Sqrt(n) { // passes 99 of 100 times, and the seed is fixed
				t.Errorf("%s: the Kolmogorov-Smirnov distance of %d samples is %v", text, n, worst)
			}
		}
	})
}
