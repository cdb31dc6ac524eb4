package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// autoNet is a conditioner that is autoregressive: of D dimensions it makes Q values for each, and those for dimension d are made of
// dimensions 0 .. d-1. They come out as [D][Q][N].
type autoNet interface {
	Net
	// begin takes memory for a computation by steps.
	begin(s *State, a *device.Arena)
	// step computes what becomes known when dimensions 0 .. d-1 of in are, and with it out of dimension d. After the steps of all
	// dimensions in order everything is as after Forward, for the same arithmetic: nothing is computed twice.
	step(s *State, d int, in, out device.Buffer)
	// Backward by steps, where the gradient of what is said of a dimension is known only when those of the dimensions after it are:
	// backBegin takes memory from Scratch, backStep adds the gradient of dimension d-1 of in to din once those of dimensions d .. D-1 of
	// out are in dout, for d = D-1 .. 1, and backWeights adds those of the weights in the end.
	backBegin(s *State)
	backStep(s *State, d int, dout, din device.Buffer)
	backWeights(s *State, in, dout device.Buffer)
}

// maskedUnit is a dense layer whose units are sorted by what they know: see device.Masked.
type maskedUnit struct {
	layer   device.MaskedLayer
	d, h, q int
	act     device.Act
	w, b    *Param // [Cout][Cin], [Cout]
}

// newMaskedUnit draws weights of variance gain/inputs, of the inputs that count; the others are 0 and stay so.
func newMaskedUnit(name string, layer device.MaskedLayer, d, h, q int, act device.Act, gain float64, r *rand.Rand) *maskedUnit {
	u := &maskedUnit{layer: layer, d: d, h: h, q: q, act: act}
	s := device.Masked{Layer: layer, D: d, H: h, Q: q}
	var w []float32
	if gain > 0 {
		w = make([]float32, s.Weights())
		for o := range s.Cout() {
			reach := s.Reach(o)
			for i := range reach {
				w[o*s.Cin()+i] = float32(math.Sqrt(gain/float64(reach)) * r.NormFloat64())
			}
		}
	}
	u.w, u.b = newParam(name+".w", w, s.Cout(), s.Cin()), newParam(name+".b", nil, s.Cout())
	return u
}

func (u *maskedUnit) shape(s *State) device.Masked {
	return device.Masked{Layer: u.layer, D: u.d, H: u.h, Q: u.q, N: s.N}
}

func (u *maskedUnit) forward(s *State, x, y device.Buffer) {
	s.MaskedForward(u.shape(s), u.act, u.w.V, u.b.V, x, y)
}

func (u *maskedUnit) step(s *State, d int, x, y device.Buffer) {
	s.MaskedStep(u.shape(s), d, u.act, u.w.V, u.b.V, x, y)
}

func (u *maskedUnit) backwardWeights(s *State, x, dy device.Buffer) {
	s.MaskedBackwardWeight(u.shape(s), x, dy, u.w.G, u.b.G)
}

// backwardAct turns h, which a ReLU made, into the gradient before that.
func (u *maskedUnit) backwardAct(s *State, dy, h device.Buffer) {
	s.MaskedBackwardAct(u.shape(s), device.ReLU, u.w.V, dy, h)
}

func (u *maskedUnit) backwardData(s *State, dy, dx device.Buffer) {
	s.MaskedBackwardData(u.shape(s), u.w.V, dy, dx)
}

// backStep is backwardAct of the inputs of one step.
func (u *maskedUnit) backStep(s *State, d int, act device.Act, dy, h device.Buffer) {
	s.MaskedBackwardStep(u.shape(s), d, act, u.w.V, dy, h)
}

// backDimension adds the gradient of dimension d-1.
func (u *maskedUnit) backDimension(s *State, d int, dy, dx device.Buffer) {
	mark := s.Scratch.Mark()
	all := s.Scratch.Take(u.d * s.N)
	u.backStep(s, d, device.NoAct, dy, all)
	s.Axpy(1, all.Slice((d-1)*s.N, d*s.N), dx.Slice((d-1)*s.N, d*s.N))
	s.Scratch.Release(mark)
}

// copied is a copy of a buffer, in memory from Scratch.
func copied(s *State, b device.Buffer) device.Buffer {
	c := s.Scratch.Take(b.Len())
	s.Copy(c, b)
	return c
}

// MADE is a masked network of dense layers with ReLU: Germain et al., "MADE: Masked autoencoder for distribution estimation", 2015.
// The last layer starts at 0 and at given biases.
type MADE struct {
	units  []*maskedUnit
	hidden []device.Buffer // [H][N], what each but the last computed
	grads  []device.Buffer // of these, before the ReLU, in a Backward by steps
}

