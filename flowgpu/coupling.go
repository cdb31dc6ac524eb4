package flowgpu

import "cuflow/device"

// Coupling moves one part of the channels by an amount that a network reads off the other part, which stays as it is: y2 = law(x2; t, s), (t, s) = net(x1). Dinh et al., "NICE", 2015, and "RealNVP", 2017; the laws are in
// device.Law.
//
// log|det dy/dx| = sum ls over the moved part
type Coupling struct {
	law    device.Law
	c1, c2 int    // channels that condition, channels that move
	flip   bool   // the last c1 channels condition and the first c2 move
	net    Net    // c1 -> Params()*c2
	g      *Param // [C2] learned scale of TanhScale, else nil

	st   device.Buffer // [Params()*C2][N][P], then its gradient
	mark int           // of the stash
}

// NewCoupling conditions on the first c1 channels of c. net must map c1 channels to law.Params()*(c-c1).
func NewCoupling(law device.Law, c, c1 int, net Net) *Coupling {
	l := &Coupling{law: law, c1: c1, c2: c - c1, net: net}
	if law == device.TanhScale {
		l.g = newParam("g", constant(1, l.c2), l.c2)
	}
	return l
}

// parts cuts a batch or its gradient into what conditions and what moves.
func (l *Coupling) parts(s *State, b device.Buffer) (conditions, moves device.Buffer) {
	if l.flip {
		moves, conditions = halves(b, l.c2, s.M())
		return conditions, moves
	}
	return halves(b, l.c1, s.M())
}

func (l *Coupling) rows(s *State) device.Rows { return device.Rows{C: l.c2, N: s.N, P: s.P()} }

// scale is the value and gradient of g, or nothing.
func (l *Coupling) scale() (v, g device.Buffer) {
	if l.g == nil {
		return
	}
	return l.g.V, l.g.G
}

// condition computes st from the first part, with memory from a.
func (l *Coupling) condition(s *State, a *device.Arena) {
	x1, _ := l.parts(s, s.X())
	l.st = a.Take(l.law.Params() * l.c2 * s.M())
	l.net.Forward(s, a, x1, l.st)
}

func (l *Coupling) Forward(s *State) {
	a := s.hidden()
	l.mark = a.Mark()
	l.condition(s, a)
	_, x2 := l.parts(s, s.X())
	g, _ := l.scale()
	s.Coupling(l.rows(s), l.law, g, l.st, x2, s.LogDet)
	if a == s.Scratch {
		a.Release(l.mark)
	}
}

func (l *Coupling) Inverse(s *State) {
	mark := s.Scratch.Mark()
	s.Again = true
	l.condition(s, s.Scratch)
	s.Again = false
	_, y2 := l.parts(s, s.X())
	g, _ := l.scale()
	s.CouplingInverse(l.rows(s), l.law, g, l.st, y2, s.LogDet)
	s.Scratch.Release(mark)
}

func (l *Coupling) Backward(s *State) {
	mark := s.Scratch.Mark()
	if !s.Keep {
		s.Again = true
		l.condition(s, s.Scratch)
		s.Again = false
	}
	x1, y2 := l.parts(s, s.X())
	dx1, dy2 := l.parts(s, s.DX())
	g, dg := l.scale()
	s.CouplingBackward(l.rows(s), l.law, g, l.st, y2, dy2, s.DLogDet, dg)
	dst := l.st
	l.net.Backward(s, x1, dst, dx1)
	s.Scratch.Release(mark)
	if s.Keep {
		s.Stash.Release(l.mark)
	}
}

func (l *Coupling) Params() []*Param {
	p := l.net.Params()
	if l.g != nil {
		p = append(p, l.g)
	}
	return p
}
