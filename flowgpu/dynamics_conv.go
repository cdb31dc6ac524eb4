package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// convDynamics are those of images: 3x3 convolutions that keep the size, and a smooth activation behind all but the last. Layers are told the
// time by a channel more in front of each, or by gates. Values and tangents in the direction e take the same weights, one after the other; the
// trace is e^T (dh/dz) e. Grathwohl et al., "FFJORD", 2019, section 4.2, and its code ("concat" and "concatsquash" convolutions).
type convDynamics struct {
	act      device.Smooth
	gated    bool
	energies bool
	widths   []int // channels of what goes into each layer, without the time, and of what comes out of the last
	layers   []convLayer

	e    device.Buffer
	tape []convTape
}

// convLayer is a convolution's weights w [Cout][Cin][3][3] and b [Cout], and those of its gate, if it has one.
type convLayer struct {
	w, b *convParam
	gate convGate
}

// convParam is an array of weights.
type convParam struct {
	*Param
	d device.Buffer // where its gradient goes
}

// params are those of a layer.
func (l convLayer) params() []*convParam {
	if l.gate.v == nil {
		return []*convParam{l.w, l.b}
	}
	return []*convParam{l.w, l.b, l.gate.v, l.gate.u, l.gate.c}
}

// convTape is what a layer's forward pass leaves: its weights at the time, inputs [Cin][N][P], with the time if that is a channel, and, before
// the activation, outputs [Cout][N][P], of values and tangents.
type convTape struct {
	w, b         device.Buffer
	squash       squash
	x, tx, a, ta device.Buffer
}

// newConvDynamics draws initial weights as PyTorch does for convolutions and, of gates, for dense layers of one input.
func newConvDynamics(c, hidden, depth int, act device.Smooth, gated, energies bool, r *rand.Rand) *convDynamics {
	d := &convDynamics{act: act, gated: gated, energies: energies, widths: []int{c}}
	for range depth {
		d.widths = append(d.widths, hidden)
	}
	d.widths = append(d.widths, c)
	for i := range depth + 1 {
		in, out := d.channels(i), d.widths[i+1]
		array := func(what string, inputs int, shape ...int) *convParam {
			p := newParam(fmt.Sprintf("conv%d.%s", i+1, what), nil, shape...)
			p.start = make([]float32, p.Len())
			for j := range p.start {
				p.start[j] = float32((2*r.Float64() - 1) / math.Sqrt(float64(inputs)))
			}
			return &convParam{Param: p}
		}
		l := convLayer{w: array("w", 9*in, out, in, 3, 3), b: array("b", 9*in, out)}
		if gated {
			l.gate = convGate{v: array("time", 1, out), u: array("gate.time", 1, out), c: array("gate.b", 1, out)}
		}
		d.layers = append(d.layers, l)
	}
	d.tape = make([]convTape, depth+1)
	return d
}

// channels of what goes into a layer, with the time if that is one.
func (d *convDynamics) channels(layer int) int {
	if d.gated {
		return d.widths[layer]
	}
	return d.widths[layer] + 1
}

func (d *convDynamics) Params() (all []*Param) {
	for _, l := range d.layers {
		for _, p := range l.params() {
			all = append(all, p.Param)
		}
	}
	return all
}

func (d *convDynamics) sizes(s *State) (z, integrals int) {
	integrals = s.N
	if d.energies {
		integrals = 3 * s.N
	}
	return d.widths[0] * s.M(), integrals
}

func (d *convDynamics) begin(_ *State, e device.Buffer, train bool) {
	d.e = e
	for _, l := range d.layers {
		for _, p := range l.params() {
			if train {
				p.d = p.G
			}
		}
	}
}

func (d *convDynamics) end(*State) {}

func (d *convDynamics) shape(s *State, i int) device.ConvShape {
	return device.ConvShape{Cin: d.channels(i), Cout: d.widths[i+1], K: 3, N: s.N, H: s.H, W: s.W}
}

