package flowgpu

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

// tarflow builds a transformer autoregressive flow: Zhai et al., "Normalizing flows are capable generative models", 2024. Tokens are patches of the
// image; every block moves each by what a causal transformer reads off those before it, and the order of the tokens is turned round
// from block to block. There is no normalisation between blocks, and nothing is split off on the way.
func tarflow(cfg Config, b *builder) {
	b.level = 1
	b.patches(cfg.Patch)
	for i := range cfg.Steps {
		name := fmt.Sprintf("block%d", i+1)
		if i > 0 {
			b.add(name+".order", NewTokenReverse(b.tokens()))
		}
		b.step(name, NewTokenFlow(b.c, cfg.tarflowNet(b.c, b.tokens()), b.r))
	}
}

// tarflowNet is a block's transformer. One embedding more than there are classes says that the class is not told.
func (c Config) tarflowNet(channels, tokens int) TransformerShape {
	s := TransformerShape{
		Cin: channels, Cout: tokenLaw.Params() * channels, Width: c.Hidden, Heads: c.Heads, Depth: c.Depth, Tokens: tokens, Causal: true,
	}
	if c.Classes > 0 {
		s.Classes = c.Classes + 1
	}
	return s
}

func checkTarflow(c Config) error {
	if err := inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 1, 1 << 12}, number{"depth", c.Depth, 1, 1 << 8},
		number{"patch", c.Patch, 1, 16}, number{"heads", c.Heads, 1, 1 << 8}); err != nil {
		return err
	}
	if err := c.checkPatches(); err != nil {
		return err
	}
	if c.Height == c.Patch && c.Width == c.Patch {
		return fmt.Errorf("the whole image of %dx%d is one patch, and the first patch stays as it is: use smaller ones", c.Height, c.Width)
	}
	return nil
}

// tokenLaw moves tokens: y = (x+t)*exp(ls), which is the paper's (x-mu)*exp(-alpha) with a bound on the scale.
const tokenLaw = device.GaussScale

// TokenFlow moves every token by what a causal transformer reads off the tokens before it; the first stays as it is. Zhai et al., 2024, section
// 3.2. It is Autoregressive for tokens of several channels.
//
// log|det dy/dx| = sum ls over all tokens, since the Jacobian is block-triangular
//
// Forward is one pass. On the way back the tokens come one after another; keys and values of those that have come are kept, so that all
// steps cost about what one pass costs.
type TokenFlow struct {
	c, tokens int
	net       *Transformer
	before    *Param // [tokens+1] the token before each, -1 before the first; fixed

	st     device.Buffer // [2C][N][T], then its gradient
	x      device.Buffer // [C][N][T] as it came in, where the state has KeepX and not Keep
	mark   int           // of the stash
	caches [2]tokenCache // the second of what is not told the class
}

// NewTokenFlow is for tokens of c channels.
func NewTokenFlow(c int, shape TransformerShape, r *rand.Rand) *TokenFlow {
	before := make([]float32, shape.Tokens+1)
	for t := range before {
		before[t] = float32(t - 1)
	}
	return &TokenFlow{c: c, tokens: shape.Tokens, net: NewTransformer(shape, r), before: newFixed("before", before, len(before))}
}

// condition computes st of the tokens x: what the network says at a token is for the next one, and the first is told nothing.
func (l *TokenFlow) condition(s *State, a *device.Arena, x device.Buffer) {
	rows := tokenLaw.Params() * l.c * s.N
	l.st = a.Take(rows * l.tokens)
	said := a.Take(rows * l.tokens)
	l.net.Forward(s, a, x, said)
	s.Gather(rows, l.tokens, l.tokens, l.before.V.Slice(0, l.tokens), said, l.st)
}

