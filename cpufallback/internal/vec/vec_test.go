package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// loops is every kernel as a function of arrays of the same length n that it reads and writes, and the sums that it returns.
var loops = []struct {
	name   string
	arrays int
	run    func(k *Kernels, a [][]float32) []float32
}{
	{"Fill", 1, func(k *Kernels, a [][]float32) []float32 { k.Fill(a[0], 2.5); return nil }},
	{"Axpy", 2, func(k *Kernels, a [][]float32) []float32 { k.Axpy(1.5, a[0], a[1]); return nil }},
	{"Scale", 2, func(k *Kernels, a [][]float32) []float32 { k.Scale(-0.3, a[0], a[1]); return nil }},
	{"Lerp", 2, func(k *Kernels, a [][]float32) []float32 { k.Lerp(0.9, 0.1, a[0], a[1]); return nil }},
	{"AddMul", 1, func(k *Kernels, a [][]float32) []float32 { k.AddMul(a[0], 10, 1.3); return nil }},
	{"MulAdd", 1, func(k *Kernels, a [][]float32) []float32 { k.MulAdd(a[0], 1.3, 10); return nil }},
	{"Sum", 1, func(k *Kernels, a [][]float32) []float32 { return []float32{k.Sum(a[0])} }},
	{"SumSquares", 1, func(k *Kernels, a [][]float32) []float32 { return []float32{k.SumSquares(a[0])} }},
	{"MaxAbsDiff", 2, func(k *Kernels, a [][]float32) []float32 { return []float32{k.MaxAbsDiff(a[0], a[1])} }},
	{"CoupleShiftSigmoid", 4, couple(ShiftSigmoid, 0, 2)},
	{"CoupleShiftTanh", 4, couple(ShiftTanh, 6, 1./6)},
	{"CoupleAffineTanh", 4, couple(AffineTanh, 2, 0.5)},
	{"UncoupleShiftSigmoid", 4, uncouple(ShiftSigmoid, 0, 2)},
	{"UncoupleShiftTanh", 4, uncouple(ShiftTanh, 6, 1./6)},
	{"UncoupleAffineTanh", 4, uncouple(AffineTanh, 2, 0.5)},
	{"BackShiftSigmoid", 4, back(ShiftSigmoid, 0, 2)},
	{"BackShiftTanh", 4, back(ShiftTanh, 6, 1./6)},
	{"BackAffineTanh", 4, back(AffineTanh, -1.2, 1)},
	{"ActNormBackward", 2, func(k *Kernels, a [][]float32) []float32 {
		dlogs, db := k.ActNormBackward(a[0], a[1], 1.6, 0.625, 3)
		return []float32{dlogs, db}
	}},
	{"Dequantize", 3, func(k *Kernels, a [][]float32) []float32 { k.Dequantize(a[0], a[1], a[2], 32); return nil }},
	{"Raise", 2, func(k *Kernels, a [][]float32) []float32 { k.Raise(0.6, a[0], a[1]); return nil }},
	{"Shares", 4, func(k *Kernels, a [][]float32) []float32 { k.Shares(0.6, a[0], a[1], a[2], a[3]); return nil }},
	{"Affine", 2, func(k *Kernels, a [][]float32) []float32 { k.Affine(1.3, -0.7, a[0], a[1]); return nil }},
	{"AffineReLU", 2, func(k *Kernels, a [][]float32) []float32 { k.AffineReLU(1.3, -0.7, a[0], a[1]); return nil }},
	{"Mask", 2, func(k *Kernels, a [][]float32) []float32 { k.Mask(a[0], a[1]); return nil }},
	{"AffineAbout", 2, func(k *Kernels, a [][]float32) []float32 { k.AffineAbout(a[0], a[1], 2, 1.2, 0.4, -0.6); return nil }},
	{"Deviations", 1, func(k *Kernels, a [][]float32) []float32 { return pair(k.Deviations(a[0], 3)) }},
	{"SumsAbout", 2, func(k *Kernels, a [][]float32) []float32 { return pair(k.SumsAbout(a[0], a[1], 3)) }},
	{"Logit", 2, func(k *Kernels, a [][]float32) []float32 { k.Logit(intensities(a[0]), a[1], 0.05, 0.95); return nil }},
	{"LogLogistic", 2, func(k *Kernels, a [][]float32) []float32 { k.LogLogistic(a[0], a[1]); return nil }},
	{"Sigmoid", 1, func(k *Kernels, a [][]float32) []float32 { k.Sigmoid(a[0], 1.1, -0.5); return nil }},
	{"Tanh", 2, func(k *Kernels, a [][]float32) []float32 { k.Tanh(a[0], a[1], -1.5, 0.5); return nil }},
	{"Adam", 4, func(k *Kernels, a [][]float32) []float32 { k.Adam(a[0], a[1], a[2], square(a[3]), &step); return nil }},
	{"Adamax", 4, func(k *Kernels, a [][]float32) []float32 { k.Adamax(a[0], a[1], a[2], square(a[3]), &step); return nil }},
}

