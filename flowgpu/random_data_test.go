package flowgpu_test

import (
	"math/rand/v2"
	"testing"

	"cuflow/flowgpu"
)

// TestRandomData: every flow gives a density to what RandomData draws for it, and to values on both sides of where it begins.
func TestRandomData(t *testing.T) {
	chain := func(layers, prior string) flowgpu.Config {
		return flowgpu.Config{Kind: "chain", Channels: 1, Height: 1, Width: 1, Layers: layers, Prior: prior}
	}
	spline := flowgpu.Config{Kind: "nsf", Channels: 1, Height: 1, Width: 1}
	for name, test := range map[string]struct {
		c      flowgpu.Config
		lo, hi float32
	}{
		"image":     {flowgpu.Config{Kind: "glow", Channels: 1, Height: 1, Width: 1, Intensities: 17}, 0, 16},
		"line":      {spline, -3, 3},
		"interval":  {spline.OnDomain("interval"), 0.001, 0.999},
		"circle":    {spline.OnDomain("circle"), -3.14, 3.14},
		"unit":      {chain("logit, probit", "standard"), 0.001, 0.999},
		"symmetric": {chain("atanh", "standard"), -0.999, 0.999},
		"positive":  {chain("logexpm1", "standard"), 0.001, 6},
	} {
		value := test.c.RandomData(rand.New(rand.NewPCG(1, 1)))
		x := make([]float32, 10000)
		lo, hi := float32(0), float32(0)
		for i := range x {
			x[i] = value()
			lo, hi = min(lo, x[i]), max(hi, x[i])
			if i == 0 {
				lo, hi = x[i], x[i]
			}
		}
		if test.c.Intensities == 0 {
			if err := test.c.CheckData(x, len(x), 0); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if lo > test.lo || hi < test.hi {
			t.Errorf("%s: from %v to %v", name, lo, hi)
		}
	}
}
