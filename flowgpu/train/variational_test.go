package train

import (
	"bytes"
	"context"
	"math"
	"path/filepath"
	"testing"

	"cuflow/flowgpu"
)

// variational is a run of a small model that learns its dequantisation.
func variational(t *testing.T) Config {
	c := small(t, "glow-digits")
	c.Model.Dequantization, c.Model.DequantSteps, c.Model.DequantHidden = "variational", 2, 4
	return c
}

// A run with variational dequantisation trains, is scored as a bound whose parts are told, comes closer with more noises, and ends with the
// same bits when it was stopped on the way.
func TestVariationalRun(t *testing.T) {
	c := variational(t)
	c.Steps = 60
	dir := start(t, c)
	e, err := Evaluate(context.Background(), dir, Detail{Terms: true, K: 4}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	v := e.Variational
	if v == nil || math.Abs(v.Flow+v.Noise-e.BitsPerDim) > 1e-9 || v.Noise == 0 {
		t.Fatalf("parts %+v of %+v", v, e.Score)
	}
	if e.Bound.Gain <= 0 || e.Bound.One != e.Score {
		t.Errorf("bound %+v", e.Bound)
	}
	noise := 0.
	for _, term := range e.Breakdown.Terms {
		if term.Kind == "dequantisation" && term.Name != "intensities" {
			noise += term.BitsPerDim
		}
	}
	if math.Abs(noise-v.Noise) > 1e-4 {
		t.Errorf("the terms of the noise make %v, it is %v", noise, v.Noise)
	}
	var shown bytes.Buffer
	if err := Inspect(dir, &shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"variational dequantisation by 2 couplings of 4 channels", "noise.coupling1"} {
		if !bytes.Contains(shown.Bytes(), []byte(want)) {
			t.Errorf("inspect lacks %q:\n%s", want, shown.String())
		}
	}

	c.Steps = 30
	half := filepath.Join(t.TempDir(), "half")
	if _, err := Start(context.Background(), c, half, quiet()); err != nil {
		t.Fatal(err)
	}
	result, err := Resume(context.Background(), half, func(c *Config) { c.Steps = 60 }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if result.Score != e.Score {
		t.Errorf("resumed it scores %v, straight %v", result.Score, e.Score)
	}
}

// What a plan says a variational model takes is what it takes.
func TestVariationalPlan(t *testing.T) {
	c := variational(t)
	budgets, err := flowgpu.Plan(c.Model, c.stepping(flowgpu.Stash), flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible)
	if err != nil {
		t.Fatal(err)
	}
	if !(budgets[0].Activations > budgets[1].Activations && budgets[1].Activations > budgets[2].Activations) {
		t.Errorf("activations %d, %d, %d", budgets[0].Activations, budgets[1].Activations, budgets[2].Activations)
	}
}

// Flow++ trains, with attention, mixtures of logistics, dropout and its noise, to the same losses on the kernels that ship.
func TestFlowppRun(t *testing.T) {
	c := small(t, "flowpp-digits")
	c.Model.Steps, c.Model.Hidden, c.Model.Heads, c.Model.Bins, c.Model.DequantSteps, c.Model.DequantHidden, c.Model.Dropout = 2, 4, 2, 2, 2, 2, 0.1
	c.Steps = 60
	cpu := losses(t, start(t, c))
	if len(cpu) != 60 || !(cpu[59] < cpu[0]-0.5) {
		t.Errorf("losses from %v to %v", cpu[0], cpu[len(cpu)-1])
	}
	if testing.Short() {
		t.Skip("-short: the interpreter takes seconds for a run")
	}
	steps := func(device string) []float64 {
		c.Device, c.Batch = device, 2
		be, err := quiet().Open(c.choice(nil))
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		m, err := flowgpu.New(be, c.Model)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := flowgpu.NewStepper(m, c.stepping(flowgpu.Recompute))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		x := make([]float32, 2*c.Model.D())
		for i := range x {
			x[i] = float32(i * i % c.Model.Intensities)
		}
		s.Initialise(x)
		var all []float64
		for range 2 {
			s.Step(x, 1e-3)
		}
		records, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			all = append(all, bitsPerDim(r.Loss, c.Model.D()))
		}
		return all
	}
	want := steps("cpu")
	for i, v := range steps("sim") {
		if math.Abs(v-want[i]) > 2e-5*(1+math.Abs(want[i])) {
			t.Errorf("step %d: %.7f bits/dim on the interpreter, %.7f on the CPU", i+1, v, want[i])
		}
	}
}

// The kernels that ship train it to the same losses.
func TestVariationalOnTheInterpreter(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the interpreter takes seconds for a run")
	}
	c := variational(t)
	cpu := start(t, c)
	c.Device = "sim"
	wantLosses(t, losses(t, start(t, c)), losses(t, cpu))
}
