package flowgpu

import (
	"math/rand/v2"

	"cuflow/device"
)

// triangle is a triangular matrix T of positive diagonal: U + diag(exp(logd)), or L diag(exp(logd)) with ones on L's diagonal.
type triangle struct {
	c          int
	upper      bool
	t, logd    *Param // [C][C], of which one side of the diagonal counts; [C]
	perm, sign *Param // [C], fixed: the identity and ones, as LUCompose takes them
}

// NewTriangular is y = T x + b, near the identity, with entries drawn from r: half an LU factorisation.
func NewTriangular(c int, upper bool, r *rand.Rand) *Linear {
	return &Linear{c: c, w: newTriangle(c, upper, r), b: newParam("b", nil, c)}
}

func newTriangle(c int, upper bool, r *rand.Rand) *triangle {
	t, perm := make([]float32, c*c), make([]float32, c)
	for i := range c {
		perm[i] = float32(i)
		for j := range c {
			if upper && j > i || !upper && j < i {
				t[i*c+j] = float32(0.1 * r.NormFloat64())
			}
		}
	}
	return &triangle{
		c: c, upper: upper,
		t: newParam("t", t, c, c), logd: newParam("logd", nil, c),
		perm: newFixed("perm", perm, c), sign: newState("sign", 1, c),
	}
}

// factors orders the half that there is and another as LUCompose takes them: lower, upper.
func (t *triangle) factors(half, other device.Buffer) (lower, upper device.Buffer) {
	if t.upper {
		return other, half
	}
	return half, other
}

// zeros stand for the half that there is not.
func (t *triangle) zeros(s *State) device.Buffer {
	z := s.Scratch.Take(t.c * t.c)
	s.Fill(z, 0)
	return z
}

func (t *triangle) compose(s *State) (w, winv device.Buffer) {
	w, winv = s.Scratch.Take(t.c*t.c), s.Scratch.Take(t.c*t.c)
	lower, upper := t.factors(t.t.V, t.zeros(s))
	s.LUCompose(t.c, t.perm.V, lower, upper, t.logd.V, t.sign.V, w, winv)
	return w, winv
}

func (t *triangle) backward(s *State, dw device.Buffer) {
	lower, upper := t.factors(t.t.V, t.zeros(s))
	dlower, dupper := t.factors(t.t.G, t.zeros(s))
	s.LUComposeBackward(t.c, t.perm.V, lower, upper, t.logd.V, t.sign.V, dw, s.DLogDet*float32(s.M()), dlower, dupper, t.logd.G)
}

func (t *triangle) logScales() *Param { return t.logd }
func (t *triangle) Params() []*Param  { return []*Param{t.t, t.logd, t.perm, t.sign} }
