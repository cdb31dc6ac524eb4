package flowgpu

import (
	"slices"
	"testing"

	"cuflow/device"
)

// A net that has no part in a step has the gradient 0, and one that goes back twice the sum of both.
func TestNetsThatRunTwiceOrNotAtAll(t *testing.T) {
	cfg := Config{Kind: "realnvp-vector", Channels: 6, Height: 1, Width: 1, Steps: 3, Hidden: 256, Depth: 2, Seed: 5}
	for name, layers := range map[string][]int{"each once": {0, 1, 2}, "twice": {0, 1, 2, 1}, "thrice, and not at all": {1, 1, 0, 1}} {
		gradients := func(add bool) []float32 {
			m := newMoved(t, openCPU(t, "cpu"), cfg)
			blocks := m.blocks
			m.blocks = nil
			for _, i := range layers {
				m.blocks = append(m.blocks, blocks[i])
			}
			s, err := NewStepper(m, StepConfig{Batch: 40, Mode: Recompute, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if len(m.set) != 3*6 {
				t.Fatalf("the gradients of %d parameters are set, want those of three nets", len(m.set))
			}
			if add {
				m.OnlyAdd()
			}
			for range 2 {
				m.PoisonGradients()
				s.Step(pixels(cfg, 40), 1e-3)
			}
			grads := make([]float32, m.grads.Len())
			if err := m.be.Download(grads, m.grads); err != nil {
				t.Fatal(err)
			}
			return grads
		}
		if got, want := gradients(false), gradients(true); !slices.Equal(got, want) {
			t.Errorf("%s: nets that set gradients have others than those that add to zeros", name)
		}
	}
}
