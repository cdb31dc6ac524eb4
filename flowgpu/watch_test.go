package flowgpu

import (
	"slices"
	"testing"

	"cuflow/device"
)

// TestWatchTellsEveryLayer: forward in order, backward in reverse, the loss between, the optimiser last, and the same bits as
// unwatched.
func TestWatchTellsEveryLayer(t *testing.T) {
	for _, mode := range []Mode{Stash, Reversible} {
		var told []Stage
		m, err := New(&device.Tally{}, Config{Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 4, Levels: 2, Steps: 1, Hidden: 4})
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewStepper(m, StepConfig{Batch: 2, Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		layers := len(s.w.chain)
		s.Watch(func(at Stage) { told = append(told, at) })
		s.Step(make([]float32, 128), 1e-3)
		if len(told) != 2*layers+2 {
			t.Fatalf("%s: %d stages of %d layers", mode, len(told), layers)
		}
		if told[layers] != (Stage{Forward, "", "prior, loss"}) || told[2*layers+1] != (Stage{Update, "", "optimiser"}) {
			t.Errorf("%s: after the layers come %v and %v", mode, told[layers], told[2*layers+1])
		}
		forward, backward := told[:layers], slices.Clone(told[layers+1:2*layers+1])
		slices.Reverse(backward)
		for i := range forward {
			if forward[i].Pass != Forward || backward[i] != (Stage{Backward, forward[i].Block, forward[i].Layer}) {
				t.Errorf("%s: layer %d is %v forward and %v backward", mode, i, forward[i], backward[i])
			}
		}
		for _, want := range []Stage{{Forward, "level1.squeeze", "Squeeze"}, {Forward, "level1.step1", "Coupling"},
			{Forward, "level1.split", "Split"}, {Forward, "level2.step1", "InvConv"}, {Forward, "", "Snapshot"}} {
			if !slices.Contains(forward, want) {
				t.Errorf("%s: no %v in %v", mode, want, forward)
			}
		}
	}
}
