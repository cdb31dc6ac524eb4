package flowgpu

import "cuflow/device"

// Split retires the second half of the channels to the latent. A network predicts mean and scale of that half from the
// half that stays, and the latent is what remains of it: z2 = (x2 + t) * exp(ls) with (t, ls) from net(x1), so that every
// latent of the model has the same standard normal prior. This is Glow's learned prior, N(-t, exp(-ls)^2), written
// as a coupling. Kingma and Dhariwal, "Glow", 2018, section 3.6.
//
// Nothing moves: the active prefix of the batch gets shorter.
type Split struct {
	coupling *Coupling
}

// NewSplit halves c channels.
func NewSplit(c int) *Split {
	keep := c - c/2
	return &Split{NewCoupling(device.GaussScale, c, keep, NewZeroConv(keep, 2*(c-keep)))}
}

func (l *Split) Forward(s *State) {
	l.coupling.Forward(s)
	s.C = l.coupling.c1
}

func (l *Split) Inverse(s *State) {
	s.C = l.coupling.c1 + l.coupling.c2
	l.coupling.Inverse(s)
}

func (l *Split) Backward(s *State) {
	s.C = l.coupling.c1 + l.coupling.c2
	l.coupling.Backward(s)
}

func (l *Split) Params() []*Param { return l.coupling.Params() }
