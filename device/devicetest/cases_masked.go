package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"cuflow/device"
)

// maskedShapes are few and many units for each degree, degrees without a unit, one value and several for each dimension, no sample.
var maskedShapes = []device.Masked{
	{D: 2, H: 1, Q: 1, N: 1}, {D: 2, H: 7, Q: 2, N: 33}, {D: 5, H: 3, Q: 3, N: 31}, {D: 4, H: 13, Q: 2, N: 5},
	{D: 33, H: 40, Q: 2, N: 32}, {D: 21, H: 100, Q: 5, N: 130}, {D: 3, H: 8, Q: 2, N: 0},
}

var maskedLayers = []struct {
	device.MaskedLayer
	name string
}{{device.MaskedFirst, "first"}, {device.MaskedHidden, "hidden"}, {device.MaskedLast, "last"}}

func maskedCases() []Case {
	var cs []Case
	for _, s := range maskedShapes {
		for _, l := range maskedLayers {
			s.Layer = l.MaskedLayer
			cs = append(cs, maskedLayerCases(s, l.name)...)
			degrees := []int{0, 1, s.D / 2, s.D - 1}
			slices.Sort(degrees)
			for _, d := range slices.Compact(degrees) {
				cs = append(cs, maskedStepCase(s, l.name, d))
				if d > 0 {
					cs = append(cs, maskedBackwardStepCase(s, l.name, d))
				}
			}
		}
	}
	for _, l := range []int{0, 2} { // sums in parts, one way and the other
		deep := device.Masked{Layer: maskedLayers[l].MaskedLayer, D: 2, H: 1100, Q: 2, N: 17}
		cs = append(cs, maskedLayerCases(deep, maskedLayers[l].name)...)
	}
	for _, l := range maskedLayers {
		s := device.Masked{Layer: l.MaskedLayer, D: 63, H: 256, Q: 2, N: 256}
		for _, c := range maskedLayerCases(s, l.name) {
			c.Bench = true
			cs = append(cs, c)
		}
	}
	wide := device.Masked{Layer: device.MaskedHidden, D: 63, H: 256, Q: 2, N: 256}
	for _, c := range []Case{maskedStepCase(wide, "hidden", 32), maskedBackwardStepCase(wide, "hidden", 32)} {
		c.Bench = true
		cs = append(cs, c)
	}
	return cs
}

func maskedName(s device.Masked, layer string) string {
	return fmt.Sprintf("%s d%d h%d q%d n%d", layer, s.D, s.H, s.Q, s.N)
}

func maskedLayerCases(s device.Masked, layer string) []Case {
	name, terms := maskedName(s, layer), (s.Cin()+1)/2
	w := in("w", s.Weights(), normal(0, 1/math.Sqrt(float64(terms))))
	b := in("b", s.Cout(), normal(0, 1))
	x, y := s.Cin()*s.N, s.Cout()*s.N
	forward := func(name string, act device.Act) Case {
		return Case{
			Method: "MaskedForward", Name: name, Flops: s.Flops(), Tol: sumOf(s.Cin()),
			Operands: []Operand{w, b, in("x", x, normal(0.2, 1)), out("y", y)},
			Call:     func(be device.Backend, o []device.Buffer) { be.MaskedForward(s, act, o[0], o[1], o[2], o[3]) },
		}
	}
	gate := func(name string, act device.Act) Case {
		return Case{
			Method: "MaskedBackwardAct", Name: name, Flops: s.Flops(), Tol: sumOf(s.Cout()),
			Operands: []Operand{w, in("dy", y, normal(0, 1)), both("h", x, rectified())},
			Call:     func(be device.Backend, o []device.Buffer) { be.MaskedBackwardAct(s, act, o[0], o[1], o[2]) },
		}
	}
	return []Case{
		forward(name+" ReLU", device.ReLU), forward(name, device.NoAct), gate(name+" ReLU", device.ReLU), gate(name, device.NoAct),
		{
			Method: "MaskedBackwardData", Name: name, Flops: s.Flops(), Tol: sumOf(s.Cout()),
			Operands: []Operand{w, in("dy", y, normal(0, 1)), both("dx", x, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.MaskedBackwardData(s, o[0], o[1], o[2]) },
		}, {
			Method: "MaskedBackwardWeight", Name: name, Flops: s.Flops(), Tol: sumOf(s.N),
			Operands: []Operand{in("x", x, normal(0.2, 1)), in("dy", y, normal(0, 1)), both("dw", s.Weights(), normal(0, 1)), both("db", s.Cout(), normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.MaskedBackwardWeight(s, o[0], o[1], o[2], o[3]) },
		},
	}
}

// maskedBackwardStepCase has not-a-numbers where gradients are not known yet.
func maskedBackwardStepCase(s device.Masked, layer string, d int) Case {
	unknown := s.BackwardStepStart(d) * s.N
	dy := func(r *rand.Rand, x []float32) {
		normal(0, 1)(r, x)
		for i := range x[:unknown] {
			x[i] = float32(math.NaN())
		}
	}
	return Case{
		Method: "MaskedBackwardStep", Name: fmt.Sprintf("%s of %d", maskedName(s, layer), d), Flops: s.BackwardStepFlops(d), Tol: sumOf(s.Cout()),
		Operands: []Operand{in("w", s.Weights(), normal(0, 1/math.Sqrt(float64(s.Cin())))), in("dy", s.Cout()*s.N, dy), both("h", s.Cin()*s.N, rectified())},
		Call: func(be device.Backend, o []device.Buffer) {
			be.MaskedBackwardStep(s, d, device.Act(d%2), o[0], o[1], o[2])
		},
	}
}

// maskedStepCase has not-a-numbers where inputs are not known yet.
func maskedStepCase(s device.Masked, layer string, d int) Case {
	known := s.StepReach(d) * s.N
	x := func(r *rand.Rand, x []float32) {
		normal(0.2, 1)(r, x)
		for i := known; i < len(x); i++ {
			x[i] = float32(math.NaN())
		}
	}
	return Case{
		Method: "MaskedStep", Name: fmt.Sprintf("%s of %d", maskedName(s, layer), d), Flops: s.StepFlops(d), Tol: sumOf(s.Cin()),
		Operands: []Operand{in("w", s.Weights(), normal(0, 1/math.Sqrt(float64(s.Cin())))), in("b", s.Cout(), normal(0, 1)), in("x", s.Cin()*s.N, x),
			both("y", s.Cout()*s.N, normal(0, 1))},
		Call: func(be device.Backend, o []device.Buffer) { be.MaskedStep(s, d, device.ReLU, o[0], o[1], o[2], o[3]) },
	}
}
