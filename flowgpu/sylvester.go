package flowgpu

import (
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// Sylvester bends space along M directions at once: y = x + Q R1 h(R2 Q^T x + b). Q [C][M] has orthonormal columns, the first M of
// a product of M reflections; R1 and R2 are upper triangular with r1[i,i]*r2[i,i] = s[i]-1 > -1 and r2[i,i] > 0. With 0 < h' <= 1
// that makes it invertible; for an odd h it leaves nothing out that is, since the signs of a row of R2, of b and of a column of R1
// may be turned together. van den Berg, Hasenclever, Tomczak and Welling, "Sylvester normalizing flows for variational inference",
// 2018, theorems 1 and 2; their diagonals are within -1 and 1, these are not bounded above. M = 1 is a planar flow.
//
// log|det dy/dx| = sum_i log(1 + r1[i,i]*r2[i,i]*h'(...)), by Sylvester's determinant identity
type Sylvester struct {
	c, m        int
	h           device.Map
	v           *Param // [M][C] reflections
	u1, u2      *Param // [M][M], above the diagonal
	tau, rho, b *Param // [M]: s = log(1+exp(tau)), r2's diagonal exp(rho)
}

// NewSylvester draws a flow along m directions, at most c, from r. It starts near the identity.
func NewSylvester(c, m int, h device.Map, r *rand.Rand) *Sylvester {
	tau := normals(m, 0.1, r)
	for i := range tau {
		tau[i] += float32(math.Log(math.E - 1)) // s = 1: r1's diagonal is 0
	}
	return &Sylvester{
		c: c, m: m, h: h,
		v:  newParam("v", normals(m*c, 1, r), m, c),
		u1: newParam("u1", aboveDiagonal(m, 0.1, r), m, m), u2: newParam("u2", aboveDiagonal(m, 0.1, r), m, m),
		tau: newParam("tau", tau, m), rho: newParam("rho", nil, m), b: newParam("b", nil, m),
	}
}

// aboveDiagonal is m x m numbers of N(0, std^2) above the diagonal, and 0 elsewhere.
func aboveDiagonal(m int, std float64, r *rand.Rand) []float32 {
	x := make([]float32, m*m)
	for i := range m {
		copy(x[i*m+i+1:(i+1)*m], normals(m-i-1, std, r))
	}
	return x
}

// sylvesterParts are what the parameters come to.
type sylvesterParts struct {
	q      device.Buffer // [M][C], Q^T
	r1, r2 device.Buffer // [M][M]
	s      device.Buffer // [M]
}

func (l *Sylvester) compose(s *State) (p sylvesterParts) {
	p.q = s.Scratch.Take(l.m * l.c)
	s.Householder(l.m, l.c, l.m, l.v.V, p.q)
	p.r1, p.r2, p.s = s.Scratch.Take(l.m*l.m), s.Scratch.Take(l.m*l.m), s.Scratch.Take(l.m)
	s.SylvesterFold(l.m, l.u1.V, l.u2.V, l.tau.V, l.rho.V, p.r1, p.r2, p.s)
	return p
}

// along is Q^T x, the coordinates along the directions.
func (l *Sylvester) along(s *State, q, x device.Buffer) device.Buffer {
	t := s.Scratch.Take(l.m * s.M())
	s.Project(l.m, l.c, s.M(), q, x, t)
	return t
}

func (l *Sylvester) Forward(s *State) {
	mark := s.Scratch.Mark()
	p := l.compose(s)
	a := l.along(s, p.q, s.X())
	s.MixForward(l.m, s.M(), p.r2, l.b.V, a)
	move := s.Scratch.Take(l.m * s.M())
	s.SylvesterGate(l.m, s.M(), l.h, p.s, a, move, s.LogDet)
	s.MixForward(l.m, s.M(), p.r1, device.Buffer{}, move)
	s.Lift(l.m, l.c, s.M(), p.q, move, s.X())
	s.Scratch.Release(mark)
}

// solve makes x of y, and gives a = R2 Q^T x + b and what x had moved along the directions. It takes its log-determinant off logdet,
// if that is given.
func (l *Sylvester) solve(s *State, p sylvesterParts, logdet device.Buffer) (a, move device.Buffer) {
	move = l.along(s, p.q, s.X())
	a = s.Scratch.Take(l.m * s.M())
	s.SylvesterSolve(l.m, s.M(), l.h, p.r1, p.r2, l.b.V, p.s, move, a, logdet)
	minus := s.Scratch.Take(l.m * l.c)
	s.Fill(minus, 0)
	s.Axpy(-1, p.q, minus)
	s.Lift(l.m, l.c, s.M(), minus, move, s.X())
	return a, move
}

func (l *Sylvester) Inverse(s *State) {
	mark := s.Scratch.Mark()
	l.solve(s, l.compose(s), s.LogDet)
	s.Scratch.Release(mark)
}

func (l *Sylvester) Backward(s *State) {
	mark := s.Scratch.Mark()
	p := l.compose(s)
	a, move := l.solve(s, p, device.Buffer{})
	h := s.Scratch.Take(l.m * s.M())
	s.SylvesterGate(l.m, s.M(), l.h, p.s, a, h, device.Buffer{})
	dq, dr1, dr2, ds := s.Scratch.Take(l.m*l.c), s.Scratch.Take(l.m*l.m), s.Scratch.Take(l.m*l.m), s.Scratch.Take(l.m)
	for _, d := range []device.Buffer{dq, dr1, dr2, ds} {
		s.Fill(d, 0)
	}

	s.ProjectBackward(l.m, l.c, s.M(), s.DX(), move, dq, device.Buffer{})
	d := l.along(s, p.q, s.DX())
	s.MixBackward(l.m, s.M(), p.r1, h, d, dr1)
	s.SylvesterGateBackward(l.m, s.M(), l.h, p.s, a, d, s.DLogDet, ds)
	t := l.along(s, p.q, s.X())
	s.ProjectBackward(l.m, l.m, s.M(), t, d, dr2, l.b.G)
	s.MixForward(l.m, s.M(), transpose(s, l.m, p.r2), device.Buffer{}, d)
	s.ProjectBackward(l.m, l.c, s.M(), s.X(), d, dq, device.Buffer{})
	s.Lift(l.m, l.c, s.M(), p.q, d, s.DX())

	s.HouseholderBackward(l.m, l.c, l.m, l.v.V, p.q, dq, l.v.G)
	s.SylvesterFoldBackward(l.m, l.tau.V, l.rho.V, dr1, dr2, ds, l.u1.G, l.u2.G, l.tau.G, l.rho.G)
	s.Scratch.Release(mark)
}

func (l *Sylvester) Params() []*Param {
	return []*Param{l.v, l.u1, l.u2, l.tau, l.rho, l.b}
}
