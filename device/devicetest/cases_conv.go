package devicetest

import (
	"fmt"
	"math"

	"cuflow/device"
)

// convShapes are small and awkward: odd and even, one pixel, one line, one column, images smaller than the kernel, sums
// around the widths of registers, no sample at all.
var convShapes = []device.ConvShape{
	{Cin: 1, Cout: 1, K: 1, N: 1, H: 1, W: 1},
	{Cin: 2, Cout: 3, K: 1, N: 2, H: 3, W: 5},
	{Cin: 5, Cout: 7, K: 1, N: 1, H: 4, W: 4},
	{Cin: 8, Cout: 8, K: 1, N: 3, H: 4, W: 4},
	{Cin: 16, Cout: 17, K: 1, N: 5, H: 1, W: 1},
	{Cin: 33, Cout: 32, K: 1, N: 31, H: 1, W: 1},
	{Cin: 31, Cout: 1, K: 1, N: 33, H: 1, W: 1},
	{Cin: 1, Cout: 33, K: 1, N: 32, H: 1, W: 1},
	{Cin: 64, Cout: 48, K: 1, N: 1000, H: 1, W: 1},
	{Cin: 520, Cout: 5, K: 1, N: 9, H: 1, W: 1},
	{Cin: 4, Cout: 6, K: 1, N: 0, H: 2, W: 2},

	{Cin: 1, Cout: 1, K: 3, N: 1, H: 1, W: 1},
	{Cin: 2, Cout: 3, K: 3, N: 2, H: 3, W: 5},
	{Cin: 3, Cout: 2, K: 3, N: 1, H: 5, W: 3},
	{Cin: 5, Cout: 7, K: 3, N: 3, H: 2, W: 2},
	{Cin: 8, Cout: 8, K: 3, N: 4, H: 4, W: 4},
	{Cin: 7, Cout: 16, K: 3, N: 1, H: 1, W: 9},
	{Cin: 16, Cout: 5, K: 3, N: 2, H: 9, W: 1},
	{Cin: 17, Cout: 33, K: 3, N: 2, H: 7, W: 6},
	{Cin: 32, Cout: 12, K: 3, N: 3, H: 5, W: 8},
	{Cin: 3, Cout: 4, K: 3, N: 1, H: 17, W: 33},
	{Cin: 520, Cout: 2, K: 3, N: 2, H: 3, W: 4},
	{Cin: 2, Cout: 36, K: 3, N: 3, H: 4, W: 6},
	{Cin: 60, Cout: 16, K: 3, N: 1, H: 4, W: 3},
	{Cin: 6, Cout: 2, K: 3, N: 2, H: 16, W: 20},
	{Cin: 4, Cout: 6, K: 3, N: 0, H: 4, W: 4},
}

// conditioner is three layers as a coupling has them.
type conditioner struct {
	name                 string
	n, h, w              int
	kernel               int // of the first and the last layer; the middle one has 1
	input, width, output int
}

var conditioners = []conditioner{
	{"glow-digits 4x4", 64, 4, 4, 3, 2, 64, 4},
	{"glow-digits 2x2", 64, 2, 2, 3, 4, 64, 8},
	{"glow-mnist 16x16", 64, 16, 16, 3, 2, 128, 4},
	{"glow-mnist 8x8", 64, 8, 8, 3, 4, 128, 8},
	{"glow-mnist 4x4", 64, 4, 4, 3, 8, 128, 16},
	{"dense", 256, 1, 1, 1, 32, 128, 64},
}

func convCases() []Case {
	var cs []Case
	for _, s := range convShapes {
		name := convName(s)
		cs = append(cs,
			convForwardCase(name+" bias ReLU", s, device.ReLU, true),
			convForwardCase(name+" bias", s, device.NoAct, true),
			convForwardCase(name+" ReLU", s, device.ReLU, false),
			convForwardCase(name, s, device.NoAct, false),
			convBackwardDataCase(name, s),
			convBackwardActCase(name+" ReLU", s, device.ReLU),
			convBackwardActCase(name, s, device.NoAct),
			convBackwardWeightCase(name+" bias", s, true),
			convBackwardWeightCase(name, s, false),
		)
	}
	for _, c := range conditioners {
		for _, k := range c.cases() {
			k.Bench = true
			cs = append(cs, k)
		}
	}
	return cs
}

// cases are the calls of one training step through the conditioner.
func (c conditioner) cases() []Case {
	first := device.ConvShape{Cin: c.input, Cout: c.width, K: c.kernel, N: c.n, H: c.h, W: c.w}
	middle := device.ConvShape{Cin: c.width, Cout: c.width, K: 1, N: c.n, H: c.h, W: c.w}
	last := device.ConvShape{Cin: c.width, Cout: c.output, K: c.kernel, N: c.n, H: c.h, W: c.w}
	name := func(s device.ConvShape) string { return c.name + " " + convName(s) }
	return []Case{
		convForwardCase(name(first), first, device.ReLU, true),
		convForwardCase(name(middle), middle, device.ReLU, true),
		convForwardCase(name(last), last, device.NoAct, true),
		convBackwardWeightCase(name(last), last, true),
		convBackwardActCase(name(last), last, device.ReLU),
		convBackwardWeightCase(name(middle), middle, true),
		convBackwardActCase(name(middle), middle, device.ReLU),
		convBackwardWeightCase(name(first), first, true),
		convBackwardDataCase(name(first), first),
	}
}

