package flowgpu

import (
	"math/rand/v2"

	"cuflow/device"
)

// reflections are an orthogonal matrix: Q = H_1 ... H_K, H = I - 2 v v^T/|v|^2. C of them reach every orthogonal matrix whose
// determinant is (-1)^C.
type reflections struct {
	c, k int
	v    *Param // [K][C]
}

// NewHouseholder is y = Q x of k reflections in directions drawn from r. Its log-determinant is 0.
func NewHouseholder(c, k int, r *rand.Rand) *Linear {
	return &Linear{c: c, w: newReflections(c, k, r)}
}

func newReflections(c, k int, r *rand.Rand) *reflections {
	return &reflections{c: c, k: k, v: newParam("v", normals(k*c, 1, r), k, c)}
}

// normals are n numbers of N(0, std^2).
func normals(n int, std float64, r *rand.Rand) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(std * r.NormFloat64())
	}
	return x
}

// compose gives Q and Q^T, which is its inverse.
func (q *reflections) compose(s *State) (w, winv device.Buffer) {
	w = s.Scratch.Take(q.c * q.c)
	s.Householder(q.c, q.c, q.k, q.v.V, w)
	return w, transpose(s, q.c, w)
}

func (q *reflections) backward(s *State, dw device.Buffer) {
	w, _ := q.compose(s)
	s.HouseholderBackward(q.c, q.c, q.k, q.v.V, w, dw, q.v.G)
}

func (q *reflections) logScales() *Param { return nil }
func (q *reflections) Params() []*Param  { return []*Param{q.v} }
