package train

import (
	"context"
	"fmt"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Solved is how a continuous flow was solved while a set was scored, by batch, and how well a solve back undoes it.
type Solved struct {
	Evaluations  float64 `json:"evaluations"`   // of the dynamics
	Accepted     float64 `json:"accepted"`      // steps of the solver
	Rejected     float64 `json:"rejected"`      // and those that were taken again
	ReverseError float64 `json:"reverse_error"` // greatest |x - x'| of Back samples, in standard deviations of a column or parts of an intensity's range
	Back         int     `json:"back"`          // samples of the first batch, that were taken to their latents and back
}

// solvedBy tells it of a set that was scored in batches; nil where the model is no continuous flow.
func solvedBy(ctx context.Context, e *flowgpu.Evaluator, m flowgpu.Config, set data.Source, seed uint64) (*Solved, error) {
	if m.Kind != "ffjord" {
		return nil, nil
	}
	images := set.Info().N
	s, batches := e.Solves(), float64((images+e.Batch()-1)/e.Batch())
	v := &Solved{Evaluations: float64(s.Evaluations) / batches, Accepted: float64(s.Accepted) / batches, Rejected: float64(s.Rejected) / batches}
	err := eachBatch(ctx, e, set, min(images, e.Batch()), func(x []float32, from, n int) (err error) {
		v.Back = n
		v.ReverseError, err = e.ReverseError(x, n, from, seed)
		return err
	})
	return v, err
}

// String is a line for people.
func (s *Solved) String() string {
	return fmt.Sprintf("solved by %.0f evaluations in %.1f steps, %.1f of them taken again; a way back of %d misses by at most %.2g",
		s.Evaluations, s.Accepted, s.Rejected, s.Back, s.ReverseError)
}

// resolve solves a run's model as u asks for, where it asks.
func (u Use) resolve(m *flowgpu.Config) error {
	if u.ODE == (flowgpu.ODE{}) {
		return nil
	}
	if m.Kind != "ffjord" {
		return usagef("--ode-test-tolerance, --ode-test-trace and --ode-test-error are for continuous flows, and this run's model is %s: leave them out", m.Kind)
	}
	if u.ODE.TestTolerance != 0 {
		m.ODE.TestTolerance = u.ODE.TestTolerance
	}
	if u.ODE.TestTrace != "" {
		m.ODE.TestTrace = u.ODE.TestTrace
	}
	if u.ODE.TestErrorNorm != "" {
		m.ODE.TestErrorNorm = u.ODE.TestErrorNorm
	}
	if err := m.Filled().Validate(); err != nil {
		return UsageError{err}
	}
	return nil
}
