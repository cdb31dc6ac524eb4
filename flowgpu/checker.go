package flowgpu

import "cuflow/device"

// CheckerCoupling is a coupling by a checkerboard mask: pixels of one colour condition, pixels of the other colour move.
// Packed, the two colours are two blocks of channels, so that the coupling itself, and all that is computed for it but
// the inner features of the network, works on the moving half alone. Dinh et al., "RealNVP", 2017, section 3.4.
//
// log|det dy/dx| = sum ls over the moved pixels
type CheckerCoupling struct {
	*Coupling     // of the packed halves
	parity    int // 0: pixels with even i+j condition; 1: the others
}

// NewCheckerCoupling conditions on half the pixels of c channels. net must map packed pixels [C][N][H*W/2] to
// law.Params()*C channels of as many.
func NewCheckerCoupling(law device.Law, c, parity int, net Net) *CheckerCoupling {
	return &CheckerCoupling{NewCoupling(law, 2*c, c, net), parity}
}

// packed runs f on the batch, and with grad on its gradient, as two channel blocks of half the width.
func (l *CheckerCoupling) packed(s *State, grad bool, f func(*State)) {
	l.pack(s, s.x)
	if grad {
		l.pack(s, s.dx)
	}
	s.C, s.W = 2*s.C, s.W/2
	f(s)
	s.C, s.W = s.C/2, 2*s.W
	l.unpack(s, s.x)
	if grad {
		l.unpack(s, s.dx)
	}
}

func (l *CheckerCoupling) pack(s *State, b device.Buffer) {
	mark := s.Scratch.Mark()
	b = b.Slice(0, s.C*s.M())
	y := s.Scratch.Take(b.Len())
	s.CheckerPack(s.C, s.N, s.H, s.W, l.parity, b, y)
	s.Copy(b, y)
	s.Scratch.Release(mark)
}

func (l *CheckerCoupling) unpack(s *State, b device.Buffer) {
	mark := s.Scratch.Mark()
	b = b.Slice(0, s.C*s.M())
	x := s.Scratch.Take(b.Len())
	s.CheckerUnpack(s.C, s.N, s.H, s.W, l.parity, b, x)
	s.Copy(b, x)
	s.Scratch.Release(mark)
}

func (l *CheckerCoupling) Forward(s *State)  { l.packed(s, false, l.Coupling.Forward) }
func (l *CheckerCoupling) Inverse(s *State)  { l.packed(s, false, l.Coupling.Inverse) }
func (l *CheckerCoupling) Backward(s *State) { l.packed(s, true, l.Coupling.Backward) }
