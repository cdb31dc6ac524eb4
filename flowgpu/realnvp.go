package flowgpu

import "fmt"

// realnvp builds a RealNVP: Dinh, Sohl-Dickstein and Bengio, "Density estimation using Real NVP", 2017, figure 4. A scale
// is three couplings by checkerboards, a squeeze, three couplings by channels and, but for the last scale, a split that
// retires half the channels; masks alternate, and every coupling is followed by the flow's own batch normalisation.
// There are two layouts, which differ in the last scale:
//
//	notes  it is like the others, without a split: c x 32 x 32 and three scales give latents 2c x 16 x 16, 4c x 8 x 8 and
//	       16c x 4 x 4
//	paper  it is four couplings by checkerboards, and nothing else
//
// The conditioners' channels double from scale to scale.
func realnvp(cfg Config, b *builder) {
	width := cfg.Hidden
	for level := 1; level <= cfg.Levels; level++ {
		b.level = level
		last := level == cfg.Levels
		checkers := 3
		if last && cfg.Layout == "paper" {
			checkers = 4
		}
		for i := range checkers {
			name := fmt.Sprintf("level%d.checker%d", level, i+1)
			b.step(name, newChecker(cfg, b, width, i%2))
			b.add(name+".norm", NewBatchNorm(b.c))
		}
		if last && cfg.Layout == "paper" {
			break
		}
		b.squeeze()
		for i := range 3 {
			name := fmt.Sprintf("level%d.channel%d", level, i+1)
			b.step(name, newChannel(cfg, b, width, i%2 == 1))
			b.add(name+".norm", NewBatchNorm(b.c))
		}
		if !last {
			b.split(NewPlainSplit(b.c))
		}
		width *= 2
	}
	switch cfg.Prior {
	case "learned":
		b.add("prior", NewAffine(b.c))
	case "mixture":
		b.mixture(cfg)
	}
}

func newChecker(cfg Config, b *builder, width, parity int) *CheckerCoupling {
	law := laws[cfg.Coupling]
	return NewCheckerCoupling(law, b.c, parity, NewResNet(b.c, width, cfg.Depth, law.Params()*b.c, true, parity, b.r))
}

func newChannel(cfg Config, b *builder, width int, flip bool) *Coupling {
	law, c1 := laws[cfg.Coupling], b.c/2
	coupling := NewCoupling(law, b.c, c1, NewResNet(c1, width, cfg.Depth, law.Params()*(b.c-c1), false, 0, b.r))
	coupling.flip = flip
	return coupling
}

func checkRealNVP(c Config) error {
	if err := inRange(number{"levels", c.Levels, 1, 10}, number{"steps", c.Steps, 0, 0}, number{"depth", c.Depth, 1, 64}); err != nil {
		return err
	}
	squeezes := c.Levels
	if c.Layout == "paper" {
		squeezes--
	}
	if err := c.checkSqueezes(squeezes); err != nil {
		return err
	}
	if (c.Width>>squeezes)%2 != 0 && c.Layout == "paper" {
		return fmt.Errorf("the last scale is %d pixels wide, but a checkerboard needs an even width: use fewer levels or pad", c.Width>>squeezes)
	}
	return nil
}
