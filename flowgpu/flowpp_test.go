package flowgpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/device"
)

// gatedCoupling is a coupling with a gated network over a grid of so many pixels.
func gatedCoupling(c, c1, pixels int, rate float32) func(r *rand.Rand) Layer {
	curve := device.Curve{Of: device.LogisticMixture, K: 2}
	return func(r *rand.Rand) Layer {
		id := uint32(0)
		return NewCurveCoupling(curve, c, c1, NewGatedNet(GatedShape{Cin: c1, Cout: curve.Params() * (c - c1), Width: 4, Heads: 2, Depth: 2, Pixels: pixels},
			func() *dropout {
				if rate == 0 {
					return nil
				}
				id++
				return &dropout{rate, id}
			}, r))
	}
}

// flowppModel is a small Flow++ with all that it has.
func flowppModel() Config {
	return Config{Kind: "flowpp", Channels: 1, Height: 4, Width: 4, Intensities: 17, Steps: 2, Hidden: 8, Depth: 1, Heads: 2, Bins: 3, Seed: 5,
		Dropout: 0.1, Dequantization: variationalNoise, DequantSteps: 2, DequantHidden: 4}
}

// Flow++ goes through its couplings and back to the image that it came from.
func TestFlowppInverts(t *testing.T) {
	cfg := flowppModel()
	cfg.Dequantization, cfg.DequantSteps, cfg.DequantHidden = "", 0, 0
	m := newMoved(t, openCPU(t, "cpu"), cfg)
	x, err := m.Sample(5, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	z, err := m.Encode(x)
	if err != nil {
		t.Fatal(err)
	}
	back, err := m.Decode(z)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "x", back.Data().([]float32), x.Data().([]float32), 1e-3)
}

// Published for CIFAR-10: 4, 2 and 3 couplings.
func TestFlowppCouplings(t *testing.T) {
	m, err := New(&device.Tally{}, Config{Kind: "flowpp", Channels: 3, Height: 32, Width: 32, Intensities: 256, Steps: 4, Hidden: 8, Depth: 1, Heads: 4, Bins: 4})
	if err != nil {
		t.Fatal(err)
	}
	shapes := map[[3]int]int{}
	for _, b := range m.blocks {
		if b.step {
			shapes[[3]int{b.c, b.h, b.w}]++
		}
	}
	for shape, want := range map[[3]int]int{{6, 32, 16}: 4, {12, 16, 16}: 2, {24, 16, 8}: 3} {
		if shapes[shape] != want {
			t.Errorf("%d couplings of %v, want %d", shapes[shape], shape, want)
		}
	}
	if last := m.blocks[len(m.blocks)-1]; last.c != 12 || last.h != 16 || last.w != 16 {
		t.Errorf("latents of %dx%dx%d", last.c, last.h, last.w)
	}
}

func TestFlowppModes(t *testing.T) {
	be := openCPU(t, "cpu")
	m := newMoved(t, be, flowppModel())
	stash, _ := gradientOf(t, m, Stash, 4)
	again, _ := gradientOf(t, m, Recompute, 4)
	if !equalBits(stash, again) {
		t.Error("stash and recompute give other gradients")
	}
	reversed, _ := gradientOf(t, m, Reversible, 4)
	norm, diff := 0., 0.
	for i, v := range stash {
		norm += float64(v) * float64(v)
		diff += float64(v-reversed[i]) * float64(v-reversed[i])
	}
	if rel := math.Sqrt(diff / norm); !(rel < 2e-2) { // the mixtures stretch x, as said of TestCurveModesGiveTheSameGradients
		t.Errorf("reversible gradients differ from stash by %.2g of their norm", rel)
	}
}

func TestFlowppErrors(t *testing.T) {
	if err := flowppModel().Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"width": func(c *Config) { c.Width = 6 }, "heads": func(c *Config) { c.Heads = 3 }, "none": func(c *Config) { c.Heads = 0 },
		"levels": func(c *Config) { c.Levels = 2 }, "steps": func(c *Config) { c.Steps = 0 }, "curve": func(c *Config) { c.Curve = "affine" },
	} {
		c := flowppModel()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", what, c)
		}
	}
}
