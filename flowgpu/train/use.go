package train

import (
	"context"
	"fmt"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Use says where a trained model is to be used. Empty fields mean what the run was trained with.
type Use struct {
	Device    string // where it is empty and the run's device is not here, the best that is
	Precision string // as device.Choice has it
	Data      string // what data.OpenWith takes, of vectors data.OpenVectors

	ODE flowgpu.ODE // of a continuous flow: TestTolerance, TestTrace and TestErrorNorm, where they are not to be the run's; of the rest nothing is read
}

// Detail is what an evaluation is to tell beside the score.
type Detail struct {
	Terms bool // where the bits come from
	K     int  // noises per image of an importance-weighted bound; 0: none
}

// maxK bounds the noises of a bound.
const maxK = 1 << 16

// Evaluation is the score of a run's held-out images, or of the test part of its vectors, under its averaged or best weights.
type Evaluation struct {
	Score
	Device    string     `json:"device"`
	Exact     *Exact     `json:"exact,omitempty"`    // of vectors from a distribution that is known
	Discrete  *float64   `json:"discrete,omitempty"` // of vectors all of whose columns have steps: what -log P of their values is at most, on average, in nats
	Breakdown *Breakdown `json:"breakdown,omitempty"`
	// Variational is of a model that learns its dequantisation: what of the score is exact, and what is the noise's.
	Variational *Variational `json:"variational,omitempty"`
	Solved      *Solved      `json:"solved,omitempty"` // of a continuous flow
	Bound       *Bound       `json:"bound,omitempty"`
}

// Evaluate scores all held-out images with the run at path. Where ctx ends first it returns ErrInterrupted.
func Evaluate(ctx context.Context, path string, detail Detail, use Use, env Env) (*Evaluation, error) {
	if detail.K < 0 || detail.K > maxK {
		return nil, usagef("--k is %d: it must be from 1 to %d", detail.K, maxK)
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	parts, err := s.sources(use, env)
	if err != nil {
		return nil, moved(err)
	}
	test := parts.test
	var result Evaluation
	err = s.with(use, env, func(m *flowgpu.Model, e *flowgpu.Evaluator) error {
		result.Device = m.Backend().Name()
		logp, apart, err := logProbsApart(ctx, e, m.Config(), test, s.Config.Seed)
		if err != nil {
			return err
		}
		result.Variational = apart
		if result.Score, err = summariseOf(test.Info(), logp); err != nil {
			return err
		}
		if result.Solved, err = solvedBy(ctx, e, m.Config(), test, s.Config.Seed); err != nil {
			return err
		}
		if v, ok := test.(*data.Vectors); ok {
			result.Exact, result.Discrete = exact(v, logp), discrete(v.Columns(), result.Nats)
		}
		if detail.Terms {
			result.Breakdown, err = breakDown(ctx, e, test, result.Score, s.Config.Seed)
		}
		if err == nil && detail.K > 0 {
			result.Bound, err = bound(ctx, e, test, detail.K, s.Config.Seed)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// sources opens the data that a model is used on.
func (s *saved) sources(use Use, env Env) (sources, error) {
	c := s.Config
	if use.Data != "" {
		c.Data = use.Data
	}
	return c.open(env.note)
}

// moved says what to do where a run's data is not what it was.
func moved(err error) error {
	return fmt.Errorf("%w (the run's data may be given a new place with --data)", err)
}

// with runs f on the run's own weights, in batches of the run's size: the same bits as in training.
func (s *saved) with(use Use, env Env, f func(*flowgpu.Model, *flowgpu.Evaluator) error) error {
	be, err := s.device(use, env)
	if err != nil {
		return err
	}
	defer be.Close()
	s.chosen()
	if err := use.resolve(&s.c.Model); err != nil {
		return err
	}
	m, err := flowgpu.NewFromCheckpoint(be, s.c)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	defer m.Close()
	e, err := flowgpu.NewEvaluator(m, s.Config.Batch)
	if err != nil {
		return err
	}
	defer e.Close()
	return f(m, e)
}

// device opens what use asks for, or else the run's, or else the best there is.
func (s *saved) device(use Use, env Env) (device.Backend, error) {
	c := s.Config.choice(env.note)
	if use.Device != "" {
		return env.Open(device.Choice{Name: use.Device, Precision: use.Precision, Say: env.note})
	}
	if use.Precision != "" {
		c.Precision = use.Precision
	}
	if be, err := env.Open(c); err == nil {
		return be, nil
	}
	return env.Open(device.Choice{Name: "auto", Precision: use.Precision, Say: env.note})
}
