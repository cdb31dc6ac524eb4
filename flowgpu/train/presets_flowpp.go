package train

const flowppSource = `Ho, Chen, Srinivas, Duan and Abbeel, "Flow++: Improving flow-based generative models with variational dequantization and architecture design", 2019, and its code, aravindsrinivas/flowpp`

// flowppDeviations are those of every Flow++ here, and then its own.
func flowppDeviations(own ...string) []string {
	return append([]string{
		"the noise of dequantisation is logistic, so that it starts uniform, and moves by 4 affine couplings of channels; the paper's is normal, and moves by mixtures of logistics",
		"no logit of the intensities before the flow",
		"1x1 convolutions mix both halves of a coupling, in their LU form; in the code each half has its own",
		"ReLU instead of the concatenated ELU, no weight normalisation, one array of positions for all blocks of a network",
		"the averaged weights are what is evaluated and sampled",
	}, own...)
}

func flowppDigits() Recipe {
	c := usual("flowpp-digits", "digits")
	c.Model = shaped("flowpp", 1, 8, 17)
	c.Model.Steps, c.Model.Hidden, c.Model.Depth, c.Model.Heads, c.Model.Bins = 4, 32, 1, 4, 4
	c.Model.Permutation, c.Model.Prior, c.Model.Dequantization, c.Model.DequantHidden = "lu", "standard", "variational", 16
	c.Steps, c.LR, c.LogEvery = 1000, 2e-3, 25
	return Recipe{
		Config: c,
		Title:  "Flow++ on the built-in 8x8 digits: mixtures of logistics, attention, variational dequantisation",
		Source: flowppSource,
		Expect: "1.86 bits/dim on the 300 held-out images after 1,000 steps, a bound; after 500 steps 1.94, of which 8 noises take 0.05, with uniform dequantisation 2.01, and Glow 2.19",
		Deviations: flowppDeviations(
			"1 block of 32 channels and 4 logistic components, for images of 64 pixels (the paper's CIFAR-10 model: 10 of 96, and 32), no dropout",
			"a learning rate of 0.002, with 200 steps of warm-up"),
	}
}

func flowppCIFAR10() Recipe {
	c := usual("flowpp-cifar10", "data/cifar10")
	c.Model = shaped("flowpp", 3, 32, 256)
	c.Model.Steps, c.Model.Hidden, c.Model.Depth, c.Model.Heads, c.Model.Bins, c.Model.Dropout = 4, 96, 10, 4, 32, 0.2
	c.Model.Permutation, c.Model.Prior, c.Model.Dequantization, c.Model.DequantHidden = "lu", "standard", "variational", 96
	c.long(400_000, 2000)
	c.LR, c.Adam.Clip, c.Adam.EMADecay, c.Memory = 3e-4, 1, 0.999, "recompute"
	return Recipe{
		Config: c,
		Title:  "Flow++ on CIFAR-10 at the published size, for a large GPU",
		Source: flowppSource,
		Expect: "3.08 bits/dim is published, with variational dequantisation, after training on 8 GPUs; not trained here",
		Deviations: flowppDeviations(
			"the networks of the noise are of one 3x3, one 1x1 and one 3x3 convolution of 96 channels, without blocks",
			"the batch is 64 on one device (the code: 64 in all on 8)"),
	}
}
