package flowgpu

import (
	"fmt"
	"math"

	"cuflow/device"
)

// caution is what training keeps in hand where a solve may fail: the parameters and the optimiser's state before the last step. The first
// solve that fails costs that step, which is undone, and half of the learning rate from there on. The next one ends the training.
type caution struct {
	before [4]device.Buffer // values and moments, and averaged weights where there are any, before the last step
	slower device.Buffer    // [1] what the learning rate is multiplied by
	factor float32          // the same on the host
	known  bool             // before holds something

	reverseEvery int
	was          Solves           // before the step
	flops, steps int64            // of all solves, and the steps that they were in
	solves       [RingSize]Solves // by step
	undone       [RingSize]string
	err          error
}

// live says whether a model's work waits for numbers of the device: solves that choose their steps, or may fail.
func (m *Model) live() bool {
	for _, b := range m.blocks {
		for _, l := range b.chain {
			if _, ok := l.(*Continuous); ok {
				return true
			}
		}
	}
	return false
}

// solved gives the failure of a solve since the last call.
func (w *Workspace) solved() error {
	err := w.s.Solving.Err
	w.s.Solving.Err = nil
	return err
}

// kept are the arrays that a step changes.
func (t *Stepper) kept() [4]device.Buffer { return [4]device.Buffer{t.m.values, t.m1, t.m2, t.ema} }

// beCautious makes room, for a model that needs it.
func (t *Stepper) beCautious() (err error) {
	if !t.m.live() {
		return nil
	}
	c := &caution{factor: 1, reverseEvery: t.cfg.ReverseEvery}
	t.caution = c
	for i, b := range t.kept() {
		if b.Nil() {
			continue
		}
		if c.before[i], err = t.m.be.Alloc(b.Len()); err != nil {
			return fmt.Errorf("what undoes a training step: %w", err)
		}
	}
	if c.slower, err = t.m.be.Alloc(1); err != nil {
		return fmt.Errorf("what undoes a training step: %w", err)
	}
	t.m.be.Fill(c.slower, 1)
	return nil
}

func (c *caution) close(be device.Backend) {
	if c == nil {
		return
	}
	for _, b := range append(c.before[:], c.slower) {
		if !b.Nil() {
			be.Free(b)
		}
	}
}

// rate is what the learning rate is multiplied by.
func (c *caution) rate() float32 {
	if c == nil {
		return 1
	}
	return c.factor
}

// prepare says what solves of this step are to do.
func (t *Stepper) prepare() {
	c, s := t.caution, t.w.s.Solving
	if c == nil {
		return
	}
	c.was, s.Err = s.Solves, nil
	s.Reverse = c.reverseEvery > 0 && t.steps%c.reverseEvery == 0
	if t.cfg.Mode != Reversible {
		t.w.s.Drift = device.Buffer{}
	}
	if s.Reverse {
		t.w.s.Drift = t.now.Slice(2, 3)
	}
}

// keep keeps what the step is about to change.
func (c *caution) keep(t *Stepper) {
	if c == nil {
		return
	}
	for i, b := range t.kept() {
		if !b.Nil() {
			t.m.be.Copy(c.before[i], b)
		}
	}
	c.known = true
}

// judge looks at what the step's solves have told.
func (t *Stepper) judge() {
	c, s := t.caution, t.w.s.Solving
	if c == nil {
		return
	}
	at := (t.steps - 1) % RingSize
	c.solves[at], c.undone[at] = s.Solves.since(c.was), ""
	c.flops, c.steps = c.flops+c.solves[at].Flops, c.steps+1
	if s.Err == nil {
		return
	}
	err := fmt.Errorf("training step %d: %w%s", t.steps, s.Err, t.greatestGradient())
	if !c.known || c.factor < 1 {
		if c.err == nil {
			c.err = fmt.Errorf("%w; use a lower learning rate, a tighter clip, a looser ODE tolerance, or a weight for the kinetic energy", err)
		}
		return
	}
	for i, b := range t.kept() {
		if !b.Nil() {
			t.m.be.Copy(b, c.before[i])
		}
	}
	c.known, c.factor, c.undone[at] = false, 0.5, err.Error()
	t.m.be.Fill(c.slower, c.factor)
}

// greatestGradient tells where the last step that had a gradient had its greatest.
func (t *Stepper) greatestGradient() string {
	g := make([]float32, t.m.grads.Len())
	if t.m.be.Download(g, t.m.grads) != nil {
		return "" // the device's own failure is told elsewhere
	}
	greatest, name, at := 0.0, "", 0
	for _, p := range t.m.namedParams() {
		if p.Fixed {
			continue
		}
		for _, v := range g[at : at+p.Len()] {
			if a := math.Abs(float64(v)); a > greatest || math.IsNaN(a) && !math.IsNaN(greatest) {
				greatest, name = a, p.name
			}
		}
		at += aligned(p.Len())
	}
	if name == "" {
		return "; no step has had a gradient yet"
	}
	return fmt.Sprintf("; the greatest gradient of the step before was %.3g, of %s", greatest, name)
}

// failure ends the training.
func (c *caution) failure() error {
	if c == nil {
		return nil
	}
	return c.err
}

// tell adds what is known of solves to a step's record.
func (c *caution) tell(r *Record) {
	if c == nil {
		return
	}
	at := (r.Step - 1) % RingSize
	r.Solves, r.Undone = c.solves[at], c.undone[at]
}

// load takes over what Load has read.
func (c *caution) load(t *Stepper) error {
	if c == nil {
		return nil
	}
	var host [1]float32
	err := t.m.be.Download(host[:], c.slower)
	c.factor, c.known = host[0], false
	return err
}
