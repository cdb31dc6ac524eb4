package gemm

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"cuflow/cpufallback/internal/vec"
)

// The shapes of products are tested through the convolutions that they are made for; here are the parts that those cannot
// tell apart.

// Every tile and dot kernel is reached by some number of rows: none may be missing, and all must agree with plain Go.
func TestEveryRowCount(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.IntN(17) - 8) // small whole numbers: sums are exact, in any order
		}
		return x
	}
	plain := new(Taps)
	plain.Set(1, 1, 1, false)
	for _, isa := range vec.ISAs() {
		k := For(isa)
		for rows := 1; rows <= 40; rows++ {
			for _, m := range []int{1, 15, 16, 17, 33, 64} {
				const depth = 21
				p := Product{
					A:   Weights{W: random(rows * depth), Groups: 1, Rows: rows, Row: depth, Segs: 1, K: depth, Col: 1},
					B:   Pixels{X: random(depth * m), M: m, Chans: depth, Taps: plain},
					C:   random(rows * m),
					End: End{Add: true, Bias: random(rows), ReLU: rows%2 == 0},
				}
				o := Outer{X: Pixels{X: random(rows * m), M: m, Chans: rows, Taps: plain}, Y: p.B, SumX: true, SumY: false}
				o.Plan()
				o.C = random(o.Parts * o.PartFloats())

				want := make([]float32, rows*m)
				for i := range want {
					sum := p.C[i] + p.End.Bias[i/m]
					for d := range depth {
						sum += p.A.W[i/m*depth+d] * p.B.X[d*m+i%m]
					}
					if p.End.ReLU {
						sum = max(0, sum)
					}
					want[i] = sum
				}
				var s Scratch
				k.Product(&s, &p, 0, m, m)
				for i, v := range p.C {
					if v != want[i] {
						t.Fatalf("%s: %d rows of %d columns: C[%d] = %v, want %v", isa, rows, m, i, v, want[i])
					}
				}

				for chunk := range o.Chunks() {
					k.Outer(&s, &o, chunk, chunk+1)
				}
				for i := range rows {
					x := o.X.X[i*m : (i+1)*m]
					for j := range depth + 1 {
						sum, got := float32(0), o.C[o.SumsAt()+i]
						for q, v := range x {
							if j < depth {
								sum += v * o.Y.X[j*m+q]
							} else {
								sum += v
							}
						}
						if j < depth {
							got = o.C[i*o.CRow+j]
						}
						if got != sum {
							t.Fatalf("%s: %d rows of %d columns: X Y^T [%d,%d] = %v, want %v", isa, rows, m, i, j, got, sum)
						}
					}
				}
			}
		}
	}
}

func TestTapsOfAPixel(t *testing.T) {
	for _, flip := range []bool{false, true} {
		var taps Taps
		taps.Set(3, 40, 25, true) // Set must not leave anything behind
		const h, w = 3, 5
		taps.Set(3, h, w, flip)
		for tap := range 9 {
			du, dv := tap/3-1, tap%3-1
			if flip {
				du, dv = -du, -dv
			}
			if taps.Off[tap] != du*w+dv {
				t.Errorf("flip %v: tap %d is %d columns away", flip, tap, taps.Off[tap])
			}
			for m := 0; m < 300; m += line {
				bits := taps.from(m)[tap*taps.row:]
				for j := range 40 {
					i, c := (m+j)%(h*w)/w+du, (m+j)%w+dv
					inside := i >= 0 && i < h && c >= 0 && c < w
					if got := bits[j/8]>>(j%8)&1 != 0; got != inside {
						t.Fatalf("flip %v: tap %d of column %d is inside: %v", flip, tap, m+j, got)
					}
				}
			}
		}
	}
}

func TestAddInOrder(t *testing.T) {
	for _, isa := range vec.ISAs() {
		for _, n := range []int{0, 1, 7, 8, 9, 31, 33, 300} {
			const parts = 3
			src, dst := make([]float32, parts*(n+5)), make([]float32, n)
			for i := range src {
				src[i] = float32(math.Sin(float64(i)))
			}
			For(isa).Add(dst, src, n+5, parts)
			for i, v := range dst {
				if want := src[i] + src[n+5+i] + src[2*(n+5)+i]; v != want {
					t.Fatalf("%s: dst[%d] of %d = %v, want %v", isa, i, n, v, want)
				}
			}
		}
	}
}

func TestTurn(t *testing.T) {
	for _, isa := range vec.ISAs() {
		k := For(isa)
		square, n, panels := k.lanes*k.lanes, 3, 2
		stride, from := panels*square+5, n*square+7
		src, dst := make([]float32, panels*from), make([]float32, n*stride)
		for i := range src {
			src[i] = float32(i + 1)
		}
		k.turn(dst, src, stride, n, from, panels)
		for b := range n {
			for j := range stride {
				want := float32(0) // between squares nothing is written
				if p := j / square; p < panels {
					want = src[p*from+(b*k.lanes+j%k.lanes)*k.lanes+j%square/k.lanes]
				}
				if got := dst[b*stride+j]; got != want {
					t.Fatalf("%s: square %d: [%d] is %v, want %v", isa, b, j, got, want)
				}
			}
		}
	}
}

// A tile has at least one column group of a vector, whole images, and parts that cover all columns, whatever the shape.
func TestStackPlanCoversTheColumns(t *testing.T) {
	for _, image := range []int{1, 2, 4, 9, 16, 49, 64, 196, 256, 784, 1024} {
		for _, images := range []int{1, 3, 64, 1000} {
			for _, weights := range []int{1, 4000, 40_000, 400_000} {
				m := image * images
				tile := StackTile(m, image, weights)
				if tile <= 0 || tile > stackMost || tile%line != 0 || tile%image != 0 {
					t.Fatalf("%d images of %d pixels: a tile of %d columns", images, image, tile)
				}
				p := Stack{M: m, Image: image, Layers: []Layer{{In: 1, Out: weights / 2, Taps: 1}, {In: weights / 2, Out: 1, Taps: 1}}}
				p.Layers[0].Out, p.Layers[1].In = max(1, weights/2), max(1, weights/2)
				p.Plan(line)
				for i := range p.Layers {
					g := &p.Layers[i].Gradient
					if g.Parts < 1 || g.Parts > p.Parts || g.Parts*g.PartTiles*p.Tile < m || (g.Parts-1)*g.PartTiles*p.Tile >= m {
						t.Fatalf("%d columns, %d weights: layer %d has %d parts of %d tiles of %d", m, weights, i, g.Parts, g.PartTiles, p.Tile)
					}
				}
			}
		}
	}
	if tile := StackTile(225, 225, 1000); tile != 0 {
		t.Errorf("images of 15x15: a tile of %d columns, but only 16 of them fill whole vectors", tile)
	}
}

// Peak must count what it does: doing twice as much takes longer, at a believable rate.
func TestPeak(t *testing.T) {
	for _, isa := range vec.ISAs() {
		k := For(isa)
		if n := k.Peak(1); n <= 0 || n > 1000 {
			t.Errorf("%s: Peak(1) did %d operations", isa, n)
		}
		t0 := time.Now()
		n := k.Peak(1e7)
		if rate := float64(n) / time.Since(t0).Seconds(); n < 1e7 || rate > 1e12 {
			t.Errorf("%s: Peak(1e7) says %d operations, %.0f a second", isa, n, rate)
		}
	}
}
