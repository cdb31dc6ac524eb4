package flowgpu

import (
	"fmt"
	"math/rand/v2"
)

// block is a named part of a model: a flow step, a squeeze, a split.
type block struct {
	name    string
	chain   Chain
	step    bool // a flow step: memory modes count these
	c, h, w int  // shape of what comes out
}

// glow builds the blocks of a Glow for data of shape (C, H, W): L times a squeeze, S flow steps (actnorm, permutation,
// coupling) and, but for the last level, a split. Kingma and Dhariwal, "Glow", 2018, figure 2.
func glow(cfg Config, r *rand.Rand) (blocks []block) {
	c, h, w := cfg.Channels, cfg.Height, cfg.Width
	add := func(name string, step bool, layers ...Layer) {
		blocks = append(blocks, block{name, layers, step, c, h, w})
	}
	for level := 1; level <= cfg.Levels; level++ {
		c, h, w = 4*c, h/2, w/2
		add(fmt.Sprintf("level%d.squeeze", level), false, Squeeze{})
		for step := 1; step <= cfg.Steps; step++ {
			add(fmt.Sprintf("level%d.step%d", level, step), true, NewActNorm(c), newPermute(cfg, c, r), newGlowCoupling(cfg, c, r))
		}
		if level < cfg.Levels {
			split := NewSplit(c)
			c = split.coupling.c1
			add(fmt.Sprintf("level%d.split", level), false, split)
		}
	}
	if cfg.Prior == "learned" {
		add("prior", false, NewAffine(c))
	}
	return blocks
}

func newPermute(cfg Config, c int, r *rand.Rand) Layer {
	switch cfg.Permutation {
	case "reverse":
		return NewReverse(c)
	case "shuffle":
		return NewShuffle(c, r)
	}
	return NewInvConv(c, r)
}

func newGlowCoupling(cfg Config, c int, r *rand.Rand) *Coupling {
	law := laws[cfg.Coupling]
	c1 := c / 2
	return NewCoupling(law, c, c1, NewGlowNet(c1, cfg.Hidden, law.Params()*(c-c1), r))
}
