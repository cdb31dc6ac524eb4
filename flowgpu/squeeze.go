package flowgpu

// Squeeze trades space for channels: each 2x2 block of pixels becomes four channels, 4c+2u+v for the pixel in row u and
// column v of the block (the order of PyTorch's pixel_unshuffle). Dinh et al., "RealNVP", 2017, section 3.6. Its
// log-determinant is 0.
type Squeeze struct{}

func (Squeeze) Forward(s *State) {
	mark := s.Scratch.Mark()
	y := s.Scratch.Take(s.X().Len())
	s.Squeeze(s.C, s.N, s.H, s.W, s.X(), y)
	s.Copy(s.X(), y)
	s.C, s.H, s.W = 4*s.C, s.H/2, s.W/2
	s.Scratch.Release(mark)
}

func (Squeeze) Inverse(s *State) {
	mark := s.Scratch.Mark()
	s.C, s.H, s.W = s.C/4, 2*s.H, 2*s.W
	x := s.Scratch.Take(s.X().Len())
	s.Unsqueeze(s.C, s.N, s.H, s.W, s.X(), x)
	s.Copy(s.X(), x)
	s.Scratch.Release(mark)
}

func (l Squeeze) Backward(s *State) {
	l.Inverse(s)
	mark := s.Scratch.Mark()
	dx := s.Scratch.Take(s.DX().Len())
	s.Unsqueeze(s.C, s.N, s.H, s.W, s.DX(), dx)
	s.Copy(s.DX(), dx)
	s.Scratch.Release(mark)
}

func (Squeeze) Params() []*Param { return nil }
