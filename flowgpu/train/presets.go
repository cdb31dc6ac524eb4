package train

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

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

// glowDeviations are those of every Glow here, and then its own.
func glowDeviations(own ...string) []string {
	return append([]string{
		"the 1x1 convolution is in its LU form (section 3.2 of the paper; switched off in the code)",
		"the coupling's scale is exp of a bounded s instead of sigmoid(s+2): it reaches the same likelihood in half the steps, and no sample overflows (--coupling sigmoid is Glow's)",
		"actnorm and the networks' last layer lack the code's factor of 3 on log scales",
		"images are padded with zeros, without the code's extra channel that marks the edge",
		"Adam and clipping by global norm instead of the code's Adamax; 200 steps of warm-up instead of 10 epochs",
		"the averaged weights are what is evaluated and sampled; the code averages weights and never uses them",
		"training images are not shifted at random",
	}, own...)
}

func glowDigits() Recipe {
	return Recipe{
		Title: "Glow on the built-in 8x8 digits, seconds on two cores",
		Config: Config{
			Preset: "glow-digits",
			Model: flowgpu.Config{
				Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17,
				Levels: 2, Steps: 8, Hidden: 64, Coupling: "exp", Permutation: "lu", Prior: "learned", Seed: 1,
			},
			Data: "digits", Batch: 64, Steps: 1000, LR: 1e-3, Warmup: 200, Schedule: constant,
			Adam:   device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.999},
			Seed:   1,
			Memory: flowgpu.Stash, Device: "auto",
			EvalEvery: 250, SampleEvery: 250, CheckpointEvery: 250, LogEvery: 25, Samples: 64, Temperature: 0.7,
		},
		Source:     glowSource,
		Expect:     "about 2.2 bits/dim on the 300 held-out images after 1,000 steps",
		Deviations: glowDeviations("2 levels of 8 steps and 64 hidden channels, for images of 64 pixels"),
	}
}

func glowMNIST() Recipe {
	return Recipe{
		Title: "Glow on MNIST or Fashion-MNIST, padded to 32x32",
		Config: Config{
			Preset: "glow-mnist",
			Model: flowgpu.Config{
				Kind: "glow", Channels: 1, Height: 32, Width: 32, Intensities: 256,
				Levels: 3, Steps: 8, Hidden: 128, Coupling: "exp", Permutation: "lu", Prior: "learned", Seed: 1,
			},
			Data: "data/mnist", Pad: true, Batch: 64, Steps: 2000, LR: 1e-3, Warmup: 200, Schedule: constant,
			Adam:   device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.995},
			Seed:   1,
			Memory: flowgpu.Stash, Device: "auto",
			EvalEvery: 250, EvalSamples: 2000, SampleEvery: 250, CheckpointEvery: 250, LogEvery: 10, Samples: 64, Temperature: 0.7,
		},
		Source: glowSource,
		Expect: "1.5 bits/dim of the padded image after 2,000 steps (the paper's long run: 1.05)",
		Deviations: glowDeviations(
			"3 levels of 8 steps and 128 hidden channels (the paper's CIFAR-10 model: 3 of 32 and 512)",
			"one grey channel (the code repeats it three times)"),
	}
}

// Write tells all about a recipe.
func (r Recipe) Write(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range [][2]string{
		{"preset", r.Preset}, {"", r.Title},
		{"model", describe(r.Model)},
		{"data", fmt.Sprintf("%s, %d intensities", r.Data, r.Model.Intensities)},
		{"training", r.Config.describe()},
		{"cadence", r.cadence()},
		{"source", r.Source},
		{"reaches", r.Expect},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	for i, d := range r.Deviations {
		name := ""
		if i == 0 {
			name = "deviations"
		}
		fmt.Fprintf(w, "%s\t%s\n", name, d)
	}
	return w.Flush()
}