// NewMADE has depth hidden layers of h units, for d dimensions and as many values for each as rest has for all: where they start.
func NewMADE(d, h, depth int, rest []float32, r *rand.Rand) *MADE {
	n, q := &MADE{hidden: make([]device.Buffer, depth), grads: make([]device.Buffer, depth)}, len(rest)/d
	for i := range depth {
		layer := device.MaskedHidden
		if i == 0 {
			layer = device.MaskedFirst
		}
		n.units = append(n.units, newMaskedUnit(fmt.Sprintf("masked%d", i+1), layer, d, h, q, device.ReLU, 2, r))
	}
	last := newMaskedUnit(fmt.Sprintf("masked%d", depth+1), device.MaskedLast, d, h, q, device.NoAct, 0, r)
	last.b.start = rest
	n.units = append(n.units, last)
	return n
}

func (n *MADE) begin(s *State, a *device.Arena) {
	for i, u := range n.units[:len(n.hidden)] {
		n.hidden[i] = a.Take(u.h * s.N)
	}
}

// layers calls f with each layer, what goes into it, and what it makes.
func (n *MADE) layers(in, out device.Buffer, f func(u *maskedUnit, x, y device.Buffer)) {
	for i, u := range n.units {
		y := out
		if i < len(n.hidden) {
			y = n.hidden[i]
		}
		f(u, in, y)
		in = y
	}
}

func (n *MADE) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	n.begin(s, a)
	n.layers(in, out, func(u *maskedUnit, x, y device.Buffer) { u.forward(s, x, y) })
}

func (n *MADE) step(s *State, d int, in, out device.Buffer) {
	n.layers(in, out, func(u *maskedUnit, x, y device.Buffer) { u.step(s, d, x, y) })
}

func (n *MADE) Backward(s *State, in, dout, din device.Buffer) {
	for i := len(n.hidden); i > 0; i-- {
		h := n.hidden[i-1]
		n.units[i].backwardWeights(s, h, dout)
		n.units[i].backwardAct(s, dout, h)
		dout = h
	}
	n.units[0].backwardWeights(s, in, dout)
	n.units[0].backwardData(s, dout, din)
}

func (n *MADE) backBegin(s *State) {
	for i, h := range n.hidden {
		n.grads[i] = copied(s, h) // which says where the ReLU let through
	}
}

func (n *MADE) backStep(s *State, d int, dout, din device.Buffer) {
	for i := len(n.hidden); i > 0; i-- {
		n.units[i].backStep(s, d, device.ReLU, dout, n.grads[i-1])
		dout = n.grads[i-1]
	}
	n.units[0].backDimension(s, d, dout, din)
}

func (n *MADE) backWeights(s *State, in, dout device.Buffer) {
	for i := len(n.hidden); i > 0; i-- {
		n.units[i].backwardWeights(s, n.hidden[i-1], dout)
		dout = n.grads[i-1]
	}
	n.units[0].backwardWeights(s, in, dout)
}

func (n *MADE) Params() (p []*Param) {
	for _, u := range n.units {
		p = append(p, u.w, u.b)
	}
	return p
}

// ResMADE is a masked residual network: a ResMLP without normalisation whose units know what those of a MADE know. Nash and Durkan,
// "Autoregressive energy machines", 2019, section 3.2; it is the conditioner of the autoregressive neural spline flow.
type ResMADE struct {
	first, last *maskedUnit
	blocks      []maskedBlock

	trunk  []device.Buffer // h before each block, and after the last
	dtrunk []device.Buffer // their gradients, in a Backward by steps
}

type maskedBlock struct {
	dense1, dense2 *maskedUnit
	a1, a2         device.Buffer // relu(h), relu(dense1 of it)
	d1, d2         device.Buffer // their gradients before the ReLU, in a Backward by steps
}

// NewResMADE has blocks residual blocks of two layers of h units; the rest as NewMADE.
func NewResMADE(d, h, blocks int, rest []float32, r *rand.Rand) *ResMADE {
	q := len(rest) / d
	n := &ResMADE{
		first: newMaskedUnit("first", device.MaskedFirst, d, h, q, device.NoAct, 1, r),
		last:  newMaskedUnit("last", device.MaskedLast, d, h, q, device.NoAct, 0, r),
		trunk: make([]device.Buffer, blocks+1), dtrunk: make([]device.Buffer, blocks+1),
	}
	n.last.b.start = rest
	for i := range blocks {
		name := fmt.Sprintf("block%d", i+1)
		n.blocks = append(n.blocks, maskedBlock{
			dense1: newMaskedUnit(name+".dense1", device.MaskedHidden, d, h, q, device.ReLU, 2, r),
			dense2: newMaskedUnit(name+".dense2", device.MaskedHidden, d, h, q, device.NoAct, 0, r),
		})
	}
	return n
}

