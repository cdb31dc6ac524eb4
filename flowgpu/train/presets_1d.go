package train

import "cuflow/flowgpu"

const flow1dSource = `Chen and Gopinath, "Gaussianization", 2000; as taught in Abbeel, Chen, Ho and Srinivas, "Deep unsupervised learning" (Berkeley, CS294-158), the lecture on flow models`

// flow1dDeviations are those of every flow in one dimension here, and then its own.
func flow1dDeviations(own ...string) []string {
	return append([]string{
		"u = F(x) is never rounded: the flow goes on to logit u or to the normal quantile of u from the logarithms of both tails",
		"scales have a floor of 1/1024 of the data's standard deviation, so that no component falls upon one value",
		"the data is standardised, which the likelihood counts",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

// flow1dModel is a chain of layers over one column.
func flow1dModel(layers, prior string) flowgpu.Config {
	return flowgpu.Config{Kind: "chain", Channels: 1, Height: 1, Width: 1, Seed: 1, Layers: layers, Prior: prior}
}

// flow1dUsual are the settings that flows in one dimension start from.
func flow1dUsual(preset, data string) Config {
	c := vectorUsual(preset, data)
	c.LR, c.Warmup, c.Schedule, c.LogEvery = 2e-2, 50, cosine, 50
	return c
}

func flow1dMixture() Recipe {
	c := flow1dUsual("flow1d-mixture", "trimodal")
	c.Model = flow1dModel("mixcdf(k=8), probit", "standard")
	return Recipe{
		Config:     c,
		Title:      "x -> u -> z: the CDF of a mixture of 8 Gaussians, then the inverse normal CDF, on one column: seconds",
		Source:     flow1dSource,
		Expect:     "1.5738 nats on the 50,000 samples held out of trimodal, as does the true density (entropy: 1.5696), after 2,000 steps",
		Deviations: flow1dDeviations(),
	}
}

func flow1dUniform() Recipe {
	c := flow1dUsual("flow1d-uniform", "bimodal")
	c.Model = flow1dModel("mixcdf(k=8, logistic)", "uniform")
	return Recipe{
		Config:     c,
		Title:      "x -> u: the CDF of a mixture of 8 logistic distributions, to a uniform base: seconds",
		Source:     flow1dSource,
		Expect:     "1.4180 nats on the 50,000 samples held out of bimodal (the true density: 1.4176; entropy: 1.4151), after 2,000 steps",
		Deviations: flow1dDeviations(),
	}
}

func flow1dBeta() Recipe {
	c := flow1dUsual("flow1d-beta", "bimodal")
	c.Model = flow1dModel("mixcdf(k=8)", "beta(5,5)")
	return Recipe{
		Config:     c,
		Title:      "x -> u: the CDF of a mixture of 8 Gaussians, to a Beta(5, 5) base: seconds",
		Source:     flow1dSource,
		Expect:     "1.4176 nats on the 50,000 samples held out of bimodal, as does the true density (entropy: 1.4151), after 2,000 steps",
		Deviations: flow1dDeviations(),
	}
}

func flow1dBounded() Recipe {
	c := flow1dUsual("flow1d-bounded", "bounded")
	c.Model = flow1dModel("logit, mixcdf(k=4)", "uniform")
	c.Raw = true
	return Recipe{
		Config:     c,
		Title:      "data on (0, 1): logit, then the CDF of a mixture, to a uniform base: seconds",
		Source:     flow1dSource,
		Expect:     "-0.4836 nats on the 50,000 samples held out of bounded, Beta(2, 5) (the true density: -0.4839; entropy: -0.4845), after 2,000 steps",
		Deviations: flow1dDeviations("the data is taken as it is"),
	}
}
