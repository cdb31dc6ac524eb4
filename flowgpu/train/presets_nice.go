package train

import "cuflow/flowgpu"

const niceSource = `Dinh, Krueger and Bengio, "NICE: Non-linear independent components estimation", 2015, and its code, laurent-dinh/nice`

// niceDeviations are those of every NICE here, and then its own.
func niceDeviations(own ...string) []string {
	return append([]string{
		"networks start at a shift of 0: every coupling starts as the identity",
		"a learning rate of 0.01 (the paper: 0.001)",
		"200 steps of warm-up and clipping by global norm (neither in the paper)",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

// niceModel is a NICE of the shape of an image.
func niceModel(m flowgpu.Config, couplings, depth, hidden int) flowgpu.Config {
	m.Steps, m.Depth, m.Hidden, m.Prior, m.Layout = couplings, depth, hidden, "logistic", "evenodd"
	return m
}

// niceUsual are the settings that NICEs start from. The final scaling has a long way to go from 1 to what makes the latent as
// wide as the prior, and takes a greater learning rate to get there in a short run.
func niceUsual(preset, data string) Config {
	c := usual(preset, data)
	c.LR = 1e-2
	c.Adam.Beta2, c.Adam.Eps = 0.99, 1e-4
	return c
}

func niceDigits() Recipe {
	c := niceUsual("nice-digits", "digits")
	c.Model = niceModel(shaped("nice", 1, 8, 17), 4, 4, 256)
	c.Steps, c.LogEvery = 1000, 25
	return Recipe{
		Config:     c,
		Title:      "NICE on the built-in 8x8 digits, seconds on two cores",
		Source:     niceSource,
		Expect:     "2.75 bits/dim on the 300 held-out images after 1,000 steps (glow-digits: 2.18, realnvp-digits: 1.95)",
		Deviations: niceDeviations("4 hidden layers of 256 units, for images of 64 pixels (the paper's MNIST model: 5 of 1,000)"),
	}
}

func niceMNIST() Recipe {
	c := niceUsual("nice-mnist", "data/mnist")
	c.Model = niceModel(shaped("nice", 1, 28, 256), 4, 5, 1000)
	c.Batch, c.EvalSamples, c.Schedule = 200, 2000, cosine
	return Recipe{
		Config:     c,
		Title:      "NICE on MNIST or Fashion-MNIST",
		Source:     niceSource,
		Expect:     "5.03 bits/dim of MNIST on all 10,000 held-out images after 2,000 steps (published, from 1,980.50 nats after 1,500 epochs: 4.36)",
		Deviations: niceDeviations("7 epochs instead of 1,500, in which the learning rate falls to 0"),
	}
}

func niceCIFAR10() Recipe {
	c := niceUsual("nice-cifar10", "data/cifar10")
	c.Model = niceModel(shaped("nice", 3, 32, 256), 8, 4, 2000)
	c.long(100000, 200)
	c.Batch = 200
	return Recipe{
		Config: c,
		Title:  "NICE on CIFAR-10 (its binary files), hours on one GPU",
		Source: niceSource,
		Expect: "not trained here; published: 4.48 bits/dim",
		Deviations: niceDeviations("no whitening (ZCA) before the flow",
			"8 couplings with 4 hidden layers of 2,000 units each: the paper's units, the code's couplings, whose depths differ from one to the next"),
	}
}
