package flowgpu

import "cuflow/device"

// Flatten makes a vector of every image: channels and pixels become D channels of one pixel, c*P+p. Its log-determinant
// is 0.
type Flatten struct{ c, h, w int }

func (l Flatten) Forward(s *State) {
	mark := s.Scratch.Mark()
	y := s.Scratch.Take(s.X().Len())
	s.Flatten(device.Rows{C: s.C, N: s.N, P: s.P()}, s.X(), y)
	s.Copy(s.X(), y)
	s.C, s.H, s.W = l.c*l.h*l.w, 1, 1
	s.Scratch.Release(mark)
}

func (l Flatten) Inverse(s *State) {
	s.C, s.H, s.W = l.c, l.h, l.w
	l.unflatten(s, s.X())
}

func (l Flatten) Backward(s *State) {
	l.Inverse(s)
	l.unflatten(s, s.DX())
}

func (l Flatten) unflatten(s *State, y device.Buffer) {
	mark := s.Scratch.Mark()
	x := s.Scratch.Take(y.Len())
	s.Unflatten(device.Rows{C: l.c, N: s.N, P: l.h * l.w}, y, x)
	s.Copy(y, x)
	s.Scratch.Release(mark)
}

func (Flatten) Params() []*Param { return nil }