func (l *TokenFlow) Forward(s *State) {
	l.mark = s.Stash.Mark()
	if s.Training && s.KeepX && !s.Keep {
		l.x = s.Stash.Take(s.X().Len())
		s.Copy(l.x, s.X())
	}
	a := s.hidden()
	mark := a.Mark()
	l.condition(s, a, s.X())
	s.Coupling(s.rows(), tokenLaw, device.Buffer{}, l.st, s.X(), s.LogDet)
	if a == s.Scratch {
		a.Release(mark)
	}
}

func (l *TokenFlow) Backward(s *State) {
	mark := s.Scratch.Mark()
	switch {
	case s.Keep:
	case s.KeepX:
		l.condition(s, s.Scratch, l.x)
	default:
		y := copyOf(s, s.X())
		part := s.Scratch.Mark()
		unused := s.Scratch.Take(s.N) // the log-determinant of the way back
		s.Fill(unused, 0)
		l.invert(s, unused)
		s.Scratch.Release(part)
		l.condition(s, s.Scratch, s.X())
		s.Copy(s.X(), y)
	}
	s.CouplingBackward(s.rows(), tokenLaw, device.Buffer{}, l.st, s.X(), s.DX(), s.DLogDet, device.Buffer{})
	dsaid := s.Scratch.Take(l.st.Len())
	s.Fill(dsaid, 0)
	s.Scatter(l.st.Len()/l.tokens, l.tokens, l.tokens, l.before.V.Slice(0, l.tokens), l.st, dsaid)
	l.net.Backward(s, s.X(), dsaid, s.DX())
	s.Scratch.Release(mark)
	s.Stash.Release(l.mark)
}

func (l *TokenFlow) Inverse(s *State) {
	mark := s.Scratch.Mark()
	l.invert(s, s.LogDet)
	s.Scratch.Release(mark)
}

// copyOf is a copy of a buffer, in memory from Scratch.
func copyOf(s *State, b device.Buffer) device.Buffer {
	c := s.Scratch.Take(b.Len())
	s.Copy(c, b)
	return c
}

// invert makes x of y, token by token.
func (l *TokenFlow) invert(s *State, logdet device.Buffer) {
	x, h, w := s.X(), s.H, s.W
	token, st := s.Scratch.Take(l.c*s.N), s.Scratch.Take(tokenLaw.Params()*l.c*s.N)
	positions := s.Scratch.Take(l.net.Width)
	l.caches[0].take(s, s.Scratch, l.net)
	if s.Guidance != 0 {
		l.caches[1].take(s, s.Scratch, l.net)
	}
	s.H, s.W = 1, 1
	for t := range l.tokens {
		index := l.before.V.Slice(t+1, t+2)
		s.Gather(l.c*s.N, l.tokens, 1, index, x, token)
		if t > 0 {
			s.CouplingInverse(s.rows(), tokenLaw, device.Buffer{}, st, token, logdet)
			s.Scatter(l.c*s.N, l.tokens, 1, index, token, x)
		}
		if t < l.tokens-1 {
			s.Gather(l.net.Width, l.tokens, 1, index, l.net.positions.V, positions)
			l.net.step(s, &l.caches[0], t, positions, token, st)
			if s.Guidance != 0 {
				l.guide(s, t, positions, token, st)
			}
		}
	}
	s.H, s.W = h, w
}

// guide takes what is said of the next token away from what is said where the class is not told: st + g*(st - that). Zhai et al., 2024, section
// 3.5, after Ho and Salimans, "Classifier-free diffusion guidance", 2022.
func (l *TokenFlow) guide(s *State, t int, positions, token, st device.Buffer) {
	mark := s.Scratch.Mark()
	told, untold, labels := copyOf(s, st), s.Scratch.Take(st.Len()), s.Label
	s.Label = s.Scratch.Take(s.N)
	s.Fill(s.Label, float32(l.net.Classes-1))
	l.net.step(s, &l.caches[1], t, positions, token, untold)
	s.Label = labels
	s.Axpy(s.Guidance, told, st)
	s.Axpy(-s.Guidance, untold, st)
	s.Scratch.Release(mark)
}

func (l *TokenFlow) Params() []*Param { return append(l.net.Params(), l.before) }
