package flowgpu

import "fmt"

// nsf builds a neural spline flow of couplings: Durkan, Bekasov, Murray and Papamakarios, "Neural spline flows", 2019. Couplings alternate
// between two parts of the dimensions; before each, and once more at the end, there is a linear map or a change of order.
func nsf(cfg Config, b *builder) {
	b.level = 1
	if cfg.Layout == "evenodd" {
		b.add("evenodd", newPermutation(evenOdd(b.c)))
	}
	for i := range cfg.Steps {
		name := fmt.Sprintf("coupling%d", i+1)
		if order := newOrder(cfg, b, i); order != nil {
			b.add(name+".order", order)
		}
		b.step(name, newSplineCoupling(cfg, b, i%2 == 1))
		b.norm(cfg, name)
	}
	if cfg.Permutation == "lu" {
		b.add("last.order", NewLUAffine(b.c, b.r))
	}
	b.lastPrior(cfg)
}

// newSplineCoupling moves the last part, or flipped the first.
func newSplineCoupling(cfg Config, b *builder, flip bool) *CurveCoupling {
	curve, c1 := cfg.curve(), b.c/2
	if flip {
		c1 = b.c - c1
	}
	rest := restOf(curve, b.c-c1)
	var net Net
	if cfg.Net == "residual" {
		n := NewResMLP(c1, cfg.Hidden, cfg.Depth, len(rest), false, b.r)
		n.last.b.start = rest
		net = n
	} else {
		n := NewMLP(c1, cfg.Hidden, cfg.Depth, len(rest), b.r)
		n[len(n)-1].b.start = rest
		net = n
	}
	coupling := NewCurveCoupling(curve, b.c, c1, net)
	coupling.flip = flip
	return coupling
}

func checkNSF(c Config) error { return c.checkVectorFlow() }
