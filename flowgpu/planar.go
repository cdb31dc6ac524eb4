package flowgpu

import (
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// Planar bends space along one direction: y = x + uh*h(w.x + b), where uh is u moved along w so far that w.uh = s-1 > -1. With
// 0 < h' <= 1 that is what makes it invertible; every w (but 0) and u are allowed. Rezende and Mohamed, "Variational inference with
// normalizing flows", 2015, equations 10 to 12 and appendix A.1.
//
// log|det dy/dx| = log(1 + w.uh*h'(w.x + b))
type Planar struct {
	c       int
	h       device.Map
	w, u, b *Param // [C], [C], [1]
}

// NewPlanar draws w and u from r: w of length 1 or so, u small.
func NewPlanar(c int, h device.Map, r *rand.Rand) *Planar {
	return &Planar{
		c: c, h: h,
		w: newParam("w", normals(c, 1/math.Sqrt(float64(c)), r), c),
		u: newParam("u", normals(c, 0.1, r), c),
		b: newParam("b", nil, 1),
	}
}

// fold makes uh and s.
func (l *Planar) fold(s *State) (uh, scale device.Buffer) {
	uh, scale = s.Scratch.Take(l.c), s.Scratch.Take(1)
	s.PlanarFold(l.c, l.w.V, l.u.V, uh, scale)
	return uh, scale
}

func (l *Planar) Forward(s *State) {
	mark := s.Scratch.Mark()
	uh, scale := l.fold(s)
	s.Planar(l.c, s.N, l.h, l.w.V, l.b.V, uh, scale, s.X(), s.LogDet)
	s.Scratch.Release(mark)
}

func (l *Planar) Inverse(s *State) {
	mark := s.Scratch.Mark()
	uh, scale := l.fold(s)
	s.PlanarInverse(l.c, s.N, l.h, l.w.V, l.b.V, uh, scale, s.X(), s.LogDet)
	s.Scratch.Release(mark)
}

func (l *Planar) Backward(s *State) {
	mark := s.Scratch.Mark()
	uh, scale := l.fold(s)
	duh, dscale := s.Scratch.Take(l.c), s.Scratch.Take(1)
	s.Fill(duh, 0)
	s.Fill(dscale, 0)
	s.PlanarBackward(l.c, s.N, l.h, l.w.V, l.b.V, uh, scale, s.X(), s.DX(), s.DLogDet, l.w.G, l.b.G, duh, dscale)
	s.PlanarFoldBackward(l.c, l.w.V, l.u.V, duh, dscale, l.w.G, l.u.G)
	s.Scratch.Release(mark)
}

func (l *Planar) Params() []*Param { return []*Param{l.w, l.u, l.b} }
