package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// Transformer is a conditioner whose pixels are tokens: a pre-norm transformer with learned positions. Vaswani et al., "Attention is all
// you need", 2017; the order of the normalisations is that of Xiong et al., "On layer normalization in the transformer architecture",
// 2020.
//
//	h = in(x) + positions (+ the class's embedding)
//	h = h + proj(attend(qkv(norm(h))));  h = h + down(gelu(up(norm(h))))      for every block, up is 4 times as wide
//	out = last(norm(h))
//
// Dense layers are 1x1 convolutions over all tokens at once. The last one starts at 0.
type Transformer struct {
	TransformerShape
	in, out   *convUnit
	positions *Param // [Width][Tokens]
	classes   *Param // [Classes][Width], or nil
	blocks    []attentionBlock
	norm      *layerNorm

	h device.Buffer // behind the last block
	f device.Buffer // normalised
}

// TransformerShape is the size of a Transformer.
type TransformerShape struct {
	Cin, Cout int
	Width     int // channels of a token inside
	Heads     int
	Depth     int // blocks
	Tokens    int
	Classes   int  // that a token is told of; 0: none
	Causal    bool // a token knows of itself and of those before it only
}

type attentionBlock struct {
	norm1, norm2        *layerNorm
	qkv, proj, up, down *convUnit

	x, a, mid, b device.Buffer // h before the block, normalised; h between its halves, normalised
	q, y, lse    device.Buffer // queries, keys and values; what attention makes of them
	u, g         device.Buffer // before and after GELU
}

// layerNorm is layer normalisation of a token's channels, with a scale and shift that are learned.
type layerNorm struct {
	c           int
	gamma, beta *Param // [C]

	stats device.Buffer // [2][M]
}

// layerNormEps is PyTorch's.
const layerNormEps = 1e-5

// mlpRatio is how much wider a block's hidden layer is.
const mlpRatio = 4

// NewTransformer draws weights of variance 1/inputs, and positions and classes of 0.02 squared.
func NewTransformer(s TransformerShape, r *rand.Rand) *Transformer {
	dense := func(name string, cin, cout int) *convUnit {
		u := newConvUnit(name, cin, cout, 1, device.NoAct, 0, false, r)
		u.w.normal(math.Sqrt(1/float64(cin)), r)
		return u
	}
	n := &Transformer{TransformerShape: s, in: dense("in", s.Cin, s.Width), positions: newParam("positions", nil, s.Width, s.Tokens)}
	n.positions.normal(0.02, r)
	if s.Classes > 0 {
		n.classes = newParam("classes", nil, s.Classes, s.Width)
		n.classes.normal(0.02, r)
	}
	for i := range s.Depth {
		name := fmt.Sprintf("block%d", i+1)
		n.blocks = append(n.blocks, attentionBlock{
			norm1: newLayerNorm(name+".norm1", s.Width), norm2: newLayerNorm(name+".norm2", s.Width),
			qkv: dense(name+".qkv", s.Width, 3*s.Width), proj: dense(name+".proj", s.Width, s.Width),
			up: dense(name+".up", s.Width, mlpRatio*s.Width), down: dense(name+".down", mlpRatio*s.Width, s.Width),
		})
	}
	n.norm = newLayerNorm("norm", s.Width)
	n.out = newConvUnit("out", s.Width, s.Cout, 1, device.NoAct, 0, false, r)
	return n
}

// normal lets p start at normal numbers, of a stream of their own.
func (p *Param) normal(std float64, r *rand.Rand) {
	seed := r.Uint64()
	p.later = func() []float32 {
		own, x := rand.New(rand.NewPCG(seed, 0)), make([]float32, p.Len())
		for i := range x {
			x[i] = float32(std * own.NormFloat64())
		}
		return x
	}
}

func newLayerNorm(name string, c int) *layerNorm {
	return &layerNorm{c: c, gamma: newParam(name+".gamma", constant(1, c), c), beta: newParam(name+".beta", nil, c)}
}

// forward normalises x to y, all columns of both.
func (l *layerNorm) forward(s *State, a *device.Arena, x, y device.Buffer) {
	m := x.Len() / l.c
	l.stats = a.Take(2 * m)
	s.LayerNorm(l.c, m, layerNormEps, l.gamma.V, l.beta.V, x, y, l.stats)
}

// backward adds the gradient of x to dx.
func (l *layerNorm) backward(s *State, x, dy, dx device.Buffer) {
	s.LayerNormBackward(l.c, x.Len()/l.c, l.gamma.V, x, l.stats, dy, dx, l.gamma.G, l.beta.G)
}

func (n *Transformer) heads(s *State) device.Heads {
	return device.Heads{C: n.Width, H: n.Heads, N: s.N, T: n.Tokens, Causal: n.Causal}
}

func (n *Transformer) rows(s *State) device.Rows { return device.Rows{C: n.Width, N: s.N, P: s.P()} }

// embed makes tokens of the input.
func (n *Transformer) embed(s *State, a *device.Arena, in, positions, h device.Buffer) {
	n.in.into(s, a, in, h)
	s.AddPositions(n.rows(s), positions, h)
	if n.classes != nil {
		s.Embed(n.rows(s), n.Classes, s.Label, n.classes.V, h)
	}
}

// Forward keeps every block's activations where a Backward will follow; otherwise it needs the memory of one.
func (n *Transformer) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	size := n.Width * s.M()
	h := a.Take(size)
	n.embed(s, a, in, n.positions.V, h)
	for i := range n.blocks {
		mark := a.Mark()
		next := h
		if s.Training {
			next = a.Take(size)
		}
		n.blocks[i].forward(s, a, n.heads(s), h, next)
		h = next
		if !s.Training {
			a.Release(mark)
		}
	}
	n.h, n.f = h, a.Take(size)
	n.norm.forward(s, a, h, n.f)
	n.out.into(s, a, n.f, out)
}

