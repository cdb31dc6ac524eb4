package flowgpu

import (
	"math"
	"math/rand/v2"
)

// Radial stretches or shrinks space about a point: y = x + beta*(x-x0)/(al+r), r = |x-x0|, al = exp(loga) and beta + al =
// log(1+exp(b)) > 0, which is what makes it invertible. Rezende and Mohamed, "Variational inference with normalizing flows", 2015,
// equations 13 and 14 and appendix A.2. With their h(al, r) = 1/(al+r) the inverse is the root of a quadratic equation.
//
// log|det dy/dx| = (C-1)*log(1 + beta*h) + log(1 + beta*h + beta*h'*r)
type Radial struct {
	c              int
	x0, loga, beta *Param // [C], [1], [1]
}

// NewRadial draws the point from r, normal. al is 1, and beta near 0: not far from the identity.
func NewRadial(c int, r *rand.Rand) *Radial {
	identity := math.Log(math.E - 1) // log(1+exp(b)) = al
	return &Radial{
		c:    c,
		x0:   newParam("x0", normals(c, 1, r), c),
		loga: newParam("loga", nil, 1),
		beta: newParam("beta", []float32{float32(identity + 0.1*r.NormFloat64())}, 1),
	}
}

func (l *Radial) Forward(s *State) {
	s.Radial(l.c, s.N, l.x0.V, l.loga.V, l.beta.V, s.X(), s.LogDet)
}

func (l *Radial) Inverse(s *State) {
	s.RadialInverse(l.c, s.N, l.x0.V, l.loga.V, l.beta.V, s.X(), s.LogDet)
}

func (l *Radial) Backward(s *State) {
	s.RadialBackward(l.c, s.N, l.x0.V, l.loga.V, l.beta.V, s.X(), s.DX(), s.DLogDet, l.x0.G, l.loga.G, l.beta.G)
}

func (l *Radial) Params() []*Param { return []*Param{l.x0, l.loga, l.beta} }
