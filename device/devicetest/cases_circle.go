package devicetest

import (
	"fmt"

	"cuflow/device"
)

// circleCases stay away from pi itself, where a rounding is a whole turn.
func circleCases() []Case {
	var cs []Case
	for _, n := range append(sizes[:], 32*512) {
		name, bench := fmt.Sprintf("n=%d", n), n > 1000
		cs = append(cs, Case{
			Method: "Wrap", Name: name, Bench: bench,
			Tol:      Tol{Rel: 2 * ulp, Abs: 8 * ulp, Why: "whole turns are taken away in float32: some ulps of pi"},
			Operands: []Operand{both("x", n, values(-9.5, -3.2, -3.1, -1, 0, 0.7, 3.1, 3.2, 6, 12, 15.5)).anyLength()},
			Call:     func(be device.Backend, o []device.Buffer) { be.Wrap(o[0]) },
		}, Case{
			Method: "Angles", Name: name, Bench: bench, Tol: few(8, "the angle in half turns is rounded, and a cosine and a sine are good to some ulps of 1"),
			Operands: []Operand{in("x", n, normal(0, 1)), out("y", 2*n)},
			Call:     func(be device.Backend, o []device.Buffer) { be.Angles(o[0], o[1]) },
		}, Case{
			Method: "AnglesBackward", Name: name, Bench: bench, Tol: few(4, "two products and two sums"),
			Operands: []Operand{in("y", 2*n, normal(0, 1)), in("dy", 2*n, normal(0, 1)), both("dx", n, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.AnglesBackward(o[0], o[1], o[2]) },
		})
	}
	return cs
}
