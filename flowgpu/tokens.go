package flowgpu

import "cuflow/device"

// tokenHalves are the ways to move half the tokens of a grid, row i and column j.
var tokenHalves = [...]struct {
	name  string
	moves func(i, j int) bool
}{
	{"checker0", func(i, j int) bool { return (i+j)%2 != 0 }}, {"checker1", func(i, j int) bool { return (i+j)%2 == 0 }},
	{"columns0", func(_, j int) bool { return j%2 != 0 }}, {"columns1", func(_, j int) bool { return j%2 == 0 }},
	{"rows0", func(i, _ int) bool { return i%2 != 0 }}, {"rows1", func(i, _ int) bool { return i%2 == 0 }},
}

// TokenCoupling is a coupling in which some pixels, as many as the others, move by what a network reads off the others. Packed, the two are two
// blocks of channels. Kolesnikov et al., "Jet", 2024, section 3.
//
// log|det dy/dx| = sum ls over the moved tokens
type TokenCoupling struct {
	*Coupling        // of the packed halves
	tokens    int    // of each half
	parts     *Param // [2*tokens] the tokens that condition, then those that move; fixed
}

// NewTokenCoupling is for c channels of h x w tokens. net must map half of them, [C][N][h*w/2], to law.Params()*C channels of as many.
func NewTokenCoupling(law device.Law, c, h, w int, moves func(i, j int) bool, net Net) *TokenCoupling {
	half := h * w / 2
	parts := make([]float32, 0, 2*half)
	for _, moving := range []bool{false, true} {
		for t := range h * w {
			if moves(t/w, t%w) == moving {
				parts = append(parts, float32(t))
			}
		}
	}
	return &TokenCoupling{NewCoupling(law, 2*c, c, net), half, newFixed("parts", parts, 2*half)}
}

// packed runs f on the batch, and with grad on its gradient, as two channel blocks of half the tokens.
func (l *TokenCoupling) packed(s *State, grad bool, f func(*State)) {
	h, w := s.H, s.W
	l.move(s, s.x, true)
	if grad {
		l.move(s, s.dx, true)
	}
	s.C, s.H, s.W = 2*s.C, 1, l.tokens
	f(s)
	s.C, s.H, s.W = s.C/2, h, w
	l.move(s, s.x, false)
	if grad {
		l.move(s, s.dx, false)
	}
}

// move packs b or unpacks it.
func (l *TokenCoupling) move(s *State, b device.Buffer, pack bool) {
	mark := s.Scratch.Mark()
	b = b.Slice(0, s.C*s.M())
	other := s.Scratch.Take(b.Len())
	rows, all, half := s.C*s.N, s.P(), l.tokens
	if !pack {
		s.Copy(other, b)
	}
	for i := range 2 {
		index, part := l.parts.V.Slice(i*half, (i+1)*half), other.Slice(i*rows*half, (i+1)*rows*half)
		if pack {
			s.Gather(rows, all, half, index, b, part)
		} else {
			s.Scatter(rows, all, half, index, part, b)
		}
	}
	if pack {
		s.Copy(b, other)
	}
	s.Scratch.Release(mark)
}

func (l *TokenCoupling) Forward(s *State)  { l.packed(s, false, l.Coupling.Forward) }
func (l *TokenCoupling) Inverse(s *State)  { l.packed(s, false, l.Coupling.Inverse) }
func (l *TokenCoupling) Backward(s *State) { l.packed(s, true, l.Coupling.Backward) }

func (l *TokenCoupling) Params() []*Param { return append(l.Coupling.Params(), l.parts) }

// TokenOrder turns the order of the tokens round. Its log-determinant is 0.
type TokenOrder struct {
	tokens int
	order  *Param // [tokens], fixed; its own inverse
}

// NewTokenReverse reverses the order of n tokens.
func NewTokenReverse(n int) *TokenOrder {
	order := make([]float32, n)
	for i := range order {
		order[i] = float32(n - 1 - i)
	}
	return &TokenOrder{n, newFixed("order", order, n)}
}

func (l *TokenOrder) turn(s *State, b device.Buffer) {
	mark := s.Scratch.Mark()
	y := s.Scratch.Take(b.Len())
	s.Gather(s.C*s.N, l.tokens, l.tokens, l.order.V, b, y)
	s.Copy(b, y)
	s.Scratch.Release(mark)
}

func (l *TokenOrder) Forward(s *State) { l.turn(s, s.X()) }
func (l *TokenOrder) Inverse(s *State) { l.turn(s, s.X()) }

func (l *TokenOrder) Backward(s *State) {
	l.turn(s, s.X())
	l.turn(s, s.DX())
}

func (l *TokenOrder) Params() []*Param { return []*Param{l.order} }