// forward computes the block from h to next, which may be the same.
func (b *attentionBlock) forward(s *State, a *device.Arena, heads device.Heads, h, next device.Buffer) {
	size := h.Len()
	b.x, b.a, b.q, b.y, b.lse = h, a.Take(size), a.Take(3*size), a.Take(size), a.Take(heads.H*heads.M())
	b.norm1.forward(s, a, h, b.a)
	b.qkv.into(s, a, b.a, b.q)
	s.Attend(heads, b.q, b.y, b.lse)
	b.mid = a.Take(size)
	b.proj.into(s, a, b.y, b.mid)
	s.Axpy(1, h, b.mid)
	b.perceptron(s, a, next)
}

// perceptron is the block's second half.
func (b *attentionBlock) perceptron(s *State, a *device.Arena, next device.Buffer) {
	size := b.mid.Len()
	b.b, b.u, b.g = a.Take(size), a.Take(mlpRatio*size), a.Take(mlpRatio*size)
	b.norm2.forward(s, a, b.mid, b.b)
	b.up.into(s, a, b.b, b.u)
	s.GELU(b.u, b.g)
	b.down.into(s, a, b.g, next)
	s.Axpy(1, b.mid, next)
}

// Backward turns each activation into its gradient, in place, from the last to the first.
func (n *Transformer) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	dh := s.Scratch.Take(n.h.Len())
	s.Fill(dh, 0)
	n.out.backwardInto(s, n.f, dout)
	n.norm.backward(s, n.h, n.f, dh)
	for i := len(n.blocks) - 1; i >= 0; i-- {
		n.blocks[i].backward(s, n.heads(s), dh)
	}
	if n.classes != nil {
		s.EmbedBackward(n.rows(s), n.Classes, s.Label, dh, n.classes.G)
	}
	s.PositionsBackward(n.rows(s), dh, n.positions.G)
	n.in.backwardWeights(s, in, dh)
	s.ConvBackwardData(n.in.shape(s), n.in.wf, dh, din)
	s.Scratch.Release(mark)
}

// backwardInto adds the weights' gradients and puts that of x in its place.
func (u *convUnit) backwardInto(s *State, x, dy device.Buffer) {
	u.backwardWeights(s, x, dy)
	s.ConvBackwardAct(u.shape(s), device.NoAct, u.wf, dy, x)
}

// backward takes the gradient dh of what the block made to that of what came in.
func (b *attentionBlock) backward(s *State, heads device.Heads, dh device.Buffer) {
	b.down.backwardInto(s, b.g, dh)
	s.GELUBackward(b.u, b.g)
	b.up.backwardInto(s, b.b, b.g)
	b.norm2.backward(s, b.mid, b.b, dh)

	b.proj.backwardWeights(s, b.y, dh)
	dy, dqkv := b.b, b.u.Slice(0, b.q.Len()) // whose memory is free by now
	s.ConvBackwardAct(b.proj.shape(s), device.NoAct, b.proj.wf, dh, dy)
	s.AttendBackward(heads, b.q, b.y, b.lse, dy, dqkv)
	b.qkv.backwardInto(s, b.a, dqkv)
	b.norm1.backward(s, b.x, b.a, dh)
}

func (n *Transformer) Params() (p []*Param) {
	p = append(p, n.in.w, n.in.b, n.positions)
	if n.classes != nil {
		p = append(p, n.classes)
	}
	for _, b := range n.blocks {
		p = append(p, b.norm1.gamma, b.norm1.beta, b.qkv.w, b.qkv.b, b.proj.w, b.proj.b)
		p = append(p, b.norm2.gamma, b.norm2.beta, b.up.w, b.up.b, b.down.w, b.down.b)
	}
	return append(p, n.norm.gamma, n.norm.beta, n.out.w, n.out.b)
}

// tokenCache is what a causal Transformer knows of the tokens so far.
type tokenCache struct {
	keys, values []device.Buffer // [Width][N][Tokens] of each block
}

// take gives room for all tokens.
func (c *tokenCache) take(s *State, a *device.Arena, n *Transformer) {
	if c.keys == nil {
		c.keys, c.values = make([]device.Buffer, n.Depth), make([]device.Buffer, n.Depth)
	}
	for i := range c.keys {
		size := n.Width * s.N * n.Tokens
		c.keys[i], c.values[i] = a.Take(size), a.Take(size)
	}
}

// step computes out [Cout][N] of token t from in [Cin][N], that token, and from what is known of those before it. s is of one pixel, and
// positions [Width] are those of the token. After the steps of all tokens everything has been computed once.
func (n *Transformer) step(s *State, c *tokenCache, t int, positions, in, out device.Buffer) {
	a, mark := s.Scratch, s.Scratch.Mark()
	size := n.Width * s.N
	h := a.Take(size)
	n.embed(s, a, in, positions, h)
	for i := range n.blocks {
		b, mark := &n.blocks[i], a.Mark()
		b.a, b.q, b.y, b.mid = a.Take(size), a.Take(3*size), a.Take(size), a.Take(size)
		b.norm1.forward(s, a, h, b.a)
		b.qkv.into(s, a, b.a, b.q)
		s.AttendStep(n.heads(s), t, b.q, c.keys[i], c.values[i], b.y)
		b.proj.into(s, a, b.y, b.mid)
		s.Axpy(1, h, b.mid)
		b.perceptron(s, a, h)
		a.Release(mark)
	}
	f := a.Take(size)
	n.norm.forward(s, a, h, f)
	n.out.into(s, a, f, out)
	a.Release(mark)
}
