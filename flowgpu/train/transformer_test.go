package train

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"
)

// tinyTransformer is a run of a preset of transformers that takes a fraction of a second.
func tinyTransformer(t *testing.T, preset string) Config {
	t.Helper()
	p, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	c := tiny(t)
	c.Preset, c.Model, c.LR, c.Adam = p.Preset, p.Model, 1e-2, p.Adam
	c.Model.Steps, c.Model.Depth, c.Model.Hidden, c.Model.Heads = 5, 1, 8, 2
	return c
}

// TestTransformerRuns: Jet and TarFlow learn, and a run of classes and noise that is stopped goes on to the same bits.
func TestTransformerRuns(t *testing.T) {
	for _, preset := range []string{"jet-digits", "tarflow-digits"} {
		c := tinyTransformer(t, preset)
		c.Steps, c.CheckpointEvery, c.Adam.EMADecay = 60, 0, 0
		if preset == "tarflow-digits" {
			c.Model.Classes, c.Model.Noise = AutoClasses, 0.05
		}
		dir := start(t, c)
		s := checkpoint(t, dir)
		if got := s.Position.Final.BitsPerDim; !(got < 4.7) { // a standard normal without a flow takes 5.5
			t.Errorf("%s: %.3f bits/dim after %d steps: it has learned nothing", preset, got, c.Steps)
		}
		again := t.TempDir()
		if _, err := Start(&countdown{context.Background(), 23}, c, again, quiet()); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if _, err := Resume(context.Background(), again, func(*Config) {}, quiet()); err != nil {
			t.Fatal(err)
		}
		wantSameRun(t, again, dir)
	}
}

// TestGuidedSamples: guidance and denoising each change the samples of the same noise, by little, and only where there is what they need.
func TestGuidedSamples(t *testing.T) {
	c := tinyTransformer(t, "tarflow-digits")
	c.Model.Classes, c.Model.Noise = 10, 0.2
	c.Steps, c.Adam.EMADecay = 40, 0
	dir := start(t, c)
	draw := func(name string, guidance float64, denoise bool) []float32 {
		arrays := filepath.Join(dir, name+".npz")
		g := Sampling{N: 35, Temperatures: []float64{1}, Class: AllClasses, Guidance: guidance, Denoise: denoise,
			Picture: filepath.Join(dir, name+".png"), Arrays: arrays}
		if err := Sample(dir, &g, Use{}, quiet()); err != nil {
			t.Fatal(err)
		}
		_, x := readArray[float32](t, arrays, "continuous")
		return x
	}
	plain := draw("plain", 0, false)
	for name, x := range map[string][]float32{"guided": draw("guided", 1, false), "denoised": draw("denoised", 0, true)} {
		if slices.Equal(x, plain) {
			t.Errorf("%s samples are the plain ones", name)
		}
		far := 0.0
		for i, v := range x {
			far += math.Abs(float64(v-plain[i])) / float64(len(x))
		}
		if !(far < 6) {
			t.Errorf("%s samples are %.1f of 17 intensities away from the plain ones", name, far)
		}
	}

	glow := start(t, tiny(t))
	for _, g := range []Sampling{
		{N: 4, Class: AllClasses, Guidance: 1}, {N: 4, Class: AllClasses, Denoise: true},
	} {
		wantError(t, Sample(glow, &g, Use{}, quiet()), true, "tarflow")
	}
	wantError(t, Sample(dir, &Sampling{N: 4, Class: AllClasses, Guidance: -1}, Use{}, quiet()), true, "--guidance is -1")
}
