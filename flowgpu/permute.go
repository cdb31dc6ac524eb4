package flowgpu

import "math/rand/v2"

// Permutation reorders the channels: y[c] = x[perm[c]]. Its log-determinant is 0.
type Permutation struct {
	c             int
	perm, inverse *Param // [C], fixed
}

// NewReverse turns the order of the channels round (Dinh et al., "RealNVP", 2017).
func NewReverse(c int) *Permutation {
	perm := make([]int, c)
	for i := range perm {
		perm[i] = c - 1 - i
	}
	return newPermutation(perm)
}

// NewShuffle draws a fixed random order from r.
func NewShuffle(c int, r *rand.Rand) *Permutation { return newPermutation(r.Perm(c)) }

func newPermutation(perm []int) *Permutation {
	c := len(perm)
	p, q := make([]float32, c), make([]float32, c)
	for i, j := range perm {
		p[i] = float32(j)
		q[j] = float32(i)
	}
	return &Permutation{c: c, perm: newFixed("perm", p, c), inverse: newFixed("inverse", q, c)}
}

func (l *Permutation) Forward(s *State) {
	mark := s.Scratch.Mark()
	y := s.Scratch.Take(s.X().Len())
	s.Permute(l.c, s.M(), l.perm.V, s.X(), y)
	s.Copy(s.X(), y)
	s.Scratch.Release(mark)
}

func (l *Permutation) Inverse(s *State) {
	mark := s.Scratch.Mark()
	x := s.Scratch.Take(s.X().Len())
	s.Permute(l.c, s.M(), l.inverse.V, s.X(), x)
	s.Copy(s.X(), x)
	s.Scratch.Release(mark)
}

func (l *Permutation) Backward(s *State) {
	l.Inverse(s)
	mark := s.Scratch.Mark()
	dx := s.Scratch.Take(s.DX().Len())
	s.Permute(l.c, s.M(), l.inverse.V, s.DX(), dx)
	s.Copy(s.DX(), dx)
	s.Scratch.Release(mark)
}

func (l *Permutation) Params() []*Param { return []*Param{l.perm, l.inverse} }