var step = AdamConsts{Clip: 0.7, Beta1: 0.9, Rest1: 0.1, Beta2: 0.99, Rest2: 0.01, Step: 0.02, Fix2: 50, Eps: 1e-8}

func couple(f Form, a, b float32) func(*Kernels, [][]float32) []float32 {
	return func(k *Kernels, s [][]float32) []float32 { k.Couple[f](s[0], s[1], s[2], s[3], a, b); return nil }
}

func uncouple(f Form, a, b float32) func(*Kernels, [][]float32) []float32 {
	return func(k *Kernels, s [][]float32) []float32 { k.Uncouple[f](s[0], s[1], s[2], s[3], a, b); return nil }
}

func back(f Form, a, b float32) func(*Kernels, [][]float32) []float32 {
	return func(k *Kernels, s [][]float32) []float32 {
		return []float32{k.CoupleBackward[f](s[0], s[1], s[2], s[3], a, b, 0.3)}
	}
}

func pair(a, b float32) []float32 { return []float32{a, b} }

// intensities brings x to where Logit is made for, the ends included.
func intensities(x []float32) []float32 {
	for i := range x {
		x[i] = min(max(x[i]/8, -0.5), 0.5)
	}
	return x
}

// square makes a second moment of x.
func square(x []float32) []float32 {
	for i := range x {
		x[i] *= x[i]
	}
	return x
}

// assemblies runs a test on every instruction set but the plain loops.
func assemblies(t *testing.T, test func(t *testing.T, k *Kernels)) {
	for _, isa := range ISAs() {
		if isa != "generic" {
			t.Run(isa, func(t *testing.T) { test(t, For(isa)) })
		}
	}
}

const guard = 12345.678

// guarded is n float32s from N(0, 3^2) at an odd place, between guard words.
type guarded struct {
	all []float32
	lo  int
	n   int
}

func newGuarded(rng *rand.Rand, n int) guarded {
	g := guarded{lo: 17 + rng.IntN(16), n: n}
	g.all = make([]float32, g.lo+n+40)
	for i := range g.all {
		g.all[i] = guard
	}
	for i := range g.x() {
		g.x()[i] = 3 * float32(rng.NormFloat64())
	}
	return g
}

func (g guarded) x() []float32 { return g.all[g.lo : g.lo+g.n : g.lo+g.n] }

func (g guarded) clone() guarded {
	g.all = append([]float32(nil), g.all...)
	return g
}

func (g guarded) check(t *testing.T, what string) {
	t.Helper()
	for i, v := range g.all {
		if (i < g.lo || i >= g.lo+g.n) && v != guard {
			t.Errorf("%s: wrote %g at element %d of %d", what, v, i-g.lo, g.n)
		}
	}
}

// near allows some units in the last place of a value of the given size.
func near(got, want, size, ulps float32) bool {
	return got == want || got != got && want != want || abs(got-want) <= ulps*0x1p-23*max(size, abs(want))
}

// Cancellation in a difference, such as y/e - t, leaves an error that belongs to the size of the operands: about 10.
// Scales are up to e^6: one unit in the last place of ls is then 8 in exp(ls).
const operandSize = 10

