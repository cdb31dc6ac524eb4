package flowgpu

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

// Autoregressive moves every dimension by a monotone function of it whose parameters a masked network reads off the dimensions before it:
// y_d = curve(x_d; net(x_0 .. x_{d-1})). Papamakarios, Pavlakou and Murray, "Masked autoregressive flow for density estimation", 2017;
// with splines: Durkan et al., "Neural spline flows", 2019.
//
// log|det dy/dx| = sum log dy/dx, since the Jacobian is triangular
//
// Forward is one pass. On the way back x_d is needed for the parameters of what follows it, so that it goes dimension by dimension; but
// each hidden unit is computed once, when the dimensions that it knows of are there, and all steps cost what one pass costs.
type Autoregressive struct {
	curve device.Curve
	d     int
	net   autoNet

	params device.Buffer // [D][Q][N], then its gradient
	x      device.Buffer // [D][N] as it came in, where the state has KeepX and not Keep
	mark   int           // of the stash
}

// NewAutoregressive makes the layer for vectors of d dimensions; net must make curve.Params() values for each.
func NewAutoregressive(curve device.Curve, d int, net autoNet) *Autoregressive {
	return &Autoregressive{curve: curve, d: d, net: net}
}

func (l *Autoregressive) takeParams(s *State, a *device.Arena) {
	l.params = a.Take(l.curve.Params() * l.d * s.N)
}

func (l *Autoregressive) Forward(s *State) {
	l.mark = s.Stash.Mark()
	if s.Training && s.KeepX && !s.Keep {
		l.x = s.Stash.Take(l.d * s.N)
		s.Copy(l.x, s.X())
	}
	a := s.hidden()
	mark := a.Mark()
	l.takeParams(s, a)
	l.net.Forward(s, a, s.X(), l.params)
	s.Curve(s.rows(), l.curve, l.params, s.X(), s.LogDet)
	if a == s.Scratch {
		a.Release(mark)
	}
}

func (l *Autoregressive) Inverse(s *State) {
	mark := s.Scratch.Mark()
	l.invert(s, s.Scratch, s.LogDet)
	s.Scratch.Release(mark)
}

// invert makes x of y and leaves the parameters and the network's activations as a forward pass would, in memory from a.
func (l *Autoregressive) invert(s *State, a *device.Arena, logdet device.Buffer) {
	l.takeParams(s, a)
	l.net.invert(s, a, l.curve, s.X(), l.params, logdet)
}

func (l *Autoregressive) Backward(s *State) {
	mark := s.Scratch.Mark()
	switch {
	case s.Keep:
	case s.KeepX:
		l.takeParams(s, s.Scratch)
		l.net.Forward(s, s.Scratch, l.x, l.params)
	default:
		y, unused := s.Scratch.Take(l.d*s.N), s.Scratch.Take(s.N) // the log-determinant of the way back
		s.Copy(y, s.X())
		s.Fill(unused, 0)
		l.invert(s, s.Scratch, unused)
		s.Copy(s.X(), y)
	}
	s.CurveBackward(s.rows(), l.curve, l.params, s.X(), s.DX(), s.DLogDet)
	l.net.Backward(s, s.X(), l.params, s.DX())
	s.Scratch.Release(mark)
	s.Stash.Release(l.mark)
}

func (l *Autoregressive) Params() []*Param { return l.net.Params() }

// maf builds a masked autoregressive flow: layers of one network each, before all but the first of which the dimensions change their
// order, and a normalisation may follow.
func maf(cfg Config, b *builder) {
	b.level = 1
	for i := range cfg.Steps {
		name := fmt.Sprintf("layer%d", i+1)
		if order := newOrder(cfg, b, i); order != nil {
			b.add(name+".order", order)
		}
		b.turn(cfg, name)
		b.step(name, newMaskedFlow(cfg, b))
		b.norm(cfg, name)
	}
	b.lastPrior(cfg)
}

// newOrder is what comes before layer i: nothing, or a change of order; a linear map also before the first.
func newOrder(cfg Config, b *builder, i int) Layer {
	switch {
	case cfg.Permutation == "lu":
		return NewLUAffine(b.c, b.r)
	case i == 0 || cfg.Permutation == "natural":
		return nil
	case cfg.Permutation == "shuffle":
		return NewShuffle(b.c, b.r)
	}
	return NewReverse(b.c)
}

func newMaskedFlow(cfg Config, b *builder) *Autoregressive {
	curve := cfg.curve()
	return NewAutoregressive(curve, b.c, newAutoNet(cfg, b.c, restOf(curve, b.c), b.r))
}

func newAutoNet(cfg Config, d int, rest []float32, r *rand.Rand) autoNet {
	build := func(d int, rest []float32) *MADE {
		if cfg.Net == "residual" {
			return NewResMADE(d, cfg.Hidden, cfg.Depth, rest, r)
		}
		return NewMADE(d, cfg.Hidden, cfg.Depth, rest, r)
	}
	if e := cfg.Context.Features(); e > 0 {
		return newGivenMADE(d, e, rest, r, build)
	}
	return build(d, rest)
}

// norm adds the normalisation behind a step.
func (b *builder) norm(cfg Config, step string) {
	switch cfg.Norm {
	case "actnorm":
		b.add(step+".norm", NewActNorm(b.c))
	case "batchnorm":
		b.add(step+".norm", NewBatchNorm(b.c))
	}
}

// lastPrior adds what belongs to the prior at the end of a flow of vectors.
func (b *builder) lastPrior(cfg Config) {
	switch cfg.Prior {
	case "learned":
		b.add("prior", NewAffine(b.c))
	case "mixture":
		b.mixture(cfg)
	}
}

func checkMAF(c Config) error { return c.checkVectorFlow() }

// checkVectorFlow is for flows of vectors whose conditioners read some dimensions off others.
func (c Config) checkVectorFlow() error {
	if c.Height != 1 || c.Width != 1 {
		return fmt.Errorf("%s is for vectors, height and width 1, not for images of %dx%d: use realnvp or glow", c.Kind, c.Height, c.Width)
	}
	if c.D() < 2 && c.Context.Features() == 0 {
		return fmt.Errorf("%s needs two dimensions or a context, the data has %d: use a chain", c.Kind, c.D())
	}
	return inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 12}, number{"depth", c.Depth, 1, 1 << 8})
}
