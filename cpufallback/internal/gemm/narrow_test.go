package gemm

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cuflow/cpufallback/internal/vec"
)

// whole are n small whole numbers: sums of their products are exact, in any order.
func whole(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.IntN(17) - 8)
	}
	return x
}

// Sums of few terms must be those of the tiles, whatever ends them, in plain rows and in panels.
func TestFewTerms(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, isa := range vec.ISAs() {
		k := For(isa)
		tiles := *k
		tiles.few = [maxFew + 1]func(*tileArgs){}
		for terms := 1; terms <= maxFew && k.few[1] != nil; terms++ {
			for _, rows := range []int{1, 2, 7, 16, 33} {
				for flags := range 8 {
					const tilesWide = 3
					cols := tilesWide * k.vectors * k.lanes
					a := Weights{W: whole(rng, rows*terms), Groups: 1, Rows: rows, Row: terms, Segs: 1, K: terms, Col: 1}
					if flags&1 != 0 {
						a.Row, a.Col = 1, rows // the transpose
					}
					b := whole(rng, cols/k.lanes*k.panelStride(terms))
					end := End{ReLU: flags&2 != 0, Mask: flags&4 != 0}
					if flags&4 == 0 {
						end.Bias = whole(rng, rows)
					}
					old, sums := whole(rng, rows*cols), whole(rng, rows*k.lanes)
					ahead := whole(rng, rows*cols) // fetched, not read
					var results [2][2][]float32
					for i, k := range []*Kernels{&tiles, k} {
						to := target{c: slices.Clone(old), row: cols, vec: k.lanes, sums: slices.Clone(sums)}
						if flags&1 != 0 { // panels
							to.row, to.vec = k.lanes, rows*k.lanes
							to.old = old
						}
						var s Scratch
						s.tile.Ahead, s.tile.AheadLines, s.aheadStep = ahead, 1, rows
						k.multiplyTo(&s, &a, b, cols, to, &end)
						results[i] = [2][]float32{to.c, to.sums}
					}
					if !slices.Equal(results[0][0], results[1][0]) || !slices.Equal(results[0][1], results[1][1]) {
						t.Fatalf("%s, %d terms, %d rows, flags %b: not what tiles compute", isa, terms, rows, flags)
					}
				}
			}
		}
	}
}

// The products of rows of panels must be those that a plain loop adds up, with any number of rows on either side.
func TestCross(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	for _, isa := range vec.ISAs() {
		k := For(isa)
		if k.cross[1] == nil {
			continue
		}
		for _, rows := range []int{1, 2, 3, 5, 6, 7, 18} {
			for _, cols := range []int{4, 8, 20, 64} {
				for _, vecs := range []int{1, 2, 5} {
					a := panels{p: whole(rng, vecs*k.panelStride(rows)), rows: rows, stride: k.panelStride(rows)}
					b := panels{p: whole(rng, vecs*k.panelStride(cols)), rows: cols, stride: k.panelStride(cols)}
					const more = 3 // columns of C that belong to others
					for _, add := range []bool{false, true} {
						c := whole(rng, rows*(cols+more))
						want := slices.Clone(c)
						for i := range rows {
							for j := range cols {
								sum := float32(0)
								for v := range vecs {
									for l := range k.lanes {
										sum += a.p[v*a.stride+i*k.lanes+l] * b.p[v*b.stride+j*k.lanes+l]
									}
								}
								if add {
									sum += c[i*(cols+more)+j]
								}
								want[i*(cols+more)+j] = sum
							}
						}
						if k.crossed(a, b, vecs, c, cols+more, add); !slices.Equal(c, want) {
							t.Fatalf("%s, %d by %d rows, %d vectors, add %v: wrong sums", isa, rows, cols, vecs, add)
						}
					}
				}
			}
		}
	}
}

// The sums of all parts must be the same bits in whatever order the parts begin and end.
func TestTree(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	k := For("generic")
	for parts := 1; parts <= stackParts; parts++ {
		const floats = 5
		tiles := 1 + parts%3
		values := make([][]float32, parts) // of all tiles
		for i := range values {
			for range tiles * floats {
				values[i] = append(values[i], rng.Float32()-0.5)
			}
		}
		var want []float32
		for try := range 200 {
			p := &Stack{Parts: parts, PartTiles: tiles, Floats: floats, C: make([]float32, parts*floats), Tree: new(Tree)}
			type open struct {
				part, at int
				add      bool
			}
			var running []open // as many as there may be workers
			order := rng.Perm(parts)
			if try == 0 {
				slices.Sort(order) // one worker
			}
			roots := 0
			finish := func(i int) {
				o := running[i]
				running = slices.Delete(running, i, i+1)
				for j, v := range values[o.part] {
					if o.add || j >= floats {
						p.C[o.at*floats+j%floats] += v
					} else {
						p.C[o.at*floats+j] = v
					}
				}
				if p.Tree.end(k, p, o.part, o.add) {
					roots++
				}
			}
			for len(order) > 0 {
				at, add := p.Tree.begin(p, order[0])
				running = append(running, open{order[0], at, add})
				order = order[1:]
				for len(running) > 0 && (try == 0 || len(running) == 4 || rng.IntN(2) == 0) {
					finish(rng.IntN(len(running)))
				}
			}
			for len(running) > 0 {
				finish(rng.IntN(len(running)))
			}
			if want == nil {
				want = p.C[:floats]
			}
			if roots != 1 || !slices.Equal(p.C[:floats], want) {
				t.Fatalf("%d parts, order %d: %v at the root %d times, want %v once", parts, try, p.C[:floats], roots, want)
			}
			for i := range p.Tree.waits {
				if p.Tree.waits[i].Load() != 0 {
					t.Fatalf("%d parts, order %d: part %d still waits", parts, try, i)
				}
			}
		}
	}
}
