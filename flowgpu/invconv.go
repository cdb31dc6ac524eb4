package flowgpu

import (
	"math"
	"math/rand/v2"

	"cuflow/device"

	"gonum.org/v1/gonum/mat"
)

// InvConv is the invertible 1x1 convolution: every pixel's channels times one matrix W = P L (U + diag(sign*exp(logd))).
// It starts as a random rotation. Kingma and Dhariwal, "Glow", 2018, section 3.2.
//
// log|det dy/dx| = P * sum logd
type InvConv struct {
	c          int
	l, u, logd *Param // [C][C] strictly lower, [C][C] strictly upper, [C]
	perm, sign *Param // [C], fixed
}

// NewInvConv draws the rotation from r: the Q of a normal matrix, cut into P, L and U by pivoted elimination.
func NewInvConv(c int, r *rand.Rand) *InvConv {
	normal := mat.NewDense(c, c, nil)
	for i := range c {
		for j := range c {
			normal.Set(i, j, r.NormFloat64())
		}
	}
	var qr mat.QR
	qr.Factorize(normal)
	var q mat.Dense
	qr.QTo(&q)

	var lu mat.LU
	lu.Factorize(&q)
	var lower, upper mat.TriDense
	lu.LTo(&lower)
	lu.UTo(&upper)
	rows := lu.RowPivots(nil) // Q's row rows[i] is row i of L U
	perm := make([]float32, c)
	for i, row := range rows {
		perm[row] = float32(i)
	}

	l, u := make([]float32, c*c), make([]float32, c*c)
	logd, sign := make([]float32, c), make([]float32, c)
	for i := range c {
		for j := range i {
			l[i*c+j] = float32(lower.At(i, j))
		}
		for j := i + 1; j < c; j++ {
			u[i*c+j] = float32(upper.At(i, j))
		}
		d := upper.At(i, i)
		logd[i] = float32(math.Log(math.Abs(d)))
		sign[i] = float32(math.Copysign(1, d))
	}
	return &InvConv{
		c:    c,
		l:    newParam("l", l, c, c),
		u:    newParam("u", u, c, c),
		logd: newParam("logd", logd, c),
		perm: newFixed("perm", perm, c),
		sign: newFixed("sign", sign, c),
	}
}

// compose builds W and its inverse in memory from Scratch: a few thousand values.
func (l *InvConv) compose(s *State) (w, winv device.Buffer) {
	w, winv = s.Scratch.Take(l.c*l.c), s.Scratch.Take(l.c*l.c)
	s.LUCompose(l.c, l.perm.V, l.l.V, l.u.V, l.logd.V, l.sign.V, w, winv)
	return w, winv
}

func (l *InvConv) Forward(s *State) {
	mark := s.Scratch.Mark()
	w, _ := l.compose(s)
	s.MixForward(l.c, s.M(), w, device.Buffer{}, s.X())
	s.AddSum(float32(s.P()), l.logd.V, s.LogDet)
	s.Scratch.Release(mark)
}

func (l *InvConv) Inverse(s *State) {
	mark := s.Scratch.Mark()
	_, winv := l.compose(s)
	s.MixForward(l.c, s.M(), winv, device.Buffer{}, s.X())
	s.AddSum(-float32(s.P()), l.logd.V, s.LogDet)
	s.Scratch.Release(mark)
}

func (l *InvConv) Backward(s *State) {
	mark := s.Scratch.Mark()
	w, winv := l.compose(s)
	s.MixForward(l.c, s.M(), winv, device.Buffer{}, s.X())
	dw := s.Scratch.Take(l.c * l.c)
	s.Fill(dw, 0)
	s.MixBackward(l.c, s.M(), w, s.X(), s.DX(), dw)
	l.backward(s, dw)
	s.Scratch.Release(mark)
}

// backward adds the factors' gradients for that of W.
func (l *InvConv) backward(s *State, dw device.Buffer) {
	dld := s.DLogDet * float32(s.M())
	s.LUComposeBackward(l.c, l.perm.V, l.l.V, l.u.V, l.logd.V, l.sign.V, dw, dld, l.l.G, l.u.G, l.logd.G)
}

func (l *InvConv) logScales() *Param { return l.logd }

func (l *InvConv) Params() []*Param { return []*Param{l.l, l.u, l.logd, l.perm, l.sign} }
