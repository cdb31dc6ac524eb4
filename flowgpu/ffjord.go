package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// Continuous is a flow of no steps: x moves by dz/dt = h(t, z) from t = 0 to 1. Chen et al., "Neural ordinary differential equations", 2018;
// Grathwohl et al., "FFJORD", 2019, equations 3 and 4:
//
//	y = x + integral of h(t, z) dt;  log|det dy/dx| = integral of the trace of dh/dz dt
//
// Its gradient is that of the steps that the solver took, or by the adjoint's own equation. What the solver could not do is told by
// State.Solving, and the log-determinant is then not a number.
type Continuous struct {
	name   string // of the block, for messages
	stream uint32 // of its directions, after State.Noise.ID
	ode    ODE
	train  dynamics // with the trace of training
	eval   dynamics // with that of elsewhere; the same parameters
	solver solver

	saved checkpoints
	e     device.Buffer // directions of the last Forward
	mark  int           // of the stash
}

// newContinuous makes the layer from dynamics that share their parameters.
func newContinuous(name string, stream uint32, c ODE, train, eval dynamics) *Continuous {
	return &Continuous{name: name, stream: stream, ode: c, train: train, eval: eval, solver: newSolver(c)}
}

// NewFieldFlow is the layer for vectors of d dimensions, with depth hidden layers of hidden units.
func NewFieldFlow(name string, stream uint32, c ODE, d, hidden, depth int, r *rand.Rand) *Continuous {
	f := device.Field{
		D: d, H: hidden, Depth: depth, Act: smooths[c.Act], Gated: c.Time == "squash", Exact: c.Trace == "exact",
		Energies: c.Kinetic != 0 || c.Jacobian != 0,
	}
	train := newFieldDynamics(f, r)
	eval := *train
	eval.field.Exact, eval.field.Energies = c.TestTrace == "exact", false
	return newContinuous(name, stream, c, train, &eval)
}

// use chooses the dynamics of a pass, and the directions of its trace.
func (l *Continuous) use(s *State, a *device.Arena) (d dynamics, e device.Buffer) {
	d, trace := l.eval, l.ode.TestTrace
	if s.Training {
		d, trace = l.train, l.ode.Trace
	}
	if trace == "exact" {
		return d, device.Buffer{}
	}
	e = a.Take(s.C * s.M())
	noise := s.Noise
	noise.ID += l.stream
	s.Normal(s.rows(), 1, noise, s.At, e)
	if trace == "rademacher" {
		s.Directions(e)
	}
	return d, e
}

// run solves from one time to the other, of x in place, and adds the integral of the trace to the log-determinant.
func (l *Continuous) run(s *State, d dynamics, from, to float64, keep *checkpoints) {
	z, integrals := d.sizes(s)
	m := l.solver.take(s, d)
	s.Copy(m.y.Slice(0, z), s.X())
	s.Fill(m.y.Slice(z, z+integrals), 0)
	if err := l.solver.solve(s, d, &m, from, to, keep); err != nil {
		l.fail(s, err)
		return
	}
	s.Copy(s.X(), m.y.Slice(0, z))
	s.Axpy(1, m.y.Slice(z, z+s.N), s.LogDet)
}

// fail notes the first failure.
func (l *Continuous) fail(s *State, err error) {
	s.Fill(s.LogDet, float32(math.NaN()))
	if s.Solving != nil && s.Solving.Err == nil {
		s.Solving.Err = fmt.Errorf("%s: %w", l.name, err)
	}
}

func (l *Continuous) Forward(s *State) {
	s.clock(func() {
		l.mark = s.Stash.Mark()
		mark := s.Scratch.Mark()
		if s.Training && s.KeepX {
			l.remember(s, s.Stash)
		} else {
			d, e := l.use(s, s.Scratch)
			d.begin(s, e, false)
			l.run(s, d, 0, 1, nil)
		}
		s.Scratch.Release(mark)
	})
}

// remember is Forward that keeps in a what gradients will need.
func (l *Continuous) remember(s *State, a *device.Arena) dynamics {
	d, e := l.use(s, a)
	l.e = e
	z, _ := d.sizes(s)
	l.saved.take(a, z)
	d.begin(s, e, false)
	l.run(s, d, 0, 1, &l.saved)
	return d
}

func (l *Continuous) Inverse(s *State) {
	s.clock(func() {
		mark := s.Scratch.Mark()
		d, e := l.use(s, s.Scratch)
		d.begin(s, e, false)
		l.run(s, d, 1, 0, nil)
		s.Scratch.Release(mark)
	})
}

