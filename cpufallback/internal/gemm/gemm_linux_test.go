package gemm

import (
	"syscall"
	"testing"
	"unsafe"

	"cuflow/cpufallback/internal/vec"
)

// fenced gives n float32s that end, or begin, where memory may not be touched.
func fenced(t *testing.T, n int, atEnd bool) []float32 {
	page := syscall.Getpagesize()
	size := roundUp(4*n, page)
	raw, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(raw) })
	for _, fence := range [][]byte{raw[:page], raw[page+size:]} {
		if err := syscall.Mprotect(fence, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := page
	if atEnd {
		at += size - 4*n
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&raw[at])), n)[:n:n]
}

// Kernels must not read or write outside of their operands, not even what they then ignore: a violation is a fault that
// ends the test.
func TestNothingOutsideIsTouched(t *testing.T) {
	for _, isa := range vec.ISAs() {
		k := For(isa)
		for _, atEnd := range []bool{false, true} {
			for _, s := range []struct{ few, many, n, h, w int }{{2, 5, 1, 1, 1}, {1, 7, 3, 3, 5}, {3, 18, 2, 4, 4}, {2, 37, 1, 9, 17}} {
				m := s.n * s.h * s.w
				mem := func(n int) []float32 { return fenced(t, n, atEnd) }
				var scratch Scratch
				var plain, taps Taps
				plain.Set(1, 1, 1, false)
				taps.Set(3, s.h, s.w, false)
				few := Pixels{X: mem(s.few * m), M: m, Chans: s.few, Taps: &taps}
				many := Pixels{X: mem(s.many * m), M: m, Chans: s.many, Taps: &plain}
				w, bias := mem(s.few*s.many*9), mem(s.many)

				run := func(p *Product) { k.Product(&scratch, p, 0, m, 0) }
				run(&Product{A: Weights{W: w, Groups: 1, Rows: s.many, Row: 9 * s.few, Segs: 1, K: 9 * s.few, Col: 1},
					B: few, C: mem(s.many * m), End: End{Bias: bias, ReLU: true}})
				run(&Product{A: Weights{W: w, Groups: 1, Rows: s.many, Row: 9, Segs: s.few, Seg: 9 * s.many, K: 9, Col: 1},
					B: few, C: mem(s.many * m), End: End{Mask: true}})
				run(&Product{A: Weights{W: w, Groups: s.few, Group: 9 * s.many, Rows: 9, Row: 1, Segs: 1, K: s.many, Col: 9},
					B: many, C: mem(s.few * m), End: End{Bias: bias, Mask: true}, Fold: &taps, Image: s.h * s.w})
				run(&Product{A: Weights{W: w, Groups: 1, Rows: 9 * s.few, Row: 1, Segs: 1, K: s.many, Col: 9 * s.few},
					B: many, C: mem(s.few * m), End: End{Add: true}, Fold: &taps, Image: s.h * s.w})

				o := Outer{X: many, Y: few, SumX: true, SumY: true}
				o.Plan()
				o.C = mem(o.Parts * o.PartFloats())
				for chunk := range o.Chunks() {
					k.Outer(&scratch, &o, chunk, chunk+1)
				}
				k.Add(mem(s.few*s.many), o.C[:s.few*s.many], 0, 1)
			}
		}
	}
}

// The same of stacks, fused and not.
func TestStackTouchesNothingOutside(t *testing.T) {
	for _, isa := range vec.ISAs() {
		k := For(isa)
		for _, atEnd := range []bool{false, true} {
			for _, s := range []struct {
				in, hidden, out, taps, n, h, w int
			}{{2, 5, 3, 9, 3, 2, 4}, {1, 20, 2, 9, 2, 4, 4}, {3, 33, 7, 1, 37, 1, 1}, {5, 300, 4, 1, 33, 1, 1}, {3, 257, 1, 9, 640, 4, 4}} {
				m := s.n * s.h * s.w
				if m > 8<<10 && isa == "generic" {
					continue // Go checks its own loops, and they would take a minute
				}
				mem := func(n int) []float32 { return fenced(t, n, atEnd) }
				var plain, taps, flipped Taps
				plain.Set(1, 1, 1, false)
				taps.Set(3, s.h, s.w, false)
				flipped.Set(3, s.h, s.w, true)
				p := Stack{X: mem(s.in * m), Y: mem(s.out * m), DX: mem(s.in * m), M: m, Image: s.h * s.w, Keep: true,
					In: &taps, InFlip: &flipped, Out: &taps, OutFlip: &flipped}
				if s.taps == 1 {
					p.In, p.InFlip, p.Out, p.OutFlip = &plain, &plain, &plain, &plain
				}
				layer := func(in, out, taps int) *Layer {
					w := mem(in * out * taps)
					p.Layers = append(p.Layers, Layer{
						In: in, Out: out, Taps: taps, Bias: mem(out), DW: mem(in * out * taps), DB: mem(out),
						W:    Weights{W: w, Groups: 1, Rows: out, Row: in * taps, Segs: 1, K: in * taps, Col: 1},
						Back: Weights{W: w, Groups: 1, Rows: in, Row: taps, Segs: out, Seg: in * taps, K: taps, Col: 1},
					})
					return &p.Layers[len(p.Layers)-1]
				}
				l := layer(s.in, s.hidden, s.taps)
				if s.taps > 1 {
					l.Back = Weights{W: l.W.W, Groups: 1, Rows: s.in * s.taps, Row: 1, Segs: 1, K: s.hidden, Col: s.in * s.taps}
				}
				layer(s.hidden, s.hidden, 1)
				l = layer(s.hidden, s.out, s.taps)
				if s.taps > 1 {
					l.W = Weights{W: l.W.W, Groups: s.out, Group: s.hidden * s.taps, Rows: s.taps, Row: 1, Segs: 1, K: s.hidden, Col: s.taps}
				}
				for i := range p.Layers[:2] {
					p.Layers[i].ReLU, p.Layers[i].Hidden = true, mem((s.hidden+1)*roundUp(m, line))
				}
				p.Plan(k.lanes)
				p.C, p.Tree = mem(p.Parts*p.Floats), new(Tree)
				if many := s.n == 640; p.Together(0) != many || p.Together(2) != many {
					t.Fatalf("%+v: goes back through whole parts of layers: %v and %v", s, p.Together(0), p.Together(2))
				}

				var scratch Scratch
				for from := 0; from < m; from += p.Tile {
					k.StackForward(&scratch, &p, from, min(p.Tile, m-from))
				}
				for i := len(p.Layers) - 1; i >= 0 && !p.Fused; i-- {
					if p.Together(i) {
						for part := range p.Layers[i].Parts {
							k.StackThrough(&scratch, &p, i, part)
						}
						continue
					}
					for chunk := range p.Layers[i].Chunks() {
						k.StackWeights(&scratch, &p, i, chunk)
					}
					for from := 0; from < m && !(i == 1 && p.Together(0)); from += p.Tile {
						k.StackBack(&scratch, &p, i, from, min(p.Tile, m-from))
					}
				}
				for part := 0; part < p.Parts && p.Fused; part++ {
					k.StackBackward(&scratch, &p, part)
				}
				for i := 0; i < len(p.Layers) && !p.AddsUp; i++ {
					for chunk := range p.AddChunks(i) {
						k.AddGradient(&p, i, chunk)
					}
				}
			}
		}
	}
}
