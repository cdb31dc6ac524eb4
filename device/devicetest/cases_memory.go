package devicetest

import (
	"fmt"
	"math"

	"cuflow/device"
)

func memoryCases() []Case {
	var cs []Case
	for _, n := range sizes {
		cs = append(cs, memoryCasesOf(n, false)...)
	}
	cs = append(cs, memoryCasesOf(1<<18+1, true)...)
	return append(cs, nonFiniteCases()...)
}

func memoryCasesOf(n int, bench bool) []Case {
	name := fmt.Sprintf("n=%d", n)
	unit := normal(0.1, 1)
	return []Case{{
		Method: "Fill", Name: name, Bench: bench, Tol: exact,
		Operands: []Operand{out("x", n).anyLength()},
		Call:     func(be device.Backend, o []device.Buffer) { be.Fill(o[0], 1.25) },
	}, {
		Method: "Copy", Name: name, Bench: bench, Tol: exact,
		Operands: []Operand{out("dst", n), in("src", n, unit)},
		Call:     func(be device.Backend, o []device.Buffer) { be.Copy(o[0], o[1]) },
	}, {
		Method: "Axpy", Name: name, Bench: bench, Flops: int64(2 * n),
		Tol:      few(2, "a product and a sum, fused or not"),
		Operands: []Operand{in("x", n, unit), both("y", n, unit)},
		Call:     func(be device.Backend, o []device.Buffer) { be.Axpy(-0.7, o[0], o[1]) },
	}, {
		Method: "Sum", Name: name, Bench: bench, Flops: int64(n), Tol: sumOf(n),
		Operands: []Operand{in("x", n, unit).anyLength(), out("out", 1)},
		Call:     func(be device.Backend, o []device.Buffer) { be.Sum(0.3, o[0], o[1]) },
	}, {
		Method: "SumSquares", Name: name, Bench: bench, Flops: int64(2 * n), Tol: sumOf(n),
		Operands: []Operand{in("x", n, unit).anyLength(), out("out", 1)},
		Call:     func(be device.Backend, o []device.Buffer) { be.SumSquares(o[0], o[1]) },
	}, {
		Method: "AddSum", Name: name + " to 5", Tol: sumOf(n),
		Operands: []Operand{in("v", n, unit).anyLength(), both("out", 5, unit).anyLength()},
		Call:     func(be device.Backend, o []device.Buffer) { be.AddSum(16, o[0], o[1]) },
	}, {
		Method: "AddSum", Name: "3 to " + name, Bench: bench, Tol: sumOf(3),
		Operands: []Operand{in("v", 3, unit).anyLength(), both("out", n, unit).anyLength()},
		Call:     func(be device.Backend, o []device.Buffer) { be.AddSum(16, o[0], o[1]) },
	}, {
		Method: "MaxAbsDiff", Name: name, Bench: bench, Tol: few(1, "one subtraction"),
		Operands: []Operand{in("x", n, unit), in("y", n, unit), both("out", 1, values(0.5))},
		Call:     maxAbsDiffCall,
	}}
}

func maxAbsDiffCall(be device.Backend, o []device.Buffer) { be.MaxAbsDiff(o[0], o[1], o[2]) }

// nonFiniteCases: a NaN anywhere must not be lost on the way to the host.
func nonFiniteCases() []Case {
	var cs []Case
	nan, inf := math.NaN(), math.Inf(1)
	unit := normal(0, 1)
	for _, n := range []int{1, 33, 1000} {
		for _, special := range []float64{nan, inf, -inf} {
			name := fmt.Sprintf("n=%d with %v", n, special)
			cs = append(cs, Case{
				Method: "Sum", Name: name, Tol: exact,
				Operands: []Operand{in("x", n, with(special, unit)).anyLength(), out("out", 1)},
				Call:     func(be device.Backend, o []device.Buffer) { be.Sum(0.3, o[0], o[1]) },
			}, Case{
				Method: "SumSquares", Name: name, Tol: exact,
				Operands: []Operand{in("x", n, with(special, unit)).anyLength(), out("out", 1)},
				Call:     func(be device.Backend, o []device.Buffer) { be.SumSquares(o[0], o[1]) },
			}, Case{
				Method: "MaxAbsDiff", Name: name + " in x", Tol: exact,
				Operands: []Operand{in("x", n, with(special, unit)), in("y", n, unit), both("out", 1, values(0.5))},
				Call:     maxAbsDiffCall,
			}, Case{
				Method: "MaxAbsDiff", Name: name + " in y", Tol: exact,
				Operands: []Operand{in("x", n, unit), in("y", n, with(special, unit)), both("out", 1, values(0.5))},
				Call:     maxAbsDiffCall,
			})
		}
		cs = append(cs, Case{
			Method: "MaxAbsDiff", Name: fmt.Sprintf("n=%d below out", n), Tol: exact,
			Operands: []Operand{in("x", n, unit), in("y", n, unit), both("out", 1, values(100))},
			Call:     maxAbsDiffCall,
		}, Case{
			Method: "MaxAbsDiff", Name: fmt.Sprintf("n=%d Inf-Inf", n), Tol: exact,
			Operands: []Operand{in("x", n, with(inf, unit)), in("y", n, with(inf, unit)), both("out", 1, values(0.5))},
			Call:     maxAbsDiffCall,
		}, Case{
			Method: "SumSquares", Name: fmt.Sprintf("n=%d overflows", n), Tol: exact,
			Operands: []Operand{in("x", n, with(1e30, unit)).anyLength(), out("out", 1)},
			Call:     func(be device.Backend, o []device.Buffer) { be.SumSquares(o[0], o[1]) },
		})
	}
	return cs
}
