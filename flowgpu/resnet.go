package flowgpu

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

// ResNet is RealNVP's conditioner: a residual network of weight-normalised convolutions with batch normalisation before
// each activation. Dinh et al., "RealNVP", 2017, section 4.1.
//
//	x = relu([b, -b, mask]), b the batch-normalised input, and the mask only where a checkerboard is the input
//	h = conv3x3(x);  skip = conv1x1(h)
//	h = h + conv3x3(relu(bn(conv3x3(relu(bn(h))))));  skip = skip + conv1x1(h)      for every block
//	out = conv1x1(relu(bn(skip)))
//
// With a checkerboard, input and output are packed pixels of one colour each: in is spread out over the whole image, and
// the last convolution computes the other colour only.
type ResNet struct {
	cin, width int
	checker    bool
	parity     int

	norm   *netNorm // of the input
	first  *wnConv
	skips  []*wnConv // of h, one more than there are blocks
	blocks []resBlock
	last   *netNorm
	out    *wnConv

	// What Forward leaves for Backward.
	x     device.Buffer   // [2cin (+1)][N][H][W], the first convolution's input
	trunk []device.Buffer // h before each block, and after the last
	skip  device.Buffer   // the sum
	y     device.Buffer   // relu(bn(skip)), packed to the moved colour
}

type resBlock struct {
	norm1, norm2 *netNorm
	conv1, conv2 *wnConv
	a1, h1, a2   device.Buffer // relu(bn(h)), conv1 of it, relu(bn) of that
}

// NewResNet makes the network for cin channels (of one colour, with checker) and cout outputs. The last convolution starts
// at 0.
func NewResNet(cin, width, blocks, cout int, checker bool, parity int, r *rand.Rand) *ResNet {
	n := &ResNet{cin: cin, width: width, checker: checker, parity: parity}
	n.norm = newNetNorm("in", cin)
	inputs := 2 * cin
	if checker {
		inputs++
	}
	n.first = newWNConv("first", inputs, width, 3, 1, r)
	n.skips = append(n.skips, newWNConv("skip0", width, width, 1, 1, r))
	for i := 1; i <= blocks; i++ {
		name := fmt.Sprintf("block%d", i)
		n.blocks = append(n.blocks, resBlock{
			norm1: newNetNorm(name+".bn1", width), conv1: newWNConv(name+".conv1", width, width, 3, 1, r),
			norm2: newNetNorm(name+".bn2", width), conv2: newWNConv(name+".conv2", width, width, 3, 1, r),
		})
		n.skips = append(n.skips, newWNConv(fmt.Sprintf("skip%d", i), width, width, 1, 1, r))
	}
	n.last = newNetNorm("last", width)
	n.out = newWNConv("out", width, cout, 1, 0, r)
	n.out.b = newParam("out.b", nil, cout)
	n.trunk = make([]device.Buffer, blocks+1)
	return n
}

// grid is the shape of the features: the whole image, also where s is packed.
func (n *ResNet) grid(s *State, cin, cout, k int) device.ConvShape {
	g := device.ConvShape{Cin: cin, Cout: cout, K: k, N: s.N, H: s.H, W: s.W}
	if n.checker {
		g.W *= 2
	}
	return g
}

func (n *ResNet) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	wide, narrow := n.grid(s, n.width, n.width, 3), n.grid(s, n.width, n.width, 1)
	m := wide.M()
	n.x = n.spread(s, a, in)
	h := a.Take(n.width * m)
	n.first.forward(s, a, n.grid(s, n.first.cin, n.width, 3), n.x, h)
	n.skip = a.Take(n.width * m)
	n.skips[0].forward(s, a, narrow, h, n.skip)
	n.trunk[0] = h
	for i := range n.blocks {
		b := &n.blocks[i]
		b.a1, b.h1, b.a2 = a.Take(n.width*m), a.Take(n.width*m), a.Take(n.width*m)
		b.norm1.forward(s, a, m, device.ReLU, h, b.a1)
		b.conv1.forward(s, a, wide, b.a1, b.h1)
		b.norm2.forward(s, a, m, device.ReLU, b.h1, b.a2)
		next := a.Take(n.width * m)
		b.conv2.forward(s, a, wide, b.a2, next)
		s.Axpy(1, h, next)
		h = next
		n.trunk[i+1] = h
		n.addSkip(s, a, n.skips[i+1], narrow, h)
	}
	n.y = a.Take(n.width * m)
	n.last.forward(s, a, m, device.ReLU, n.skip, n.y)
	n.y = n.gather(s, a, n.width, n.y)
	n.out.forward(s, a, n.outShape(s), n.y, out)
}

// addSkip adds the 1x1 convolution of h to the skip connections' sum.
func (n *ResNet) addSkip(s *State, a *device.Arena, conv *wnConv, g device.ConvShape, h device.Buffer) {
	more := a.Take(h.Len())
	conv.forward(s, a, g, h, more)
	s.Axpy(1, more, n.skip)
}

