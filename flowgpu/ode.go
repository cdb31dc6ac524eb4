package flowgpu

import (
	"fmt"
	"math"
	"slices"
	"time"

	"cuflow/device"
)

// dynamics are the right-hand side of dy/dt = (h, trace of dh/dz, ...) of a continuous layer, and steps through them. y holds z before its
// integrals, which begin at 0. An evaluation is one of h with all that goes with it.
type dynamics interface {
	// begin readies the weights for solves of a pass, with memory from Scratch; train says that their gradient is wanted. e are the
	// directions of an estimated trace.
	begin(s *State, e device.Buffer, train bool)
	// end adds what stepBackward has gathered to the parameters' gradients.
	end(s *State)
	// sizes are the floats of z, and of the integrals.
	sizes(s *State) (z, integrals int)

	value(s *State, t float32, y, k device.Buffer)
	step(s *State, rk *device.RungeKutta, ts device.TimeStep, y, k, yn, kn, err device.Buffer)
	stepBackward(s *State, rk *device.RungeKutta, ts device.TimeStep, z, dz device.Buffer, dq [3]float32)
	// pull adds to dz, which is the gradient a of h, (dh/dz)^T a and what the integrands add to it, and that of the weights, times weight,
	// to theirs.
	pull(s *State, t float32, z, dz device.Buffer, dq [3]float32, weight float32)
	Params() []*Param
}

// Solving is what the solvers of a pass are told and tell. One belongs to each Workspace.
type Solving struct {
	Solves
	Reverse   bool  // measure by how much a solve back misses where the solve began, and raise State.Drift to it
	Rehearsal bool  // there are no errors to choose steps by: take a few, and all the memory that any solve may take
	Err       error // the first solve that failed, and where: results are not to be used
}

// Solves is what solvers have done.
type Solves struct {
	Evaluations int     // of the dynamics, backward ones not counted
	Accepted    int     // steps
	Rejected    int     // steps
	Flops       int64   // of products and convolutions, gradients and solves back included
	Seconds     float64 // spent in continuous layers, gradients included; on a device that is not waited for, as far as known
}

// since gives what was done after an earlier moment.
func (s Solves) since(was Solves) Solves {
	return Solves{s.Evaluations - was.Evaluations, s.Accepted - was.Accepted, s.Rejected - was.Rejected, s.Flops - was.Flops, s.Seconds - was.Seconds}
}

// worked adds to what is known of solves.
func (s *State) worked(flops int64) {
	if s.Solving != nil {
		s.Solving.Flops += flops
	}
}

// solver takes dynamics from one time to another. The device is waited for once in a step that is chosen by its error, for one number, and
// once at the start.
type solver struct {
	rk                       *device.RungeKutta
	steps                    int     // of a method that does not choose them
	tolerance                float64 // absolute and relative, in training
	test                     float64 // elsewhere
	perSample, testPerSample bool    // the error is the worst sample's, not the batch's: in training, and elsewhere
	budget                   int     // evaluations of a solve, at most

	taken []device.TimeStep // of the last solve
	spare []device.TimeStep // room for as many
	host  [2]float32
}

// Limits of an adaptive step, as in Hairer, Nørsett and Wanner, "Solving ordinary differential equations I", 1993, section II.4 and the
// code DOPRI5 there.
const (
	safety      = 0.9
	shrinkMost  = 0.2
	growMost    = 10
	steadiness  = 0.04    // beta of the PI controller, whose exponents are 1/order - 0.75*beta and beta
	leastStep   = 0x1p-22 // of the interval: T is a float32
	leastErr    = 1e-4
	unknownStep = 1e-6 // of the interval, where nothing moves
	rehearsed   = 4    // steps of a solve in a rehearsal: those of ffjord-2d before it is trained
)

func newSolver(c ODE) solver {
	o := solver{steps: c.Steps, tolerance: c.Tolerance, test: c.TestTolerance, perSample: c.ErrorNorm == "sample", testPerSample: c.TestErrorNorm == "sample", budget: c.Budget}
	for _, rk := range device.Solvers() {
		if rk.Name == c.Solver {
			o.rk = rk
		}
	}
	most := o.steps
	if o.rk.Adaptive {
		most = o.budget
	}
	o.taken, o.spare = make([]device.TimeStep, 0, most+1), make([]device.TimeStep, 0, most+1)
	return o
}

// odeState is a solve's memory.
type odeState struct{ y, yn, k, kn, err device.Buffer }

// take makes room for a solve, of which y is the result.
func (o *solver) take(s *State, d dynamics) (m odeState) {
	z, integrals := d.sizes(s)
	m.y, m.yn = s.Scratch.Take(z+integrals), s.Scratch.Take(z+integrals)
	if o.rk.Adaptive {
		m.k, m.kn, m.err = s.Scratch.Take(z+integrals), s.Scratch.Take(z+integrals), s.Scratch.Take(s.N)
	}
	return m
}

