package main

import (
	"fmt"
	"math"
	"time"

	"cuflow/device"
	"cuflow/flowgpu"
)

// How many samples a batch has where nobody says.
const (
	drawnImages  = 64
	drawnVectors = 1000
)

// seedOfDraws is that of all random numbers that are drawn here.
const seedOfDraws = 1

// timeDraws draws batches of samples for a round, at temperature 1, and times each until it has come back.
func timeDraws(be device.Backend, w workload, limit time.Duration) (*record, error) {
	counted := resetResident()
	flops, err := countDraws(w)
	if err != nil {
		return nil, err
	}
	m, err := flowgpu.New(be, w.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if err := initialise(m, w); err != nil {
		return nil, err
	}
	e, err := flowgpu.NewEvaluator(m, w.batch)
	if err != nil {
		return nil, err
	}
	defer e.Close()
	out := make([]float32, w.batch*w.model.D())
	group, _, _ := pace(be)
	r, err := timeRound(be, limit, func() error {
		for range group {
			if err := e.Sample(w.batch, 1, seedOfDraws, 0, out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, v := range out {
		if math.IsNaN(float64(v)) {
			return nil, fmt.Errorf("value %d of a sample is no number: such samples are not worth timing", i)
		}
	}
	r.Work, r.Preset, r.Batch, r.StepFlops = sampling, w.name, w.batch, flops
	r.memoryBytes = memoryBytes{Parameters: 4 * int64(m.Values().Len()+m.Fixed().Len()), Activations: e.Bytes()}
	r.Total = r.Parameters + r.Activations
	if counted {
		r.PeakResident = peakResident()
	}
	r.RoundMs = []float64{milliseconds(r.times.Median())}
	r.summarise()
	return r, nil
}

// initialise lets actnorms set themselves, from a small batch: a model that was never trained would draw from no distribution.
func initialise(m *flowgpu.Model, w workload) error {
	if m.Initialised() {
		return nil
	}
	step := w.stepping()
	step.Batch, step.Mode = min(w.batch, 8), flowgpu.Recompute
	s, err := flowgpu.NewStepper(m, step)
	if err != nil {
		return err
	}
	defer s.Close()
	s.Initialise(randomSamples(w.model, step.Batch))
	_, err = s.Read()
	return err
}

// countDraws is the arithmetic of drawing a batch.
func countDraws(w workload) (flops int64, err error) {
	calls, err := countCalls(w, sampling)
	for _, c := range calls {
		flops += c.Flops
	}
	return flops, err
}
