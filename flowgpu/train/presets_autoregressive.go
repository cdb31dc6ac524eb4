package train

import "cuflow/flowgpu"

const (
	mafSource = `Papamakarios, Pavlakou and Murray, "Masked autoregressive flow for density estimation", 2017, and its code, gpapamak/maf`
	iafSource = `Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling, "Improving variational inference with inverse autoregressive flow", 2016`
	nsfSource = `Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows", 2019, and its code, bayesiains/nsf`
)

// curveDeviations are those of every flow with curves here, and then its own.
func curveDeviations(own ...string) []string {
	return append([]string{
		"networks start at the identity: every layer changes nothing before the first step",
		"columns are standardised, which the likelihood counts",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

// curveModel is a flow of vectors of as many dimensions as the data has.
func curveModel(kind string, steps, depth, hidden int) flowgpu.Config {
	return flowgpu.Config{Kind: kind, Channels: AutoDims, Height: 1, Width: 1, Seed: 1, Steps: steps, Depth: depth, Hidden: hidden, Prior: "standard"}
}

// maskedModel is a MAF or an IAF of affine layers.
func maskedModel(kind, norm string) flowgpu.Config {
	m := curveModel(kind, 5, 2, 512)
	m.Curve, m.Net, m.Permutation, m.Norm = "affine", "mlp", "reverse", norm
	return m
}

// splineModel is a flow of rational-quadratic splines with residual networks.
func splineModel(kind string) flowgpu.Config {
	m := curveModel(kind, 10, 2, 256)
	m.Curve, m.Bins, m.Bound, m.Net, m.Permutation, m.Norm = "rational", 8, 3, "residual", "lu", "none"
	if kind == "nsf" {
		m.Layout = "half"
	}
	return m
}

// tableUsual are the settings that flows of tables start from: they stop early.
func tableUsual(preset string) Config {
	c := vectorUsual(preset, "data/sachs/sachs.csv")
	c.Steps, c.Patience, c.EvalEvery, c.LogEvery = 20000, 6, 100, 50
	return c
}

func mafTab() Recipe {
	c := tableUsual("maf-tab")
	c.Model = maskedModel("maf", "batchnorm")
	c.LR = 5e-4
	return Recipe{
		Config: c,
		Title:  "masked autoregressive flow on a table of numbers, stopped early: a .csv, .npy or .npz file",
		Source: mafSource,
		Expect: "3.17 ± 0.13 nats on the 797 test rows of Sachs (11 columns), with the weights of step 300; published, in nats of log-likelihood: POWER 0.14, GAS 9.07, HEPMASS -17.70, MINIBOONE -11.75",
		Deviations: curveDeviations(
			"log scales are s/(1+|s|/log 10000) instead of s: near 0 they are the same, and no scale leaves 1e-4 to 1e4",
			"batch normalisation is RealNVP's, by running averages that blend in each batch; the paper's evaluates by the moments of the whole training set",
			"batches of 512 and a learning rate of 0.0005 (the paper: 100 and 0.0001), no weight decay (1e-6)",
			"2 hidden layers of 512 units, the paper's width for HEPMASS and MINIBOONE, for every table"),
	}
}

func iafTab() Recipe {
	c := tableUsual("iaf-tab")
	c.Model = maskedModel("iaf", "actnorm")
	c.LR = 5e-4
	return Recipe{
		Config: c,
		Title:  "inverse autoregressive flow on a table of numbers, stopped early: samples are one pass",
		Source: iafSource,
		Expect: "2.43 ± 0.15 nats on the 797 test rows of Sachs (11 columns), with the weights of step 500; the paper has it as an approximate posterior, without a likelihood of data",
		Deviations: curveDeviations(
			"it is trained by the likelihood of data, and not within a variational autoencoder: densities go dimension by dimension, at the arithmetic of one pass",
			"the scale is exp of a bounded s instead of a gate, sigmoid(s+1)",
			"an actnorm follows every layer",
			"ReLU instead of ELU"),
	}
}

func nsfTab() Recipe {
	c := tableUsual("nsf-tab")
	c.Model = splineModel("nsf")
	c.LR, c.Schedule, c.Adam.Clip = 3e-4, cosine, 5
	return Recipe{
		Config:     c,
		Title:      "neural spline flow of couplings on a table of numbers, stopped early",
		Source:     nsfSource,
		Expect:     "2.88 ± 0.14 nats on the 797 test rows of Sachs (11 columns), with the weights of step 500; published, in nats of log-likelihood: POWER 0.64, GAS 13.09, HEPMASS -14.75, MINIBOONE -9.67",
		Deviations: splineDeviations("couplings move one half and then the other, instead of every second dimension"),
	}
}

func nsfARTab() Recipe {
	c := tableUsual("nsf-ar-tab")
	c.Model = splineModel("maf")
	c.LR, c.Schedule, c.Adam.Clip = 3e-4, cosine, 5
	return Recipe{
		Config:     c,
		Title:      "autoregressive neural spline flow on a table of numbers, stopped early",
		Source:     nsfSource,
		Expect:     "2.92 ± 0.15 nats on the 797 test rows of Sachs (11 columns), with the weights of step 500; published, in nats of log-likelihood: POWER 0.66, GAS 13.09, HEPMASS -14.01, MINIBOONE -9.22",
		Deviations: splineDeviations(),
	}
}

func splineDeviations(own ...string) []string {
	return append(curveDeviations(
		"linear maps start as random rotations instead of random permutations",
		"no dropout (the code: 0 to 0.2, by table)",
		"20,000 steps at most, in batches of 512 (the code: 200,000 to 400,000 of 64 to 1024, by table)"), own...)
}
