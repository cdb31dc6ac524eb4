package vec

import (
	"unsafe"

	"cuflow/device"
)

// Curve is a device.Curve as its passes want it.
type Curve struct {
	device.Curve
	Stride int // parameter j of column i is params[j*Stride+i]

	consts [curveConsts]float32
	work   []float32 // scratch memory of assembly, on a 64-byte boundary
}

// CurvePass takes neighbouring columns of one channel through a device.Curve. x is y on the way back. d is, by pass:
//
//	forward, inverse           log dy/dx at x, which the pass leaves
//	backward, inverseBackward  the gradient that comes in, and the one that goes out; params become theirs
type CurvePass func(c *Curve, params, x, d []float32)

// CurvePasses are those of one kind of curve. Where an instruction set has none they are nil: the plain loops are those of
// package cpufallback, which knows what a kind of curve is.
type CurvePasses struct{ Forward, Inverse, Backward, InverseBackward CurvePass }

// curveKinds is how many kinds of curves there are.
const curveKinds = device.GaussianMixture + 1

// What assembly needs of scratch memory, in registers: slots, constants, and rows of a value for every bin of two strips of columns.
// ../gen/vec has the same map.
const (
	curveSlots     = 96
	curveConsts    = 13
	curveRows      = 7
	curveRowLength = 69
	curveRegister  = 16 // float32s in a register
	curveWork      = (curveSlots + curveConsts + 2*curveRows*curveRowLength) * curveRegister
)

// Set makes c ready for passes over rows of a stride. dld is the gradient of every log-determinant, 0 where none is asked for.
func (c *Curve) Set(of device.Curve, stride int, dld float32) {
	if c.work == nil {
		c.work = aligned(curveWork)
	}
	lo, size := of.Span()
	k := float32(of.K)
	fixed0, fixed1, wrap := float32(-1), float32(-1), float32(-2)
	switch of.On {
	case device.Tails:
		fixed0, fixed1 = 0, k-1
	case device.Circle:
		wrap = k - 1
	}
	rest := float32(1 - float64(of.K)*device.MinBin)
	c.Curve, c.Stride = of, stride
	c.consts = [curveConsts]float32{lo, lo + size, size * device.MinBin, size * rest, of.Scale * size * rest, of.Scale,
		k - 1, fixed0, fixed1, wrap, dld, size / k, k / size}
}

// aligned is n float32s on a 64-byte boundary.
func aligned(n int) []float32 {
	const line = 16
	x := make([]float32, n+line-1)
	from := int(-uintptr(unsafe.Pointer(&x[0])) / 4 % line)
	return x[from:][:n:n]
}

// curveAssembly is a pass in assembly.
type curveAssembly func(params, x, d []float32, stride, k, knots int, c *[curveConsts]float32, work []float32)

func (f curveAssembly) pass(c *Curve, params, x, d []float32) {
	f(params, x, d, c.Stride, c.K, c.Knots(), &c.consts, c.work)
}

func curvePasses(forward, inverse, backward, inverseBackward curveAssembly) CurvePasses {
	return CurvePasses{forward.pass, inverse.pass, backward.pass, inverseBackward.pass}
}
