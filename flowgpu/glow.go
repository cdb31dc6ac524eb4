package flowgpu

import "fmt"

// glow builds a Glow: L times a squeeze, S flow steps (actnorm, permutation, coupling) and, but for the last level, a
// split. Kingma and Dhariwal, "Glow", 2018, figure 2.
func glow(cfg Config, b *builder) {
	for level := 1; level <= cfg.Levels; level++ {
		b.level = level
		b.squeeze()
		for i := 1; i <= cfg.Steps; i++ {
			b.step(fmt.Sprintf("level%d.step%d", level, i), NewActNorm(b.c), newPermute(cfg, b), newGlowCoupling(cfg, b))
		}
		if level < cfg.Levels {
			b.split(NewSplit(b.c))
		}
	}
	switch {
	case cfg.Classes > 0:
		b.add("prior", NewClassPrior(b.c, cfg.Classes))
	case cfg.Prior == "learned":
		b.add("prior", NewAffine(b.c))
	case cfg.Prior == "mixture":
		b.mixture(cfg)
	}
}

func newPermute(cfg Config, b *builder) Layer {
	switch cfg.Permutation {
	case "reverse":
		return NewReverse(b.c)
	case "shuffle":
		return NewShuffle(b.c, b.r)
	}
	return NewInvConv(b.c, b.r)
}

func newGlowCoupling(cfg Config, b *builder) *Coupling {
	law := laws[cfg.Coupling]
	c1 := b.c / 2
	if cfg.Net == "transformer" {
		return NewCoupling(law, b.c, c1, NewTransformer(TransformerShape{
			Cin: c1, Cout: law.Params() * (b.c - c1), Width: cfg.Hidden, Heads: cfg.Heads, Depth: cfg.Depth, Tokens: b.tokens()}, b.r))
	}
	return NewCoupling(law, b.c, c1, NewGlowNet(c1, cfg.Hidden, law.Params()*(b.c-c1), b.r))
}

func checkGlow(c Config) error {
	if err := inRange(number{"levels", c.Levels, 1, 10}, number{"steps", c.Steps, 1, 1 << 12}, number{"depth", c.Depth, 0, c.transformerDepth()}); err != nil {
		return err
	}
	if err := c.checkSqueezes(c.Levels); err != nil {
		return err
	}
	if top := c.Channels << (c.Levels + 1); top > 1024 {
		return fmt.Errorf("%d levels give %d channels at the last one: at most 1024 are mixed, use fewer levels", c.Levels, top)
	}
	return nil
}