func TestAssemblyAgreesWithPlainLoops(t *testing.T) {
	plain := For("generic")
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(1, 2))
		lengths := []int{1000}
		for n := range 101 {
			lengths = append(lengths, n)
		}
		for _, loop := range loops {
			for _, n := range lengths {
				what := fmt.Sprintf("%s of %d", loop.name, n)
				var got, want []guarded
				for range loop.arrays {
					g := newGuarded(rng, n)
					got, want = append(got, g), append(want, g.clone())
				}
				gotSums, wantSums := loop.run(k, slices(got)), loop.run(plain, slices(want))
				for a := range got {
					got[a].check(t, what)
					for i, w := range want[a].x() {
						if g := got[a].x()[i]; !near(g, w, operandSize, 16) {
							t.Fatalf("%s, array %d: element %d is %g, want %g", what, a, i, g, w)
						}
					}
				}
				for i, w := range wantSums {
					if !near(gotSums[i], w, float32(100*n), 1) {
						t.Fatalf("%s: result %d is %g, want %g", what, i, gotSums[i], w)
					}
				}
			}
		}
	})
}

func slices(g []guarded) (x [][]float32) {
	for _, a := range g {
		x = append(x, a.x())
	}
	return x
}

// What is computed for an element does not depend on its neighbours or its place.
func TestElementsAreIndependent(t *testing.T) {
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(3, 4))
		for _, loop := range loops {
			var whole, single []guarded
			for range loop.arrays {
				g := newGuarded(rng, 77)
				whole, single = append(whole, g), append(single, g.clone())
			}
			loop.run(k, slices(whole))
			for i := range 77 {
				var one [][]float32
				for _, g := range single {
					one = append(one, g.x()[i:i+1:i+1])
				}
				loop.run(k, one)
			}
			for a := range whole {
				for i, v := range whole[a].x() {
					if w := single[a].x()[i]; math.Float32bits(v) != math.Float32bits(w) {
						t.Fatalf("%s, array %d: element %d is %g in a row of 77, %g alone", loop.name, a, i, v, w)
					}
				}
			}
		}
	})
}

func TestSegments(t *testing.T) {
	plain := For("generic")
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(5, 6))
		for _, p := range []int{1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 49, 64, 100, 256, 1000} {
			for _, count := range []int{0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33} {
				v, got := newGuarded(rng, count*p), newGuarded(rng, count)
				want := got.clone()
				for i, f := range []func(k *Kernels) func([]float32, int, []float32){
					func(k *Kernels) func([]float32, int, []float32) { return k.SegmentSums },
					func(k *Kernels) func([]float32, int, []float32) { return k.SegmentSquares },
				} {
					f(k)(v.x(), p, got.x())
					f(plain)(v.x(), p, want.x())
					got.check(t, "segments")
					v.check(t, "segments")
					for j, w := range want.x() {
						if g := got.x()[j]; !near(g, w, float32(10*p), 2) {
							t.Fatalf("kernel %d, %d segments of %d: segment %d is %g, want %g", i, count, p, j, g, w)
						}
					}
				}
			}
		}
	})
}

func TestZips(t *testing.T) {
	plain := For("generic")
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(7, 8))
		for w := range 70 {
			for _, rows := range []int{0, 1, 2, 3} {
				for _, gap := range []int{0, 1, w} {
					stride, step := 2*w+2*gap, w+gap
					what := fmt.Sprintf("%d rows of %d, %d apart", rows, w, step)
					x := newGuarded(rng, max(0, rows*stride-2*gap))
					even, odd := newGuarded(rng, max(0, rows*step-gap)), newGuarded(rng, max(0, rows*step-gap))
					wantEven, wantOdd := even.clone(), odd.clone()
					k.Unzip(x.x(), stride, even.x(), odd.x(), step, w)
					plain.Unzip(x.x(), stride, wantEven.x(), wantOdd.x(), step, w)
					same(t, "even of "+what, even, wantEven)
					same(t, "odd of "+what, odd, wantOdd)

					y := newGuarded(rng, x.n)
					want := y.clone()
					k.Zip(y.x(), stride, even.x(), odd.x(), step, w)
					plain.Zip(want.x(), stride, even.x(), odd.x(), step, w)
					same(t, "zip of "+what, y, want)
				}
			}
		}
	})
}

