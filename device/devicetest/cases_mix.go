package devicetest

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

func mixCases() []Case {
	var cs []Case
	for _, d := range []struct {
		c, m  int
		bench bool
	}{
		{1, 1, false}, {1, 33, false}, {2, 31, false}, {3, 32, false}, {4, 1000, false}, {5, 7, false}, {8, 33, false}, {12, 100, false},
		{16, 1, false}, {17, 31, false}, {33, 65, false}, {96, 50, false}, {1024, 3, false}, {6, 0, false},
		{4, 64 * 16, true}, {8, 64 * 4, true}, // glow-digits
		{4, 64 * 256, true}, {8, 64 * 64, true}, {16, 64 * 16, true}, // glow-mnist
		{48, 64 * 16, true},
	} {
		name := fmt.Sprintf("c%d m%d", d.c, d.m)
		flops := int64(2*d.c) * int64(d.c) * int64(d.m)
		a := in("a", d.c*d.c, normal(0, 1/math.Sqrt(float64(d.c))))
		if d.bench {
			a.make = nearRotation(d.c)
		}
		for _, bias := range []bool{true, false} {
			b, title := absent("b"), name
			if bias {
				b, title = in("b", d.c, normal(0, 1)), name+" bias"
			}
			cs = append(cs, Case{
				Method: "MixForward", Name: title, Flops: flops, Bench: d.bench && !bias, Tol: sumOf(d.c),
				Operands: []Operand{a, b, both("x", d.c*d.m, normal(0, 1))},
				Call:     func(be device.Backend, o []device.Buffer) { be.MixForward(d.c, d.m, o[0], o[1], o[2]) },
			})
		}
		cs = append(cs, Case{
			Method: "MixBackward", Name: name, Flops: 2 * flops, Bench: d.bench, Tol: sumOf(max(d.c, d.m)),
			Operands: []Operand{
				a, in("x", d.c*d.m, normal(0, 1)), both("dx", d.c*d.m, normal(0.1, 1)),
				both("da", d.c*d.c, normal(0, 1)),
			},
			Call: func(be device.Backend, o []device.Buffer) { be.MixBackward(d.c, d.m, o[0], o[1], o[2], o[3]) },
		})
	}
	return cs
}

// nearRotation is a matrix that is not symmetric and keeps lengths, rounding aside, so that a benchmark may apply it for
// ever: the product of two Householder reflections, (I - 2 v v^T)(I - 2 w w^T) = I - 2 v v^T - 2 w w^T + 4 (v w) v w^T.
func nearRotation(c int) maker {
	return func(r *rand.Rand, x []float32) {
		v, w := direction(r, c), direction(r, c)
		var cosine float64
		for i := range c {
			cosine += v[i] * w[i]
		}
		for i := range c {
			for j := range c {
				e := -2*v[i]*v[j] - 2*w[i]*w[j] + 4*cosine*v[i]*w[j]
				if i == j {
					e++
				}
				x[i*c+j] = float32(e)
			}
		}
	}
}

// direction is a random unit vector.
func direction(r *rand.Rand, c int) []float64 {
	v := make([]float64, c)
	for i := range v {
		v[i] = r.NormFloat64()
	}
	length := math.Sqrt(sumSquares(v))
	for i := range v {
		v[i] /= length
	}
	return v
}

func luCases() []Case {
	var cs []Case
	for _, c := range []int{0, 1, 2, 3, 4, 7, 8, 12, 16, 31, 48, 96} {
		name := fmt.Sprintf("c%d", c)
		bench := c == 4 || c == 16 || c == 48
		// Triangles of this scale are as well conditioned as trained ones; the unread halves hold NaN.
		off := 0.5 / math.Sqrt(float64(c))
		lower, upper := onTriangle(c, true, normal(0, off)), onTriangle(c, false, normal(0, off))
		tol := Tol{
			Rel: 4 * float64(c+8) * ulp, RMS: 4 * float64(c+8) * ulp,
			Why: "two products with triangles of c terms, or two substitutions: each of c roundings, for a condition of a few units",
		}
		operands := func(rest ...Operand) []Operand {
			return append([]Operand{
				in("perm", c, permutation), in("l", c*c, lower), in("u", c*c, upper), in("logd", c, normal(0, 0.3)), in("sign", c, signs()),
			}, rest...)
		}
		cs = append(cs, Case{
			Method: "LUCompose", Name: name, Bench: bench, Tol: tol,
			Operands: operands(out("w", c*c), out("winv", c*c)),
			Call: func(be device.Backend, o []device.Buffer) {
				be.LUCompose(c, o[0], o[1], o[2], o[3], o[4], o[5], o[6])
			},
		}, Case{
			Method: "LUComposeBackward", Name: name, Bench: bench, Tol: tol,
			Operands: operands(in("dw", c*c, normal(0, 1)),
				both("dl", c*c, normal(0, 1)), both("du", c*c, normal(0, 1)), both("dlogd", c, normal(0, 1))),
			Call: func(be device.Backend, o []device.Buffer) {
				be.LUComposeBackward(c, o[0], o[1], o[2], o[3], o[4], o[5], -0.75, o[6], o[7], o[8])
			},
		})
	}
	return cs
}

// onTriangle fills what lies strictly below (or above) the diagonal and puts NaN everywhere else.
func onTriangle(c int, below bool, mk maker) maker {
	return func(r *rand.Rand, x []float32) {
		mk(r, x)
		for i := range c {
			for j := range c {
				if i == j || j < i != below {
					x[i*c+j] = float32(math.NaN())
				}
			}
		}
	}
}
