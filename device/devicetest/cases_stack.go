package devicetest

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"cuflow/device"
)

// stackShape is images, the kernel size of the ends (between them it is 1) and the channels from the first unit's input on.
type stackShape struct {
	device.Images
	kernel   int
	channels []int
}

// stackShapes are two units and more, hidden channels in whole groups of what kernels take at a time and not, images that fill up
// vectors together and that do not, more columns than a backend may take at a time, no sample.
var stackShapes = []stackShape{
	{device.Images{N: 1, H: 1, W: 1}, 1, []int{1, 4, 1}},
	{device.Images{N: 33, H: 1, W: 1}, 1, []int{3, 8, 12, 5}},
	{device.Images{N: 31, H: 1, W: 1}, 1, []int{2, 7, 6}},
	{device.Images{N: 700, H: 1, W: 1}, 1, []int{5, 20, 16, 24, 7}},
	{device.Images{N: 40, H: 1, W: 1}, 1, []int{2, 520, 516, 3}},
	{device.Images{N: 0, H: 1, W: 1}, 1, []int{2, 4, 2}},
	{device.Images{N: 1, H: 2, W: 3}, 3, []int{1, 4, 2}},
	{device.Images{N: 5, H: 4, W: 4}, 3, []int{3, 16, 20, 5}},
	{device.Images{N: 37, H: 2, W: 2}, 3, []int{4, 12, 12, 8}},
	{device.Images{N: 19, H: 7, W: 7}, 3, []int{2, 8, 8, 4}},
	{device.Images{N: 3, H: 5, W: 9}, 3, []int{2, 5, 4}},
	{device.Images{N: 2, H: 33, W: 35}, 3, []int{1, 4, 2}},
	{device.Images{N: 4, H: 4, W: 4}, 3, []int{2, 248, 244, 4}},
	{device.Images{N: 5, H: 16, W: 16}, 3, []int{2, 16, 12, 4}},
	{device.Images{N: 0, H: 2, W: 2}, 3, []int{2, 4, 2}},
}

// stackBenches are conditioners as models have them.
var stackBenches = []stackShape{
	{device.Images{N: 64, H: 4, W: 4}, 3, []int{2, 64, 64, 4}},
	{device.Images{N: 8, H: 16, W: 16}, 3, []int{2, 128, 128, 4}},
	{device.Images{N: 512, H: 1, W: 1}, 1, []int{1, 64, 64, 2}},
	{device.Images{N: 64, H: 1, W: 1}, 1, []int{31, 512, 512, 64}},
}

func (s stackShape) String() string {
	return fmt.Sprintf("%v k%d n%d %dx%d", s.channels, s.kernel, s.N, s.H, s.W)
}

func stackCases() []Case {
	var cs []Case
	for i, s := range append(append([]stackShape(nil), stackShapes...), stackBenches...) {
		for _, c := range []Case{stackForwardCase(s, false), stackForwardCase(s, true), stackBackwardCase(s, false), stackBackwardCase(s, true)} {
			c.Bench = i >= len(stackShapes) && !strings.HasSuffix(c.Name, " set") // which computes the same
			cs = append(cs, c)
		}
	}
	return cs
}

// Operands of a stack are small numbers of few digits, and every bias ends in a digit of its own: sums are exact, and none is 0,
// so that no rounding decides whether a ReLU lets a gradient through.
func stackWeights() maker {
	return each(func(r *rand.Rand) float64 { return [...]float64{-1, 0, 0, 1}[r.IntN(4)] })
}

func stackBias(unit int) maker {
	return each(func(r *rand.Rand) float64 { return float64(r.IntN(5)-2) + 1/float64(int(2)<<unit) })
}

func smallWholes() maker { return each(func(r *rand.Rand) float64 { return float64(r.IntN(5) - 2) }) }

