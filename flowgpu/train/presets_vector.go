package train

import "cuflow/flowgpu"

const realnvpVectorSource = `Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017; on vectors as in Papamakarios, Pavlakou and Murray, "Masked autoregressive flow", 2017, and in the library normflows`

// vectorDeviations are those of every RealNVP on vectors here, and then its own.
func vectorDeviations(own ...string) []string {
	return append([]string{
		"networks start at a scale of 1 and a shift of 0: every coupling starts as the identity",
		"log scales are bounded to -2 .. 2 (2 tanh(s/2)) instead of free",
		"columns are standardised, which the likelihood counts",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

// vectorModel is a RealNVP of vectors of as many dimensions as the data has.
func vectorModel(couplings, depth, hidden int, norm string) flowgpu.Config {
	return flowgpu.Config{Kind: "realnvp-vector", Channels: AutoDims, Height: 1, Width: 1, Seed: 1,
		Steps: couplings, Depth: depth, Hidden: hidden, Coupling: "exp", Net: "mlp", Prior: "standard", Layout: "half", Norm: norm}
}

// vectorUsual are the settings that models of vectors start from.
func vectorUsual(preset, data string) Config {
	c := usual(preset, data)
	c.Batch, c.Samples, c.Temperature, c.SampleEvery = 512, 10000, 1, 0
	c.Adam.EMADecay = 0.99
	return c
}

func realnvp2D() Recipe {
	c := vectorUsual("realnvp-2d", "two-moons")
	c.Model = vectorModel(32, 2, 64, "none")
	c.Schedule, c.Warmup, c.LogEvery = cosine, 100, 50
	return Recipe{
		Config:     c,
		Title:      "RealNVP on vectors of two dimensions, such as two moons: half a minute on two cores",
		Source:     realnvpVectorSource,
		Expect:     "1.024 nats on the 50,000 test samples of two-moons after 2,000 steps, 0.009 ± 0.001 above the true density (whose entropy is 1.008)",
		Deviations: vectorDeviations("the learning rate falls to 0 over the run"),
	}
}

func realnvpTab() Recipe {
	c := vectorUsual("realnvp-tab", "data/sachs/sachs.csv")
	c.Model = vectorModel(10, 2, 512, "none")
	c.Steps, c.Patience, c.EvalEvery = 20000, 10, 100
	c.LR, c.LogEvery = 5e-4, 50
	return Recipe{
		Config:     c,
		Title:      "RealNVP on a table of numbers, stopped early: a .csv, .npy or .npz file",
		Source:     realnvpVectorSource,
		Expect:     "2.69 ± 0.17 nats on the 797 test rows of Sachs (11 columns), with the weights of step 400",
		Deviations: vectorDeviations("batches of 512 and a learning rate of 0.0005 (the paper: 100 and 0.0001)"),
	}
}
