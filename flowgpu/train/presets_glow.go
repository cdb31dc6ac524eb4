package train

import "cuflow/flowgpu"

const glowSource = `Kingma and Dhariwal, "Glow: Generative Flow with Invertible 1x1 Convolutions", 2018, and its code, openai/glow`

// Of the deviations, those that all Glows here have, but for recipes that do as the code does.
const (
	scaleLaw  = "the coupling's scale is exp of a bounded s instead of sigmoid(s+2): it reaches the same likelihood in half the steps, and no sample overflows (--coupling sigmoid is Glow's)"
	unshifted = "training images are not shifted at random"
)

// glowDeviations are those of every Glow here, and then its own.
func glowDeviations(own ...string) []string {
	return append([]string{
		"the 1x1 convolution is in its LU form (section 3.2 of the paper; switched off in the code)",
		"actnorm and the networks' last layer lack the code's factor of 3 on log scales",
		"images are padded with zeros, without the code's extra channel that marks the edge",
		"Adam and clipping by global norm instead of the code's Adamax",
		"the averaged weights are what is evaluated and sampled; the code averages weights and never uses them",
	}, own...)
}

// glowModel is a Glow of the shape of an image.
func glowModel(m flowgpu.Config, levels, steps, hidden int, coupling string) flowgpu.Config {
	m.Levels, m.Steps, m.Hidden, m.Coupling, m.Permutation, m.Prior = levels, steps, hidden, coupling, "lu", "learned"
	m.Net = "conv"
	return m
}

func glowDigits() Recipe {
	c := usual("glow-digits", "digits")
	c.Model = glowModel(shaped("glow", 1, 8, 17), 2, 8, 64, "exp")
	c.Steps, c.LogEvery = 1000, 25
	return Recipe{
		Config: c,
		Title:  "Glow on the built-in 8x8 digits, seconds on two cores",
		Source: glowSource,
		Expect: "2.18 bits/dim on the 300 held-out images after 1,000 steps",
		Deviations: glowDeviations(scaleLaw, unshifted, "200 steps of warm-up instead of 10 epochs",
			"2 levels of 8 steps and 64 hidden channels, for images of 64 pixels"),
	}
}

func glowMNIST() Recipe {
	c := usual("glow-mnist", "data/mnist")
	c.Model = glowModel(shaped("glow", 1, 32, 256), 3, 8, 128, "exp")
	c.Fit, c.EvalSamples, c.Adam.EMADecay = pad, 2000, 0.995
	return Recipe{
		Config: c,
		Title:  "Glow on MNIST or Fashion-MNIST, padded to 32x32",
		Source: glowSource,
		Expect: "1.46 bits/dim of the padded MNIST on all 10,000 held-out images after 2,000 steps (published after long training: 1.05)",
		Deviations: glowDeviations(scaleLaw, unshifted, "200 steps of warm-up instead of 10 epochs",
			"3 levels of 8 steps and 128 hidden channels (the paper's CIFAR-10 model: 3 of 32 and 512)",
			"one grey channel (the code repeats it three times)"),
	}
}

func glowPhotos32() Recipe {
	c := usual("glow-photos32", "data/photos32")
	c.Model = glowModel(shaped("glow", 3, 32, 256), 3, 8, 128, "exp")
	c.EvalSamples, c.Flip, c.Adam.EMADecay = 500, true, 0.995
	return Recipe{
		Config: c,
		Title:  "a small Glow on 32x32 patches of colour photographs",
		Source: glowSource,
		Expect: "3.11 bits/dim on the 2,647 held-out patches after 1,000 steps (lossless WebP takes 3.40, PNG 4.59; they are smoother than CIFAR-10, whose numbers do not compare)",
		Deviations: glowDeviations(scaleLaw, "training images are mirrored and not shifted", "200 steps of warm-up instead of 10 epochs",
			"3 levels of 8 steps and 128 hidden channels (the paper's CIFAR-10 model: 3 of 32 and 512)",
			"patches of photographs instead of CIFAR-10"),
	}
}

