package train

import "cuflow/flowgpu"

const (
	planarSource    = `Rezende and Mohamed, "Variational inference with normalizing flows", 2015, section 4.1 and appendix A; as layers of densities in the library normflows`
	sylvesterSource = `van den Berg, Hasenclever, Tomczak and Welling, "Sylvester normalizing flows for variational inference", 2018`
)

// chainDeviations are those of every chain of simple flows here, and then its own.
func chainDeviations(own ...string) []string {
	return append([]string{
		"the flow runs from data to latent and learns a density; the papers' run from latent to sample, inside a variational autoencoder",
		"columns are standardised, which the likelihood counts",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

// chainModel is a chain of layers over vectors of as many dimensions as the data has.
func chainModel(layers string) flowgpu.Config {
	return flowgpu.Config{Kind: "chain", Channels: AutoDims, Height: 1, Width: 1, Seed: 1, Layers: layers, Prior: "standard"}
}

// chainUsual are the settings that chains start from.
func chainUsual(preset, data string) Config {
	c := vectorUsual(preset, data)
	c.LR, c.Schedule, c.Warmup, c.LogEvery = 1e-2, cosine, 100, 50
	return c
}

func planar2D() Recipe {
	c := chainUsual("planar-2d", "two-moons")
	c.Model = chainModel("planar*32, affine")
	return Recipe{
		Config:     c,
		Title:      "32 planar flows and an affine one on vectors of two dimensions, such as two moons: half a minute on two cores",
		Source:     planarSource,
		Expect:     "1.041 nats on the 50,000 test samples of two-moons after 2,000 steps (entropy: 1.008; realnvp-2d: 1.024)",
		Deviations: chainDeviations("an affine flow at the end"),
	}
}

func radial2D() Recipe {
	c := chainUsual("radial-2d", "two-moons")
	c.Model = chainModel("radial*32, affine")
	return Recipe{
		Config:     c,
		Title:      "32 radial flows and an affine one on vectors of two dimensions, such as two moons: seconds",
		Source:     planarSource,
		Expect:     "1.159 nats on the 50,000 test samples of two-moons after 2,000 steps (entropy: 1.008; planar-2d: 1.041)",
		Deviations: chainDeviations("an affine flow at the end", "al = exp(loga) > 0"),
	}
}

func sylvester2D() Recipe {
	c := chainUsual("sylvester-2d", "two-moons")
	c.Model = chainModel("sylvester(2)*16, affine")
	return Recipe{
		Config: c,
		Title:  "16 Sylvester flows along both directions and an affine one on vectors of two dimensions, such as two moons: half a minute on two cores",
		Source: sylvesterSource,
		Expect: "1.024 nats on the 50,000 test samples of two-moons after 2,000 steps, as realnvp-2d (entropy: 1.008)",
		Deviations: chainDeviations("an affine flow at the end",
			"the products of the two diagonals are bounded below alone, at -1 (the paper: a tanh of each)", "parameters are the flow's own, not given by an encoder"),
	}
}

func affineTab() Recipe {
	c := chainUsual("affine-tab", "data/sachs/sachs.csv")
	c.Model = chainModel("affine")
	c.Patience, c.EvalEvery = 10, 100
	return Recipe{
		Config: c,
		Title:  "one affine flow on a table of numbers, a Gaussian with a full covariance: what others must beat; a .csv, .npy or .npz file",
		Source: `Kingma and Dhariwal, "Glow", 2018, section 3.2, of its LU factors`,
		Expect: "6.13 ± 0.12 nats on the 797 test rows of Sachs (11 columns), as the Gaussian of the data's own mean and covariance; " +
			"with --layers \"sylvester(5)*4, affine\" 3.26 ± 0.12 (realnvp-tab: 2.69 ± 0.17)",
		Deviations: chainDeviations("for vectors, with a shift"),
	}
}
