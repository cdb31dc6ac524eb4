package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// InverseAutoregressive is Autoregressive the other way round: x_d = curve(z_d; net(z_0 .. z_{d-1})). What it generates is one pass, and
// data goes dimension by dimension. Kingma et al., "Improving variational inference with inverse autoregressive flow", 2016.
//
// log|det dz/dx| = -sum log dx/dz
//
// Either direction, and the way back for gradients, costs the arithmetic of one pass: see Autoregressive.
type InverseAutoregressive struct {
	flow *Autoregressive // z to x
	mark int             // of the stash
}

// NewInverseAutoregressive makes the layer for vectors of d dimensions; net must make curve.Params() values for each.
func NewInverseAutoregressive(curve device.Curve, d int, net autoNet) *InverseAutoregressive {
	return &InverseAutoregressive{flow: NewAutoregressive(curve, d, net)}
}

func (l *InverseAutoregressive) Forward(s *State) {
	a := s.hidden()
	l.mark = a.Mark()
	l.flow.invert(s, a, s.LogDet)
	if a == s.Scratch {
		a.Release(l.mark)
	}
}

func (l *InverseAutoregressive) Inverse(s *State) {
	mark := s.Scratch.Mark()
	f := l.flow
	f.takeParams(s, s.Scratch)
	f.net.Forward(s, s.Scratch, s.X(), f.params)
	s.Curve(s.rows(), f.curve, f.params, s.X(), s.LogDet)
	s.Scratch.Release(mark)
}

// Backward goes from the last dimension to the first. Where hidden activations were not kept they are computed again in one pass, since z
// is there.
func (l *InverseAutoregressive) Backward(s *State) {
	mark := s.Scratch.Mark()
	f := l.flow
	if !s.Keep {
		f.takeParams(s, s.Scratch)
		f.net.Forward(s, s.Scratch, s.X(), f.params)
	}
	f.net.invertBack(s, f.curve, s.X(), f.params, s.DX())
	s.Scratch.Release(mark)
	if s.Keep {
		s.Stash.Release(l.mark)
	}
}

func (l *InverseAutoregressive) Params() []*Param { return l.flow.Params() }

// iaf builds an inverse autoregressive flow: the layers of a maf the other way round, so that drawing samples is what costs one pass.
func iaf(cfg Config, b *builder) {
	b.level = 1
	for i := range cfg.Steps {
		name := fmt.Sprintf("layer%d", i+1)
		if order := newOrder(cfg, b, i); order != nil {
			b.add(name+".order", order)
		}
		b.turn(cfg, name)
		flow := newMaskedFlow(cfg, b)
		b.step(name, &InverseAutoregressive{flow: flow})
		b.norm(cfg, name)
	}
	b.lastPrior(cfg)
}
