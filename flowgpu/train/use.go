package train

import (
	"context"
	"fmt"

	"cuflow/device"
	"cuflow/flowgpu"
)

// Use says where a trained model is to be used. Empty fields mean what the run was trained with.
type Use struct {
	Device string // where it is empty and the run's device is not here, the best that is
	Data   string // "digits" or a folder
}

// Evaluation is the score of a run's held-out images under its averaged weights.
type Evaluation struct {
	Score
	Device string `json:"device"`
}

// Evaluate scores all held-out images with the run at path. Where ctx ends first it returns ErrInterrupted.
func Evaluate(ctx context.Context, path string, use Use, env Env) (*Evaluation, error) {
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	if use.Data != "" {
		s.Config.Data = use.Data
	}
	_, test, err := s.Config.openData()
	if err != nil {
		return nil, fmt.Errorf("%w (the run's data may be given a new place with --data)", err)
	}
	var result Evaluation
	err = s.with(use, env, func(e *flowgpu.Evaluator, be device.Backend) error {
		result.Device = be.Name()
		result.Score, err = score(ctx, e, test, s.Config.Seed)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// Sample draws n images with the run at path into a picture.
func Sample(path string, n int, temperature float64, seed uint64, picture string, use Use, env Env) error {
	switch {
	case n < 1 || n > maxGrid:
		return usagef("--n is %d: it must be from 1 to %d", n, maxGrid)
	case !temperatureOK(temperature):
		return usagef("--temperature is %g: it must be from 0 to 10", temperature)
	}
	s, err := open(path)
	if err != nil {
		return err
	}
	return s.with(use, env, func(e *flowgpu.Evaluator, _ device.Backend) error {
		return drawGrid(picture, e, s.Config.Model, n, temperature, seed)
	})
}

// with runs f on the averaged model, in batches of the run's size: the same bits as in training.
func (s *saved) with(use Use, env Env, f func(*flowgpu.Evaluator, device.Backend) error) error {
	be, err := s.device(use.Device, env)
	if err != nil {
		return err
	}
	defer be.Close()
	s.averaged()
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
	return f(e, be)
}

func (s *saved) device(name string, env Env) (device.Backend, error) {
	if name != "" {
		return env.Open(name)
	}
	if be, err := env.Open(s.Config.Device); err == nil {
		return be, nil
	}
	return env.Open("auto")
}
