//go:build cuda && cgo && linux

package fakecuda_test

import (
	"testing"

	"cuflow/device"
	"cuflow/device/internal/fakecuda"
	"cuflow/flowgpu"
	"cuflow/flowgpu/train"
)

// stepper is the training of glow-mnist on a device that does nothing, at once: what is left is the host's work.
func stepper(tb testing.TB, graph bool) (step func(), s *flowgpu.Stepper) {
	tb.Helper()
	p, err := train.Preset("glow-mnist")
	if err != nil {
		tb.Fatal(err)
	}
	fakecuda.Reset()
	be, err := device.Open(device.Choice{Name: "cuda:0", Precision: "bf16", NoGraph: !graph}, nil)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { be.Close() })
	m, err := flowgpu.New(be, p.Model)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(m.Close)
	if s, err = flowgpu.NewStepper(m, flowgpu.StepConfig{Batch: 64, Mode: flowgpu.Stash, Adam: p.Adam}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	x := make([]byte, 64*p.Model.D())
	taken := 0
	return func() {
		if taken++; taken%16 == 0 { // as training does it: once in a while, without waiting for the steps after
			s.Ask()
		}
		s.StepBytes(x, 1e-3)
		if taken%16 == 0 {
			if _, err := s.Asked(); err != nil {
				tb.Fatal(err)
			}
		}
	}, s
}

// TestStepTakesNoMemory: a step that is replayed, its batch and its losses included, allocates nothing on the host.
func TestStepTakesNoMemory(t *testing.T) {
	step, s := stepper(t, true)
	for range 20 {
		step()
	}
	if recorded, err := s.Recorded(); !recorded {
		t.Fatalf("steps are not recorded: %v", err)
	}
	if n := testing.AllocsPerRun(32, step); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

// BenchmarkHostStep is the host's time for a training step of glow-mnist at batch 64.
func BenchmarkHostStep(b *testing.B) {
	for name, graph := range map[string]bool{"graph": true, "op by op": false} {
		b.Run(name, func(b *testing.B) {
			step, _ := stepper(b, graph)
			step()
			step()
			for b.Loop() {
				step()
			}
		})
	}
}
