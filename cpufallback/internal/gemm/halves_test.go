package gemm

import (
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback/internal/vec"
)

// inBF16 is the fastest kernels with factors in BF16.
func inBF16(t *testing.T) *Kernels {
	t.Helper()
	k := For(vec.ISAs()[0]).InBF16()
	if k == nil {
		t.Skip("this processor, or this build, has no AVX512_BF16")
	}
	return k
}

// The instructions round as bf16Of does: to nearest, ties to even, denormal numbers to 0, and what is no number stays none.
func TestBF16Rounds(t *testing.T) {
	k, rng := inBF16(t), rand.New(rand.NewPCG(1, 2))
	x := []float32{0, 1, -1, 1 + 0x1p-8, 1 + 3*0x1p-8, 1 + 0x1.8p-8, -1 - 0x1p-8, 0x1p-126, 0x1p-127, -0x1p-149, math.MaxFloat32,
		float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}
	for len(x)%32 != 0 || len(x) < 4096 {
		x = append(x, math.Float32frombits(rng.Uint32()))
	}
	got := make([]float32, len(x)/2)
	k.half.round(got, x)
	for i, v := range x {
		if g := math.Float32bits(got[i/2]) >> (16 * (i % 2)) & 0xffff; g != bf16Of(v) && (v == v || g&0x7f80 != 0x7f80 || g&0x7f == 0) {
			t.Fatalf("%g (%08x) becomes %04x, not %04x", v, math.Float32bits(v), g, bf16Of(v))
		}
	}
}

// Products of small whole numbers are exact in BF16 too: of weights in each of their orders, with sums of an odd number of terms, and
// with sums too long for one call.
func TestBF16Products(t *testing.T) {
	k, rng := inBF16(t), rand.New(rand.NewPCG(3, 4))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.IntN(17) - 8)
		}
		return x
	}
	plain := new(Taps)
	plain.Set(1, 1, 1, false)
	for _, rows := range []int{1, 3, 9, 10, 32, 48} {
		for _, depth := range []int{1, 2, 9, 36, 63, 2100} {
			for _, m := range []int{1, 16, 33, 150} {
				orders := []Weights{
					{Groups: 1, Rows: rows, Row: depth, Segs: 1, K: depth, Col: 1},
					{Groups: 1, Rows: rows, Row: 1, Segs: 1, K: depth, Col: rows},
				}
				if depth%9 == 0 {
					orders = append(orders, Weights{Groups: 1, Rows: rows, Row: 9, Segs: depth / 9, Seg: 9 * rows, K: 9, Col: 1})
				}
				if rows%3 == 0 {
					orders = append(orders, Weights{Groups: rows / 3, Group: 3 * depth, Rows: 3, Row: 1, Segs: 1, K: depth, Col: 3})
				}
				for _, a := range orders {
					a.W = random(rows * depth)
					p := Product{A: a, B: Pixels{X: random(depth * m), M: m, Chans: depth, Taps: plain}, C: random(rows * m), End: End{Add: true}}
					want := append([]float32(nil), p.C...)
					for i := range want {
						for d := range depth {
							want[i] += a.W[i/m/a.Rows*a.Group+i/m%a.Rows*a.Row+d/a.K*a.Seg+d%a.K*a.Col] * p.B.X[d*m+i%m]
						}
					}
					var s Scratch
					var half Weights
					k.Round(&s, &p.A, &half, make([]float32, p.A.HalfFloats()))
					k.Reserve(&s, &p)
					k.Product(&s, &p, 0, m, m)
					for i, v := range p.C {
						if v != want[i] {
							t.Fatalf("%d x %d rows of %d terms, %d columns: C[%d] = %v, want %v", a.Groups, a.Rows, depth, m, i, v, want[i])
						}
					}
				}
			}
		}
	}
}
