package flowgpu

import "cuflow/device"

// Param is one array of a layer. The model lays the trained ones out in one allocation, their gradients in another and
// the fixed ones in a third, in the order of the layers; V and G are views into them.
type Param struct {
	Name  string
	Shape []int
	Fixed bool // not trained: permutations, signs

	// FromData marks a parameter that a first batch of data sets (actnorm). Done says that this has happened; the flag is part of
	// the checkpoint, so that loading a model never initialises it again.
	FromData, Done bool

	V, G device.Buffer // value and gradient; a fixed parameter has no gradient

	// blank is given where a net computes the gradient of all of its parameters at once. It says that they hold nothing yet, so that the net sets
	// them, whatever is in their memory, and does not add to them; it is then false.
	blank *bool

	start []float32        // initial value, until it is uploaded; nil is 0
	later func() []float32 // makes start when it is uploaded: what is large is not made where a model is only counted
}

// Len is the number of values.
func (p *Param) Len() int {
	n := 1
	for _, d := range p.Shape {
		n *= d
	}
	return n
}

func newParam(name string, start []float32, shape ...int) *Param {
	return &Param{Name: name, Shape: shape, start: start}
}

func newFixed(name string, start []float32, shape ...int) *Param {
	return &Param{Name: name, Shape: shape, start: start, Fixed: true}
}

// newState is a fixed parameter of n equal values: a running average that training moves, or a constant.
func newState(name string, v float32, n int) *Param { return newFixed(name, constant(v, n), n) }

func constant(v float32, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = v
	}
	return x
}
