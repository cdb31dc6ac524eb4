package flowgpu

import (
	"testing"

	"cuflow/device"
	"cuflow/device/meter"
)

// The arithmetic of a step is that of the ops that it took, however many steps its solves needed; before the first step it is that of solves of
// a few steps, which those of fixed steps know beforehand.
func TestContinuousFlops(t *testing.T) {
	images := Config{Kind: "ffjord", Channels: 1, Height: 4, Width: 4, Intensities: 16, Levels: 2, Steps: 1, Hidden: 4, Depth: 2, Logit: 0.05}
	for name, c := range map[string]struct {
		o    ODE
		d    int // 0: images
		mode Mode
	}{
		"exact":        {ODE{}, 2, Stash},
		"estimated":    {ODE{Trace: "gaussian", Kinetic: 0.1}, 3, Stash},
		"tight":        {ODE{Solver: "bosh3", Tolerance: 1e-6}, 2, Stash}, // not every state is kept
		"adjoint":      {ODE{Gradient: "adjoint"}, 2, Stash},
		"reversible":   {ODE{}, 2, Reversible},
		"fixed steps":  {ODE{Solver: "rk4", Steps: 7}, 2, Stash},
		"images":       {ODE{Tolerance: 1e-4}, 0, Stash},
		"gated images": {ODE{Tolerance: 1e-4, Time: "squash"}, 0, Stash},
		"images, rk4":  {ODE{Solver: "rk4", Steps: 5}, 0, Stash},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := images
			if c.d > 0 {
				cfg = odeConfig(c.d, c.o)
			}
			cfg.ODE = c.o
			be := meter.New(openCPU(t, "cpu"), false)
			m := lively(t, be, cfg, 0.2)
			s, err := NewStepper(m, StepConfig{Batch: 9, Mode: c.mode, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			planned := s.Flops()
			be.Switch(true)
			const steps = 3
			for range steps {
				s.Step(pixels(m.cfg, 9), 1e-3)
			}
			be.Switch(false)
			if _, err := s.Read(); err != nil {
				t.Fatal(err)
			}
			var took int64
			for _, call := range be.Calls() {
				took += call.Flops
			}
			if got := s.Flops(); got != took/steps {
				t.Errorf("%d operations a step, its ops have %d", got, took/steps)
			}
			if fixed := c.o.Steps > 0; fixed && planned != took/steps || planned < took/steps/20 {
				t.Errorf("%d operations planned, %d done", planned, took/steps)
			}
		})
	}
}
