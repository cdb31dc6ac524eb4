package flowgpu

import (
	"math/rand/v2"

	"cuflow/device"
)

// Linear is y = W x + b of a vector, or of every pixel's channels. W is kept by factors that always have an inverse, and a
// determinant that costs nothing.
//
// log|det dy/dx| = P * sum logd, of the factors
type Linear struct {
	c int
	w matrix
	b *Param // [C], or nil: none
}

// matrix is an invertible C x C matrix by its factors.
type matrix interface {
	// compose builds the matrix and its inverse in memory from Scratch.
	compose(s *State) (w, winv device.Buffer)
	// backward adds the factors' gradients for that of the matrix, which it uses up, and for its log-determinant in every sample.
	backward(s *State, dw device.Buffer)
	// logScales are what the log-determinant is the sum of, or nil where it is 0.
	logScales() *Param
	Params() []*Param
}

// NewLUAffine has W = P L (U + diag(sign*exp(logd))), as InvConv, and starts as a random rotation, drawn from r.
func NewLUAffine(c int, r *rand.Rand) *Linear {
	return &Linear{c: c, w: NewInvConv(c, r), b: newParam("b", nil, c)}
}

// NewQRAffine has W = Q R: k reflections, drawn from r, and an upper triangular matrix of positive diagonal near the identity.
func NewQRAffine(c, k int, r *rand.Rand) *Linear {
	w := &qrMatrix{q: newReflections(c, k, r), r: newTriangle(c, true, r)}
	return &Linear{c: c, w: w, b: newParam("b", nil, c)}
}

// bias is the value and gradient of b, or nothing.
func (l *Linear) bias() (v, g device.Buffer) {
	if l.b == nil {
		return
	}
	return l.b.V, l.b.G
}

// addLogDet adds a times the log-determinant of a pixel's matrix for each pixel.
func (l *Linear) addLogDet(s *State, a float32) {
	if logd := l.w.logScales(); logd != nil {
		s.AddSum(a*float32(s.P()), logd.V, s.LogDet)
	}
}

func (l *Linear) Forward(s *State) {
	mark := s.Scratch.Mark()
	w, _ := l.w.compose(s)
	b, _ := l.bias()
	s.MixForward(l.c, s.M(), w, b, s.X())
	l.addLogDet(s, 1)
	s.Scratch.Release(mark)
}

func (l *Linear) Inverse(s *State) {
	mark := s.Scratch.Mark()
	_, winv := l.w.compose(s)
	l.invert(s, winv)
	l.addLogDet(s, -1)
	s.Scratch.Release(mark)
}

// invert makes x of y: x = W^-1 y + back, back = -W^-1 b.
func (l *Linear) invert(s *State, winv device.Buffer) {
	var back device.Buffer
	if l.b != nil {
		back = s.Scratch.Take(l.c)
		s.Fill(back, 0)
		s.Axpy(-1, l.b.V, back)
		s.MixForward(l.c, 1, winv, device.Buffer{}, back)
	}
	s.MixForward(l.c, s.M(), winv, back, s.X())
}

// Backward takes dW and db in one pass over the batch, then dx = W^T dy.
func (l *Linear) Backward(s *State) {
	mark := s.Scratch.Mark()
	w, winv := l.w.compose(s)
	l.invert(s, winv)
	dw := s.Scratch.Take(l.c * l.c)
	s.Fill(dw, 0)
	_, db := l.bias()
	s.ProjectBackward(l.c, l.c, s.M(), s.X(), s.DX(), dw, db)
	s.MixForward(l.c, s.M(), transpose(s, l.c, w), device.Buffer{}, s.DX())
	l.w.backward(s, dw)
	s.Scratch.Release(mark)
}

func (l *Linear) Params() []*Param {
	p := l.w.Params()
	if l.b != nil {
		p = append(p, l.b)
	}
	return p
}

// qrMatrix is W = Q R; its inverse is R^-1 Q^T.
type qrMatrix struct {
	q *reflections
	r *triangle
}

func (m *qrMatrix) compose(s *State) (w, winv device.Buffer) {
	c := m.q.c
	q, qt := m.q.compose(s)
	r, rinv := m.r.compose(s)
	s.MixForward(c, c, q, device.Buffer{}, r)
	s.MixForward(c, c, rinv, device.Buffer{}, qt)
	return r, qt
}

// backward: dQ = dW R^T, dR = Q^T dW.
func (m *qrMatrix) backward(s *State, dw device.Buffer) {
	c := m.q.c
	q, _ := m.q.compose(s)
	r, _ := m.r.compose(s)
	dq := s.Scratch.Take(c * c)
	s.Fill(dq, 0)
	s.MixBackward(c, c, q, r, dw, dq)
	m.r.backward(s, dw)
	s.HouseholderBackward(c, c, m.q.k, m.q.v.V, q, dq, m.q.v.G)
}

func (m *qrMatrix) logScales() *Param { return m.r.logd }
func (m *qrMatrix) Params() []*Param  { return append(m.q.Params(), m.r.Params()...) }

// transpose is a c x c matrix's transpose, in memory from Scratch.
func transpose(s *State, c int, w device.Buffer) device.Buffer {
	t := s.Scratch.Take(c * c)
	s.Flatten(device.Rows{C: 1, N: c, P: c}, w, t)
	return t
}
