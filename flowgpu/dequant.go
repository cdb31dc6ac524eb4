package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"cuflow/device"
)

// Variational dequantisation adds noise u to the whole numbers v of an image that the model finds easiest to explain, and pays for its being
// chosen: Ho, Chen, Srinivas, Duan and Abbeel, "Flow++", 2019, section 3.1.
//
//	log P(v) >= E [log p(v+u) - log q(u|v)],  u = sigmoid(g(e; v))
//
// g is a flow of couplings that see the image through a small convolutional network, and e is logistic noise, so that before training q is the
// uniform density on [0, 1) and the bound that of uniform dequantisation. All of it is a chain of layers before those of the model: it
// takes e to x = (v+u)/Intensities - 1/2, and its log-determinant with -log p(e) is -log q(u|v).

// Names of Config.Dequantization.
const (
	uniformNoise     = "uniform"
	variationalNoise = "variational"
)

// What the flow of the noise is where nothing else is said.
const (
	dequantSteps  = 4
	dequantHidden = 32
)

func (c Config) variational() bool { return c.Dequantization == variationalNoise }

// dequantKinds are the kinds of model of images that take it.
func dequantKinds() []string { return []string{"glow", "realnvp", "nice", "jet", "flowpp"} }

// dequantDefaults fills in the size of the noise's flow.
func (c Config) dequantDefaults() Config {
	if c.variational() {
		if c.DequantSteps == 0 {
			c.DequantSteps = dequantSteps
		}
		if c.DequantHidden == 0 {
			c.DequantHidden = dequantHidden
		}
	}
	return c
}

// checkDequant says whether a model can learn its dequantisation.
func (c Config) checkDequant() error {
	switch {
	case c.Dequantization != "" && c.Dequantization != uniformNoise && !c.variational():
		return fmt.Errorf("unknown dequantization %q: use uniform or variational", c.Dequantization)
	case !c.variational() && (c.DequantSteps != 0 || c.DequantHidden != 0):
		return fmt.Errorf("the noise has %d couplings of %d channels, but dequantization is uniform: leave them 0", c.DequantSteps, c.DequantHidden)
	case !c.variational():
		return nil
	case !slices.Contains(dequantKinds(), c.Kind) || c.Intensities == 0:
		return fmt.Errorf("dequantization is variational, which is for images and models of %s: leave it empty", strings.Join(dequantKinds(), ", "))
	case c.Logit != 0:
		return fmt.Errorf("dequantization is variational and logit %g: only one of them is possible, leave logit 0", c.Logit)
	case c.Height%2 != 0 || c.Width%2 != 0:
		return fmt.Errorf("dequantization is variational, whose flow halves the image, but %dx%d is not divisible by 2: pad it", c.Height, c.Width)
	}
	return inRange(number{"dequant steps", c.DequantSteps, 1, 1 << 8}, number{"dequant hidden", c.DequantHidden, 1, 1 << 12})
}

// seenLen is how many numbers of an image's features the flow of the noise sees.
func (c Config) seenLen() int {
	if !c.variational() {
		return 0
	}
	return c.DequantHidden * (c.Height / 2) * (c.Width / 2)
}

// dequantFlow is the chain of the noise. Its weights are drawn from a seed of their own: those of the model stay what they are without it.
func dequantFlow(cfg Config) []block {
	b := &builder{r: rand.New(rand.NewPCG(cfg.Seed, 1)), c: 4 * cfg.Channels, h: cfg.Height / 2, w: cfg.Width / 2}
	b.add("noise.squeeze", Squeeze{})
	b.add("noise.image", newObserver(b.c, cfg.DequantHidden, cfg.Intensities, b.r))
	for i := range cfg.DequantSteps {
		c1, flip := b.half(i%2 == 1)
		coupling := NewCoupling(device.ExpScale, b.c, c1, newGivenNet(c1, cfg.DequantHidden, func(cin int) Net {
			return NewGlowNet(cin, cfg.DequantHidden, 2*(b.c-c1), b.r)
		}))
		coupling.flip = flip
		b.step(fmt.Sprintf("noise.coupling%d", i+1), coupling)
	}
	b.c, b.h, b.w = cfg.Channels, cfg.Height, cfg.Width
	b.add("noise.unsqueeze", unsqueeze{})
	b.add("noise.pixels", &settle{c: b.c, levels: cfg.Intensities})
	return b.blocks
}

// observer computes the features of an image that the couplings behind it see as the context of a State, on the grid of the squeezed noise.
// It leaves the noise alone.
type observer struct {
	net    *ConvNet
	c      int // channels of the squeezed image
	levels int

	in   device.Buffer // [C][N][H][W], the squeezed image
	mark int           // of the stash
}

func newObserver(c, features, levels int, r *rand.Rand) *observer {
	return &observer{c: c, levels: levels, net: newConvNet(
		newConvUnit("conv1", c, features, 3, device.ReLU, math.Sqrt(2/float64(9*c)), true, r),
		newConvUnit("conv2", features, features, 1, device.ReLU, math.Sqrt(2/float64(features)), true, r),
		newConvUnit("conv3", features, features, 3, device.NoAct, math.Sqrt(1/float64(9*features)), false, r),
	)}
}

// look computes features of the centred image.
func (l *observer) look(s *State, a *device.Arena, features device.Buffer) {
	l.in = a.Take(l.c * s.M())
	mark := s.Scratch.Mark()
	image := s.Scratch.Take(l.in.Len())
	s.Fill(image, -0.5)
	s.Axpy(1/float32(l.levels), s.Pixels, image)
	s.Squeeze(l.c/4, s.N, 2*s.H, 2*s.W, image, l.in)
	s.Scratch.Release(mark)
	l.net.Forward(s, a, l.in, features)
}