// Rows are counted by where they begin: what follows the last in even and odd is not another.
func TestZipsCountRows(t *testing.T) {
	for _, isa := range ISAs() {
		k := For(isa)
		x, even, odd := []float32{1, 2, 9, 9, 3, 4}, make([]float32, 4), make([]float32, 4)
		k.Unzip(x, 4, even, odd, 2, 1)
		if got, want := fmt.Sprint(even, odd), "[1 0 3 0] [2 0 4 0]"; got != want {
			t.Errorf("%s: %s, want %s", isa, got, want)
		}
	}
}

// same wants the same bits, guard words included.
func same(t *testing.T, what string, got, want guarded) {
	t.Helper()
	for i, w := range want.all {
		if g := got.all[i]; math.Float32bits(g) != math.Float32bits(w) {
			t.Fatalf("%s: element %d of %d is %g, want %g", what, i-got.lo, got.n, g, w)
		}
	}
}

func TestUniforms(t *testing.T) {
	plain := For("generic")
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(9, 10))
		for _, n := range []int{0, 1, 2, 5} {
			for range 20 {
				u := newGuarded(rng, n*UniformsUnit)
				want := u.clone()
				var c [6]uint32
				for i := range c {
					c[i] = rng.Uint32()
				}
				k.Uniforms(u.x(), c[0], c[1], c[2], c[3], c[4], c[5])
				plain.Uniforms(want.x(), c[0], c[1], c[2], c[3], c[4], c[5])
				same(t, "uniforms", u, want)
				k.UniformRows(u.x(), c[0], c[1], c[2], c[3], c[4], c[5])
				plain.UniformRows(want.x(), c[0], c[1], c[2], c[3], c[4], c[5])
				same(t, "uniform rows", u, want)
			}
		}
	})
}