// evaluate runs the network at z, with memory from Scratch: h and its tangent are the last layer's a and ta.
func (d *convDynamics) evaluate(s *State, t float32, z device.Buffer) (h, th device.Buffer) {
	m := s.M()
	for i := range d.tape {
		p, l, c, in, out := &d.tape[i], d.layers[i], d.widths[i], d.channels(i), d.widths[i+1]
		p.w, p.b = l.w.V, l.b.V
		if d.gated {
			p.squash.fold(s, t, l)
			p.w, p.b = p.squash.w, p.squash.shifted
		}
		p.x, p.tx = s.Scratch.Take(in*m), s.Scratch.Take(in*m)
		if i == 0 {
			s.Copy(p.x.Slice(0, c*m), z)
			s.Copy(p.tx.Slice(0, c*m), d.e)
		} else {
			s.SmoothForward(d.act, d.tape[i-1].a, d.tape[i-1].ta, p.x.Slice(0, c*m), p.tx.Slice(0, c*m))
		}
		if in > c {
			s.Fill(p.x.Slice(c*m, in*m), t)
			s.Fill(p.tx.Slice(c*m, in*m), 0)
		}
		p.a, p.ta = s.Scratch.Take(out*m), s.Scratch.Take(out*m)
		s.worked(2 * d.shape(s, i).Flops())
		s.ConvForward(d.shape(s, i), device.NoAct, p.w, p.b, p.x, p.a)
		s.ConvForward(d.shape(s, i), device.NoAct, p.w, device.Buffer{}, p.tx, p.ta)
	}
	last := d.tape[len(d.tape)-1]
	return last.a, last.ta
}

func (d *convDynamics) value(s *State, t float32, y, k device.Buffer) {
	mark := s.Scratch.Mark()
	z, integrals := d.sizes(s)
	h, th := d.evaluate(s, t, y.Slice(0, z))
	s.Copy(k.Slice(0, z), h)
	q := k.Slice(z, z+integrals)
	s.Fill(q, 0)
	s.Dots(s.rows(), 1, d.e, th, q.Slice(0, s.N))
	if d.energies {
		s.Dots(s.rows(), 1, h, h, q.Slice(s.N, 2*s.N))
		s.Dots(s.rows(), 1, th, th, q.Slice(2*s.N, 3*s.N))
	}
	s.Scratch.Release(mark)
}

// stages is room for what the stages of a step give.
func (d *convDynamics) stages(s *State, n, size int) (ks [device.MaxStages]device.Buffer) {
	for i := range n {
		ks[i] = s.Scratch.Take(size)
	}
	return ks
}

// along is to = y + dt*sum_i a[i]*ks[i], to as long as y and the terms at least as long.
func along(s *State, to, y device.Buffer, dt float32, a []float32, ks []device.Buffer) {
	s.Copy(to, y)
	for i, v := range a {
		if v != 0 {
			s.Axpy(dt*v, ks[i].Slice(0, to.Len()), to)
		}
	}
}

func (d *convDynamics) step(s *State, rk *device.RungeKutta, ts device.TimeStep, y, k, yn, kn, err device.Buffer) {
	mark := s.Scratch.Mark()
	z, integrals := d.sizes(s)
	ks := d.stages(s, rk.Stages, z+integrals)
	for i := range rk.Stages {
		if i == 0 && rk.Adaptive {
			s.Copy(ks[0], k)
			continue
		}
		along(s, yn.Slice(0, z), y.Slice(0, z), ts.DT, rk.A[i][:i], ks[:])
		d.value(s, ts.T+rk.C[i]*ts.DT, yn, ks[i])
	}
	along(s, yn, y, ts.DT, rk.B[:rk.Stages], ks[:])
	if rk.Adaptive {
		s.Copy(kn, ks[rk.Stages-1])
		off := ks[rk.Stages-1] // the last of the sum's terms, which may be summed in place
		s.Axpy(ts.DT*rk.E[rk.Stages-1]-1, kn, off)
		for i, v := range rk.E[:rk.Stages-1] {
			if v != 0 {
				s.Axpy(ts.DT*v, ks[i], off)
			}
		}
		s.Fill(err, 0)
		s.ScaledSquares(s.rows(), ts.ATol, ts.RTol, y.Slice(0, z), yn.Slice(0, z), off.Slice(0, z), err)
		s.ScaledSquares(device.Rows{C: 1, N: s.N, P: 1}, ts.ATol, ts.RTol, y.Slice(z, z+s.N), yn.Slice(z, z+s.N), off.Slice(z, z+s.N), err)
	}
	s.Scratch.Release(mark)
}