// solve takes m.y from one time to the other. keep, where it is given, keeps the z that every step began from.
func (o *solver) solve(s *State, d dynamics, m *odeState, from, to float64, keep *checkpoints) error {
	o.taken = o.taken[:0]
	if s.N == 0 {
		return nil
	}
	if !o.rk.Adaptive {
		o.equal(s, d, m, from, to, o.steps, keep)
		return nil
	}
	tolerance := o.test
	if s.Training {
		tolerance = o.tolerance
	}
	return o.adapt(s, d, m, from, to, float32(tolerance), keep)
}

// equal takes n steps of one size.
func (o *solver) equal(s *State, d dynamics, m *odeState, from, to float64, n int, keep *checkpoints) {
	h := (to - from) / float64(n)
	for i := range n {
		o.try(s, d, m, from+float64(i)*h, h, 0)
		o.accept(s, d, m, keep)
	}
}

// adapt chooses steps by their error.
func (o *solver) adapt(s *State, d dynamics, m *odeState, from, to float64, tolerance float32, keep *checkpoints) error {
	span := math.Abs(to - from)
	t, before := from, 1.0
	d.value(s, float32(t), m.y, m.k)
	size, err := o.first(s, d, m, t, span, math.Copysign(1, to-from), tolerance)
	if err != nil {
		return err
	}
	if s.Solving != nil && s.Solving.Rehearsal {
		o.error(s, d, m)
		o.equal(s, d, m, from, to, rehearsed, keep)
		return nil
	}
	evaluations, rejected := 2, false
	for t != to {
		h := math.Copysign(size, to-from)
		last := math.Abs(to-t) <= size*(1+1e-6)
		if last {
			h = to - t
		}
		switch {
		case evaluations >= o.budget:
			return fmt.Errorf("%d evaluations of the dynamics have taken it to t = %.4g only, by steps of %.2g", evaluations, t, size)
		case size < leastStep*span:
			return fmt.Errorf("at t = %.4g the step has become %.2g, too small to go on: the dynamics are stiff or have diverged", t, size)
		}
		o.try(s, d, m, t, h, tolerance)
		evaluations += o.rk.Advancing()
		e, err := o.error(s, d, m)
		switch {
		case err != nil:
			return err
		case math.IsNaN(e) || math.IsInf(e, 0):
			o.reject(s)
			size, rejected = math.Abs(h)*shrinkMost, true
		case e > 1:
			o.reject(s)
			size, rejected = math.Abs(h)*max(shrinkMost, safety*math.Pow(e, -1/float64(o.rk.Order))), true
		default:
			o.accept(s, d, m, keep)
			if t += h; last {
				t = to
			}
			e = max(e, leastErr)
			grow := safety * math.Pow(e, -1/float64(o.rk.Order)+0.75*steadiness) * math.Pow(before, steadiness)
			if rejected {
				grow = min(grow, 1)
			}
			size, before, rejected = math.Abs(h)*max(shrinkMost, min(growMost, grow)), e, false
		}
	}
	return nil
}

// first is the size of the first step, from m.k: ibid., section II.4, "starting step size".
func (o *solver) first(s *State, d dynamics, m *odeState, t, span, sign float64, tolerance float32) (float64, error) {
	z, _ := d.sizes(s)
	rows := device.Rows{C: z / s.N, N: s.N, P: 1} // only the sum over samples counts
	mark := s.Scratch.Mark()
	defer s.Scratch.Release(mark)
	sums := s.Scratch.Take(2)
	norm := func(v device.Buffer, to int) {
		s.Fill(m.err, 0)
		s.ScaledSquares(rows, tolerance, tolerance, m.y.Slice(0, z), device.Buffer{}, v.Slice(0, z), m.err)
		s.Sum(1/float32(z), m.err, sums.Slice(to, to+1))
	}
	norm(m.y, 0)
	norm(m.k, 1)
	if err := s.Download(o.host[:], sums); err != nil {
		return 0, err
	}
	d0, d1 := math.Sqrt(float64(o.host[0])), math.Sqrt(float64(o.host[1]))
	h := unknownStep * span
	if d0 >= 1e-5 && d1 >= 1e-5 {
		h = min(0.01*d0/d1, span)
	}
	s.Copy(m.yn, m.y)
	s.Axpy(float32(sign*h), m.k, m.yn)
	d.value(s, float32(t+sign*h), m.yn, m.kn)
	s.Axpy(-1, m.k, m.kn)
	norm(m.kn, 0)
	if err := s.Download(o.host[:1], sums.Slice(0, 1)); err != nil {
		return 0, err
	}
	d2 := math.Sqrt(float64(o.host[0])) / h
	if s.Solving != nil {
		s.Solving.Evaluations += 2
	}
	h1 := max(unknownStep*span, h*1e-3)
	if top := max(d1, d2); top > 1e-15 {
		h1 = math.Pow(0.01/top, 1/float64(o.rk.Order))
	}
	size := min(100*h, h1, span)
	if math.IsNaN(size) {
		return 0, fmt.Errorf("the dynamics are no numbers at t = %.4g, where the solve begins", t)
	}
	return size, nil
}

