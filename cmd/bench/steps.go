package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"cuflow/cmd/bench/internal/stats"
	"cuflow/device"
	"cuflow/flowgpu"
)

// What a record's Work is.
const (
	training = "train"
	sampling = "sample"
)

const (
	warmUpSteps  = 3       // not timed: memory is touched for the first time, parameters leave their start
	leastSteps   = 5       // timed
	mostSteps    = 1 << 16 // timed
	learningRate = 1e-4    // small: the parameters should move, not diverge
)

// stepsPerRead is how many steps a GPU takes between two looks at their losses, as in training: the host enqueues ahead.
const stepsPerRead = 16

// pace says how a device's work is timed: a CPU's piece by piece, other devices' in groups, so that the wait for the last is little
// beside them.
func pace(be device.Backend) (group, warmUp, least int) {
	if onGPU(be) {
		return stepsPerRead, 1, 2
	}
	return 1, warmUpSteps, leastSteps
}

// timeSteps trains on one batch of random samples for a round, and times steps from before their upload until their losses have come
// back.
func timeSteps(be device.Backend, w workload, limit time.Duration) (*record, error) {
	counted := resetResident()
	m, err := flowgpu.New(be, w.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s, err := flowgpu.NewStepper(m, w.stepping())
	if err != nil {
		return nil, err
	}
	defer s.Close()

	x := randomSamples(w.model, w.batch)
	group, _, _ := pace(be)
	s.Initialise(x)
	r, err := timeRound(be, limit, func() error { return takeSteps(s, x, group) })
	if err != nil {
		return nil, err
	}
	r.Work, r.Preset, r.Batch, r.Mode = training, w.name, w.batch, w.mode
	r.StepFlops, r.memoryBytes = s.Flops(), bytesOf(s.Memory())
	r.Recorded, _ = s.Recorded()
	if counted {
		r.PeakResident = peakResident()
	}
	r.RoundMs = []float64{milliseconds(r.times.Median())}
	r.summarise()
	return r, nil
}

// takeSteps takes a few steps and reads their losses.
func takeSteps(s *flowgpu.Stepper, x []float32, n int) error {
	for range n {
		s.Step(x, learningRate)
	}
	records, err := s.Read()
	if err != nil {
		return err
	}
	for _, r := range records {
		if math.IsNaN(r.Loss) || math.IsInf(r.Loss, 0) {
			return fmt.Errorf("the loss of step %d is %v: such steps are not worth timing", r.Step, r.Loss)
		}
	}
	return nil
}

// timeRound times work, which is a group of pieces that pace tells, after its warm-up.
func timeRound(be device.Backend, limit time.Duration, work func() error) (*record, error) {
	group, warmUp, least := pace(be)
	room := make(stats.Times, 0, mostSteps)
	// A collection now leaves none for the timed steps, which make no garbage.
	runtime.GC()
	for range warmUp {
		if err := work(); err != nil {
			return nil, err
		}
	}
	peak, tries, err := arithmeticPeak(be)
	if err != nil {
		return nil, err
	}
	near := apart(be)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t, err := stats.Measure(room, least, limit, work)
	if err != nil {
		return nil, err
	}
	runtime.ReadMemStats(&after)
	again, more, err := arithmeticPeak(be)
	if err != nil {
		return nil, err
	}
	r := &record{
		Device: be.Name(), Workers: workers(be), Precision: precision(be), WarmUp: warmUp * group, PeakGFLOPS: max(peak, again), tries: append(tries, more...),
		Apart:  append(near, apart(be)...),
		allocs: [2]uint64{after.Mallocs - before.Mallocs, after.TotalAlloc - before.TotalAlloc},
	}
	for _, d := range t {
		for range group {
			r.times = append(r.times, d/time.Duration(group))
		}
	}
	return r, nil
}

// stepping is how a Stepper trains the workload.
func (w workload) stepping() flowgpu.StepConfig {
	return flowgpu.StepConfig{Batch: w.batch, Mode: w.mode, Adam: w.adam}
}

// randomSamples is a batch of random data, the same in every run.
func randomSamples(c flowgpu.Config, batch int) []float32 {
	value := c.RandomData(rand.New(rand.NewPCG(1, 2)))
	x := make([]float32, batch*c.D())
	for i := range x {
		x[i] = value()
	}
	return x
}
