package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// GatedNet is Flow++'s conditioner: gated residual blocks of a convolution and of self-attention over all pixels, each followed by layer
// normalisation. Ho et al., "Flow++", 2019, section 3.3.
//
//	h = first(x)
//	h = norm1(h + gate(conv2(dropout(relu(conv1(relu(h)))))))
//	h = norm2(h + gate(proj(attend(qkv(h + positions)))))      for every block;  gate(a, b) = a*sigmoid(b)
//	out = last(h)
//
// first, conv1 and last are 3x3, the others 1x1; conv2 and proj make a and b. The last one starts at 0.
type GatedNet struct {
	GatedShape
	first, last *convUnit
	positions   *Param // [Width][Pixels]
	blocks      []gatedBlock

	h device.Buffer // behind the last block
}

// GatedShape is the size of a GatedNet.
type GatedShape struct {
	Cin, Cout int
	Width     int // channels inside
	Heads     int
	Depth     int // blocks
	Pixels    int // of the grid that it works on
}

type gatedBlock struct {
	conv1, conv2, qkv, proj *convUnit
	norm1, norm2            *layerNorm
	leave                   *dropout // nil: none

	r, c, ab, x, n device.Buffer // relu(h), relu(conv1) with dropout, conv2; with the gate, normalised
	p, q, y, lse   device.Buffer // with positions; queries, keys and values; what attention makes of them
	ab2, x2        device.Buffer // proj; with the gate
}

// gateStart is the size of what gates let through before training, as in the code of Flow++.
const gateStart = 0.1

// NewGatedNet draws its weights from r. leave gives each block its dropout, or nil.
func NewGatedNet(g GatedShape, leave func() *dropout, r *rand.Rand) *GatedNet {
	unit := func(name string, cin, cout, k int, act device.Act, std float64) *convUnit {
		return newConvUnit(name, cin, cout, k, act, std/math.Sqrt(float64(cin*k*k)), false, r)
	}
	n := &GatedNet{
		GatedShape: g, first: unit("first", g.Cin, g.Width, 3, device.NoAct, 1), last: unit("last", g.Width, g.Cout, 3, device.NoAct, 0),
		positions: newParam("positions", normals(g.Width*g.Pixels, 0.02, r), g.Width, g.Pixels),
	}
	for i := range g.Depth {
		name := fmt.Sprintf("block%d", i+1)
		n.blocks = append(n.blocks, gatedBlock{
			conv1: unit(name+".conv1", g.Width, g.Width, 3, device.ReLU, math.Sqrt2), conv2: unit(name+".conv2", g.Width, 2*g.Width, 1, device.NoAct, gateStart),
			qkv: unit(name+".qkv", g.Width, 3*g.Width, 1, device.NoAct, 1), proj: unit(name+".proj", g.Width, 2*g.Width, 1, device.NoAct, gateStart),
			norm1: newLayerNorm(name+".norm1", g.Width), norm2: newLayerNorm(name+".norm2", g.Width), leave: leave(),
		})
	}
	return n
}

func (n *GatedNet) heads(s *State) device.Heads {
	return device.Heads{C: n.Width, H: n.Heads, N: s.N, T: n.Pixels}
}

func (n *GatedNet) rows(s *State) device.Rows { return device.Rows{C: n.Width, N: s.N, P: s.P()} }

func (n *GatedNet) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	n.h = a.Take(n.Width * s.M())
	n.first.into(s, a, in, n.h)
	for i := range n.blocks {
		next := a.Take(n.h.Len())
		n.blocks[i].forward(s, a, n, n.h, next)
		n.h = next
	}
	n.last.into(s, a, n.h, out)
}

