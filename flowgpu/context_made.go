package flowgpu

import (
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// givenMADE is a masked network that sees the context of a State: every hidden unit sees all of it, by its first layer, and so does what
// is said of dimension 0. The features of the context have the degree 0 then, as in the libraries zuko and nflows.
//
// The network has a dimension more, before the others and always 0. Its hidden units of degree 1 know nothing but the context, those of
// degree d+1 the context and dimensions 0 .. d-1.
type givenMADE struct {
	net  *MADE // of D+1 dimensions
	d, q int

	in, out device.Buffer // [D+1][N], [D+1][Q][N]
}

// newGivenMADE makes a network for d dimensions and e features of a context: build makes one of d+1 dimensions.
func newGivenMADE(d, e int, rest []float32, r *rand.Rand, build func(d int, rest []float32) *MADE) *givenMADE {
	q := len(rest) / d
	g := &givenMADE{net: build(d+1, append(make([]float32, q), rest...)), d: d, q: q}
	g.net.shape.Still = 1
	g.net.given = newGivenTerm(e, g.net.shape.H, r)
	return g
}

// rest is what follows the dimension before the others, in a buffer of size numbers for each dimension and sample.
func (g *givenMADE) rest(s *State, b device.Buffer, size int) device.Buffer {
	return b.Slice(size*s.N, b.Len())
}

// take makes room for input and output, and fills the input.
func (g *givenMADE) take(s *State, a *device.Arena, in device.Buffer) {
	g.in, g.out = a.Take((g.d+1)*s.N), a.Take((g.d+1)*g.q*s.N)
	s.Fill(g.in.Slice(0, s.N), 0)
	s.Copy(g.rest(s, g.in, 1), in)
}

func (g *givenMADE) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	g.take(s, a, in)
	g.net.Forward(s, a, g.in, g.out)
	s.Copy(out, g.rest(s, g.out, g.q))
}

func (g *givenMADE) invert(s *State, a *device.Arena, c device.Curve, x, params, logdet device.Buffer) {
	g.take(s, a, x)
	g.net.invert(s, a, c, g.in, g.out, logdet)
	s.Copy(x, g.rest(s, g.in, 1))
	s.Copy(params, g.rest(s, g.out, g.q))
}

// put fills the output, or its gradient: what is said of the dimension before the others has none.
func (g *givenMADE) put(s *State, out device.Buffer) {
	s.Fill(g.out.Slice(0, g.q*s.N), 0)
	s.Copy(g.rest(s, g.out, g.q), out)
}

func (g *givenMADE) Backward(s *State, in, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	dx := s.Scratch.Take(g.in.Len())
	s.Fill(dx, 0)
	s.Copy(g.rest(s, g.in, 1), in)
	g.put(s, dout)
	g.net.Backward(s, g.in, g.out, dx)
	s.Axpy(1, g.rest(s, dx, 1), din)
	s.Scratch.Release(mark)
}

func (g *givenMADE) invertBack(s *State, c device.Curve, x, params, dx device.Buffer) {
	mark := s.Scratch.Mark()
	dall := s.Scratch.Take(g.in.Len())
	s.Fill(dall.Slice(0, s.N), 0)
	s.Copy(g.rest(s, dall, 1), dx)
	s.Copy(g.rest(s, g.in, 1), x)
	g.put(s, params)
	g.net.invertBack(s, c, g.in, g.out, dall)
	s.Copy(x, g.rest(s, g.in, 1))
	s.Copy(dx, g.rest(s, dall, 1))
	s.Scratch.Release(mark)
}

func (g *givenMADE) Params() []*Param { return append(g.net.Params(), g.net.given.v) }

// givenTerm adds V^T c to the first layer of a masked network, c the context. V is kept as [E][H]: y += V^T c is then the data gradient
// of a dense layer, an op that adds. A nil term adds nothing.
type givenTerm struct {
	e, h int
	v    *Param
}

func newGivenTerm(e, h int, r *rand.Rand) *givenTerm {
	return &givenTerm{e: e, h: h, v: newParam("context.v", normals(e*h, math.Sqrt(1/float64(e)), r), e, h)}
}

func (t *givenTerm) shape(s *State) device.ConvShape {
	return device.ConvShape{Cin: t.h, Cout: t.e, K: 1, N: s.N, H: 1, W: 1}
}

// room is memory for the term, [H][N].
func (t *givenTerm) room(s *State) device.Buffer {
	if t == nil {
		return device.Buffer{}
	}
	return s.Scratch.Take(t.h * s.N)
}

// term is V^T c.
func (t *givenTerm) term(s *State) device.Buffer {
	sum := t.room(s)
	if t != nil {
		s.Fill(sum, 0)
		s.ConvBackwardData(t.shape(s), t.v.V, s.Context, sum)
	}
	return sum
}

// backward adds the gradient of V for that of the term.
func (t *givenTerm) backward(s *State, dterm device.Buffer) {
	if t != nil {
		s.ConvBackwardWeight(t.shape(s), dterm, s.Context, t.v.G, device.Buffer{})
	}
}