// The functions inside the couplings, read off by setting the other operands to 0 and 1, against package math.
func TestFunctionsAreAccurate(t *testing.T) {
	ls := func(k *Kernels, f Form, s []float32) []float32 {
		n := len(s)
		x, t, l := make([]float32, n), make([]float32, n), make([]float32, n)
		k.Couple[f](x, t, s, l, 1, 0+map[Form]float32{ShiftTanh: 1}[f])
		return l
	}
	functions := []struct {
		name string
		run  func(k *Kernels, s []float32) []float32
		ref  func(float64) float64
		ulps float64
	}{
		{"tanh", func(k *Kernels, s []float32) []float32 { return ls(k, ShiftTanh, s) }, math.Tanh, 3},
		{"log sigmoid", func(k *Kernels, s []float32) []float32 { return ls(k, ShiftSigmoid, s) }, logSigmoid, 3},
		{"sigmoid", func(k *Kernels, s []float32) []float32 {
			x, l := make([]float32, len(s)), make([]float32, len(s))
			k.Fill(x, 1)
			k.Couple[ShiftSigmoid](x, make([]float32, len(s)), s, l, 0, 0)
			return x
		}, func(z float64) float64 { return math.Exp(logSigmoid(z)) }, 4},
		{"1/sigmoid", func(k *Kernels, s []float32) []float32 {
			x, l := make([]float32, len(s)), make([]float32, len(s))
			k.Fill(x, 1)
			k.Uncouple[ShiftSigmoid](x, make([]float32, len(s)), s, l, 0, 0)
			return x
		}, func(z float64) float64 { return 1 + math.Exp(-z) }, 4},
		{"1-tanh^2", func(k *Kernels, s []float32) []float32 {
			n := len(s)
			ds := append([]float32(nil), s...)
			k.CoupleBackward[ShiftTanh](make([]float32, n), make([]float32, n), make([]float32, n), ds, 1, 1, 1)
			return ds
		}, func(u float64) float64 { c := math.Cosh(u); return 1 / c / c }, 8},
		{"log of |x|", func(k *Kernels, s []float32) []float32 {
			logs := make([]float32, len(s))
			for i, v := range s { // alpha alone: where x = -1/2, log p = log alpha and log q = 0
				x := []float32{-0.5}
				k.Logit(x, make([]float32, 1), abs(v), 1)
				logs[i] = x[0]
			}
			return logs
		}, func(u float64) float64 { return math.Log(math.Abs(u)) }, 3},
		{"log of the logistic density", func(k *Kernels, s []float32) []float32 {
			l := make([]float32, len(s))
			k.LogLogistic(s, l)
			return l
		}, func(u float64) float64 { return logSigmoid(u) + logSigmoid(-u) }, 3},
		{"exp", func(k *Kernels, s []float32) []float32 {
			y, zero := make([]float32, len(s)), make([]float32, len(s))
			k.Shares(1, s, zero, y, make([]float32, len(s)))
			return y
		}, math.Exp, 2},
		{"sigmoid alone", func(k *Kernels, s []float32) []float32 {
			x := append([]float32(nil), s...)
			k.Sigmoid(x, 1, 0)
			return x
		}, func(z float64) float64 { return math.Exp(logSigmoid(z)) }, 4},
		{"tanh alone", func(k *Kernels, s []float32) []float32 {
			y := make([]float32, len(s))
			k.Tanh(s, y, 1, 1)
			return y
		}, math.Tanh, 3},
	}
	assemblies(t, func(t *testing.T, k *Kernels) {
		var at []float32
		for u := -43.0; u < 43; u += 0.00317 { // 1/sigmoid and 1-tanh^2 stay normal float32s in this range
			at = append(at, float32(u))
		}
		for e := -126; e < 3; e++ {
			for _, m := range []float64{1, 1.1, 1.3, 1.7} {
				at = append(at, float32(math.Ldexp(m, e)), -float32(math.Ldexp(m, e)))
			}
		}
		for _, f := range functions {
			got, worst, where := f.run(k, at), 0., float32(0)
			for i, u := range at {
				want := f.ref(float64(u))
				if float64(got[i]) == want {
					continue // also 0, of which no error is a part
				}
				if e := math.Abs(float64(got[i])-want) / math.Abs(want) * 0x1p23; !(e <= worst) {
					worst, where = e, u
				}
			}
			t.Logf("%s: %.2f x 2^-23 at %g", f.name, worst, where)
			if !(worst <= f.ulps) {
				t.Errorf("%s(%g) is wrong by %g x 2^-23", f.name, where, worst)
			}
		}
	})
}

// exp goes to 0 and to infinity, and NaN goes everywhere.
func TestFunctionsAtTheEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, isa := range ISAs() {
		k := For(isa)
		s := []float32{0, inf, -inf, nan, 100, -100, 3e38, -3e38, 1e-40}
		for _, a := range []float32{1, 85, 100, 150, -85, -100, -150} { // exp(a*tanh(s)) from 0 and denormals to infinity
			x, ls := make([]float32, len(s)), make([]float32, len(s))
			k.Fill(x, 1)
			k.Couple[AffineTanh](x, make([]float32, len(s)), s, ls, a, 1)
			for i, si := range s {
				wantLs := float64(a) * math.Tanh(float64(si))
				if want := float32(math.Exp(wantLs)); !near(x[i], want, 0x1p-120, 8) || !near(ls[i], float32(wantLs), 0, 3) {
					t.Errorf("%s: a=%g, s=%g: ls %g, exp(ls) %g, want %g, %g", isa, a, si, ls[i], x[i], wantLs, want)
				}
			}
		}
		x, ls := make([]float32, len(s)), make([]float32, len(s))
		k.Couple[ShiftSigmoid](x, x, s, ls, 0, 0)
		for i, si := range s {
			if want := float32(logSigmoid(float64(si))); !near(ls[i], want, 0x1p-100, 3) { // log sigmoid may stop at -exp(-87)
				t.Errorf("%s: log sigmoid(%g) = %g, want %g", isa, si, ls[i], want)
			}
		}
	}
}

