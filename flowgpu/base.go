package flowgpu

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cuflow/device"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// A base on (0, 1), uniform or Beta(a, b), is kept as the distribution of z = logit u, and the flow under it ends in logit u. That
// is the same model, to the last digit that there is: with u' = u(1-u) the derivative by z,
//
//	log p(z) = log p(u) + log u' = a*log sigmoid(z) + b*log sigmoid(-z) - log B(a, b)
//
// so that the uniform base, a = b = 1, is the logistic one beneath logit u. In u itself it would not be: a float32 has 2^-24 left
// at 1, and everything beyond 17 in z would be the same number, of no density. Base.Unit gives u where people look.

// Base is a prior as one dimension's distribution, on the host and in float64: for plots, tests and reports.
type Base struct {
	name string  // "standard", "logistic", "uniform" or "beta"
	a, b float64 // of "beta"
}

// defaultBeta is a and b of a Beta base that names none.
const defaultBeta = 5

// Bounds of a and b: beyond them the density's float32 terms lose a nat's third digit.
const leastBeta, mostBeta = 1e-3, 1e4

// ParseBase reads a prior's text: standard, logistic, uniform, beta or beta(a,b) with 0 < a, b. Priors with parameters of
// their own, or of more than one dimension at once, are no bases.
func ParseBase(text string) (Base, error) {
	switch text {
	case "standard", "logistic", "uniform":
		return Base{name: text}, nil
	case "beta":
		return Base{name: text, a: defaultBeta, b: defaultBeta}, nil
	}
	inner, ok := strings.CutPrefix(text, "beta(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !ok || !closed {
		return Base{}, fmt.Errorf("unknown base %q: use standard, logistic, uniform, beta or beta(a,b)", text)
	}
	base := Base{name: "beta"}
	first, second, _ := strings.Cut(inner, ",")
	for _, f := range []struct {
		name, text string
		value      *float64
	}{{"a", first, &base.a}, {"b", second, &base.b}} {
		v, err := strconv.ParseFloat(strings.TrimSpace(f.text), 64)
		if err != nil || !(v >= leastBeta && v <= mostBeta) {
			return Base{}, fmt.Errorf("%s: %s is %q: it must be a number from %g to %g, as in beta(5,5)",
				text, f.name, strings.TrimSpace(f.text), leastBeta, mostBeta)
		}
		*f.value = v
	}
	return base, nil
}

// withoutNumbers is a prior's name: beta of beta(5,5).
func withoutNumbers(prior string) string {
	if strings.HasPrefix(prior, "beta(") {
		return "beta"
	}
	return prior
}

// onUnit says whether the base is a distribution on (0, 1), of which a latent z is the logit.
func (b Base) onUnit() bool { return b.name == "uniform" || b.name == "beta" }

// LogProb is the log-density of a latent number z: of logit u where the base is on (0, 1).
func (b Base) LogProb(z float64) float64 {
	switch b.name {
	case "standard":
		return -z*z/2 - math.Log(2*math.Pi)/2
	case "beta":
		return b.a*logSigmoid(z) + b.b*logSigmoid(-z) - mathext.Lbeta(b.a, b.b)
	}
	return logSigmoid(z) + logSigmoid(-z)
}

// CDF is the share of the base below a latent number z: under a flow in one dimension, the share of the data below its x.
func (b Base) CDF(z float64) float64 {
	switch b.name {
	case "standard":
		return distuv.UnitNormal.CDF(z)
	case "beta":
		if z > 0 {
			return 1 - mathext.RegIncBeta(b.b, b.a, math.Exp(logSigmoid(-z)))
		}
		return mathext.RegIncBeta(b.a, b.b, math.Exp(logSigmoid(z)))
	}
	return math.Exp(logSigmoid(z))
}

// Shown is a latent number z as people know it: u = sigmoid(z) where the base is on (0, 1), else z.
func (b Base) Shown(z float64) float64 {
	if b.onUnit() {
		return math.Exp(logSigmoid(z))
	}
	return z
}

func logSigmoid(x float64) float64 { return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) }

// prior is the base on the device.
func (b Base) prior() Prior {
	switch b.name {
	case "standard":
		return standardNormal{}
	case "beta":
		return betaPrior{float32(b.a), float32(b.b)}
	}
	return standardLogistic{}
}

// betaPrior is Beta(a, b) of sigmoid(z).
type betaPrior struct{ a, b float32 }

func (p betaPrior) LogProb(s *State, r device.Rows, z device.Buffer) {
	s.BetaLogProb(r, p.a, p.b, z, s.LogDet)
}

func (p betaPrior) Backward(s *State, _ device.Rows, z, dz device.Buffer) {
	s.BetaLogProbBackward(p.a, p.b, s.DLogDet, z, dz)
}

func (p betaPrior) Sample(s *State, r device.Rows, temperature float32, rng device.Stream, at, z device.Buffer) {
	s.Beta(r, p.a, p.b, temperature, rng, at, z)
}

func (betaPrior) Params() []*Param { return nil }