// units are the stack's, and its operands in this order: w and b of each, what is hidden, and with back dw and db of each, which are
// added to or set.
func (s stackShape) units(back, set bool) (units []device.Unit, operands []Operand, fill func(o []device.Buffer)) {
	m, n := s.N*s.H*s.W, len(s.channels)-1
	for i := range n {
		u := device.Unit{Cin: s.channels[i], Cout: s.channels[i+1], K: 1, Act: device.ReLU}
		if i == 0 || i == n-1 {
			u.K = s.kernel
		}
		if i == n-1 {
			u.Act = device.NoAct
		}
		units = append(units, u)
	}
	weights := func(i int) int { return units[i].Cout * units[i].Cin * units[i].K * units[i].K }
	for i, u := range units {
		operands = append(operands, in(fmt.Sprint("w", i), weights(i), stackWeights()), in(fmt.Sprint("b", i), u.Cout, stackBias(i)))
	}
	for i, u := range units[:n-1] {
		operands = append(operands, hidden(fmt.Sprint("hidden", i), device.HiddenLen(u.Cout, m)))
	}
	if back {
		for i, u := range units {
			units[i].Set = set
			dw, db := both(fmt.Sprint("dw", i), weights(i), smallWholes()), both(fmt.Sprint("db", i), u.Cout, smallWholes())
			if set {
				dw, db = out(dw.Name, dw.Len), out(db.Name, db.Len)
			}
			operands = append(operands, dw, db)
		}
	}
	return units, operands, func(o []device.Buffer) {
		for i := range units {
			units[i].W, units[i].B = o[2*i], o[2*i+1]
			if i < n-1 {
				units[i].Hidden = o[2*n+i]
			}
			if back {
				units[i].DW, units[i].DB = o[3*n-1+2*i], o[3*n+2*i]
			}
		}
	}
}

// flops of one pass.
func (s stackShape) flops() (n int64) {
	last := len(s.channels) - 2
	for i := range last + 1 {
		k := 1
		if i == 0 || i == last {
			k = s.kernel
		}
		n += device.ConvShape{Cin: s.channels[i], Cout: s.channels[i+1], K: k, N: s.N, H: s.H, W: s.W}.Flops()
	}
	return n
}

// terms is the length of the longest sum.
func (s stackShape) terms() int {
	n := s.N * s.H * s.W
	for _, c := range s.channels {
		n = max(n, c*s.kernel*s.kernel)
	}
	return n
}

func stackForwardCase(s stackShape, keep bool) Case {
	m, at := s.N*s.H*s.W, 3*len(s.channels)-4
	units, operands, fill := s.units(false, false)
	name := s.String()
	if keep {
		name += " kept"
	}
	return Case{
		Method: "StackForward", Name: name, Flops: s.flops(), Tol: sumOf(s.terms()),
		Operands: append(operands, in("x", s.channels[0]*m, smallWholes()), out("y", s.channels[len(s.channels)-1]*m)),
		Call: func(be device.Backend, o []device.Buffer) {
			fill(o)
			be.StackForward(s.Images, units, o[at], o[at+1], keep)
		},
	}
}

func stackBackwardCase(s stackShape, set bool) Case {
	m, at := s.N*s.H*s.W, 5*len(s.channels)-6
	units, operands, fill := s.units(true, set)
	in0, out0 := s.channels[0]*m, s.channels[len(s.channels)-1]*m
	name := s.String()
	if set {
		name += " set"
	}
	return Case{
		Method: "StackBackward", Name: name, Flops: 3 * s.flops(), Tol: sumOf(s.terms()),
		Operands: append(operands, in("x", in0, smallWholes()), hidden("y", out0), in("dy", out0, smallWholes()),
			both("dx", in0, smallWholes())),
		Call: func(be device.Backend, o []device.Buffer) {
			fill(o)
			be.StackForward(s.Images, units, o[at], o[at+1], true)
			be.StackBackward(s.Images, units, o[at], o[at+2], o[at+3])
		},
	}
}
