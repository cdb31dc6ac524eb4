package train

import "cuflow/flowgpu"

const realnvpSource = `Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017, and its code, tensorflow/models research/real_nvp`

// realnvpDeviations are those of every RealNVP here, and then its own.
func realnvpDeviations(own ...string) []string {
	return append([]string{
		"no weight decay on the scales of weight normalisation (5e-5 in the paper)",
		"200 steps of warm-up (none in the code)",
		"two colours of a checkerboard are packed side by side, so that the arithmetic of the half that stays is not done; the function is the same",
	}, own...)
}

// realnvpModel is a RealNVP of the shape of an image.
func realnvpModel(m flowgpu.Config, layout string, levels, hidden, depth int) flowgpu.Config {
	m.Layout, m.Levels, m.Hidden, m.Depth, m.Coupling, m.Prior, m.Logit = layout, levels, hidden, depth, "tanh", "standard", 0.05
	return m
}

// realnvpUsual are the settings that RealNVPs start from. Weights are not averaged: the running statistics of batch
// normalisation belong to the last ones.
func realnvpUsual(preset, data string) Config {
	c := usual(preset, data)
	c.Adam.EMADecay, c.Adam.Clip = 0, 100
	return c
}

func realnvpDigits() Recipe {
	c := realnvpUsual("realnvp-digits", "digits")
	c.Model = realnvpModel(shaped("realnvp", 1, 8, 17), "notes", 2, 32, 2)
	c.Steps, c.LR, c.Schedule = 500, 2e-3, cosine // more, and it learns the 1,497 images by heart
	c.LogEvery = 25
	return Recipe{
		Config: c,
		Title:  "RealNVP on the built-in 8x8 digits, a minute on two cores",
		Source: realnvpSource,
		Expect: "1.95 bits/dim on the 300 held-out images after 500 steps (glow-digits: 2.18, nice-digits: 2.75)",
		Deviations: realnvpDeviations("2 levels and networks of 2 blocks of 32 channels, for images of 64 pixels",
			"a learning rate of 0.002 that falls to 0 (the code: 0.001, constant)"),
	}
}

func realnvpMNIST() Recipe {
	c := realnvpUsual("realnvp-mnist", "data/mnist")
	c.Model = realnvpModel(shaped("realnvp", 1, 32, 256), "notes", 3, 16, 2)
	c.Fit, c.EvalSamples, c.Schedule = pad, 2000, cosine
	return Recipe{
		Config:     c,
		Title:      "RealNVP on MNIST or Fashion-MNIST, padded to 32x32",
		Source:     realnvpSource,
		Expect:     "1.15 bits/dim of the padded MNIST on all 10,000 held-out images after 2,000 steps (published: 1.06)",
		Deviations: realnvpDeviations("networks of 2 blocks of 16 channels (the paper at 32x32: 4 of 32)", "the last scale has couplings by channels too, as in lecture notes", "the learning rate falls to 0 over the run (the code: constant)"),
	}
}

func realnvpCIFAR10() Recipe {
	c := realnvpUsual("realnvp-cifar10", "data/cifar10")
	c.Model = realnvpModel(shaped("realnvp", 3, 32, 256), "paper", 2, 64, 8)
	c.long(100000, 200)
	c.Adam.EMADecay, c.Flip = 0, true
	return Recipe{
		Config:     c,
		Title:      "RealNVP on CIFAR-10 (its binary files), the paper's: 8 blocks of 64 channels, halved once; days on one GPU",
		Source:     realnvpSource,
		Expect:     "not trained here; published: 3.49 bits/dim (the paper), about 3.7 after 20 epochs (chrischute/real-nvp)",
		Deviations: realnvpDeviations(),
	}
}

func realnvpCIFAR10Notes() Recipe {
	c := realnvpUsual("realnvp-cifar10-notes", "data/cifar10")
	c.Model = realnvpModel(shaped("realnvp", 3, 32, 256), "notes", 3, 64, 9)
	c.long(100000, 200)
	c.Adam.EMADecay, c.Flip = 0, true
	return Recipe{
		Config: c,
		Title:  "RealNVP on CIFAR-10 (its binary files) as lecture notes have it: 3 levels, networks of 20 convolutions; days on one GPU",
		Source: realnvpSource + "; three like scales as in lecture notes on it, latents of 6x16x16, 12x8x8 and 48x4x4",
		Expect: "not trained here and not published; the paper's architecture: 3.49 bits/dim",
		Deviations: realnvpDeviations("networks of 9 blocks and 64 channels, 20 convolutions from input to output, at 3 levels (the paper: 8 blocks, 2 levels)",
			"the last scale has couplings by channels too"),
	}
}

func realnvpCelebA64() Recipe {
	c := realnvpUsual("realnvp-celeba64", "data/celeba64")
	c.Model = realnvpModel(shaped("realnvp", 3, 64, 256), "paper", 5, 32, 2)
	c.long(100000, 200)
	c.Adam.EMADecay, c.Flip, c.Fit = 0, true, "resize"
	return Recipe{
		Config:     c,
		Title:      "RealNVP on CelebA at 64x64, a folder of pictures, days on one GPU",
		Source:     realnvpSource,
		Expect:     "not trained here; published: 3.02 bits/dim",
		Deviations: realnvpDeviations("pictures are scaled to cover 64x64 and cut (the paper cuts 148x148 out of the middle first)"),
	}
}
