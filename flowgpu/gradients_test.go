package flowgpu_test

import (
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/train"
)

// What is in the gradients before a step has no part in it: of every preset, with fewer layers of their size, in every memory mode. The
// parameters are the same as where all gradients are filled with 0 and added to.
func TestStepsSetOrFillEveryGradient(t *testing.T) {
	set := 0
	for _, r := range train.Presets() {
		t.Run(r.Preset, func(t *testing.T) {
			cfg := fewLayers(r.Model)
			for _, mode := range []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible} {
				n, got := steps(t, cfg, mode, false)
				_, want := steps(t, cfg, mode, true)
				set += n
				for i, v := range want {
					if got[i] != v {
						t.Fatalf("%s: value %d of %d is %v after NaN in the gradients, and %v after zeros", mode, i, len(want), got[i], v)
					}
				}
			}
		})
	}
	if set == 0 {
		t.Error("no net of any preset sets its gradients")
	}
}

// fewLayers is a model of few layers, in which vectors keep the size of theirs: those of large nets.
func fewLayers(cfg flowgpu.Config) flowgpu.Config {
	cfg.Steps = min(cfg.Steps, 2)
	cfg.DequantSteps = min(cfg.DequantSteps, 2)
	if cfg.Channels == train.AutoDims {
		cfg.Channels = 11
	}
	const size = 16
	if cfg.Height > size && cfg.Width > size && cfg.Kind != "nice" {
		cfg.Height, cfg.Width, cfg.Levels = size, size, min(cfg.Levels, 2)
		cfg.Hidden, cfg.Depth, cfg.Heads = min(cfg.Hidden, 32), min(cfg.Depth, 2), min(cfg.Heads, 2)
	}
	return cfg
}

// steps takes some training steps and gives the parameters.
func steps(t *testing.T, cfg flowgpu.Config, mode flowgpu.Mode, add bool) (set int, values []float32) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	m, err := flowgpu.New(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const batch = 6
	s, err := flowgpu.NewStepper(m, flowgpu.StepConfig{Batch: batch, Mode: mode, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 5}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if add {
		m.OnlyAdd()
	}
	rng, x := rand.New(rand.NewPCG(1, 2)), make([]float32, cfg.D()*batch)
	for i := range x {
		if x[i] = 0.1 + 0.8*rng.Float32(); cfg.Intensities > 0 {
			x[i] = float32(rng.IntN(cfg.Intensities))
		}
	}
	if cfg.Classes > 0 {
		if err := s.Label(make([]int32, batch)); err != nil {
			t.Fatal(err)
		}
	}
	s.Initialise(x)
	for range 3 {
		m.PoisonGradients()
		s.Step(x, 1e-3)
	}
	if _, err := s.Read(); err != nil {
		t.Fatal(err)
	}
	values = make([]float32, m.Values().Len())
	if err := be.Download(values, m.Values()); err != nil {
		t.Fatal(err)
	}
	return m.SetGradients(), values
}
