package flowgpu

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cuflow/device"
)

// tinyTransformer is a conditioner of a few channels, small enough for central differences.
func tinyTransformer(cin, cout, tokens int, causal bool, r *rand.Rand) *Transformer {
	return NewTransformer(TransformerShape{Cin: cin, Cout: cout, Width: 6, Heads: 2, Depth: 2, Tokens: tokens, Causal: causal}, r)
}

// transformerCoupling is a coupling of channels whose pixels are tokens.
func transformerCoupling(c, c1, tokens int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewCoupling(device.ExpScale, c, c1, tinyTransformer(c1, 2*(c-c1), tokens, false, r))
	}
}

// tokenCoupling moves the tokens of one of the halves.
func tokenCoupling(c, h, w, half int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewTokenCoupling(device.ExpScale, c, h, w, tokenHalves[half].moves, tinyTransformer(c, 2*c, h*w/2, false, r))
	}
}

// tokenFlow is a block of TarFlow; with classes it is told them, 3 of them and none.
func tokenFlow(c, tokens, classes int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewTokenFlow(c, TransformerShape{Cin: c, Cout: 2 * c, Width: 6, Heads: 2, Depth: 2, Tokens: tokens, Classes: classes, Causal: true}, r)
	}
}

// tokenVariants are small models with transformers.
func tokenVariants() map[string]Config {
	images := Config{Channels: 1, Height: 8, Width: 8, Intensities: 17, Steps: 5, Depth: 1, Hidden: 8, Heads: 2, Seed: 5}
	jet, tarflow, glow := images, images, images
	jet.Kind, jet.Patch, jet.Prior = "jet", 2, "learned"
	tarflow.Kind, tarflow.Patch, tarflow.Steps = "tarflow", 4, 3
	glow.Kind, glow.Net, glow.Levels, glow.Steps = "glow", "transformer", 2, 2
	told, rough := tarflow, tarflow
	told.Classes, rough.Noise = 3, 0.05
	realnvp, nsf := vectorModel("none"), vectorModel("none")
	realnvp.Net, realnvp.Depth, realnvp.Hidden, realnvp.Heads = "transformer", 1, 8, 2
	nsf.Kind, nsf.Coupling, nsf.Net, nsf.Depth, nsf.Hidden, nsf.Heads = "nsf", "", "transformer", 1, 8, 4
	return map[string]Config{"jet": jet, "tarflow": tarflow, "tarflow with classes": told, "tarflow with noise": rough, "glow transformer": glow,
		"realnvp-vector transformer": realnvp, "nsf transformer": nsf}
}

// Inverting on the way back changes gradients by what float32 loses, also where tokens come back one by one.
func TestReversibleTransformers(t *testing.T) {
	for name, cfg := range tokenVariants() {
		m := newMoved(t, openCPU(t, "cpu"), cfg)
		stash, _ := gradientOf(t, m, Stash, 5)
		other, _ := gradientOf(t, m, Reversible, 5)
		var norm, diff float64
		for i, v := range other {
			d := float64(v) - float64(stash[i])
			norm, diff = norm+float64(v)*float64(v), diff+d*d
		}
		if rel := math.Sqrt(diff / norm); !(rel <= 2e-4) || norm == 0 {
			t.Errorf("%s: gradients of norm %.3g differ by %.2g of it", name, math.Sqrt(norm), rel)
		}
	}
}

// featureCoupling and featureCurves are couplings of vectors whose features are tokens.
func featureCoupling(c, c1 int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewCoupling(device.ExpScale, c, c1, NewFeatureTransformer(FeatureShape{Given: c1, Asked: c - c1, Each: 2, Width: 6, Heads: 2, Depth: 2}, nil, r))
	}
}

func featureCurves(c, c1 int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		curve := device.Curve{Of: device.RationalSpline, K: 3, B: 3, Scale: 1}
		shape := FeatureShape{Given: c1, Asked: c - c1, Each: curve.Params(), Width: 6, Heads: 3, Depth: 1, Turn: true}
		return NewCurveCoupling(curve, c, c1, NewFeatureTransformer(shape, restOf(curve, 1), r))
	}
}

// What does not fit says what would.
func TestWrongTransformers(t *testing.T) {
	variants := tokenVariants()
	for want, cfg := range map[string]func() Config{
		"patch is 3":             func() Config { c := variants["jet"]; c.Patch = 3; return c },
		"do not fill":            func() Config { c := variants["tarflow"]; c.Height = 6; return c },
		"3 heads":                func() Config { c := variants["jet"]; c.Heads = 3; return c },
		"at most 64":             func() Config { c := variants["jet"]; c.Hidden, c.Heads = 130, 2; return c },
		"even number":            func() Config { c := variants["jet"]; c.Height = 6; return c },
		"has no halves":          func() Config { c := variants["jet"]; c.Patch = 1; return c },
		"is one patch":           func() Config { c := variants["tarflow"]; c.Patch = 8; return c },
		"has no patches":         func() Config { c := small; c.Patch = 2; return c },
		"only transformers have": func() Config { c := small; c.Heads = 2; return c },
		"it needs one of each":   func() Config { c := variants["glow transformer"]; c.Depth = 0; return c },
		"only tarflow trains":    func() Config { c := variants["jet"]; c.Noise = 0.1; return c },
		"from 0 to 1":            func() Config { c := variants["tarflow"]; c.Noise = 2; return c },
		"use one of them":        func() Config { c := variants["tarflow"]; c.Noise, c.Logit = 0.1, 0.05; return c },
		"glow and tarflow":       func() Config { c := variants["jet"]; c.Classes = 3; return c },
	} {
		if err := cfg().Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// One in ten classes is not told in training, others the next step; the same step leaves out the same.
func TestSomeClassesAreNotTold(t *testing.T) {
	be := openCPU(t, "cpu")
	m, err := New(be, tokenVariants()["tarflow with classes"])
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const n = 1000
	w, err := m.NewWorkspace(n, Recompute)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	told := func(step int) []float32 {
		classes, labels := make([]int32, n), make([]float32, n)
		for i := range classes {
			classes[i] = int32(i % 3)
		}
		if err := w.setTrainLabels(classes, 7, step); err != nil {
			t.Fatal(err)
		}
		if err := be.Download(labels, w.label); err != nil {
			t.Fatal(err)
		}
		return labels
	}
	one := told(1)
	left := 0
	for i, v := range one {
		switch {
		case v == 3:
			left++
		case v != float32(i%3):
			t.Fatalf("image %d is of class %v, was %d", i, v, i%3)
		}
	}
	if left < 70 || left > 130 {
		t.Errorf("%d of %d classes are not told", left, n)
	}
	if !equalBits(one, told(1)) || equalBits(one, told(2)) {
		t.Error("which classes are told depends on more or on less than the step")
	}
}