// forward computes the block from h to next.
func (b *gatedBlock) forward(s *State, a *device.Arena, net *GatedNet, h, next device.Buffer) {
	size, heads := h.Len(), net.heads(s)
	b.r, b.c, b.ab, b.x, b.n = a.Take(size), a.Take(size), a.Take(2*size), a.Take(size), a.Take(size)
	rectify(s, net.Width, s.M(), h, b.r)
	b.conv1.into(s, a, b.r, b.c)
	b.leave.apply(s, net.Width, b.c)
	b.conv2.into(s, a, b.c, b.ab)
	s.Copy(b.x, h)
	s.Gate(b.ab, b.x)
	b.norm1.forward(s, a, b.x, b.n)

	b.p, b.q, b.y, b.lse = a.Take(size), a.Take(3*size), a.Take(size), a.Take(heads.H*heads.M())
	b.ab2, b.x2 = a.Take(2*size), a.Take(size)
	s.Copy(b.p, b.n)
	s.AddPositions(net.rows(s), net.positions.V, b.p)
	b.qkv.into(s, a, b.p, b.q)
	s.Attend(heads, b.q, b.y, b.lse)
	b.proj.into(s, a, b.y, b.ab2)
	s.Copy(b.x2, b.n)
	s.Gate(b.ab2, b.x2)
	b.norm2.forward(s, a, b.x2, next)
}

// Backward turns activations into their gradients, in place where it can, from the last to the first.
func (n *GatedNet) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	dh := s.Scratch.Take(n.h.Len())
	s.Fill(dh, 0)
	n.last.backwardWeights(s, n.h, dout)
	s.ConvBackwardData(n.last.shape(s), n.last.wf, dout, dh)
	for i := len(n.blocks) - 1; i >= 0; i-- {
		n.blocks[i].backward(s, n, dh)
	}
	n.first.backwardWeights(s, in, dh)
	s.ConvBackwardData(n.first.shape(s), n.first.wf, dh, din)
	s.Scratch.Release(mark)
}

// backward takes the gradient dh of what the block made to that of what came in.
func (b *gatedBlock) backward(s *State, net *GatedNet, dh device.Buffer) {
	mark := s.Scratch.Mark()
	size := dh.Len()
	dn, dqkv := s.Scratch.Take(size), s.Scratch.Take(3*size)
	s.Fill(dn, 0)
	b.norm2.backward(s, b.x2, dh, dn)
	s.GateBackward(b.ab2, dn)
	b.proj.backwardWeights(s, b.y, b.ab2)
	dy := b.x2 // whose memory is free by now
	s.ConvBackwardAct(b.proj.shape(s), device.NoAct, b.proj.wf, b.ab2, dy)
	s.AttendBackward(net.heads(s), b.q, b.y, b.lse, dy, dqkv)
	b.qkv.backwardInto(s, b.p, dqkv)
	s.PositionsBackward(net.rows(s), b.p, net.positions.G)
	s.Axpy(1, b.p, dn)

	s.Fill(dh, 0)
	b.norm1.backward(s, b.x, dn, dh)
	s.GateBackward(b.ab, dh)
	b.conv2.backwardWeights(s, b.c, b.ab)
	s.ConvBackwardAct(b.conv2.shape(s), device.ReLU, b.conv2.wf, b.ab, b.c)
	b.leave.apply(s, net.Width, b.c)
	b.conv1.backwardWeights(s, b.r, b.c)
	s.ConvBackwardAct(b.conv1.shape(s), device.ReLU, b.conv1.wf, b.c, b.r)
	s.Axpy(1, b.r, dh)
	s.Scratch.Release(mark)
}

func (n *GatedNet) Params() (p []*Param) {
	p = append(p, n.first.w, n.first.b, n.positions)
	for _, b := range n.blocks {
		p = append(p, b.conv1.w, b.conv1.b, b.conv2.w, b.conv2.b, b.norm1.gamma, b.norm1.beta)
		p = append(p, b.qkv.w, b.qkv.b, b.proj.w, b.proj.b, b.norm2.gamma, b.norm2.beta)
	}
	return append(p, n.last.w, n.last.b)
}
