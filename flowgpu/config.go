package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// Config describes a model completely: it is what New builds from and what a checkpoint stores.
type Config struct {
	Kind        string `json:"kind"`        // "glow"
	Channels    int    `json:"channels"`    // of the data
	Height      int    `json:"height"`      // of the data
	Width       int    `json:"width"`       // of the data
	Intensities int    `json:"intensities"` // whole-number values that a pixel takes, 0 .. Intensities-1; 0: real-valued data
	Levels      int    `json:"levels"`      // L, each begins with a squeeze and but for the last ends with a split
	Steps       int    `json:"steps"`       // S flow steps per level
	Hidden      int    `json:"hidden"`      // channels of the conditioners
	Coupling    string `json:"coupling"`    // "sigmoid" (Glow), "exp", "tanh" or "additive"; "" is "sigmoid"
	Permutation string `json:"permutation"` // "lu" (invertible 1x1 convolution), "reverse" or "shuffle"; "" is "lu"
	Prior       string `json:"prior"`       // of the last level: "learned" or "standard" Gaussian; "" is "learned"
	Seed        uint64 `json:"seed"`        // of initial weights, rotations and permutations
}

// D is the dimensions of one sample.
func (c Config) D() int { return c.Channels * c.Height * c.Width }

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field *string
		value string
	}{{&c.Coupling, "sigmoid"}, {&c.Permutation, "lu"}, {&c.Prior, "learned"}} {
		if *f.field == "" {
			*f.field = f.value
		}
	}
	return c
}

var laws = map[string]device.Law{
	"sigmoid": device.SigmoidScale, "exp": device.ExpScale, "tanh": device.TanhScale, "additive": device.Additive,
}

// Validate says what is wrong with a description, and what would be right.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.Kind != "glow" {
		return fmt.Errorf("unknown kind of model %q: use glow", c.Kind)
	}
	if _, ok := laws[c.Coupling]; !ok {
		return fmt.Errorf("unknown coupling %q: use sigmoid, exp, tanh or additive", c.Coupling)
	}
	if c.Permutation != "lu" && c.Permutation != "reverse" && c.Permutation != "shuffle" {
		return fmt.Errorf("unknown permutation %q: use lu, reverse or shuffle", c.Permutation)
	}
	if c.Prior != "learned" && c.Prior != "standard" {
		return fmt.Errorf("unknown prior %q: use learned or standard", c.Prior)
	}
	for _, f := range []struct {
		name  string
		value int
		limit int
	}{
		{"channels", c.Channels, 1 << 10}, {"height", c.Height, 1 << 12}, {"width", c.Width, 1 << 12},
		{"levels", c.Levels, 10}, {"steps", c.Steps, 1 << 12}, {"hidden", c.Hidden, 1 << 14},
	} {
		if f.value < 1 || f.value > f.limit {
			return fmt.Errorf("%s is %d: it must be from 1 to %d", f.name, f.value, f.limit)
		}
	}
	if c.Intensities < 0 || c.Intensities == 1 || c.Intensities > 1<<16 {
		return fmt.Errorf("intensities is %d: it must be from 2 to 65536, or 0 for real-valued data", c.Intensities)
	}
	if m := 1 << c.Levels; c.Height%m != 0 || c.Width%m != 0 {
		return fmt.Errorf("%d levels halve the image %d times, but %dx%d is not divisible by %d: pad it to %dx%d or use fewer levels",
			c.Levels, c.Levels, c.Height, c.Width, m, (c.Height+m-1)/m*m, (c.Width+m-1)/m*m)
	}
	if top := c.Channels << (c.Levels + 1); top > 1024 {
		return fmt.Errorf("%d levels give %d channels at the last one: at most 1024 are mixed, use fewer levels", c.Levels, top)
	}
	return nil
}
