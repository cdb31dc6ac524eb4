package train

import (
	"fmt"

	"cuflow/flowgpu"
)

// matured is by how many times more often a continuous flow evaluates its dynamics, on average over a run, than in its first step: what it bends
// more takes more steps to follow. Measured over the 2,000 steps of ffjord-2d on two moons; docs/ffjord.md has other data.
const matured = 2.9

// growth is how solves of a continuous flow come to take longer in training.
type growth struct{ first, sum, steps float64 } // evaluations of the first step, and of all steps that were measured

// add notes what steps have taken; timed says that their time counts.
func (g *growth) add(records []flowgpu.Record, timed bool) {
	for _, rec := range records {
		n := float64(rec.Solves.Evaluations)
		if g.first == 0 {
			g.first = n
		}
		if timed {
			g.sum, g.steps = g.sum+n, g.steps+1
		}
	}
}

// factor is by what times of the measured steps are multiplied to be those of a whole run: 1 where no solve chooses its steps.
func (g growth) factor(m flowgpu.Config) float64 {
	if m.Filled().ODE.Steps > 0 || g.sum == 0 {
		return 1
	}
	return max(1, matured*g.first*g.steps/g.sum)
}

// mature makes the plan's arithmetic that of solves as the run will have them, and says so.
func (e *Estimate) mature(r *run, g growth) {
	if g.sum == 0 {
		return // no continuous flow
	}
	scale := e.Grown
	for i, mode := range e.Modes {
		if planned := e.Budgets[i].Flops; mode == r.cfg.Memory && e.Scaled == 1 {
			scale = e.Grown * float64(r.stepper.Flops()) / float64(planned)
		}
	}
	for i := range e.Budgets {
		e.Budgets[i].Flops = int64(scale * float64(e.Budgets[i].Flops))
	}
	if e.Grown > 1 {
		e.note(fmt.Sprintf("solves took %.0f evaluations in the first step and %.0f in those that were measured: in the run they are counted with %.2g times as many as in the first, which they grow to by experience with ffjord-2d",
			g.first, g.sum/g.steps, matured))
	}
}
