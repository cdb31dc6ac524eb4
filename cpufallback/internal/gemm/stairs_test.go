package gemm

import (
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback/internal/vec"
)

// wholes are small whole numbers: sums are exact, in any order.
func wholes(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.IntN(17) - 8)
	}
	return x
}

// Every number of rows, every end and every length of sum, none included, against plain loops.
func TestSteps(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, isa := range vec.ISAs() {
		k := StairsFor(isa)
		for rows := 1; rows <= k.Rows(); rows++ {
			for flags := range 32 {
				for _, terms := range []int{0, 1, 13} {
					const from, first = 2, 3
					b := wholes(rng, (from+terms)*PanelColumns)
					c, plus := wholes(rng, (first+rows)*PanelColumns), wholes(rng, (first+rows)*PanelColumns)
					bias := wholes(rng, first+rows)
					a := Step{Row: first, Rows: rows, From: from, K: terms, W: wholes(rng, rows*terms), RowStep: terms, TermStep: 1}
					if flags&1 != 0 { // the transpose
						a.RowStep, a.TermStep = 1, rows
					}
					end := StepEnd{ReLU: flags&2 != 0}
					if flags&4 != 0 {
						end.Plus, end.Bias = plus, bias
					}
					if flags&8 != 0 {
						end.Gate = c
					}
					if flags&16 != 0 {
						end.Begun = c
					}
					want := append([]float32(nil), c...)
					for i := range rows {
						for j := range PanelColumns {
							at, sum := (first+i)*PanelColumns+j, float32(0)
							if end.Begun != nil {
								sum = c[at]
							}
							for n := range terms {
								sum += a.W[i*a.RowStep+n*a.TermStep] * b[(from+n)*PanelColumns+j]
							}
							if end.Plus != nil {
								sum += plus[at] + bias[first+i]
							}
							if end.ReLU {
								sum = max(0, sum)
							}
							if end.Gate != nil && !(c[at] > 0) {
								sum = 0
							}
							want[at] = sum
						}
					}
					var s StairScratch
					k.Step(&s, &a, b, c, end)
					for i, v := range c {
						if v != want[i] {
							t.Fatalf("%s: %d rows, %d terms, flags %d: C[%d] = %v, want %v", isa, rows, terms, flags, i, v, want[i])
						}
					}
				}
			}
		}
	}
}

// Dot products and sums over several panels with gaps between them, added to what is there, and to nothing else.
func TestDots(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for _, isa := range vec.ISAs() {
		k := StairsFor(isa)
		for rows := 1; rows <= k.DotRows(); rows++ {
			for groups := range 4 {
				const panels, apart, cRow = 3, 16 * PanelColumns, 19
				x := PanelRows{wholes(rng, panels*apart), apart}.From(0, 1)
				y := PanelRows{wholes(rng, panels*apart), apart}.From(0, 2)
				c, sums := wholes(rng, rows*cRow), wholes(rng, rows)
				want, wantSums := append([]float32(nil), c...), append([]float32(nil), sums...)
				for p := range panels {
					for i := range rows {
						for m := range PanelColumns {
							v := x.X[p*apart+i*PanelColumns+m]
							wantSums[i] += v
							for j := range groups * DotGroup {
								want[i*cRow+j] += v * y.X[p*apart+j*PanelColumns+m]
							}
						}
					}
				}
				var s StairScratch
				k.Dots(&s, x, rows, y, groups, panels, c, cRow)
				k.Sums(sums, x, panels)
				for i, v := range c {
					if v != want[i] {
						t.Fatalf("%s: %d rows, %d groups: C[%d] = %v, want %v", isa, rows, groups, i, v, want[i])
					}
				}
				for i, v := range sums {
					if v != wantSums[i] {
						t.Fatalf("%s: sum of row %d of %d is %v, want %v", isa, i, rows, v, wantSums[i])
					}
				}
			}
		}
	}
}

func TestStairColumns(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	for _, isa := range vec.ISAs() {
		k := StairsFor(isa)
		for n := 1; n <= k.Rows(); n++ {
			const stride, rows = 14, 5
			src, dst := wholes(rng, (rows-1)*stride+n), wholes(rng, rows*n+3)
			want := append([]float32(nil), dst...)
			for i := range rows * n {
				want[i] = src[i/n*stride+i%n]
			}
			k.Columns(dst, src, n, stride, rows)
			for i, v := range dst {
				if v != want[i] {
					t.Fatalf("%s: %d columns: [%d] = %v, want %v", isa, n, i, v, want[i])
				}
			}
		}
	}
}
