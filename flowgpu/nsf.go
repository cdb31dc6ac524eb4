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
		b.turn(cfg, name)
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
	curve := cfg.curve()
	c1, flip := b.half(flip)
	rest := restOf(curve, b.c-c1)
	build := func(cin int) Net {
		if cfg.Net == "transformer" {
			return cfg.featureNet(FeatureShape{Given: cin, Asked: b.c - c1, Each: curve.Params(), Turn: true}, rest[:curve.Params()], b.r)
		}
		if cfg.Net == "residual" {
			n := NewResMLP(cin, cfg.Hidden, cfg.Depth, len(rest), cfg.NetNorm == "batchnorm", b.r)
			n.last.b.start = rest
			for i := range n.blocks {
				n.blocks[i].leave = b.dropout(cfg.Dropout)
			}
			return n
		}
		n := NewMLP(cin, cfg.Hidden, cfg.Depth, len(rest), b.r)
		n.last().b.start = rest
		return n
	}
	coupling := NewCurveCoupling(curve, b.c, c1, newSplineNet(cfg, c1, build))
	coupling.flip = flip
	return coupling
}

// newSplineNet makes a network for c1 numbers, or on a circle angles, and the features of a context.
func newSplineNet(cfg Config, c1 int, build func(cin int) Net) Net {
	e := cfg.Context.Features()
	if cfg.Domain != onCircle || c1 == 0 {
		return newGivenNet(c1, e, build)
	}
	return newCircleNet(c1, func(points int) Net { return newGivenNet(points, e, build) })
}

func checkNSF(c Config) error { return c.checkVectorFlow() }
