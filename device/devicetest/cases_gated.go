package devicetest

import (
	"fmt"
	"math/rand/v2"

	"cuflow/device"
)

func dropoutCases() []Case {
	var cs []Case
	add := func(r device.Rows, rate float32, rng device.Stream, at maker, bench bool) {
		cs = append(cs, Case{
			Method: "Dropout", Name: fmt.Sprintf("%s rate %v", rowsName(r), rate), Bench: bench, wanes: bench,
			Tol:      few(2, "the scale and a product; what is left out is the same everywhere, as the stream is"),
			Operands: []Operand{in("at", 2, at), both("x", r.Len(), normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.Dropout(r, rate, rng, o[0], o[1]) },
		})
	}
	rates := []float32{0.5, 0.1, 0, 0.97}
	for i, r := range rowShapes {
		add(r, rates[i%len(rates)], device.Stream{Seed: 0xfedcba9876543210 >> i, ID: uint32(i) * 0x9e3779b9}, values(float64(7*i), float64(1000*i)), false)
	}
	add(device.Rows{C: 512, N: 512, P: 1}, 0.1, device.Stream{Seed: 42, ID: 3}, values(9, 128), true)
	add(device.Rows{C: 96, N: 64, P: 64}, 0.2, device.Stream{Seed: 42, ID: 3}, values(9, 128), true)
	return cs
}

func gateCases() []Case {
	var cs []Case
	add := func(n int, name string, b maker, bench bool) {
		ab := func(r *rand.Rand, x []float32) {
			normal(0, 1)(r, x[:n])
			b(r, x[n:])
		}
		cs = append(cs, Case{
			Method: "Gate", Name: name, Bench: bench, Tol: few(8, "a sigmoid to some ulps, a product and a sum"),
			Operands: []Operand{in("ab", 2*n, ab), both("x", n, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.Gate(o[0], o[1]) },
		}, Case{
			Method: "GateBackward", Name: name, Bench: bench, wanes: bench,
			Tol:      few(8, "a sigmoid to some ulps, the difference 1-s of which 1/2 ulp of 1 is lost, and three products"),
			Operands: []Operand{both("ab", 2*n, ab), in("dx", n, normal(0, 1))},
			Call:     func(be device.Backend, o []device.Buffer) { be.GateBackward(o[0], o[1]) },
		})
	}
	for _, n := range sizes {
		add(n, fmt.Sprintf("n=%d", n), normal(0, 3), false)
	}
	add(200, "saturated", values(-200, -90, -20, 0, 20, 90, 200), false)
	add(96*64*64, "n=96x64x64", normal(0, 1), true)
	return cs
}
