package cpufallback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/device"
)

// The table of package devicetest has small matrices; these sums are too long for one kernel call, and both gradients are cut
// in several blocks and parts.
func TestMixLarge(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) {
		be, err := NewWorkers(name, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		for _, s := range []struct{ c, m int }{{530, 33}, {130, 70}, {33, 1100}, {1, 5}, {7, 0}, {2, 77}, {4, 2100}, {4, 70_001}, {6, 300}, {8, 9}, {12, 5000}, {16, 4099}} {
			rng := rand.New(rand.NewPCG(7, uint64(s.c)))
			a, b := newOperand(s.c*s.c, rng), newOperand(s.c, rng)
			x, y, dx, da := newOperand(s.c*s.m, rng), newOperand(s.c*s.m, rng), newOperand(s.c*s.m, rng), newOperand(s.c*s.c, rng)
			copy(y.data, x.data)
			dy := append([]float32(nil), dx.data...)
			clear(y.want)
			clear(y.size)
			clear(dx.want)
			clear(dx.size)
			for q := range s.m {
				for i := range s.c {
					y.add(i*s.m+q, float64(b.data[i]))
					for j := range s.c {
						aij, dyi, xj := float64(a.data[i*s.c+j]), float64(dy[i*s.m+q]), float64(x.data[j*s.m+q])
						y.add(i*s.m+q, aij, xj)
						dx.add(j*s.m+q, aij, dyi)
						da.add(i*s.c+j, dyi, xj)
					}
				}
			}
			be.MixForward(s.c, s.m, a.buffer(), b.buffer(), y.buffer())
			be.MixBackward(s.c, s.m, a.buffer(), x.buffer(), dx.buffer(), da.buffer())
			for _, o := range []struct {
				name string
				*operand
			}{{"a", &a}, {"b", &b}, {"x", &x}, {"y", &y}, {"dx", &dx}, {"da", &da}} {
				o.check(t, fmt.Sprintf("c = %d, m = %d: %s", s.c, s.m, o.name))
			}
		}
	})
}

// What LUCompose calls the inverse must undo the matrix.
func TestLUComposeInverts(t *testing.T) {
	be, err := New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	rng := rand.New(rand.NewPCG(8, 8))
	for _, c := range []int{1, 2, 5, 48, 100} {
		perm, l, u, logd, sign := newOperand(c, rng), newOperand(c*c, rng), newOperand(c*c, rng), newOperand(c, rng), newOperand(c, rng)
		for i, p := range rng.Perm(c) {
			perm.data[i] = float32(p)
			sign.data[i] = float32(1 - 2*(p%2))
		}
		for i := range l.data { // small off the diagonal, so that the matrix is far from singular
			l.data[i] *= 0.5 / float32(c)
			u.data[i] *= 0.5 / float32(c)
		}
		w, winv := newOperand(c*c, rng), newOperand(c*c, rng)
		be.LUCompose(c, perm.buffer(), l.buffer(), u.buffer(), logd.buffer(), sign.buffer(), w.buffer(), winv.buffer())
		for i := range c {
			for j := range c {
				sum, size := 0.0, 0.0
				for k := range c {
					p := float64(w.data[i*c+k]) * float64(winv.data[k*c+j])
					sum += p
					size += math.Abs(p)
				}
				want := 0.0
				if i == j {
					want = 1
				}
				if !(math.Abs(sum-want) <= 3e-7*size) { // both matrices are rounded to float32
					t.Fatalf("c = %d: (w w^-1)[%d,%d] = %v, of terms up to %v", c, i, j, sum, size)
				}
			}
		}
	}
}

// BenchmarkMix is the channel mixes of the models that ship.
func BenchmarkMix(b *testing.B) {
	be, err := New("cpu")
	if err != nil {
		b.Fatal(err)
	}
	defer be.Close()
	for _, s := range []struct{ c, m int }{{4, 16384}, {8, 4096}, {16, 1024}, {4, 1024}, {16, 256}, {12, 16384}, {48, 1024}, {64, 4096}} {
		alloc := func(n int) device.Buffer {
			buf, err := be.Alloc(n)
			if err != nil {
				b.Fatal(err)
			}
			return buf
		}
		a, x, dx, da := alloc(s.c*s.c), alloc(s.c*s.m), alloc(s.c*s.m), alloc(s.c*s.c)
		run := func(name string, passes int, do func()) {
			b.Run(fmt.Sprintf("%s/c%d_m%d", name, s.c, s.m), func(b *testing.B) {
				for b.Loop() {
					do()
				}
				b.ReportMetric(2*float64(passes*s.c*s.c*s.m*b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
		run("forward", 1, func() { be.MixForward(s.c, s.m, a, device.Buffer{}, x) })
		run("backward", 2, func() { be.MixBackward(s.c, s.m, a, x, dx, da) })
	}
}
