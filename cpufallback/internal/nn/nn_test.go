package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cuflow/cpufallback/internal/vec"
)

// loops are the kernels of elements as functions of arrays of the same length, which they read and write; and their sums.
var loops = []struct {
	name   string
	arrays int
	run    func(k *Kernels, a [][]float32) []float32
}{
	{"GELU", 2, func(k *Kernels, a [][]float32) []float32 { k.GELU(a[0], a[1]); return nil }},
	{"GELUBackward", 2, func(k *Kernels, a [][]float32) []float32 { k.GELUBackward(a[0], a[1]); return nil }},
	{"Squares", 3, func(k *Kernels, a [][]float32) []float32 { k.Squares(a[0], a[1], a[2]); return nil }},
	{"Deviation", 1, func(k *Kernels, a [][]float32) []float32 { k.Deviation(absolute(a[0]), 0.1, 0.01); return nil }},
	{"Normalize", 4, func(k *Kernels, a [][]float32) []float32 { k.Normalize(a[0], a[1], a[2], a[3], 1.3, 0.4); return nil }},
	{"GradSums", 6, func(k *Kernels, a [][]float32) []float32 {
		dgamma, dbeta := k.GradSums(a[0], a[1], a[2], a[3], a[4], a[5], 0.7)
		return []float32{dgamma, dbeta}
	}},
	{"GradFinish", 7, func(k *Kernels, a [][]float32) []float32 {
		k.GradFinish(a[0], a[1], a[2], a[3], a[4], a[5], a[6], 0.7, 0.1)
		return nil
	}},
}

func absolute(x []float32) []float32 {
	for i, v := range x {
		x[i] = float32(math.Abs(float64(v)))
	}
	return x
}

// panels are the kernels of panels, of rows rows; by is an array of a row's length, perRow one of a value for each row.
var panels = []struct {
	name string
	run  func(k *Kernels, x, y, by, by2, perRow, perRow2 []float32)
}{
	{"Softmax", func(k *Kernels, x, y, by, by2, _, _ []float32) { k.Softmax(x, 0.7, by, by2) }},
	{"Dots", func(k *Kernels, x, y, by, _, _, _ []float32) { k.Dots(x, y, by) }},
	{"Rows", func(k *Kernels, x, y, by, _, _, _ []float32) { k.Rows(x, by) }},
	{"Scores", func(k *Kernels, x, y, by, by2, _, _ []float32) { k.Scores(x, y, 0.7, by, by2) }},
	{"ScoresTurned", func(k *Kernels, x, y, _, _, r, r2 []float32) { k.ScoresTurned(x, y, 0.7, r, r2) }},
}

func draw(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(1.5 * r.NormFloat64())
	}
	return x
}

func clone(arrays [][]float32) (c [][]float32) {
	for _, a := range arrays {
		c = append(c, append([]float32(nil), a...))
	}
	return c
}

func agree(t *testing.T, what string, got, want [][]float32) {
	t.Helper()
	for i := range want {
		for j, w := range want[i] {
			if g := got[i][j]; !(math.Abs(float64(g-w)) <= 3e-5*(1+math.Abs(float64(w)))) {
				t.Fatalf("%s: array %d, [%d] of %d is %v, the plain loop has %v", what, i, j, len(want[i]), g, w)
			}
		}
	}
}

// Assembly must agree with the plain loops, at lengths around those of its registers and rounds, and leave what follows alone.
func TestAssemblyAgreesWithThePlainLoops(t *testing.T) {
	widths := map[string]int{"avx512": 16, "avx2": 8, "neon": 8}
	for _, isa := range vec.ISAs() {
		k := For(isa)
		if isa == "generic" {
			continue
		}
		for _, l := range loops {
			for _, n := range []int{0, 1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100} {
				r := rand.New(rand.NewPCG(uint64(n), 1))
				var whole [][]float32
				for range l.arrays {
					whole = append(whole, draw(r, n+20))
				}
				got, want := clone(whole), clone(whole)
				cut := func(a [][]float32) (c [][]float32) {
					for _, x := range a {
						c = append(c, x[:n])
					}
					return c
				}
				g, w := l.run(k, cut(got)), l.run(generic(), cut(want))
				agree(t, fmt.Sprintf("%s %s n %d", isa, l.name, n), append(got, g), append(want, w))
			}
		}
		for _, p := range panels {
			for _, rows := range []int{1, 2, 3, 4, 5, 9, 40} {
				width := widths[isa]
				r := rand.New(rand.NewPCG(uint64(rows), 2))
				whole := [][]float32{draw(r, rows*width), draw(r, rows*width), draw(r, width), draw(r, width), draw(r, rows), draw(r, rows)}
				if p.name == "Softmax" && rows > 1 {
					whole[0][width+1] = float32(math.Inf(-1)) // a pair that is masked
				}
				got, want := clone(whole), clone(whole)
				p.run(k, got[0], got[1], got[2], got[3], got[4], got[5])
				p.run(generic(), want[0], want[1], want[2], want[3], want[4], want[5])
				agree(t, fmt.Sprintf("%s %s rows %d", isa, p.name, rows), got, want)
			}
		}
	}
}

// Move takes whole registers, and nothing between them.
func TestMove(t *testing.T) {
	for isa, width := range map[string]int{"avx512": 16, "avx2": 8, "generic": 4} {
		if !slices.Contains(vec.ISAs(), isa) {
			continue
		}
		for n := range 4 {
			r := rand.New(rand.NewPCG(uint64(n), 3))
			from, to := draw(r, 200), draw(r, 200)
			want := slices.Clone(to)
			for i := range n {
				copy(want[i*40:][:width], from[i*20:])
			}
			For(isa).Move(to, from, 40, 20, n)
			if !slices.Equal(to, want) {
				t.Errorf("%s: %d registers are not where they belong", isa, n)
			}
		}
	}
}
