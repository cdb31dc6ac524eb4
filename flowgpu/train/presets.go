package train

import (
	"strings"

	"cuflow/device"
	"cuflow/flowgpu"
)

// Recipe is a named Config with where it comes from.
type Recipe struct {
	Config
	Title      string
	Source     string   // what it follows
	Expect     string   // what it reaches
	Deviations []string // from the source
}

// Presets lists all recipes, the default first.
func Presets() []Recipe {
	return []Recipe{
		glowDigits(), glowMNIST(), glowPhotos32(), glowSmall(), glowCIFAR10(), glowImageNet32(), glowImageNet64(), glowCelebA256(),
		realnvpDigits(), realnvpMNIST(), realnvpCIFAR10(), realnvpCIFAR10Notes(), realnvpCelebA64(),
		niceDigits(), niceMNIST(), niceCIFAR10(),
		flowppDigits(), flowppCIFAR10(),
		jetDigits(), jetMNIST(), jetImageNet64(), tarflowDigits(), tarflowImageNet64(),
		realnvp2D(), realnvpTab(),
		mafTab(), iafTab(), nsfTab(), nsfARTab(),
		ffjord2D(), ffjordTab(), ffjordDigits(), ffjordMNIST(),
		gmmDigits(), gmmMNIST(), gmm2D(),
		planar2D(), radial2D(), sylvester2D(), affineTab(),
		flow1dMixture(), flow1dUniform(), flow1dBeta(), flow1dBounded(),
	}
}

// Preset finds a recipe; "glow-" may be left out.
func Preset(name string) (Recipe, error) {
	var names []string
	for _, r := range Presets() {
		if name == r.Preset || "glow-"+name == r.Preset {
			return r, nil
		}
		names = append(names, r.Preset)
	}
	return Recipe{}, usagef("unknown preset %q: use one of %s", name, strings.Join(names, ", "))
}

// usual are the settings that a recipe starts from.
func usual(preset, data string) Config {
	return Config{
		Preset: preset, Data: data, BadFiles: "fail",
		Batch: 64, Steps: 2000, LR: 1e-3, Warmup: 200, Schedule: constant,
		Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.999},
		Seed: 1, Memory: flowgpu.Stash, Device: "auto",
		EvalEvery: 250, SampleEvery: 250, CheckpointEvery: 250, LogEvery: 10, Samples: 64, Temperature: 0.7,
	}
}

// long makes the settings those of a run of days on a large device.
func (c *Config) long(steps, warmup int) {
	c.Steps, c.Warmup = steps, warmup
	c.Adam.EMADecay = 0.9995
	c.EvalEvery, c.EvalSamples, c.SampleEvery, c.CheckpointEvery, c.LogEvery = 5000, 2000, 5000, 1000, 50
}

// shaped is the shape that a model is for.
func shaped(kind string, channels, side, intensities int) flowgpu.Config {
	return flowgpu.Config{Kind: kind, Channels: channels, Height: side, Width: side, Intensities: intensities, Seed: 1}
}
