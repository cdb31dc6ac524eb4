package train

import "cuflow/flowgpu"

const (
	jetSource     = `Kolesnikov, Pinto and Tschannen, "Jet: A Modern Transformer-Based Normalizing Flow", 2024, and its code in google-research/big_vision`
	tarflowSource = `Zhai et al., "Normalizing Flows are Capable Generative Models" (TarFlow), 2024, and its code, apple/ml-tarflow`
)

// Of the deviations, those that several recipes share.
const (
	patchOrder = "channels of a patch are in the order of repeated 2x2 squeezes, a fixed permutation of the code's"
	noDecay    = "Adam without weight decay"
	longer     = "a higher learning rate, and gradients are clipped at 50 instead of 1, for few steps"
	averaged   = "the averaged weights are what is evaluated and sampled"
)

// jetModel is a Jet of the shape of an image: steps couplings, each with a transformer of depth blocks.
func jetModel(m flowgpu.Config, patch, steps, depth, hidden, heads int) flowgpu.Config {
	m.Patch, m.Steps, m.Depth, m.Hidden, m.Heads, m.Coupling, m.Prior = patch, steps, depth, hidden, heads, "shifted", "standard"
	return m
}

func jetDeviations(own ...string) []string {
	return append([]string{
		"a coupling's scale is exp of a bounded s, from e^-6 to e^6, instead of 2 sigmoid(s)", patchOrder, noDecay, averaged,
	}, own...)
}

// tarflowModel is a TarFlow: steps blocks of a transformer of depth blocks each.
func tarflowModel(m flowgpu.Config, patch, steps, depth, hidden, heads int) flowgpu.Config {
	m.Patch, m.Steps, m.Depth, m.Hidden, m.Heads, m.Prior = patch, steps, depth, hidden, heads, "standard"
	return m
}

func tarflowDeviations(own ...string) []string {
	return append([]string{
		"log scales are bounded by 6, so that no sample overflows; guidance acts on them before the bound",
		"GELU by its tanh formula", patchOrder, noDecay, averaged + " (the code has no average)",
	}, own...)
}

// addTransformers describes a flow of transformers.
func addTransformers(add func(format string, args ...any), m flowgpu.Config) {
	name, steps := "Jet", plural(m.Steps, m.Coupling+" coupling")
	if m.Kind == "tarflow" {
		name, steps = "TarFlow", plural(m.Steps, "block")
	}
	add("%s for %s", name, sampleShape(m))
	add("%s", steps)
	add("transformers of %s, %d channels wide with %s", plural(m.Depth, "layer"), m.Hidden, plural(m.Heads, "head"))
	add("patches of %dx%d", m.Patch, m.Patch)
	if m.Noise > 0 {
		add("Gaussian noise of %g", m.Noise)
	}
}

// transformerAdam are the optimiser's settings that transformers are trained with.
func (c *Config) transformerAdam(beta2 float32, clip float32) {
	c.Adam.Beta2, c.Adam.Clip, c.Schedule = beta2, clip, cosine
}

func jetDigits() Recipe {
	c := usual("jet-digits", "digits")
	c.Model = jetModel(shaped("jet", 1, 8, 17), 2, 15, 1, 64, 4)
	c.transformerAdam(0.95, 50)
	c.Steps, c.LogEvery, c.LR, c.Warmup = 1000, 25, 3e-3, 100
	return Recipe{
		Config: c,
		Title:  "Jet on the built-in 8x8 digits, half a minute on two cores",
		Source: jetSource,
		Expect: "2.24 bits/dim on the 300 held-out images after 1,000 steps",
		Deviations: jetDeviations(longer, "15 couplings of one transformer block 64 channels wide on patches of 2x2 (the paper: 32 to 64 couplings of 2 to 5 blocks, 512 channels, 4x4)",
			"batches of 64 instead of 1,024"),
	}
}

func jetMNIST() Recipe {
	c := usual("jet-mnist", "data/mnist")
	c.Model = jetModel(shaped("jet", 1, 32, 256), 4, 10, 1, 64, 4)
	c.transformerAdam(0.95, 50)
	c.Steps, c.Batch, c.LR, c.Warmup = 1700, 16, 6e-4, 30
	c.Fit, c.EvalSamples, c.Adam.EMADecay = pad, 2000, 0.995
	return Recipe{
		Config: c,
		Title:  "Jet on MNIST or Fashion-MNIST, padded to 32x32, 46 seconds on two cores",
		Source: jetSource,
		Expect: "2.32 bits/dim of the padded MNIST on all 10,000 held-out images after 1,700 steps",
		Deviations: jetDeviations(longer, "10 couplings of one transformer block 64 channels wide (the paper: 32 to 64 couplings of 2 to 5 blocks, 512 channels)",
			"batches of 16 instead of 1,024: many steps at a small rate are what it takes to make the constant border of the images narrow"),
	}
}

func jetImageNet64() Recipe {
	c := usual("jet-imagenet64", "data/imagenet64")
	c.Model = jetModel(shaped("jet", 3, 64, 256), 4, 32, 2, 512, 8)
	c.transformerAdam(0.95, 1)
	c.long(250000, 25000)
	c.LR, c.Batch, c.Memory = 3e-4, 1024, flowgpu.Recompute
	return Recipe{
		Config:     c,
		Title:      "Jet on ImageNet at 64x64, the paper's smaller size, a day on many GPUs",
		Source:     jetSource,
		Expect:     "not trained here; published: 3.72 bits/dim (3.66 with 64 couplings of 5 blocks)",
		Deviations: jetDeviations(),
	}
}

func tarflowDigits() Recipe {
	c := usual("tarflow-digits", "digits")
	c.Model = tarflowModel(shaped("tarflow", 1, 8, 17), 2, 4, 2, 64, 4)
	c.transformerAdam(0.95, 50)
	c.Steps, c.LogEvery, c.LR, c.Warmup = 1000, 25, 4e-3, 100
	return Recipe{
		Config: c,
		Title:  "TarFlow on the built-in 8x8 digits, 16 seconds on two cores",
		Source: tarflowSource,
		Expect: "2.18 bits/dim on the 300 held-out images after 1,000 steps; with --classes 10 --noise 0.1, samples of a class that are sharper with sample --guidance 1 --denoise",
		Deviations: tarflowDeviations("4 blocks of 2 layers 64 channels wide (the paper: 8 of 8, 768 channels)", "batches of 64 instead of 256",
			"a learning rate of 0.004 instead of 0.0001, and gradients are clipped"),
	}
}

func tarflowImageNet64() Recipe {
	c := usual("tarflow-imagenet64", "data/imagenet64")
	c.Model = tarflowModel(shaped("tarflow", 3, 64, 256), 2, 8, 8, 768, 12)
	c.transformerAdam(0.95, 0)
	c.long(1000000, 5000)
	c.LR, c.Batch, c.Flip, c.Memory = 1e-4, 256, true, flowgpu.Recompute
	return Recipe{
		Config:     c,
		Title:      "TarFlow on ImageNet at 64x64, the paper's size for likelihoods, two weeks on many GPUs",
		Source:     tarflowSource,
		Expect:     "not trained here; published: 2.99 bits/dim",
		Deviations: tarflowDeviations("uniform noise, as for the paper's likelihoods; its samples are of models with --noise 0.05"),
	}
}
