package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// flowpp builds a Flow++: couplings whose elements move by mixtures of logistics. Ho, Chen, Srinivas, Duan and Abbeel, "Flow++: Improving
// flow-based generative models with variational dequantization and architecture design", 2019, section 4.2. As published for CIFAR-10 there
// are S = 4 couplings by a checkerboard, a squeeze, S/2 by channels, and S-1 by a checkerboard again; nothing is split off on the way. Before
// each there are an actnorm and a 1x1 convolution, and its parts change places from coupling to coupling.
func flowpp(cfg Config, b *builder) {
	b.level = 1
	b.checker("checker", cfg, cfg.Steps)
	b.squeeze()
	b.gated("channel", cfg, cfg.Steps/2)
	b.checker("last", cfg, cfg.Steps-1)
	if cfg.Prior == "learned" {
		b.add("prior", NewAffine(b.c))
	}
}

// checker adds couplings of the two colours of a checkerboard, which lie in channels of their own meanwhile.
func (b *builder) checker(name string, cfg Config, couplings int) {
	b.c, b.w = 2*b.c, b.w/2
	b.add(name+".pack", colors{})
	b.gated(name, cfg, couplings)
	b.c, b.w = b.c/2, 2*b.w
	b.add(name+".unpack", uncolors{})
}

// gated adds couplings of two halves of the channels.
func (b *builder) gated(name string, cfg Config, couplings int) {
	for i := range couplings {
		c1, flip := b.half(i%2 == 1)
		curve := cfg.curve()
		rest := restOf(curve, b.c-c1)
		net := NewGatedNet(GatedShape{Cin: c1, Cout: len(rest), Width: cfg.Hidden, Heads: cfg.Heads, Depth: cfg.Depth, Pixels: b.h * b.w},
			func() *dropout { return b.dropout(cfg.Dropout) }, b.r)
		net.last.b.start = rest
		coupling := NewCurveCoupling(curve, b.c, c1, net)
		coupling.flip = flip
		b.step(fmt.Sprintf("%s%d", name, i+1), NewActNorm(b.c), newPermute(cfg, b), coupling)
	}
}

func checkFlowpp(c Config) error {
	if err := inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 10}, number{"depth", c.Depth, 0, 1 << 8},
		number{"heads", c.Heads, 1, 1 << 8}); err != nil {
		return err
	}
	if c.Height%2 != 0 || c.Width%4 != 0 {
		return fmt.Errorf("flowpp halves the image, and its checkerboards halve the rows of both: the height must be divisible by 2 and the width by 4, not %dx%d: pad it",
			c.Height, c.Width)
	}
	if 8*c.Channels > 1024 {
		return fmt.Errorf("%d channels make %d behind a squeeze and a checkerboard: at most 1024 are mixed", c.Channels, 8*c.Channels)
	}
	return c.checkHeads()
}

// colors puts the pixels of a checkerboard's two colours into channels of their own: those with even i+j first. uncolors puts them back.
type colors struct{}

type uncolors struct{}

// pack turns a batch [C][N][H][W] or its gradient to [2C][N][H][W/2].
func (colors) pack(s *State, b device.Buffer) {
	mark := s.Scratch.Mark()
	y := s.Scratch.Take(b.Len())
	s.CheckerPack(s.C, s.N, s.H, s.W, 0, b, y)
	s.Copy(b, y)
	s.Scratch.Release(mark)
}

// unpack turns it back to [C][N][H][W], the shape that s has.
func (colors) unpack(s *State, b device.Buffer) {
	mark := s.Scratch.Mark()
	x := s.Scratch.Take(b.Len())
	s.CheckerUnpack(s.C, s.N, s.H, s.W, 0, b, x)
	s.Copy(b, x)
	s.Scratch.Release(mark)
}

func (l colors) Forward(s *State) {
	l.pack(s, s.X())
	s.C, s.W = 2*s.C, s.W/2
}

func (l colors) Inverse(s *State) {
	s.C, s.W = s.C/2, 2*s.W
	l.unpack(s, s.X())
}

func (l colors) Backward(s *State) {
	l.Inverse(s)
	l.unpack(s, s.DX())
}

func (colors) Params() []*Param { return nil }

func (uncolors) Forward(s *State) { colors{}.Inverse(s) }
func (uncolors) Inverse(s *State) { colors{}.Forward(s) }

func (l uncolors) Backward(s *State) {
	colors{}.pack(s, s.DX())
	l.Inverse(s)
}

func (uncolors) Params() []*Param { return nil }