// Backward has where every step began. In mode reversible it solves back first, and forward once more.
func (l *Continuous) Backward(s *State) {
	s.clock(func() {
		mark := s.Scratch.Mark()
		if !s.KeepX {
			l.again(s)
		} else if s.Solving != nil && s.Solving.Reverse && !s.Drift.Nil() {
			l.measure(s)
		}
		d := l.train
		d.begin(s, l.e, true)
		l.solver.reserve(s, d)
		dq := [3]float32{s.DLogDet, -s.DLogDet * float32(l.ode.Kinetic), -s.DLogDet * float32(l.ode.Jacobian)}
		if l.ode.Gradient == "adjoint" {
			l.adjoint(s, d, dq)
		} else {
			l.solver.back(s, d, &l.saved, func(i int, z device.Buffer) {
				d.stepBackward(s, l.solver.rk, l.solver.taken[i], z, s.DX(), dq)
			})
		}
		d.end(s)
		s.Copy(s.X(), l.saved.slot(0))
		s.Scratch.Release(mark)
		s.Stash.Release(l.mark)
	})
}

// quietly runs f without its share of the log-determinant.
func (l *Continuous) quietly(s *State, f func()) {
	kept := s.LogDet
	s.LogDet = s.Scratch.Take(s.N)
	s.Fill(s.LogDet, 0)
	f()
	s.LogDet = kept
}

// again finds x, and what Backward needs of the way from there.
func (l *Continuous) again(s *State) {
	l.quietly(s, func() {
		mark := s.Scratch.Mark()
		d, e := l.use(s, s.Scratch)
		d.begin(s, e, false)
		l.run(s, d, 1, 0, nil)
		s.Scratch.Release(mark)
		l.remember(s, s.Scratch)
	})
}

// measure solves back and compares with where the solve began.
func (l *Continuous) measure(s *State) {
	mark := s.Scratch.Mark()
	l.quietly(s, func() {
		o := &l.solver
		o.taken, o.spare = o.spare, o.taken
		d := l.train
		d.begin(s, l.e, false)
		l.run(s, d, 1, 0, nil)
		s.MaxAbsDiff(s.X(), l.saved.slot(0), s.Drift)
		o.taken, o.spare = o.spare, o.taken
	})
	s.Scratch.Release(mark)
}

func (l *Continuous) Params() []*Param { return l.train.Params() }

// NewConvFlow is the layer for images of c channels, with depth hidden convolutions of so many channels.
func NewConvFlow(name string, stream uint32, c ODE, channels, hidden, depth int, r *rand.Rand) *Continuous {
	train := newConvDynamics(channels, hidden, depth, smooths[c.Act], c.Time == "squash", c.Kinetic != 0 || c.Jacobian != 0, r)
	eval := *train
	eval.energies = false
	eval.tape = make([]convTape, len(train.tape))
	return newContinuous(name, stream, c, train, &eval)
}

// ffjord builds continuous flows one after another, with a normalisation behind each but the last. Of images it builds scales, as the
// paper's code does: flows, a squeeze, as many flows again and a split that retires half of the channels; the last scale is flows alone.
func ffjord(cfg Config, b *builder) {
	if cfg.vectors() {
		b.level = 1
		b.flows(cfg, "flow", func(name string, stream uint32) *Continuous {
			return NewFieldFlow(name, stream, cfg.ODE, b.c, cfg.Hidden, cfg.Depth, b.r)
		})
		b.lastPrior(cfg)
		return
	}
	stream := uint32(0)
	conv := func(name string, _ uint32) *Continuous {
		stream++
		return NewConvFlow(name, stream, cfg.ODE, b.c, cfg.Hidden, cfg.Depth, b.r)
	}
	for b.level = 1; b.level <= cfg.Levels; b.level++ {
		b.flows(cfg, fmt.Sprintf("level%d.flow", b.level), conv)
		if b.level == cfg.Levels {
			break
		}
		b.squeeze()
		b.flows(cfg, fmt.Sprintf("level%d.squeezed", b.level), conv)
		b.split(NewPlainSplit(b.c))
	}
	b.lastPrior(cfg)
}

// flows adds the continuous flows of a place in the model, with normalisations between.
func (b *builder) flows(cfg Config, prefix string, make func(name string, stream uint32) *Continuous) {
	for i := range cfg.Steps {
		name := fmt.Sprintf("%s%d", prefix, i+1)
		b.step(name, make(name, uint32(i)))
		if i < cfg.Steps-1 {
			b.norm(cfg, name)
		}
	}
}

func checkFFJORD(c Config) error {
	if c.vectors() {
		return inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 7}, number{"depth", c.Depth, 1, 1 << 6})
	}
	if err := inRange(number{"levels", c.Levels, 1, 8}, number{"steps", c.Steps, 1, 16}, number{"depth", c.Depth, 1, 1 << 6}); err != nil {
		return err
	}
	return c.checkSqueezes(c.Levels - 1)
}
