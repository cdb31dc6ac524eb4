package devicetest

import (
	"math"
	"testing"

	"cuflow/device"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// The reference's CDF flow against gonum's distributions, in the middle, where gonum's are precise.
func TestReferenceCDF(t *testing.T) {
	logits, means, logs := []float64{0.3, -0.4, 0.1}, []float64{-1, 0.5, 2}, []float64{0.2, -0.5, 0}
	r := device.Rows{C: 1, N: 1, P: 1}
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(l)
	}
	for x := -4.0; x <= 4; x += 0.37 {
		F, f := 0.0, 0.0
		for k, l := range logits {
			d := distuv.Normal{Mu: means[k], Sigma: math.Exp(logs[k]) + device.MixtureFloor}
			F += math.Exp(l) / sum * d.CDF(x)
			f += math.Exp(l) / sum * d.Prob(x)
		}
		for to, want := range map[device.Link]struct{ y, ld float64 }{
			device.LogitLink:  {math.Log(F / (1 - F)), math.Log(f / (F * (1 - F)))},
			device.NormalLink: {mathext.NormalQuantile(F), math.Log(f / distuv.UnitNormal.Prob(mathext.NormalQuantile(F)))},
		} {
			m := device.Mixture{K: 3, Of: device.GaussBell, To: to}
			y, ld := []float64{x}, []float64{0}
			cdf(r, m, logits, means, logs, y, ld)
			if math.Abs(y[0]-want.y) > 1e-9 || math.Abs(ld[0]-want.ld) > 1e-9 {
				t.Errorf("link %d: x = %v becomes %v with %v, want %v with %v", to, x, y[0], ld[0], want.y, want.ld)
			}
			cdfInverse(r, m, logits, means, logs, y, ld)
			if math.Abs(y[0]-x) > 1e-9 || math.Abs(ld[0]) > 1e-9 {
				t.Errorf("link %d: x = %v comes back as %v with %v", to, x, y[0], ld[0])
			}
		}
	}
}

// log Phi is smooth where it changes from erfc to its series, and both agree.
func TestReferenceNormalTail(t *testing.T) {
	for _, at := range []float64{-30, -35} { // the change, and near the end of erfc
		u := 1 / (at * at)
		series := logNormal(at) - math.Log(-at) + math.Log1p(u*(-1+u*(3+u*(-15+u*105))))
		if plain := math.Log(math.Erfc(-at/math.Sqrt2) / 2); math.Abs(series-plain) > 1e-10 {
			t.Errorf("log Phi(%v) = %v by the series, %v by erfc", at, series, plain)
		}
	}
	for _, p := range []float64{0.5, 0.1, 1e-3, 1e-12} {
		if got, want := normalQuantile(math.Log(p)), mathext.NormalQuantile(p); math.Abs(got-want) > 1e-8 {
			t.Errorf("the quantile of %v is %v, want %v", p, got, want)
		}
	}
	if got := normalQuantile(logNormalCDF(-60)); math.Abs(got+60) > 1e-12 {
		t.Errorf("the quantile of Phi(-60) is %v", got)
	}
}

// Quantiles of Beta(a, b), as logits, go back to where they came from by gonum's distribution function.
func TestReferenceBetaQuantile(t *testing.T) {
	for _, p := range betas {
		d := distuv.Beta{Alpha: float64(p[0]), Beta: float64(p[1])}
		for _, u := range []float64{0x1p-25, 1e-4, 0.3, 0.5, 0.8, 1 - 1e-4} {
			z := betaQuantile(d.Alpha, d.Beta, u)
			if got := d.CDF(1 / (1 + math.Exp(-z))); math.Abs(got-u) > 1e-9 {
				t.Errorf("Beta(%v, %v): the quantile at %v is logit %v, whose share is %v", p[0], p[1], u, z, got)
			}
		}
	}
}