// outShape is the last convolution's: the moved colour only.
func (n *ResNet) outShape(s *State) device.ConvShape {
	return device.ConvShape{Cin: n.width, Cout: n.out.cout, K: 1, N: s.N, H: s.H, W: s.W}
}

// spread makes relu([b, -b, mask]) of the input.
func (n *ResNet) spread(s *State, a *device.Arena, in device.Buffer) device.Buffer {
	mp := s.M()
	m := n.grid(s, 1, 1, 1).M()
	b := a.Take(n.cin * mp)
	n.norm.forward(s, a, mp, device.NoAct, in, b)
	x := a.Take(n.first.cin * m)
	mark := s.Scratch.Mark()
	sign, zero := s.Scratch.Take(n.cin), s.Scratch.Take(n.cin)
	s.Fill(zero, 0)
	for i, v := range [2]float32{1, -1} {
		s.Fill(sign, v)
		part := x.Slice(i*n.cin*m, (i+1)*n.cin*m)
		if !n.checker {
			s.AffineAct(n.cin, m, device.ReLU, sign, zero, b, part)
			continue
		}
		both := s.Scratch.Take(2 * n.cin * mp)
		s.AffineAct(n.cin, mp, device.ReLU, sign, zero, b, both.Slice(0, n.cin*mp))
		s.Fill(both.Slice(n.cin*mp, 2*n.cin*mp), 0)
		s.CheckerUnpack(n.cin, s.N, s.H, 2*s.W, n.parity, both, part)
	}
	if n.checker {
		mask := s.Scratch.Take(2 * mp)
		s.Fill(mask.Slice(0, mp), 1)
		s.Fill(mask.Slice(mp, 2*mp), 0)
		s.CheckerUnpack(1, s.N, s.H, 2*s.W, n.parity, mask, x.Slice(2*n.cin*m, (2*n.cin+1)*m))
	}
	s.Scratch.Release(mark)
	return x
}

// gather keeps the pixels of the moved colour of c channels of features; without a checkerboard, all.
func (n *ResNet) gather(s *State, a *device.Arena, c int, x device.Buffer) device.Buffer {
	if !n.checker {
		return x
	}
	both := a.Take(x.Len())
	s.CheckerPack(c, s.N, s.H, 2*s.W, n.parity, x, both)
	return both.Slice(x.Len()/2, x.Len())
}

func (n *ResNet) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	wide, narrow := n.grid(s, n.width, n.width, 3), n.grid(s, n.width, n.width, 1)
	m := wide.M()
	n.out.backwardWeights(s, n.outShape(s), n.y, dout)
	s.ConvBackwardAct(n.outShape(s), device.ReLU, n.out.w, dout, n.y)
	dskip := n.y
	if n.checker {
		both := s.Scratch.Take(n.width * m)
		s.Fill(both.Slice(0, n.y.Len()), 0)
		s.Copy(both.Slice(n.y.Len(), both.Len()), n.y)
		dskip = s.Scratch.Take(n.width * m)
		s.CheckerUnpack(n.width, s.N, s.H, 2*s.W, n.parity, both, dskip)
	}
	n.last.backward(s, m, n.skip, dskip)
	dh := s.Scratch.Take(n.width * m)
	s.Fill(dh, 0)
	for i := len(n.blocks) - 1; i >= 0; i-- {
		n.skips[i+1].backward(s, narrow, n.trunk[i+1], dskip, dh)
		b := &n.blocks[i]
		b.conv2.backwardWeights(s, wide, b.a2, dh)
		s.ConvBackwardAct(wide, device.ReLU, b.conv2.w, dh, b.a2)
		b.norm2.backward(s, m, b.h1, b.a2)
		b.conv1.backwardWeights(s, wide, b.a1, b.a2)
		s.ConvBackwardAct(wide, device.ReLU, b.conv1.w, b.a2, b.a1)
		b.norm1.backward(s, m, n.trunk[i], b.a1)
		s.Axpy(1, b.a1, dh)
	}
	n.skips[0].backward(s, narrow, n.trunk[0], dskip, dh)
	first := n.grid(s, n.first.cin, n.width, 3)
	n.first.backwardWeights(s, first, n.x, dh)
	s.ConvBackwardAct(first, device.ReLU, n.first.w, dh, n.x)

	part := n.cin * m
	db := n.x.Slice(0, part)
	s.Axpy(-1, n.x.Slice(part, 2*part), db)
	if n.checker {
		both := s.Scratch.Take(part)
		s.CheckerPack(n.cin, s.N, s.H, 2*s.W, n.parity, db, both)
		db = both.Slice(0, part/2)
	}
	n.norm.backward(s, s.M(), in, db)
	s.Axpy(1, db, din)
	s.Scratch.Release(mark)
}

