package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// ResMLP is a residual network of dense layers, applied to the channels of every pixel: the conditioner of neural spline flows. Durkan
// et al., "Neural spline flows", 2019, appendix B.1; He et al., "Identity mappings in deep residual networks", 2016.
//
//	h = first(x);  h = h + dense2(dropout(relu(bn(dense1(relu(bn(h))))))) for every block;  out = last(h)
//
// Batch normalisation and dropout are optional. The last layer starts at 0, and so does every block's second.
type ResMLP struct {
	first, last *convUnit
	blocks      []mlpBlock

	trunk []device.Buffer // h before each block, and after the last
}

type mlpBlock struct {
	norm1, norm2   *netNorm // nil: none
	dense1, dense2 *convUnit
	leave          *dropout      // nil: none
	a1, h1, a2     device.Buffer // relu(bn(h)), dense1 of it, relu(bn) of that with dropout
}

// NewResMLP has blocks residual blocks of two layers of hidden units.
func NewResMLP(cin, hidden, blocks, cout int, norm bool, r *rand.Rand) *ResMLP {
	n := &ResMLP{
		first: newConvUnit("first", cin, hidden, 1, device.NoAct, math.Sqrt(1/float64(cin)), false, r),
		last:  newConvUnit("last", hidden, cout, 1, device.NoAct, 0, false, r),
		trunk: make([]device.Buffer, blocks+1),
	}
	for i := range blocks {
		name := fmt.Sprintf("block%d", i+1)
		b := mlpBlock{
			dense1: newConvUnit(name+".dense1", hidden, hidden, 1, device.NoAct, math.Sqrt(2/float64(hidden)), false, r),
			dense2: newConvUnit(name+".dense2", hidden, hidden, 1, device.NoAct, 0, false, r),
		}
		if norm {
			b.norm1, b.norm2 = newNetNorm(name+".bn1", hidden), newNetNorm(name+".bn2", hidden)
		} else {
			b.dense1.act = device.ReLU
		}
		n.blocks = append(n.blocks, b)
	}
	return n
}

// rectify computes y = relu(x) over rows of m columns.
func rectify(s *State, rows, m int, x, y device.Buffer) {
	mark := s.Scratch.Mark()
	one, zero := s.Scratch.Take(rows), s.Scratch.Take(rows)
	s.Fill(one, 1)
	s.Fill(zero, 0)
	s.AffineAct(rows, m, device.ReLU, one, zero, x, y)
	s.Scratch.Release(mark)
}

// into computes the unit to memory of the caller's.
func (u *convUnit) into(s *State, a *device.Arena, x, y device.Buffer) {
	u.y = y
	u.forward(s, a, x)
}

func (n *ResMLP) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	m, width := s.M(), n.first.cout
	h := a.Take(width * m)
	n.first.into(s, a, in, h)
	n.trunk[0] = h
	for i := range n.blocks {
		b := &n.blocks[i]
		b.a1, b.a2 = a.Take(width*m), a.Take(width*m)
		if b.norm1 == nil {
			rectify(s, width, m, h, b.a1)
			b.dense1.into(s, a, b.a1, b.a2)
		} else {
			b.h1 = a.Take(width * m)
			b.norm1.forward(s, a, m, device.ReLU, h, b.a1)
			b.dense1.into(s, a, b.a1, b.h1)
			b.norm2.forward(s, a, m, device.ReLU, b.h1, b.a2)
		}
		b.leave.apply(s, width, b.a2)
		next := a.Take(width * m)
		b.dense2.into(s, a, b.a2, next)
		s.Axpy(1, h, next)
		h = next
		n.trunk[i+1] = h
	}
	n.last.into(s, a, h, out)
}

func (n *ResMLP) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	m := s.M()
	width := n.first.cout
	dh := s.Scratch.Take(width * m)
	s.Fill(dh, 0)
	n.last.backwardWeights(s, n.trunk[len(n.blocks)], dout)
	s.ConvBackwardData(n.last.shape(s), n.last.wf, dout, dh)
	for i := len(n.blocks) - 1; i >= 0; i-- {
		b := &n.blocks[i]
		b.dense2.backwardWeights(s, b.a2, dh)
		s.ConvBackwardAct(b.dense2.shape(s), device.ReLU, b.dense2.wf, dh, b.a2)
		b.leave.apply(s, width, b.a2)
		if b.norm2 != nil {
			b.norm2.backward(s, m, b.h1, b.a2)
		}
		b.dense1.backwardWeights(s, b.a1, b.a2)
		s.ConvBackwardAct(b.dense1.shape(s), device.ReLU, b.dense1.wf, b.a2, b.a1)
		if b.norm1 != nil {
			b.norm1.backward(s, m, n.trunk[i], b.a1)
		}
		s.Axpy(1, b.a1, dh)
	}
	n.first.backwardWeights(s, in, dh)
	s.ConvBackwardData(n.first.shape(s), n.first.wf, dh, din)
	s.Scratch.Release(mark)
}

func (n *ResMLP) Params() (p []*Param) {
	p = append(p, n.first.w, n.first.b)
	for _, b := range n.blocks {
		if b.norm1 != nil {
			p = append(append(p, b.norm1.Params()...), b.norm2.Params()...)
		}
		p = append(p, b.dense1.w, b.dense1.b, b.dense2.w, b.dense2.b)
	}
	return append(p, n.last.w, n.last.b)
}
