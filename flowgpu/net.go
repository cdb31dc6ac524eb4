package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// Net is a conditioner: a plain network from some channels to the parameters of a coupling. It is no layer and needs no
// inverse.
type Net interface {
	// Forward computes out from in and takes what Backward will need from the arena.
	Forward(s *State, a *device.Arena, in, out device.Buffer)
	// Backward adds the gradients of the parameters, and that of in to din. It uses up what the last Forward left in the arena.
	Backward(s *State, in, dout, din device.Buffer)
	Params() []*Param
}

// ConvNet is convolutions one after another, each but the last followed by an actnorm or a bias, and a ReLU.
type ConvNet struct {
	units []*convUnit
	stack []device.Unit // the units as the backend takes them in one piece, with what the last Forward left
	blank bool          // the parameters' gradients hold nothing yet, see Param
}

// convUnit is y = act((w*x + b) * exp(logs)); without logs, y = act(w*x + b).
type convUnit struct {
	cin, cout, k int
	act          device.Act
	w, b, logs   *Param // [Cout][Cin][K][K], [Cout], [Cout] or nil

	y      device.Buffer // [Cout][N][P], what the last Forward computed
	wf, bf device.Buffer // weights with the actnorm folded in
}

// NewGlowNet is Glow's conditioner: a 3x3, a 1x1 and a 3x3 convolution, the first two with actnorm and ReLU, the last
// started at 0, so that every coupling starts as the identity. Kingma and Dhariwal, "Glow", 2018, section 3.3.
func NewGlowNet(cin, hidden, cout int, r *rand.Rand) *ConvNet {
	return newConvNet(
		newConvUnit("conv1", cin, hidden, 3, device.ReLU, 0.05, true, r),
		newConvUnit("conv2", hidden, hidden, 1, device.ReLU, 0.05, true, r),
		newConvUnit("conv3", hidden, cout, 3, device.NoAct, 0, false, r),
	)
}

// NewZeroConv is one 3x3 convolution that starts at 0: Glow's prior of what a split leaves behind.
func NewZeroConv(cin, cout int) *ConvNet {
	return newConvNet(newConvUnit("conv", cin, cout, 3, device.NoAct, 0, false, nil))
}

// NewMLP is dense layers applied to the channels of every pixel, depth hidden ones with ReLU and a last one that starts at
// 0. Weights start as He et al., "Delving deep into rectifiers", 2015.
func NewMLP(cin, hidden, depth, cout int, r *rand.Rand) *ConvNet {
	var units []*convUnit
	for i := range depth {
		units = append(units, newConvUnit(fmt.Sprintf("dense%d", i+1), cin, hidden, 1, device.ReLU, math.Sqrt(2/float64(cin)), false, r))
		cin = hidden
	}
	return newConvNet(append(units, newConvUnit(fmt.Sprintf("dense%d", depth+1), cin, cout, 1, device.NoAct, 0, false, r))...)
}

func newConvNet(units ...*convUnit) *ConvNet {
	n := &ConvNet{units: units}
	for _, u := range units {
		n.stack = append(n.stack, device.Unit{Cin: u.cin, Cout: u.cout, K: u.k, Act: u.act})
	}
	if n.sets() {
		for _, p := range n.Params() {
			p.blank = &n.blank
		}
	}
	return n
}

// sets says whether the net can set its gradients instead of adding to them, and whether that saves anything: the parameters are no folded
// actnorm's, whose gradients are added to, and more than a Fill does in the time that it takes to begin.
func (n *ConvNet) sets() bool {
	const enough = 1 << 16
	size := 0
	for _, u := range n.units {
		if u.logs != nil {
			return false
		}
		size += u.w.Len() + u.b.Len()
	}
	return len(n.units) > 1 && size >= enough
}

func (n *ConvNet) last() *convUnit { return n.units[len(n.units)-1] }

func newConvUnit(name string, cin, cout, k int, act device.Act, std float64, actnorm bool, r *rand.Rand) *convUnit {
	u := &convUnit{cin: cin, cout: cout, k: k, act: act}
	var w []float32
	if std > 0 {
		w = make([]float32, cout*cin*k*k)
		for i := range w {
			w[i] = float32(std * r.NormFloat64())
		}
	}
	u.w = newParam(name+".w", w, cout, cin, k, k)
	u.b = newParam(name+".b", nil, cout)
	if actnorm {
		u.logs = newParam(name+".logs", nil, cout)
		u.logs.FromData = true
	}
	return u
}