func glowSmall() Recipe {
	c := usual("glow-small", "data/cifar10")
	c.Model = glowModel(shaped("glow", 3, 32, 256), 3, 16, 256, "exp")
	c.long(20000, 2000)
	c.Batch, c.Flip = 128, true
	return Recipe{
		Config: c,
		Title:  "half of Glow on CIFAR-10 (its binary files), hours on one GPU",
		Source: glowSource + "; the size is that of the normflows example",
		Expect: "not trained here; published for the same size, batch and steps: about 3.8 bits/dim (normflows, issue 5)",
		Deviations: glowDeviations(scaleLaw, "training images are mirrored and not shifted", "2,000 steps of warm-up instead of 10 epochs",
			"3 levels of 16 steps and 256 hidden channels (the paper: 3 of 32 and 512)"),
	}
}

func glowCIFAR10() Recipe {
	c := usual("glow-cifar10", "data/cifar10")
	c.Model = glowModel(shaped("glow", 3, 32, 256), 3, 32, 512, "sigmoid")
	c.long(200000, 7800)
	c.Shift = 3
	return Recipe{
		Config: c,
		Title:  "Glow on CIFAR-10 (its binary files), the paper's size, days on one GPU",
		Source: glowSource,
		Expect: "not trained here; published: 3.35 bits/dim after some 1,800 epochs in batches of 512 (the paper), 3.39 in batches of 64 (y0ast/Glow-PyTorch)",
		Deviations: glowDeviations(
			"batches of 64, the code's share of each of 8 GPUs; actnorm is initialised from the first of them, not from 256 images",
			"256 epochs"),
	}
}

func glowImageNet32() Recipe {
	c := usual("glow-imagenet32", "data/imagenet32")
	c.Model = glowModel(shaped("glow", 3, 32, 256), 3, 48, 512, "sigmoid")
	c.long(400000, 20000)
	return Recipe{
		Config: c,
		Title:  "Glow on ImageNet at 32x32, a folder of pictures or arrays, weeks on one GPU",
		Source: glowSource,
		Expect: "not trained here; published: 4.09 bits/dim",
		Deviations: glowDeviations(
			"batches of 64, the code's share of each of 8 GPUs; actnorm is initialised from the first of them, not from 256 images",
			"20,000 steps of warm-up (one epoch) instead of 10 epochs, and 20 epochs in all", unshifted),
	}
}

func glowImageNet64() Recipe {
	c := usual("glow-imagenet64", "data/imagenet64")
	c.Model = glowModel(shaped("glow", 3, 64, 256), 4, 48, 512, "sigmoid")
	c.long(400000, 20000)
	c.Batch, c.Memory = 16, flowgpu.Recompute
	return Recipe{
		Config: c,
		Title:  "Glow on ImageNet at 64x64, a folder of pictures or arrays, weeks on several GPUs",
		Source: glowSource,
		Expect: "not trained here; published: 3.81 bits/dim",
		Deviations: glowDeviations(
			"batches of 16, the code's share of each of 8 GPUs; actnorm is initialised from the first of them, not from 256 images",
			"20,000 steps of warm-up instead of 10 epochs, and 5 epochs in all", unshifted),
	}
}

func glowCelebA256() Recipe {
	c := usual("glow-celeba256", "data/celeba256")
	c.Model = glowModel(shaped("glow", 3, 256, 32), 6, 32, 512, "additive")
	c.long(200000, 7500)
	c.Bits, c.Batch, c.Memory, c.Samples = 5, 4, flowgpu.Reversible, 16
	return Recipe{
		Config: c,
		Title:  "Glow on CelebA-HQ at 256x256 in 5 bits, a folder of pictures, weeks on several GPUs",
		Source: glowSource,
		Expect: "not trained here; published: 1.03 bits/dim of the 5-bit images",
		Deviations: glowDeviations(
			"batches of 4 instead of 40 GPUs with one image each; actnorm is initialised from the first of them",
			"7,500 steps of warm-up (one epoch) instead of 10 epochs", unshifted),
	}
}
