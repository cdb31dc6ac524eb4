package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// fieldDynamics are those of vectors by a network of dense layers: device.Field.
type fieldDynamics struct {
	field  device.Field
	layers []fieldParams
	euler  *device.RungeKutta // a step of 1 adds to a gradient what one evaluation gives

	f     device.Field  // of this pass
	w, dw device.Buffer // of all layers, as the ops take them
	e     device.Buffer
}

// fieldParams are the arrays of a layer, in the order of device.FieldLayer.
type fieldParams []*Param

// newFieldDynamics draws initial weights as PyTorch does for dense layers: uniform within 1/sqrt(inputs) of 0.
func newFieldDynamics(f device.Field, r *rand.Rand) *fieldDynamics {
	d := &fieldDynamics{field: f, euler: device.Euler()}
	for i := range f.Layers() {
		in, out := f.Widths(i)
		name := fmt.Sprintf("dense%d.", i+1)
		array := func(what string, inputs int, shape ...int) *Param {
			p := newParam(name+what, nil, shape...)
			p.start = make([]float32, p.Len())
			for j := range p.start {
				p.start[j] = float32((2*r.Float64() - 1) / math.Sqrt(float64(inputs)))
			}
			return p
		}
		inputs := in
		if !f.Gated {
			inputs++ // the time is one
		}
		layer := fieldParams{array("w", inputs, out, in), array("b", inputs, out)}
		if f.Gated {
			layer = append(layer, array("time", 1, out), array("gate.time", 1, out), array("gate.b", 1, out))
		} else {
			layer = append(layer, array("time", inputs, out))
		}
		d.layers = append(d.layers, layer)
	}
	return d
}

func (d *fieldDynamics) Params() (p []*Param) {
	for _, l := range d.layers {
		p = append(p, l...)
	}
	return p
}

func (d *fieldDynamics) sizes(s *State) (z, integrals int) {
	return d.field.D * s.N, d.field.Integrals() * s.N
}

func (d *fieldDynamics) begin(s *State, e device.Buffer, train bool) {
	d.f, d.e = d.field, e
	d.f.N = s.N
	d.w, d.dw = s.Scratch.Take(d.f.Weights()), device.Buffer{}
	d.each(func(p *Param, lo, hi int) { s.Copy(d.w.Slice(lo, hi), p.V) })
	if train {
		d.dw = s.Scratch.Take(d.f.Weights())
		s.Fill(d.dw, 0)
	}
}

func (d *fieldDynamics) end(s *State) {
	d.each(func(p *Param, lo, hi int) { s.Axpy(1, d.dw.Slice(lo, hi), p.G) })
}

// each calls f with every parameter and its place in w.
func (d *fieldDynamics) each(f func(p *Param, lo, hi int)) {
	at := 0
	for _, l := range d.layers {
		for _, p := range l {
			f(p, at, at+p.Len())
			at += p.Len()
		}
	}
}

func (d *fieldDynamics) value(s *State, t float32, y, k device.Buffer) {
	s.worked(d.f.Flops())
	s.FieldValue(d.f, t, d.w, d.e, y, k)
}

func (d *fieldDynamics) step(s *State, rk *device.RungeKutta, ts device.TimeStep, y, k, yn, kn, err device.Buffer) {
	s.worked(d.f.StepFlops(rk))
	s.FieldStep(d.f, rk, ts, d.w, d.e, y, k, yn, kn, err)
}

func (d *fieldDynamics) stepBackward(s *State, rk *device.RungeKutta, ts device.TimeStep, z, dz device.Buffer, dq [3]float32) {
	s.worked(d.f.StepBackwardFlops(rk))
	s.FieldStepBackward(d.f, rk, ts, d.w, d.e, z, dz, dq, d.dw)
}

func (d *fieldDynamics) pull(s *State, t float32, z, dz device.Buffer, dq [3]float32, weight float32) {
	mark := s.Scratch.Mark()
	dw := s.Scratch.Take(d.dw.Len())
	s.Fill(dw, 0)
	s.worked(d.f.StepBackwardFlops(d.euler))
	s.FieldStepBackward(d.f, d.euler, device.TimeStep{T: t, DT: 1}, d.w, d.e, z, dz, dq, dw)
	if weight != 0 {
		s.Axpy(weight, dw, d.dw)
	}
	s.Scratch.Release(mark)
}