func (n *ResMADE) begin(s *State, a *device.Arena) {
	size := n.first.h * s.N
	n.trunk[0] = a.Take(size)
	for i := range n.blocks {
		b := &n.blocks[i]
		b.a1, b.a2, n.trunk[i+1] = a.Take(size), a.Take(size), a.Take(size)
	}
}

func (n *ResMADE) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	n.begin(s, a)
	n.first.forward(s, in, n.trunk[0])
	for i := range n.blocks {
		b := &n.blocks[i]
		rectify(s, n.first.h, s.N, n.trunk[i], b.a1)
		b.dense1.forward(s, b.a1, b.a2)
		b.dense2.forward(s, b.a2, n.trunk[i+1])
		s.Axpy(1, n.trunk[i], n.trunk[i+1])
	}
	n.last.forward(s, n.trunk[len(n.blocks)], out)
}

func (n *ResMADE) step(s *State, d int, in, out device.Buffer) {
	lo, hi := n.first.shape(s).Step(d) // units, the same of every hidden layer
	n.first.step(s, d, in, n.trunk[0])
	for i := range n.blocks {
		b := &n.blocks[i]
		if hi > lo {
			rectify(s, hi-lo, s.N, n.trunk[i].Slice(lo*s.N, hi*s.N), b.a1.Slice(lo*s.N, hi*s.N))
		}
		b.dense1.step(s, d, b.a1, b.a2)
		b.dense2.step(s, d, b.a2, n.trunk[i+1])
		if hi > lo {
			s.Axpy(1, n.trunk[i].Slice(lo*s.N, hi*s.N), n.trunk[i+1].Slice(lo*s.N, hi*s.N))
		}
	}
	n.last.step(s, d, n.trunk[len(n.blocks)], out)
}

func (n *ResMADE) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	dh := s.Scratch.Take(n.first.h * s.N)
	s.Fill(dh, 0)
	n.last.backwardWeights(s, n.trunk[len(n.blocks)], dout)
	n.last.backwardData(s, dout, dh)
	for i := len(n.blocks) - 1; i >= 0; i-- {
		b := &n.blocks[i]
		b.dense2.backwardWeights(s, b.a2, dh)
		b.dense2.backwardAct(s, dh, b.a2)
		b.dense1.backwardWeights(s, b.a1, b.a2)
		b.dense1.backwardAct(s, b.a2, b.a1)
		s.Axpy(1, b.a1, dh)
	}
	n.first.backwardWeights(s, in, dh)
	n.first.backwardData(s, dh, din)
	s.Scratch.Release(mark)
}

func (n *ResMADE) backBegin(s *State) {
	for i := range n.dtrunk {
		n.dtrunk[i] = s.Scratch.Take(n.first.h * s.N)
	}
	for i := range n.blocks {
		b := &n.blocks[i]
		b.d1, b.d2 = copied(s, b.a1), copied(s, b.a2) // which say where the ReLU let through
	}
}

func (n *ResMADE) backStep(s *State, d int, dout, din device.Buffer) {
	lo, hi := n.last.shape(s).BackwardStep(d) // units, the same of every hidden layer
	of := func(b device.Buffer) device.Buffer { return b.Slice(lo*s.N, hi*s.N) }
	last := len(n.blocks)
	n.last.backStep(s, d, device.NoAct, dout, n.dtrunk[last])
	for i := last - 1; i >= 0; i-- {
		b := &n.blocks[i]
		b.dense2.backStep(s, d, device.ReLU, n.dtrunk[i+1], b.d2)
		b.dense1.backStep(s, d, device.ReLU, b.d2, b.d1)
		if hi > lo {
			s.Copy(of(n.dtrunk[i]), of(n.dtrunk[i+1]))
			s.Axpy(1, of(b.d1), of(n.dtrunk[i]))
		}
	}
	n.first.backDimension(s, d, n.dtrunk[0], din)
}

func (n *ResMADE) backWeights(s *State, in, dout device.Buffer) {
	n.last.backwardWeights(s, n.trunk[len(n.blocks)], dout)
	for i := len(n.blocks) - 1; i >= 0; i-- {
		b := &n.blocks[i]
		b.dense2.backwardWeights(s, b.a2, n.dtrunk[i+1])
		b.dense1.backwardWeights(s, b.a1, b.d2)
	}
	n.first.backwardWeights(s, in, n.dtrunk[0])
}

func (n *ResMADE) Params() (p []*Param) {
	p = append(p, n.first.w, n.first.b)
	for _, b := range n.blocks {
		p = append(p, b.dense1.w, b.dense1.b, b.dense2.w, b.dense2.b)
	}
	return append(p, n.last.w, n.last.b)
}