// stepBackward evaluates all stages once for where they are, and each once more for its gradients: a step's activations are many times
// its state.
func (d *convDynamics) stepBackward(s *State, rk *device.RungeKutta, ts device.TimeStep, z, dz device.Buffer, dq [3]float32) {
	mark := s.Scratch.Mark()
	size, _ := d.sizes(s)
	n := rk.Advancing()
	ks, ats := d.stages(s, n, size), d.stages(s, n, size)
	for i := range n {
		along(s, ats[i], z, ts.DT, rk.A[i][:i], ks[:])
		if i < n-1 {
			inner := s.Scratch.Mark()
			h, _ := d.evaluate(s, ts.T+rk.C[i]*ts.DT, ats[i])
			s.Copy(ks[i], h)
			s.Scratch.Release(inner)
		}
	}
	for i := n - 1; i >= 0; i-- { // ks[i] becomes the gradient of ats[i]
		s.Fill(ks[i], 0)
		s.Axpy(ts.DT*rk.B[i], dz, ks[i])
		for j := i + 1; j < n; j++ {
			if v := rk.A[j][i]; v != 0 {
				s.Axpy(ts.DT*v, ks[j], ks[i])
			}
		}
		w := ts.DT * rk.B[i]
		d.gradient(s, ts.T+rk.C[i]*ts.DT, ats[i], ks[i], [3]float32{w * dq[0], w * dq[1], w * dq[2]})
	}
	for i := range n {
		s.Axpy(1, ks[i], dz)
	}
	s.Scratch.Release(mark)
}

// gradient takes dh, the gradient of h, to that of z, in place, with what the integrands add, and adds those of the weights.
func (d *convDynamics) gradient(s *State, t float32, z, dh device.Buffer, dq [3]float32) {
	mark := s.Scratch.Mark()
	h, th := d.evaluate(s, t, z)
	m := s.M()
	da, dta := s.Scratch.Take(dh.Len()), s.Scratch.Take(dh.Len())
	s.Copy(da, dh)
	s.Fill(dta, 0)
	s.Axpy(dq[0], d.e, dta)
	if d.energies {
		s.Axpy(2*dq[1], h, da)
		s.Axpy(2*dq[2], th, dta)
	}
	for i := len(d.tape) - 1; i >= 0; i-- {
		p, l, g, c, in := d.tape[i], d.layers[i], d.shape(s, i), d.widths[i], d.channels(i)
		if i < len(d.tape)-1 {
			s.SmoothBackward(d.act, p.a, p.ta, da, dta)
		}
		dw, db := l.w.d, l.b.d
		if d.gated {
			dw, db = s.Scratch.Take(dw.Len()), s.Scratch.Take(db.Len())
			s.Fill(dw, 0)
			s.Fill(db, 0)
		}
		s.ConvBackwardWeight(g, p.x, da, dw, db)
		s.ConvBackwardWeight(g, p.tx, dta, dw, device.Buffer{})
		if d.gated {
			p.squash.unfold(s, t, l, dw, db)
		}
		dx, dtx := s.Scratch.Take(in*m), s.Scratch.Take(in*m)
		s.Fill(dx, 0)
		s.ConvBackwardData(g, p.w, da, dx)
		if i > 0 {
			s.Fill(dtx, 0)
			s.ConvBackwardData(g, p.w, dta, dtx)
			s.worked(g.Flops())
		}
		s.worked(3 * g.Flops())
		da, dta = dx.Slice(0, c*m), dtx.Slice(0, c*m)
	}
	s.Copy(dh, da)
	s.Scratch.Release(mark)
}

func (d *convDynamics) pull(s *State, t float32, z, dz device.Buffer, dq [3]float32, weight float32) {
	mark := s.Scratch.Mark()
	for _, l := range d.layers { // gradients of this evaluation alone
		for _, p := range l.params() {
			p.d = s.Scratch.Take(p.Len())
			s.Fill(p.d, 0)
		}
	}
	g := s.Scratch.Take(dz.Len())
	s.Copy(g, dz)
	d.gradient(s, t, z, g, dq)
	s.Axpy(1, g, dz)
	for _, l := range d.layers {
		for _, p := range l.params() {
			if weight != 0 {
				s.Axpy(weight, p.d, p.G)
			}
			p.d = p.G
		}
	}
	s.Scratch.Release(mark)
}
