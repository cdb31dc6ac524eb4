package cpufallback

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"cuflow/device"
)

func TestSharesMeetAndCover(t *testing.T) {
	for _, n := range []int{0, 1, 15, 16, 17, 1000, 16384, 100003} {
		for _, chunks := range []int{1, 2, 3, 7, 50} {
			for _, align := range []int{1, line} {
				end := 0
				for i := range chunks {
					lo, hi := share(n, chunks, i, align)
					if lo != end || hi < lo || lo%align != 0 {
						t.Fatalf("share %d of %d of %d by %d is %d..%d after %d", i, chunks, n, align, lo, hi, end)
					}
					end = hi
				}
				if end != n {
					t.Fatalf("%d shares of %d by %d end at %d", chunks, n, align, end)
				}
			}
		}
	}
}

// eachBackend runs a test on every instruction set of this machine, with three workers.
func eachBackend(t *testing.T, test func(t *testing.T, b *Backend)) {
	eachISA(t, func(t *testing.T, name string) {
		b, err := NewWorkers(name, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		test(t, b)
	})
}

func normals(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// A sum of a million numbers that do not cancel must be as good as float32 can hold.
func TestLongSumsKeepTheirPrecision(t *testing.T) {
	x := normals(1, 1_000_003)
	var sum, squares float64
	for i := range x {
		x[i] += 3
		sum += float64(x[i])
		squares += float64(x[i]) * float64(x[i])
	}
	eachBackend(t, func(t *testing.T, b *Backend) {
		out := device.HostBuffer(make([]float32, 1))
		b.Sum(0.5, device.HostBuffer(x), out)
		if got := float64(out.Host()[0]); math.Abs(got/(sum/2)-1) > 0x1p-23 {
			t.Errorf("half the sum is %v, want %v", got, sum/2)
		}
		b.SumSquares(device.HostBuffer(x), out)
		if got := float64(out.Host()[0]); math.Abs(got/squares-1) > 0x1p-23 {
			t.Errorf("sum of squares is %v, want %v", got, squares)
		}
	})
}

// Samples of one pixel, of a few, of a tile, and of more than a tile; samples that share a tile, fill some, cross chunks.
var walks = []device.Rows{
	{C: 3, N: 2, P: tile + 1}, {C: 2, N: 5, P: 3*tile + 7}, {C: 1, N: 3, P: tile}, {C: 5, N: 700, P: 9}, {C: 37, N: 3000, P: 1},
	{C: 2, N: 2 * tile, P: 4}, {C: 1, N: 1, P: 20000}, {C: 1, N: 5 * tile, P: 1}, {C: 300, N: 70, P: 1},
}

func TestSumsBySampleOnEveryWalk(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, r := range walks {
			x, st := normals(2, r.Len()), normals(3, 2*r.Len())
			logp, logdet := make([]float64, r.N), make([]float64, r.N)
			for i, v := range x {
				n := i % r.M() / r.P
				logp[n] -= float64(v)*float64(v)/2 + math.Log(2*math.Pi)/2
				logdet[n] -= math.Log1p(math.Exp(-2 - float64(st[r.Len()+i])))
			}
			got := make([]float32, r.N)
			b.GaussianLogProb(r, device.HostBuffer(x), device.HostBuffer(got))
			nearAll(t, r, "logp", got, logp)
			clear(got)
			b.Coupling(r, device.SigmoidScale, device.Buffer{}, device.HostBuffer(st), device.HostBuffer(x), device.HostBuffer(got))
			nearAll(t, r, "logdet", got, logdet)
			b.CouplingInverse(r, device.SigmoidScale, device.Buffer{}, device.HostBuffer(st), device.HostBuffer(x), device.HostBuffer(got))
			for n, v := range got {
				if v != 0 {
					t.Fatalf("%v: logdet of sample %d is %g after there and back", r, n, v)
				}
			}
			for i, want := range normals(2, r.Len()) {
				if math.Abs(float64(x[i]-want)) > 1e-5 {
					t.Fatalf("%v: x[%d] is %g after there and back, want %g", r, i, x[i], want)
				}
			}
		}
	})
}

// nearAll allows for C*P values of size 1 the rounding of a float32 sum in pieces.
func nearAll(t *testing.T, r device.Rows, what string, got []float32, want []float64) {
	t.Helper()
	for n, w := range want {
		if math.Abs(float64(got[n])-w) > 0x1p-22*(math.Abs(w)+float64(r.C)) {
			t.Fatalf("%v: %s[%d] is %v, want %v", r, what, n, got[n], w)
		}
	}
}

func TestNoiseOnEveryWalk(t *testing.T) {
	rng := device.Stream{Seed: 0x0123456789abcdef, ID: 7}
	at := device.HostBuffer([]float32{11, 1000})
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, r := range walks {
			x := make([]float32, r.Len())
			b.Uniform(r, rng, at, device.HostBuffer(x))
			for i, got := range x {
				n, e := i%r.M()/r.P, i/r.M()*r.P+i%r.P
				w := rng.Words(uint32(e/4), uint32(1000+n), 11)
				if want := device.UniformOf(w[e%4]); got != want {
					t.Fatalf("%v: element %d of sample %d is %v, want %v", r, e, n, got, want)
				}
			}
		}
	})
}

func TestAllocGivesZeroedAlignedMemory(t *testing.T) {
	b, err := New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for range 3 { // again after Free
		for _, n := range []int{0, 1, 1000, mapFrom/4 - 1, mapFrom / 4, mapFrom} {
			x, err := b.Alloc(n)
			if err != nil {
				t.Fatal(err)
			}
			if x.Len() != n {
				t.Fatalf("asked for %d, got %d", n, x.Len())
			}
			if n == 0 {
				b.Free(x)
				continue
			}
			if addr := uintptr(unsafe.Pointer(&x.Host()[0])); addr%64 != 0 {
				t.Errorf("%d float32s at %#x", n, addr)
			}
			for i, v := range x.Host() {
				if v != 0 {
					t.Fatalf("element %d of %d is %g", i, n, v)
				}
			}
			b.Fill(x, 1)
			b.Free(x)
		}
	}
	if len(b.mapped) != 0 {
		t.Errorf("%d mappings left", len(b.mapped))
	}
}

func TestAllocSaysWhatWasAskedFor(t *testing.T) {
	if !mapped {
		t.Skip("on this system the Go runtime itself fails when memory runs out")
	}
	b, err := New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Alloc(1 << 50); err == nil {
		t.Error("4 PB were given out")
	} else {
		t.Log(err)
	}
}