func (n *ResNet) Params() (p []*Param) {
	p = append(p, n.norm.Params()...)
	p = append(p, n.first.Params()...)
	for i, skip := range n.skips {
		if i > 0 {
			b := &n.blocks[i-1]
			for _, part := range [][]*Param{b.norm1.Params(), b.conv1.Params(), b.norm2.Params(), b.conv2.Params()} {
				p = append(p, part...)
			}
		}
		p = append(p, skip.Params()...)
	}
	p = append(p, n.last.Params()...)
	return append(p, n.out.Params()...)
}

// wnConv is a convolution with weight normalisation: w = g*v/|v| for each output. Salimans and Kingma, "Weight
// normalization", 2016.
type wnConv struct {
	cin, cout, k int
	g, v, b      *Param // [Cout], [Cout][Cin][K][K]; b [Cout] or nil

	w device.Buffer // the last Forward's
}

func newWNConv(name string, cin, cout, k int, g float32, r *rand.Rand) *wnConv {
	v := make([]float32, cout*cin*k*k)
	for i := range v {
		v[i] = float32(0.05 * r.NormFloat64())
	}
	return &wnConv{cin: cin, cout: cout, k: k, g: newParam(name+".g", constant(g, cout), cout), v: newParam(name+".v", v, cout, cin, k, k)}
}

func (c *wnConv) forward(s *State, a *device.Arena, g device.ConvShape, x, y device.Buffer) {
	c.w = a.Take(c.v.Len())
	s.WeightNorm(c.cout, c.cin*c.k*c.k, c.g.V, c.v.V, c.w)
	var b device.Buffer
	if c.b != nil {
		b = c.b.V
	}
	s.ConvForward(g, device.NoAct, c.w, b, x, y)
}

// backward adds the gradients of the weights, and that of x to dx.
func (c *wnConv) backward(s *State, g device.ConvShape, x, dy, dx device.Buffer) {
	c.backwardWeights(s, g, x, dy)
	s.ConvBackwardData(g, c.w, dy, dx)
}

func (c *wnConv) backwardWeights(s *State, g device.ConvShape, x, dy device.Buffer) {
	mark := s.Scratch.Mark()
	dw := s.Scratch.Take(c.v.Len())
	s.Fill(dw, 0)
	var db device.Buffer
	if c.b != nil {
		db = c.b.G
	}
	s.ConvBackwardWeight(g, x, dy, dw, db)
	s.WeightNormBackward(c.cout, c.cin*c.k*c.k, c.g.V, c.v.V, dw, c.v.G, c.g.G)
	s.Scratch.Release(mark)
}

func (c *wnConv) Params() []*Param {
	if c.b != nil {
		return []*Param{c.g, c.v, c.b}
	}
	return []*Param{c.g, c.v}
}

// netNorm is batch normalisation inside a conditioner: by the batch's statistics in training, by running averages
// otherwise. Ioffe and Szegedy, "Batch normalization", 2015.
type netNorm struct {
	c              int
	gamma, beta    *Param // [C]
	mean, variance *Param // [C], running averages

	bm, bv device.Buffer // [C], the batch's own
}

func newNetNorm(name string, c int) *netNorm {
	return &netNorm{
		c: c, gamma: newParam(name+".gamma", constant(1, c), c), beta: newParam(name+".beta", nil, c),
		mean: newState(name+".mean", 0, c), variance: newState(name+".variance", 1, c),
	}
}

// forward computes y = act(bn(x)) over m columns.
func (n *netNorm) forward(s *State, a *device.Arena, m int, act device.Act, x, y device.Buffer) {
	mean, variance := n.mean.V, n.variance.V
	if s.Training {
		n.bm, n.bv = a.Take(n.c), a.Take(n.c)
		s.ChannelStats(n.c, m, x, n.bm, n.bv)
		mean, variance = n.bm, n.bv
		if !s.Again {
			s.Blend(batchNormMomentum, mean, n.mean.V)
			s.Blend(batchNormMomentum, variance, n.variance.V)
		}
	}
	mark := s.Scratch.Mark()
	scale, shift := s.Scratch.Take(n.c), s.Scratch.Take(n.c)
	s.BatchNormScale(n.c, batchNormEps, mean, variance, n.gamma.V, n.beta.V, scale, shift)
	s.AffineAct(n.c, m, act, scale, shift, x, y)
	s.Scratch.Release(mark)
}

// backward turns dy, the gradient before the activation, into that of x, in place.
func (n *netNorm) backward(s *State, m int, x, dy device.Buffer) {
	s.BatchNormActBackward(n.c, m, device.NoAct, batchNormEps, n.bm, n.bv, n.gamma.V, x, x, dy, n.gamma.G, n.beta.G)
}

func (n *netNorm) Params() []*Param { return []*Param{n.gamma, n.beta, n.mean, n.variance} }
