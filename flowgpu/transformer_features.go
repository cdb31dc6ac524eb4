package flowgpu

import (
	"math/rand/v2"

	"cuflow/device"
)

// FeatureTransformer is a Transformer for vectors: a token for every feature. Those of the features that are given hold their value, those of the
// features that something is asked about hold 0; which is which the positions say. All attend to all.
type FeatureTransformer struct {
	net          *Transformer
	given, asked int
	each         int    // values for each feature that is asked about
	turn         bool   // out is [asked][each][N], as curves take it, not [each][asked][N], as laws do
	index, order *Param // the tokens that are asked about; where each row of out is before turning, and back; fixed

	tokens device.Buffer // [1][N][given+asked]
}

// FeatureShape is the size of a FeatureTransformer.
type FeatureShape struct {
	Given, Asked, Each  int
	Width, Heads, Depth int
	Turn                bool
}

// NewFeatureTransformer makes the network. Its last layer starts at 0 and at the biases rest [each] for every feature; nil: 0.
func NewFeatureTransformer(s FeatureShape, rest []float32, r *rand.Rand) *FeatureTransformer {
	n := &FeatureTransformer{
		net:   NewTransformer(TransformerShape{Cin: 1, Cout: s.Each, Width: s.Width, Heads: s.Heads, Depth: s.Depth, Tokens: s.Given + s.Asked}, r),
		given: s.Given, asked: s.Asked, each: s.Each, turn: s.Turn,
	}
	n.net.out.b.start = rest
	index := make([]float32, s.Asked)
	for i := range index {
		index[i] = float32(s.Given + i)
	}
	n.index = newFixed("asked", index, s.Asked)
	if s.Turn {
		order := make([]float32, 2*s.Asked*s.Each)
		for i := range s.Asked {
			for q := range s.Each {
				order[i*s.Each+q] = float32(q*s.Asked + i)
				order[len(order)/2+q*s.Asked+i] = float32(i*s.Each + q)
			}
		}
		n.order = newFixed("order", order, 2, s.Asked*s.Each)
	}
	return n
}

// featureNet makes one as wide and deep as the config says.
func (c Config) featureNet(s FeatureShape, rest []float32, r *rand.Rand) Net {
	s.Width, s.Heads, s.Depth = c.Hidden, c.Heads, c.Depth
	return NewFeatureTransformer(s, rest, r)
}

func (n *FeatureTransformer) all() int { return n.given + n.asked }

// asTokens runs f on a state whose pixels are the features.
func (n *FeatureTransformer) asTokens(s *State, f func()) {
	h, w := s.H, s.W
	s.H, s.W = 1, n.all()
	f()
	s.H, s.W = h, w
}

func (n *FeatureTransformer) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	values, said := a.Take(n.all()*s.N), a.Take(n.each*s.N*n.all())
	known, unknown := halves(values, n.given, s.N)
	if n.given > 0 {
		s.Copy(known, in)
	}
	s.Fill(unknown, 0)
	n.tokens = a.Take(values.Len())
	s.Unflatten(device.Rows{C: 1, N: s.N, P: n.all()}, values, n.tokens)
	n.asTokens(s, func() { n.net.Forward(s, a, n.tokens, said) })

	mark := s.Scratch.Mark()
	picked := s.Scratch.Take(out.Len())
	s.Gather(n.each*s.N, n.all(), n.asked, n.index.V, said, picked)
	rows := device.Rows{C: n.each, N: s.N, P: n.asked}
	if n.turn {
		flat := s.Scratch.Take(out.Len())
		s.Flatten(rows, picked, flat)
		s.Permute(n.each*n.asked, s.N, n.order.V.Slice(0, n.each*n.asked), flat, out)
	} else {
		s.Flatten(rows, picked, out)
	}
	s.Scratch.Release(mark)
}

func (n *FeatureTransformer) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	if n.turn {
		flat := s.Scratch.Take(dout.Len())
		s.Permute(n.each*n.asked, s.N, n.order.V.Slice(n.each*n.asked, 2*n.each*n.asked), dout, flat)
		dout = flat
	}
	dpicked, dsaid := s.Scratch.Take(dout.Len()), s.Scratch.Take(n.each*s.N*n.all())
	s.Unflatten(device.Rows{C: n.each, N: s.N, P: n.asked}, dout, dpicked)
	s.Fill(dsaid, 0)
	s.Scatter(n.each*s.N, n.all(), n.asked, n.index.V, dpicked, dsaid)
	dtokens, dvalues := s.Scratch.Take(n.tokens.Len()), s.Scratch.Take(n.tokens.Len())
	s.Fill(dtokens, 0)
	n.asTokens(s, func() { n.net.Backward(s, n.tokens, dsaid, dtokens) })
	if n.given > 0 {
		s.Flatten(device.Rows{C: 1, N: s.N, P: n.all()}, dtokens, dvalues)
		s.Axpy(1, dvalues.Slice(0, n.given*s.N), din)
	}
	s.Scratch.Release(mark)
}

func (n *FeatureTransformer) Params() []*Param {
	p := append(n.net.Params(), n.index)
	if n.order != nil {
		p = append(p, n.order)
	}
	return p
}
