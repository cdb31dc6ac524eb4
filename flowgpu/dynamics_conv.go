package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// convDynamics are those of images: 3x3 convolutions that keep the size, with the time as a channel more in front of each, and a smooth
// activation behind all but the last. Values and tangents in the direction e take the same weights, one after the other; the trace is e^T (dh/dz) e.
// Grathwohl et al., "FFJORD", 2019, section 4.2 ("concat" convolutions).
type convDynamics struct {
	act      device.Smooth
	energies bool
	widths   []int // channels of what goes into each layer, without the time, and of what comes out of the last
	w, b     []*Param

	e      device.Buffer
	dw, db []device.Buffer // where gradients go
	tape   []convTape
}

// convTape is what a layer's forward pass leaves: inputs [Cin+1][N][P] and, before the activation, outputs [Cout][N][P], of values and tangents.
type convTape struct{ x, tx, a, ta device.Buffer }

func newConvDynamics(c, hidden, depth int, act device.Smooth, energies bool, r *rand.Rand) *convDynamics {
	d := &convDynamics{act: act, energies: energies, widths: []int{c}}
	for range depth {
		d.widths = append(d.widths, hidden)
	}
	d.widths = append(d.widths, c)
	for i := range depth + 1 {
		in, out := d.widths[i]+1, d.widths[i+1]
		name := fmt.Sprintf("conv%d.", i+1)
		w, b := newParam(name+"w", nil, out, in, 3, 3), newParam(name+"b", nil, out)
		for _, p := range []*Param{w, b} {
			p.start = make([]float32, p.Len())
			for j := range p.start {
				p.start[j] = float32((2*r.Float64() - 1) / math.Sqrt(float64(9*in)))
			}
		}
		d.w, d.b = append(d.w, w), append(d.b, b)
	}
	d.tape, d.dw, d.db = make([]convTape, depth+1), make([]device.Buffer, depth+1), make([]device.Buffer, depth+1)
	return d
}

func (d *convDynamics) Params() (p []*Param) {
	for i := range d.w {
		p = append(p, d.w[i], d.b[i])
	}
	return p
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
	for i := range d.w {
		if train {
			d.dw[i], d.db[i] = d.w[i].G, d.b[i].G
		}
	}
}

func (d *convDynamics) end(*State) {}

func (d *convDynamics) shape(s *State, i int) device.ConvShape {
	return device.ConvShape{Cin: d.widths[i] + 1, Cout: d.widths[i+1], K: 3, N: s.N, H: s.H, W: s.W}
}

// evaluate runs the network at z, with memory from Scratch: h and its tangent are the last layer's a and ta.
func (d *convDynamics) evaluate(s *State, t float32, z device.Buffer) (h, th device.Buffer) {
	m := s.M()
	for i := range d.tape {
		p, c, out := &d.tape[i], d.widths[i], d.widths[i+1]
		p.x, p.tx = s.Scratch.Take((c+1)*m), s.Scratch.Take((c+1)*m)
		if i == 0 {
			s.Copy(p.x.Slice(0, c*m), z)
			s.Copy(p.tx.Slice(0, c*m), d.e)
		} else {
			s.SmoothForward(d.act, d.tape[i-1].a, d.tape[i-1].ta, p.x.Slice(0, c*m), p.tx.Slice(0, c*m))
		}
		s.Fill(p.x.Slice(c*m, (c+1)*m), t)
		s.Fill(p.tx.Slice(c*m, (c+1)*m), 0)
		p.a, p.ta = s.Scratch.Take(out*m), s.Scratch.Take(out*m)
		s.ConvForward(d.shape(s, i), device.NoAct, d.w[i].V, d.b[i].V, p.x, p.a)
		s.ConvForward(d.shape(s, i), device.NoAct, d.w[i].V, device.Buffer{}, p.tx, p.ta)
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
		p, g, c := d.tape[i], d.shape(s, i), d.widths[i]
		if i < len(d.tape)-1 {
			s.SmoothBackward(d.act, p.a, p.ta, da, dta)
		}
		s.ConvBackwardWeight(g, p.x, da, d.dw[i], d.db[i])
		s.ConvBackwardWeight(g, p.tx, dta, d.dw[i], device.Buffer{})
		dx, dtx := s.Scratch.Take((c+1)*m), s.Scratch.Take((c+1)*m)
		s.Fill(dx, 0)
		s.ConvBackwardData(g, d.w[i].V, da, dx)
		if i > 0 {
			s.Fill(dtx, 0)
			s.ConvBackwardData(g, d.w[i].V, dta, dtx)
		}
		da, dta = dx.Slice(0, c*m), dtx.Slice(0, c*m)
	}
	s.Copy(dh, da)
	s.Scratch.Release(mark)
}

func (d *convDynamics) pull(s *State, t float32, z, dz device.Buffer, dq [3]float32, weight float32) {
	mark := s.Scratch.Mark()
	w, b := make([]device.Buffer, len(d.dw)), make([]device.Buffer, len(d.db))
	copy(w, d.dw)
	copy(b, d.db)
	for i := range w {
		d.dw[i], d.db[i] = s.Scratch.Take(w[i].Len()), s.Scratch.Take(b[i].Len())
		s.Fill(d.dw[i], 0)
		s.Fill(d.db[i], 0)
	}
	g := s.Scratch.Take(dz.Len())
	s.Copy(g, dz)
	d.gradient(s, t, z, g, dq)
	s.Axpy(1, g, dz)
	for i := range w {
		if weight != 0 {
			s.Axpy(weight, d.dw[i], w[i])
			s.Axpy(weight, d.db[i], b[i])
		}
	}
	copy(d.dw, w)
	copy(d.db, b)
	s.Scratch.Release(mark)
}