func convName(s device.ConvShape) string {
	return fmt.Sprintf("%d->%d k%d n%d %dx%d", s.Cin, s.Cout, s.K, s.N, s.H, s.W)
}

// weightsFor keeps outputs near 1 for inputs near 1.
func weightsFor(sumLength, n int) Operand {
	return in("w", n, normal(0, 1/math.Sqrt(float64(sumLength))))
}

func convForwardCase(name string, s device.ConvShape, act device.Act, bias bool) Case {
	b := absent("b")
	if bias {
		b = in("b", s.Cout, normal(0, 1))
	}
	terms := s.Cin * s.K * s.K
	return Case{
		Method: "ConvForward", Name: name, Flops: s.Flops(), Tol: sumOf(terms),
		Operands: []Operand{weightsFor(terms, s.Weights()), b, in("x", s.Cin*s.M(), normal(0.2, 1)), out("y", s.Cout*s.M())},
		Call:     func(be device.Backend, o []device.Buffer) { be.ConvForward(s, act, o[0], o[1], o[2], o[3]) },
	}
}

func convBackwardDataCase(name string, s device.ConvShape) Case {
	terms := s.Cout * s.K * s.K
	return Case{
		Method: "ConvBackwardData", Name: name, Flops: s.Flops(), Tol: sumOf(terms),
		Operands: []Operand{
			weightsFor(terms, s.Weights()), in("dy", s.Cout*s.M(), normal(0.2, 1)), both("dx", s.Cin*s.M(), normal(0, 1)),
		},
		Call: func(be device.Backend, o []device.Buffer) { be.ConvBackwardData(s, o[0], o[1], o[2]) },
	}
}

func convBackwardActCase(name string, s device.ConvShape, act device.Act) Case {
	terms := s.Cout * s.K * s.K
	h := normal(0, 1)
	if act == device.ReLU {
		h = rectified()
	}
	return Case{
		Method: "ConvBackwardAct", Name: name, Flops: s.Flops(), Tol: sumOf(terms),
		Operands: []Operand{
			weightsFor(terms, s.Weights()), in("dy", s.Cout*s.M(), normal(0.2, 1)), both("h", s.Cin*s.M(), h),
		},
		Call: func(be device.Backend, o []device.Buffer) { be.ConvBackwardAct(s, act, o[0], o[1], o[2]) },
	}
}

func convBackwardWeightCase(name string, s device.ConvShape, bias bool) Case {
	db := absent("db")
	if bias {
		db = both("db", s.Cout, normal(0, 1))
	}
	return Case{
		Method: "ConvBackwardWeight", Name: name, Flops: s.Flops(), Tol: sumOf(s.M()),
		Operands: []Operand{
			in("x", s.Cin*s.M(), normal(0.2, 1)), in("dy", s.Cout*s.M(), normal(0.2, 1)), both("dw", s.Weights(), normal(0, 1)), db,
		},
		Call: func(be device.Backend, o []device.Buffer) { be.ConvBackwardWeight(s, o[0], o[1], o[2], o[3]) },
	}
}

func rowScaleCases() []Case {
	var cs []Case
	for _, d := range []struct{ rows, cols int }{{0, 9}, {1, 1}, {2, 9}, {7, 31}, {32, 32}, {33, 33}, {5, 1000}, {128, 128}} {
		n := d.rows * d.cols
		name := fmt.Sprintf("%dx%d", d.rows, d.cols)
		bench := n >= 1<<14
		cs = append(cs, Case{
			Method: "RowScale", Name: name, Bench: bench, Tol: few(4, "one exponential of a small number and one product"),
			Operands: []Operand{
				in("logs", d.rows, normal(0, 0.5)), in("w", n, normal(0, 1)), in("b", d.rows, normal(0, 1)), out("wf", n), out("bf", d.rows),
			},
			Call: func(be device.Backend, o []device.Buffer) { be.RowScale(d.rows, d.cols, o[0], o[1], o[2], o[3], o[4]) },
		}, Case{
			Method: "RowScaleBackward", Name: name, Bench: bench, Tol: sumOf(d.cols + 1),
			Operands: []Operand{
				in("logs", d.rows, normal(0, 0.5)), in("wf", n, normal(0, 1)), in("bf", d.rows, normal(0, 1)),
				in("dwf", n, normal(0, 1)), in("dbf", d.rows, normal(0, 1)),
				both("dw", n, normal(0, 1)), both("db", d.rows, normal(0, 1)), both("dlogs", d.rows, normal(0, 1)),
			},
			Call: func(be device.Backend, o []device.Buffer) {
				be.RowScaleBackward(d.rows, d.cols, o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7])
			},
		})
	}
	return cs
}
