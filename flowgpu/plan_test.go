package flowgpu

import (
	"testing"

	"cuflow/device"
)

// TestPlanIsWhatTrainingTakes: planned and real training agree to the byte, for every kind of model and every mode.
func TestPlanIsWhatTrainingTakes(t *testing.T) {
	be := openCPU(t, "cpu")
	for _, cfg := range []Config{
		{Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17, Classes: 3, Levels: 2, Steps: 3, Hidden: 8},
		{Kind: "realnvp", Channels: 3, Height: 8, Width: 8, Intensities: 256, Levels: 2, Hidden: 4, Depth: 1, Logit: 0.05},
		tokenVariants()["jet"], tokenVariants()["tarflow with classes"], tokenVariants()["glow transformer"],
		{Kind: "nice", Channels: 1, Height: 5, Width: 7, Intensities: 256, Steps: 4, Hidden: 9, Depth: 2},
	} {
		step := StepConfig{Batch: 6, Adam: device.Adam{EMADecay: 0.9}}
		modes := []Mode{Stash, Recompute, Reversible}
		planned, err := Plan(cfg, step, modes...)
		if err != nil {
			t.Fatal(err)
		}
		m, err := New(be, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for i, mode := range modes {
			step.Mode = mode
			s, err := NewStepper(m, step)
			if err != nil {
				t.Fatal(err)
			}
			want := Budget{Params: m.NumParams(), Memory: s.Memory(), Flops: s.Flops()}
			s.Close()
			if planned[i] != want || want.Params == 0 || want.Activations == 0 || want.Flops == 0 {
				t.Errorf("%s, %s: planned %+v, took %+v", cfg.Kind, mode, planned[i], want)
			}
		}
		if !(planned[2].Activations <= planned[1].Activations && planned[1].Activations < planned[0].Activations) {
			t.Errorf("%s: activations in modes stash, recompute and reversible: %d, %d, %d", cfg.Kind, planned[0].Activations, planned[1].Activations, planned[2].Activations)
		}
	}
	if _, err := Plan(Config{Kind: "spline"}, StepConfig{Batch: 1}, Stash); err == nil {
		t.Error("planned a model that there is not")
	}
}