// try takes a step to m.yn and m.kn.
func (o *solver) try(s *State, d dynamics, m *odeState, t, h float64, tolerance float32) {
	ts := device.TimeStep{T: float32(t), DT: float32(h), ATol: tolerance, RTol: tolerance}
	d.step(s, o.rk, ts, m.y, m.k, m.yn, m.kn, m.err)
	o.taken = append(o.taken, ts)
	if s.Solving != nil {
		s.Solving.Evaluations += o.rk.Stages
		if o.rk.Adaptive {
			s.Solving.Evaluations--
		}
	}
}

func (o *solver) accept(s *State, d dynamics, m *odeState, keep *checkpoints) {
	if keep != nil {
		z, _ := d.sizes(s)
		keep.put(s, len(o.taken)-1, m.y.Slice(0, z))
	}
	m.y, m.yn, m.k, m.kn = m.yn, m.y, m.kn, m.k
	if s.Solving != nil {
		s.Solving.Accepted++
	}
}

func (o *solver) reject(s *State) {
	o.taken = o.taken[:len(o.taken)-1]
	if s.Solving != nil {
		s.Solving.Rejected++
	}
}

// error waits for the error of a step, where 1 is what is allowed.
func (o *solver) error(s *State, d dynamics, m *odeState) (float64, error) {
	mark := s.Scratch.Mark()
	defer s.Scratch.Release(mark)
	z, _ := d.sizes(s)
	dims := float64(z/s.N + 1)
	out := s.Scratch.Take(1)
	perSample := o.testPerSample
	if s.Training {
		perSample = o.perSample
	}
	if perSample {
		none := s.Scratch.Take(s.N)
		s.Fill(none, 0)
		s.Fill(out, 0)
		s.MaxAbsDiff(m.err, none, out)
	} else {
		s.Sum(1/float32(s.N), m.err, out)
	}
	if err := s.Download(o.host[:1], out); err != nil {
		return 0, err
	}
	return math.Sqrt(float64(o.host[0]) / dims), nil
}

// checkpoints keeps the states that steps began from: all of the first few dozen, then every second, every fourth, and so on.
type checkpoints struct {
	slots  device.Buffer
	size   int // floats of a state
	stride int // steps from one kept state to the next
}

const slots = 32

func (c *checkpoints) take(a *device.Arena, size int) {
	c.slots, c.size, c.stride = a.Take(slots*size), size, 1
}

func (c *checkpoints) slot(i int) device.Buffer { return c.slots.Slice(i*c.size, (i+1)*c.size) }

// put keeps the state that step i began from, if it is one of those that are kept.
func (c *checkpoints) put(s *State, i int, z device.Buffer) {
	if i == slots*c.stride {
		for j := 1; j < slots/2; j++ {
			s.Copy(c.slot(j), c.slot(2*j))
		}
		c.stride *= 2
	}
	if i%c.stride == 0 {
		s.Copy(c.slot(i/c.stride), z)
	}
}

// back calls f with each step and where it began, from the last step to the first. Steps between kept states are taken again.
func (o *solver) back(s *State, d dynamics, keep *checkpoints, f func(i int, z device.Buffer)) {
	total := len(o.taken)
	if keep.stride == 1 {
		for i, _ := range slices.Backward(o.taken) {
			f(i, keep.slot(i))
		}
		return
	}
	z, integrals := d.sizes(s)
	mark := s.Scratch.Mark()
	m := o.take(s, d)
	between := s.Scratch.Take(keep.stride * z)
	at := func(i int) device.Buffer { return between.Slice(i*z, (i+1)*z) }
	for base := (total - 1) / keep.stride * keep.stride; base >= 0; base -= keep.stride {
		steps := o.taken[base:min(total, base+keep.stride)]
		s.Copy(m.y.Slice(0, z), keep.slot(base/keep.stride))
		s.Fill(m.y.Slice(z, z+integrals), 0)
		if o.rk.Adaptive {
			d.value(s, steps[0].T, m.y, m.k)
		}
		for i, ts := range steps {
			s.Copy(at(i), m.y.Slice(0, z))
			if i < len(steps)-1 {
				d.step(s, o.rk, ts, m.y, m.k, m.yn, m.kn, m.err)
				m.y, m.yn, m.k, m.kn = m.yn, m.y, m.kn, m.k
			}
		}
		for i := len(steps) - 1; i >= 0; i-- {
			f(base+i, at(i))
		}
	}
	s.Scratch.Release(mark)
}

// reserve takes what back may need, and measure: a dry run has not so many steps, and measures nothing.
func (o *solver) reserve(s *State, d dynamics) {
	most := o.steps
	if o.rk.Adaptive {
		most = o.budget/o.rk.Advancing() + 1
	}
	stride := 1
	for stride*slots < most {
		stride *= 2
	}
	z, _ := d.sizes(s)
	mark := s.Scratch.Mark()
	o.take(s, d)
	s.Scratch.Take(stride * z)
	s.Scratch.Release(mark)
}

// clock adds the time that f takes to what is known of solvers.
func (s *State) clock(f func()) {
	if s.Solving == nil {
		f()
		return
	}
	began := time.Now()
	f()
	s.Solving.Seconds += time.Since(began).Seconds()
}
