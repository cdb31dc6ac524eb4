// Package smooth holds what continuous flows do between their products: activations of samples together with the derivatives along
// their tangents, and the way back, which takes second derivatives. Every kernel exists as a plain Go loop (generic.go), and in
// assembly written by ../gen/vec for AVX2 and AVX-512.
package smooth

import "cuflow/device"

// Kernels are the loops of one instruction set. A row is len(gate) units, a whole number of registers; raw, x and dx are the rows of
// samples, then those of their first tangents, then those of their second, ...
type Kernels struct {
	// Bend: x = act(gate*raw + shift) of samples, x = act'*gate*raw of tangents.
	Bend [acts]func(raw, x, gate, shift []float32, samples, tangents int)
	// BendBackward: for the gradient dx of Bend's x, dy becomes that of raw, and those of gate and shift are added to. dy is in panels, as package
	// gemm takes a right factor: a register's worth of units of every row, one panel stride floats behind the other.
	BendBackward [acts]func(raw, dx, dy, gate, shift, dgate, dshift []float32, samples, tangents, stride int)
	// Pair: h = act(a), th = act'(a)*u; PairBackward: dh = act'(a)*dh + act''(a)*u*dth, dth = act'(a)*dth. Of a length of any kind.
	Pair         [Linear]func(a, u, h, th []float32)
	PairBackward [Linear]func(a, u, dh, dth []float32)
}

// Linear is no activation, as behind a network's last layer: it follows those of device.Smooth.
const Linear = device.SmoothSiLU + 1

const acts = Linear + 1

// For gives the kernels of an instruction set; of one that has none of its own the plain loops. lanes are those of its registers.
func For(isa string, lanes int) *Kernels {
	if k := assembly(isa); k != nil {
		return k
	}
	return generic(lanes)
}
