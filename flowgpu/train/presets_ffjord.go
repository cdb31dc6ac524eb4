package train

import "cuflow/flowgpu"

const ffjordSource = `Grathwohl, Chen, Bettencourt, Sutskever and Duvenaud, "FFJORD: Free-form continuous dynamics for scalable reversible generative models", 2019, and its code (rtqichen/ffjord)`

// ffjordDeviations are those of every continuous flow here, and then its own.
func ffjordDeviations(own ...string) []string {
	return append([]string{
		"gradients go through the solver's own steps instead of by the adjoint (--ode-gradient adjoint has that)",
		"every flow takes the time from 0 to 1, which is not learned",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

// ffjordModel is a chain of continuous flows of vectors of as many dimensions as the data has.
func ffjordModel(flows, depth, hidden int, norm string, o flowgpu.ODE) flowgpu.Config {
	return flowgpu.Config{Kind: "ffjord", Channels: AutoDims, Height: 1, Width: 1, Seed: 1,
		Steps: flows, Depth: depth, Hidden: hidden, Prior: "standard", Norm: norm, ODE: o}
}

func ffjord2D() Recipe {
	c := vectorUsual("ffjord-2d", "two-moons")
	c.Model = ffjordModel(1, 3, 64, "none", flowgpu.ODE{Act: "tanh", Time: "squash"})
	c.Schedule, c.Warmup, c.LogEvery, c.LR = cosine, 100, 50, 1e-2
	return Recipe{
		Config: c,
		Title:  "FFJORD on vectors of two dimensions, such as two moons: exact trace, dopri5 at 1e-5",
		Source: ffjordSource,
		Expect: "1.018 nats on the 50,000 test samples of two-moons after 2,000 steps, 0.003 above the true density (whose entropy is 1.008)",
		Deviations: ffjordDeviations("batches of 512, 2,000 steps, a learning rate of 0.01 that falls to 0, no weight decay (the code: 100, 10,000, 0.001 and 1e-5)",
			"columns are standardised, which the likelihood counts"),
	}
}

func ffjordTab() Recipe {
	c := vectorUsual("ffjord-tab", "data/sachs/sachs.csv")
	c.Model = ffjordModel(5, 2, 64, "batchnorm", flowgpu.ODE{Act: "tanh", Time: "squash", Tolerance: 1e-4, TestTolerance: 1e-6})
	c.Steps, c.Patience, c.EvalEvery, c.EvalSamples, c.LogEvery, c.LR = 20000, 10, 100, 1000, 20, 1e-3
	return Recipe{
		Config: c,
		Title:  "FFJORD on a table of numbers of up to 64 columns, stopped early: a .csv, .npy or .npz file",
		Source: ffjordSource,
		Expect: "6.66 ± 0.12 nats on the 797 test rows of Sachs after 200 steps, and still falling: not run to its end here",
		Deviations: ffjordDeviations("networks of 2 x 64 units for any table (the paper: 2 or 3 layers of 3 to 20 units a dimension, by the table)",
			"an exact trace in training too, as far as 64 dimensions", "a tolerance of 1e-4 in training and 1e-6 outside it (the paper: atol 1e-8, rtol 1e-6)",
			"batches of 512 (the paper: 1,000 or 10,000)"),
	}
}

// ffjordImages is FFJORD in scales.
func ffjordImages(c Config, levels, flows, hidden int, logit float64) Config {
	c.Model.Kind, c.Model.Seed = "ffjord", 1
	c.Model.Levels, c.Model.Steps, c.Model.Hidden, c.Model.Depth = levels, flows, hidden, 3
	c.Model.Prior, c.Model.Norm, c.Model.Logit = "standard", "none", logit
	c.Model.ODE = flowgpu.ODE{Act: "softplus", Time: "concat", Trace: "rademacher", Tolerance: 1e-5}
	c.Temperature = 1
	return c
}

func ffjordDigits() Recipe {
	c := usual("ffjord-digits", "digits")
	c.Model = shaped("ffjord", 1, 8, 17)
	c = ffjordImages(c, 2, 1, 32, 0.05)
	c.Model.ODE.Tolerance = 1e-3
	c.Steps, c.EvalSamples, c.EvalEvery, c.SampleEvery, c.LogEvery = 200, 100, 100, 100, 10
	c.LR, c.Warmup, c.Schedule, c.Adam.EMADecay = 1e-2, 40, cosine, 0.98
	return Recipe{
		Config: c,
		Title:  "FFJORD in two scales on the built-in 8x8 digits: convolutional dynamics, a trace along random signs",
		Source: ffjordSource,
		Expect: "2.13 bits/dim on the 300 held-out images after 200 steps (glow-digits: 2.18 after 1,000)",
		Deviations: ffjordDeviations("three hidden convolutions of 32 channels, one flow each time, a tolerance of 1e-3 (of MNIST: 64, two, 1e-5)",
			"alpha of the logit is 0.05 (1e-6)",
			"200 steps of 64 images at a learning rate of 0.01 that falls to 0 (of MNIST: 0.001, a tenth after half of 500 epochs)"),
	}
}

func ffjordMNIST() Recipe {
	c := usual("ffjord-mnist", "data/mnist")
	c.Model = shaped("ffjord", 1, 28, 256)
	c = ffjordImages(c, 3, 2, 64, 1e-6)
	c.Batch = 200
	c.long(300*500, 1000)
	c.LR = 1e-3
	return Recipe{
		Config: c,
		Title:  "FFJORD in three scales on MNIST as published: days on a GPU",
		Source: ffjordSource,
		Expect: "not run here; the paper has 0.99 bits/dim",
		Deviations: ffjordDeviations("batches of 200, the code's default (the paper: 900)", "the learning rate stays at 0.001 (the code: a tenth after half of the epochs)",
			"convolutions of a channel of the time, all of stride 1"),
	}
}
