package train

import "cuflow/flowgpu"

const gmmSource = `Dempster, Laird and Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977; Bishop, "Pattern recognition and machine learning", 2006, section 9.2`

// gmmDeviations are those of every mixture here, and then its own.
func gmmDeviations(own ...string) []string {
	return append([]string{
		"components start as clusters of k-means++ (Arthur and Vassilvitskii, 2007), each with a sample of the average cluster added",
		"covariances with eigenvalues below a floor are raised to it; empty components are placed anew on the sample that is explained worst",
		"the M-step's sums are float64, the mixture itself is float32",
	}, own...)
}

// gmmModel is a mixture over data of a shape.
func gmmModel(m flowgpu.Config, components int, covariance string, floor float64) flowgpu.Config {
	m.Components, m.Covariance, m.Prior, m.Floor = components, covariance, "mixture", floor
	return m
}

// gmmUsual are the settings that mixtures start from. Those of Adam count with --method gradient.
func gmmUsual(preset, data string) Config {
	c := usual(preset, data)
	c.Method, c.Tolerance, c.Adam.EMADecay = byEM, 1e-4, 0
	c.Steps, c.LogEvery, c.EvalEvery, c.SampleEvery, c.CheckpointEvery = 100, 1, 10, 10, 10
	c.LR, c.Warmup, c.Temperature = 1e-2, 0, 1
	return c
}

func gmmDigits() Recipe {
	c := gmmUsual("gmm-digits", "digits")
	c.Model = gmmModel(shaped("gmm", 1, 8, 17), 50, "diagonal", flowgpu.NoiseFloor)
	c.Batch = 500
	return Recipe{
		Config:     c,
		Title:      "mixture of 50 Gaussians on the built-in 8x8 digits, a second: what flows are to beat",
		Source:     gmmSource,
		Expect:     "2.57 bits/dim on the 300 held-out images after 21 iterations (glow-digits: 2.18, realnvp-digits: 1.95, nice-digits: 2.75)",
		Deviations: gmmDeviations("diagonal covariances: 10 full ones score 2.26 on the training images and 2.72 on those held out"),
	}
}

func gmmMNIST() Recipe {
	c := gmmUsual("gmm-mnist", "data/mnist")
	c.Model = gmmModel(shaped("gmm", 1, 28, 256), 50, "diagonal", flowgpu.NoiseFloor)
	c.Batch = 500
	return Recipe{
		Config:     c,
		Title:      "mixture of 50 Gaussians on MNIST or Fashion-MNIST, a minute on two cores",
		Source:     gmmSource,
		Expect:     "4.04 bits/dim of MNIST on all 10,000 held-out images after 33 iterations (realnvp-mnist: 1.15, nice-mnist: 5.03)",
		Deviations: gmmDeviations("diagonal covariances; 10 full ones reach the same"),
	}
}

func gmm2D() Recipe {
	c := gmmUsual("gmm-2d", "two-moons:30000")
	c.Model = gmmModel(flowgpu.Config{Kind: "gmm", Channels: AutoDims, Height: 1, Width: 1, Seed: 1}, 16, "full", flowgpu.RealFloor)
	c.Batch, c.Samples, c.SampleEvery = 512, 10000, 0
	return Recipe{
		Config:     c,
		Title:      "mixture of 16 Gaussians on vectors of two dimensions, such as two moons: a second",
		Source:     gmmSource,
		Expect:     "1.017 nats of two moons on 50,000 held-out samples after 13 iterations; the true density takes 1.015 of them",
		Deviations: gmmDeviations("columns are standardised, which the likelihood counts"),
	}
}
