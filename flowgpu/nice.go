package flowgpu

import "fmt"

// nice builds a NICE: Dinh, Krueger and Bengio, "NICE: Non-linear independent components estimation", 2015, section 5.
// Images are vectors; additive couplings with MLPs move one part and then the other, and a learned diagonal scaling ends
// the flow. The partition is of even and odd dimensions, or of the first and the last half.
func nice(cfg Config, b *builder) {
	b.level = 1
	b.flatten("flatten")
	if cfg.Layout == "evenodd" {
		b.add("evenodd", newPermutation(evenOdd(b.c)))
	}
	c1 := b.c / 2
	for i := range cfg.Steps {
		coupling := newNICECoupling(cfg, b, c1)
		if i%2 == 1 {
			coupling = newNICECoupling(cfg, b, b.c-c1)
			coupling.flip = true
		}
		b.step(fmt.Sprintf("coupling%d", i+1), coupling)
	}
	b.add("scaling", NewScaling(b.c))
	if cfg.Prior == "mixture" {
		b.mixture(cfg)
	}
}

func newNICECoupling(cfg Config, b *builder, c1 int) *Coupling {
	law := laws["additive"]
	return NewCoupling(law, b.c, c1, NewMLP(c1, cfg.Hidden, cfg.Depth, b.c-c1, b.r))
}

// evenOdd lists the odd dimensions, then the even ones, so that either part is one block.
func evenOdd(d int) (perm []int) {
	for _, start := range []int{1, 0} {
		for i := start; i < d; i += 2 {
			perm = append(perm, i)
		}
	}
	return perm
}

func checkNICE(c Config) error {
	if c.D() < 2 {
		return errOneDimension(c)
	}
	return inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 12}, number{"depth", c.Depth, 1, 1 << 8})
}
