package train

import (
	"fmt"
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
func Presets() []Recipe { return []Recipe{glowDigits(), glowMNIST()} }

// Preset finds a recipe; "glow-" may be left out.
func Preset(name string) (Recipe, error) {
	var names []string
	for _, r := range Presets() {
		if name == r.Preset || "glow-"+name == r.Preset {
			return r, nil
		}
		names = append(names, r.Preset)
	}
	return Recipe{}, usagef("unknown preset %q: use %s", name, strings.Join(names, " or "))
}

const glowSource = `Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", 2018, and its code, openai/glow`

// glowDeviations hold for every Glow here.
var glowDeviations = [...]string{
	"the 1x1 convolution is in its LU form (the paper's section 3.2; the code's is commented out)",
	"conv actnorm and coupling scale are exp(logs) and sigmoid(s+2) without the code's factor of 3 on logs",
	"zero padding without the code's extra edge channel",
	"Adam instead of the code's Adamax, with clipping by global norm; warm-up of 200 steps instead of 10 epochs",
	"the averaged weights are used for evaluation and samples; the code averages them and never does",
	"no random shift of the training images",
}

func glowDigits() Recipe {
	return Recipe{
		Title: "Glow on the built-in 8x8 digits, about a minute on two cores",
		Config: Config{
			Preset: "glow-digits",
			Model: flowgpu.Config{
				Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17,
				Levels: 2, Steps: 8, Hidden: 64, Coupling: "sigmoid", Permutation: "lu", Prior: "learned", Seed: 1,
			},
			Data: "digits", Batch: 64, Steps: 1000, LR: 1e-3, Warmup: 200, Schedule: cosine,
			Adam:   device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.99},
			Seed:   1,
			Memory: flowgpu.Stash, Device: "auto",
			EvalEvery: 250, SampleEvery: 250, CheckpointEvery: 250, LogEvery: 25, Samples: 64, Temperature: 0.7,
		},
		Source:     glowSource,
		Expect:     "2.37 bits/dim or less on the 300 held-out images after 1,000 steps",
		Deviations: append(glowDeviations[:], "2 levels of 8 steps and 64 hidden channels, for images of 64 pixels"),
	}
}

func glowMNIST() Recipe {
	return Recipe{
		Title: "Glow on MNIST or Fashion-MNIST, padded to 32x32",
		Config: Config{
			Preset: "glow-mnist",
			Model: flowgpu.Config{
				Kind: "glow", Channels: 1, Height: 32, Width: 32, Intensities: 256,
				Levels: 3, Steps: 8, Hidden: 128, Coupling: "sigmoid", Permutation: "lu", Prior: "learned", Seed: 1,
			},
			Data: "data/mnist", Pad: true, Batch: 64, Steps: 2000, LR: 1e-3, Warmup: 200, Schedule: constant,
			Adam:   device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.99},
			Seed:   1,
			Memory: flowgpu.Stash, Device: "auto",
			EvalEvery: 250, EvalSamples: 2000, SampleEvery: 250, CheckpointEvery: 250, LogEvery: 10, Samples: 64, Temperature: 0.7,
		},
		Source: glowSource,
		Expect: "1.5 bits/dim of the padded image after 2,000 steps (the paper's long run: 1.05)",
		Deviations: append(glowDeviations[:],
			"3 levels of 8 steps and 128 hidden channels (the paper's CIFAR-10 model: 3 of 32 and 512)",
			"one grey channel (the code repeats it three times)",
			fmt.Sprintf("batches of %d and a fixed learning rate of %g from the start of training to its end, without the paper's weeks", 64, 1e-3)),
	}
}