// The ends of the line: a logit of 0 and of 1, densities far out, and NaN.
func TestLogisticsAtTheEdges(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, isa := range ISAs() {
		k := For(isa)
		x, l := []float32{-0.5, 0.5, 0, nan}, make([]float32, 4)
		k.Logit(x, l, 0, 1)
		for i, want := range []float32{-inf, float32(24 * math.Ln2), 0, nan} {
			if !near(x[i], want, 1, 2) {
				t.Errorf("%s: logit %d is %g, want %g", isa, i, x[i], want)
			}
		}
		for i, want := range []float32{inf, float32(24 * math.Ln2), float32(2 * math.Ln2), nan} {
			if !near(l[i], want, 1, 2) {
				t.Errorf("%s: log-determinant %d is %g, want %g", isa, i, l[i], want)
			}
		}
		s := []float32{0, 200, -200, 3e38, inf, -inf, nan}
		f, y := make([]float32, len(s)), make([]float32, len(s))
		k.LogLogistic(s, f)
		k.Tanh(s, y, 2, 1)
		k.Sigmoid(s, 2, 1)
		for i, want := range []float32{float32(-2 * math.Ln2), -200, -200, -3e38, -inf, -inf, nan} {
			if !near(f[i], want, 0, 2) {
				t.Errorf("%s: log density %d is %g, want %g", isa, i, f[i], want)
			}
		}
		for i, want := range []float32{0, 2, -2, 2, 2, -2, nan} {
			if !near(y[i], want, 0, 2) {
				t.Errorf("%s: tanh %d is %g, want %g", isa, i, y[i], want)
			}
		}
		for i, want := range []float32{2, 3, 1, 3, 3, 1, nan} {
			if !near(s[i], want, 0, 2) {
				t.Errorf("%s: sigmoid %d is %g, want %g", isa, i, s[i], want)
			}
		}
		relu := []float32{nan, -1, 1}
		k.AffineReLU(1, 0, relu, relu)
		for i, want := range []float32{nan, 0, 1} {
			if !near(relu[i], want, 0, 0) {
				t.Errorf("%s: rectified %d is %g, want %g", isa, i, relu[i], want)
			}
		}
	}
}

func TestNaNCarriesThrough(t *testing.T) {
	nan := float32(math.NaN())
	for _, isa := range ISAs() {
		k := For(isa)
		for _, n := range []int{1, 7, 16, 100} {
			for at := range n {
				x, zero := make([]float32, n), make([]float32, n)
				k.Fill(x, 5)
				x[at] = nan
				if m := k.MaxAbsDiff(x, zero); m == m {
					t.Errorf("%s: MaxAbsDiff of %d with NaN at %d is %g", isa, n, at, m)
				}
				if m := k.MaxAbsDiff(zero, x); m == m {
					t.Errorf("%s: MaxAbsDiff of %d with NaN in y at %d is %g", isa, n, at, m)
				}
				if s := k.SumSquares(x); s == s {
					t.Errorf("%s: SumSquares of %d with NaN at %d is %g", isa, n, at, s)
				}
			}
		}
	}
}

func BenchmarkUniforms(b *testing.B) {
	u := make([]float32, 1024)
	for _, isa := range ISAs() {
		k := For(isa)
		b.Run(isa, func(b *testing.B) {
			for b.Loop() {
				k.Uniforms(u, 1, 2, 3, 4, 5, 6)
			}
			b.ReportMetric(1024*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "elem/ns")
		})
	}
}

func BenchmarkKernels(b *testing.B) {
	for _, isa := range ISAs() {
		k := For(isa)
		rng := rand.New(rand.NewPCG(1, 1))
		for _, loop := range loops {
			b.Run(isa+"/"+loop.name, func(b *testing.B) {
				var a [][]float32
				for range loop.arrays {
					a = append(a, newGuarded(rng, 1024).x())
				}
				keep := append([]float32(nil), a[min(2, len(a)-1)]...)
				for b.Loop() {
					copy(a[min(2, len(a)-1)], keep) // else s converges to 0 or to infinity
					loop.run(k, a)
				}
				b.ReportMetric(1024*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "elem/ns")
			})
		}
	}
}