func (s *State) images() device.Images { return device.Images{N: s.N, H: s.H, W: s.W} }

func (u *convUnit) shape(s *State) device.ConvShape {
	return device.ConvShape{Cin: u.cin, Cout: u.cout, K: u.k, N: s.N, H: s.H, W: s.W}
}

func (n *ConvNet) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	if len(n.units) == 1 {
		n.units[0].y = out
		n.units[0].forward(s, a, in)
		return
	}
	for i, u := range n.units[:len(n.units)-1] {
		n.stack[i].Hidden = a.Take(device.HiddenLen(u.cout, s.M()))
	}
	if s.Init {
		n.initialise(s, in, out)
	}
	for i, u := range n.units {
		u.fold(s, a)
		n.stack[i].W, n.stack[i].B = u.wf, u.bf
	}
	s.StackForward(s.images(), n.stack, in, out, s.Training)
}

// initialise sets the actnorms that wait for data, by a pass unit after unit in the memory of what is hidden.
func (n *ConvNet) initialise(s *State, in, out device.Buffer) {
	mark := s.Scratch.Mark()
	for i, u := range n.units {
		u.y = out
		if i < len(n.units)-1 {
			u.y = n.stack[i].Hidden.Slice(0, u.cout*s.M())
		}
		u.forward(s, s.Scratch, in)
		in = u.y
	}
	s.Scratch.Release(mark)
}

func (u *convUnit) forward(s *State, a *device.Arena, x device.Buffer) {
	g := u.shape(s)
	if u.logs != nil && s.Init && !u.logs.Done {
		s.ConvForward(g, device.NoAct, u.w.V, device.Buffer{}, x, u.y)
		s.ActNormInit(u.cout, s.M(), u.y, u.logs.V, u.b.V)
		u.logs.Done = true
	}
	u.fold(s, a)
	s.ConvForward(g, u.act, u.wf, u.bf, x, u.y)
}

// fold makes wf and bf, in memory from a where there is an actnorm to fold in.
func (u *convUnit) fold(s *State, a *device.Arena) {
	u.wf, u.bf = u.w.V, u.b.V
	if u.logs != nil {
		u.wf, u.bf = a.Take(u.w.Len()), a.Take(u.cout)
		s.RowScale(u.cout, u.cin*u.k*u.k, u.logs.V, u.w.V, u.b.V, u.wf, u.bf)
	}
}

func (n *ConvNet) Backward(s *State, in, dout, din device.Buffer) {
	if len(n.units) == 1 {
		u := n.units[0]
		u.backwardWeights(s, in, dout)
		s.ConvBackwardData(u.shape(s), u.wf, dout, din)
		return
	}
	mark := s.Scratch.Mark()
	for i, u := range n.units {
		d := &n.stack[i]
		d.DW, d.DB = u.folded(s)
		d.Set = n.blank || u.logs != nil
	}
	n.blank = false
	s.StackBackward(s.images(), n.stack, in, dout, din)
	for i, u := range n.units {
		u.unfold(s, n.stack[i].DW, n.stack[i].DB)
	}
	s.Scratch.Release(mark)
}

func (u *convUnit) backwardWeights(s *State, x, dy device.Buffer) {
	mark := s.Scratch.Mark()
	dwf, dbf := u.folded(s)
	if u.logs != nil {
		s.Fill(dwf, 0)
		s.Fill(dbf, 0)
	}
	s.ConvBackwardWeight(u.shape(s), x, dy, dwf, dbf)
	u.unfold(s, dwf, dbf)
	s.Scratch.Release(mark)
}

// folded is where the gradients of wf and bf are: with an actnorm, in memory from Scratch, which holds nothing yet.
func (u *convUnit) folded(s *State) (dwf, dbf device.Buffer) {
	if u.logs == nil {
		return u.w.G, u.b.G
	}
	return s.Scratch.Take(u.w.Len()), s.Scratch.Take(u.cout)
}

// unfold adds the gradients of the unit's parameters for those of wf and bf.
func (u *convUnit) unfold(s *State, dwf, dbf device.Buffer) {
	if u.logs != nil {
		s.RowScaleBackward(u.cout, u.cin*u.k*u.k, u.logs.V, u.wf, u.bf, dwf, dbf, u.w.G, u.b.G, u.logs.G)
	}
}

func (n *ConvNet) Params() (p []*Param) {
	for _, u := range n.units {
		p = append(p, u.w, u.b)
		if u.logs != nil {
			p = append(p, u.logs)
		}
	}
	return p
}
