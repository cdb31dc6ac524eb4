package flowgpu

import "fmt"

// realnvpVector builds a RealNVP of vectors: couplings by masks that alternate between two parts of the dimensions, with MLPs
// that read log scale and shift of one part off the other. Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real
// NVP", 2017, sections 3.2 to 3.4; on tables as Papamakarios, Pavlakou and Murray, "Masked autoregressive flow", 2017, have it.
// The parts are the first and the last half, or the odd and the even dimensions. A normalisation may follow every coupling.
func realnvpVector(cfg Config, b *builder) {
	b.level = 1
	if cfg.Layout == "evenodd" {
		b.add("evenodd", newPermutation(evenOdd(b.c)))
	}
	for i := range cfg.Steps {
		name := fmt.Sprintf("coupling%d", i+1)
		b.step(name, newVectorCoupling(cfg, b, i%2 == 1))
		switch cfg.Norm {
		case "actnorm":
			b.add(name+".norm", NewActNorm(b.c))
		case "batchnorm":
			b.add(name+".norm", NewBatchNorm(b.c))
		}
	}
	switch cfg.Prior {
	case "learned":
		b.add("prior", NewAffine(b.c))
	case "mixture":
		b.mixture(cfg)
	}
}

// newVectorCoupling moves the last part, or flipped the first.
func newVectorCoupling(cfg Config, b *builder, flip bool) *Coupling {
	law := laws[cfg.Coupling]
	c1, flip := b.half(flip)
	coupling := NewCoupling(law, b.c, c1, newGivenNet(c1, cfg.Context.Features(), func(cin int) Net {
		if cfg.Net == "transformer" {
			return cfg.featureNet(FeatureShape{Given: cin, Asked: b.c - c1, Each: law.Params()}, nil, b.r)
		}
		return NewMLP(cin, cfg.Hidden, cfg.Depth, law.Params()*(b.c-c1), b.r)
	}))
	coupling.flip = flip
	return coupling
}

func checkRealNVPVector(c Config) error {
	if c.Height != 1 || c.Width != 1 {
		return fmt.Errorf("realnvp-vector is for vectors, height and width 1, not for images of %dx%d: use realnvp", c.Height, c.Width)
	}
	if c.Intensities != 0 {
		return fmt.Errorf("realnvp-vector is for real numbers, not for %d intensities: leave them 0", c.Intensities)
	}
	if c.D() < 2 && c.Context.Features() == 0 {
		return fmt.Errorf("a coupling needs two dimensions or a context, the data has %d", c.D())
	}
	return inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 12}, number{"depth", c.Depth, 1, 1 << 8})
}

func errOneDimension(c Config) error {
	return fmt.Errorf("a coupling needs two dimensions, the data has %d", c.D())
}
