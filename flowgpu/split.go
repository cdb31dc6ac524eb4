package flowgpu

import "cuflow/device"

// Split retires the second half of the channels to the latent. A network predicts mean and scale of that half from the
// half that stays, and the latent is what remains of it: z2 = (x2 + t) * exp(ls) with (t, ls) from net(x1), so that every
// latent of the model has the same standard normal prior. This is Glow's learned prior, N(-t, exp(-ls)^2), written
// as a coupling. Kingma and Dhariwal, "Glow", 2018, section 3.6.
//
// Nothing moves: the active prefix of the batch gets shorter.
type Split struct {
	keep, retire int
	coupling     *Coupling // nil: what is retired is latent as it is (RealNVP)
}

// NewSplit halves c channels.
func NewSplit(c int) *Split {
	l := NewPlainSplit(c)
	l.coupling = NewCoupling(device.GaussScale, c, l.keep, NewZeroConv(l.keep, 2*l.retire))
	return l
}

// NewPlainSplit halves c channels and predicts nothing: RealNVP's way, where the prior of every latent is standard normal.
func NewPlainSplit(c int) *Split { return &Split{keep: c - c/2, retire: c / 2} }

func (l *Split) Forward(s *State) {
	if l.coupling != nil {
		l.coupling.Forward(s)
	}
	s.C = l.keep
}

func (l *Split) Inverse(s *State) {
	s.C = l.keep + l.retire
	if l.coupling != nil {
		l.coupling.Inverse(s)
	}
}

func (l *Split) Backward(s *State) {
	s.C = l.keep + l.retire
	if l.coupling != nil {
		l.coupling.Backward(s)
	}
}

func (l *Split) Params() []*Param {
	if l.coupling == nil {
		return nil
	}
	return l.coupling.Params()
}
