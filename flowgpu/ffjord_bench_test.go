package flowgpu

import (
	"testing"

	"cuflow/device"
)

// BenchmarkContinuousStep is one training step of ffjord-2d, from its initial weights on data that moves it little: the solver takes as
// many steps as in training's beginning. The number of evaluations comes with it.
func BenchmarkContinuousStep(b *testing.B) {
	cfg := Config{Kind: "ffjord", Channels: 2, Height: 1, Width: 1, Steps: 1, Hidden: 64, Depth: 3}
	m, err := New(openCPU(b, "cpu"), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	s, err := NewStepper(m, StepConfig{Batch: 512, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.99}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	x := pixels(cfg, 512)
	b.ReportAllocs()
	for b.Loop() {
		s.Step(x, 1e-6)
		if _, err := s.Read(); err != nil {
			b.Fatal(err)
		}
	}
	done := s.w.s.Solving.Solves
	b.ReportMetric(float64(done.Evaluations)/float64(s.Steps()), "evaluations/op")
	b.ReportMetric(float64(done.Accepted)/float64(s.Steps()), "steps/op")
}