func (l *observer) Forward(s *State) {
	a := s.hidden()
	l.mark = a.Mark()
	l.look(s, a, s.Context)
	if s.Training {
		s.Fill(s.DContext, 0)
	}
	if a == s.Scratch {
		a.Release(l.mark)
	}
}

func (l *observer) Inverse(*State) {}

func (l *observer) Backward(s *State) {
	mark := s.Scratch.Mark()
	if !s.Keep {
		l.look(s, s.Scratch, s.Context)
	}
	unused := s.Scratch.Take(l.in.Len()) // the gradient of the image
	s.Fill(unused, 0)
	l.net.Backward(s, l.in, s.DContext, unused)
	s.Scratch.Release(mark)
	if s.Keep {
		s.Stash.Release(l.mark)
	}
}

func (l *observer) Params() []*Param { return l.net.Params() }

// unsqueeze is Squeeze the other way round.
type unsqueeze struct{}

func (unsqueeze) Forward(s *State) { Squeeze{}.Inverse(s) }
func (unsqueeze) Inverse(s *State) { Squeeze{}.Forward(s) }

func (l unsqueeze) Backward(s *State) {
	mark := s.Scratch.Mark()
	dx := s.Scratch.Take(s.DX().Len())
	s.Squeeze(s.C, s.N, s.H, s.W, s.DX(), dx)
	s.Copy(s.DX(), dx)
	s.Scratch.Release(mark)
	l.Inverse(s)
}

func (unsqueeze) Params() []*Param { return nil }

// settle adds noise to pixels: x = (v + sigmoid(z))/levels - 1/2. It keeps z for the way back: a float32 x knows too little of it.
//
// The log-determinant is that of the sigmoid. The constant of 1/levels is a Model's logVolume.
type settle struct {
	c, levels int

	z    device.Buffer // [C][N][P]
	mark int           // of the stash
}

// consts are the log scale and the shift of (u + shift)*exp(log scale) = u/levels - 1/2, by channel, with memory from Scratch.
func (l *settle) consts(s *State) (logs, b device.Buffer) {
	logs, b = s.Scratch.Take(l.c), s.Scratch.Take(l.c)
	s.Fill(logs, float32(-math.Log(float64(l.levels))))
	s.Fill(b, -float32(l.levels)/2)
	return logs, b
}

func (l *settle) Forward(s *State) {
	if s.Training {
		l.mark = s.Stash.Mark()
		l.z = s.Stash.Take(s.X().Len())
		s.Copy(l.z, s.X())
	}
	mark := s.Scratch.Mark()
	logs, b := l.consts(s)
	s.Map(s.rows(), device.Map{Func: device.SigmoidMap}, s.X(), s.LogDet)
	s.ActNorm(l.c, s.M(), logs, b, s.X())
	s.Axpy(1/float32(l.levels), s.Pixels, s.X())
	s.Scratch.Release(mark)
}

func (l *settle) Inverse(s *State) {
	mark := s.Scratch.Mark()
	logs, b := l.consts(s)
	s.Axpy(-1/float32(l.levels), s.Pixels, s.X())
	s.ActNormInverse(l.c, s.M(), logs, b, s.X())
	s.Map(s.rows(), device.Map{Func: device.LogitMap}, s.X(), s.LogDet)
	s.Scratch.Release(mark)
}

func (l *settle) Backward(s *State) {
	mark := s.Scratch.Mark()
	sigmoid := device.Map{Func: device.SigmoidMap}
	logs, zero := l.consts(s)
	s.Fill(zero, 0)
	s.ActNorm(l.c, s.M(), logs, zero, s.DX()) // dx/levels
	unused := s.Scratch.Take(s.N)             // the log-determinant of the sigmoid, once more
	s.Fill(unused, 0)
	s.Copy(s.X(), l.z)
	s.Map(s.rows(), sigmoid, s.X(), unused)
	s.MapBackward(sigmoid, s.X(), s.DX(), s.DLogDet)
	s.Copy(s.X(), l.z)
	s.Scratch.Release(mark)
	s.Stash.Release(l.mark)
}

func (l *settle) Params() []*Param { return nil }

// vary takes the logistic noise in x to pixels with noise, and leaves -log q(u|v) in LogDet, which must be 0, and in surprise.
func (w *Workspace) vary() {
	s := &w.s
	mark := s.Scratch.Mark()
	logp := s.Scratch.Take(s.N)
	s.Fill(logp, 0)
	s.LogisticLogProb(s.rows(), s.X(), logp)
	w.noise.Forward(s)
	s.Axpy(-1, logp, s.LogDet)
	s.Scratch.Release(mark)
	s.Copy(w.surprise.Slice(0, s.N), s.LogDet)
}

// NoiseNats writes -log q(u|v) of each of the n samples of the last LogProb, in nats: what is in their log-densities for the choice of
// their noise. It is 0 where that is uniform.
func (e *Evaluator) NoiseNats(n int, out []float64) error {
	clear(out[:n])
	if !e.w.m.cfg.variational() {
		return nil
	}
	if err := e.w.s.Download(e.logp[:n], e.w.surprise.Slice(0, n)); err != nil {
		return fmt.Errorf("scoring %d samples: %w", n, err)
	}
	for i, v := range e.logp[:n] {
		out[i] = float64(v)
	}
	return nil
}

// Variational says whether the model learns the noise of its dequantisation, so that what LogProb gives is a bound.
func (c Config) Variational() bool { return c.variational() }
