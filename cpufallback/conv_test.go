package cpufallback

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"cuflow/device"
)

// oddShapes reach what the shapes of package devicetest do not: sums too long for one kernel call, in one piece and in
// segments; several blocks of rows on both sides; several parts of columns; images larger than a tile, and too large to fold.
func oddShapes() []device.ConvShape {
	shapes := []device.ConvShape{
		{Cin: 1100, Cout: 5, K: 1, N: 37, H: 1, W: 1},
		{Cin: 5, Cout: 1100, K: 1, N: 33, H: 1, W: 1},
		{Cin: 300, Cout: 290, K: 1, N: 41, H: 1, W: 1},
		{Cin: 70, Cout: 75, K: 3, N: 1, H: 5, W: 7},
		{Cin: 75, Cout: 70, K: 3, N: 2, H: 3, W: 3},
		{Cin: 2, Cout: 130, K: 3, N: 13, H: 16, W: 16},
		{Cin: 130, Cout: 2, K: 3, N: 13, H: 16, W: 16},
		{Cin: 40, Cout: 4, K: 3, N: 3, H: 20, W: 31},
		{Cin: 4, Cout: 40, K: 3, N: 3, H: 20, W: 31},
		{Cin: 9, Cout: 8, K: 3, N: 1, H: 65, W: 64},
		{Cin: 8, Cout: 9, K: 3, N: 1, H: 65, W: 64},
		{Cin: 17, Cout: 19, K: 1, N: 1, H: 37, W: 51},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		s := device.ConvShape{Cin: 1 + rng.IntN(40), Cout: 1 + rng.IntN(40), K: 1 + 2*rng.IntN(2), N: rng.IntN(20),
			H: 1 + rng.IntN(9), W: 1 + rng.IntN(9)}
		shapes = append(shapes, s)
	}
	return shapes
}

// products calls each for every product that the convolution is made of, by indices of w, x and y.
func products(s device.ConvShape, each func(w, x, y int)) {
	r := s.K / 2
	for o := range s.Cout {
		for c := range s.Cin {
			for u := range s.K {
				for v := range s.K {
					for n := range s.N {
						for i := max(0, r-u); i < min(s.H, s.H+r-u); i++ {
							for j := max(0, r-v); j < min(s.W, s.W+r-v); j++ {
								each(((o*s.Cin+c)*s.K+u)*s.K+v, ((c*s.N+n)*s.H+i+u-r)*s.W+j+v-r, ((o*s.N+n)*s.H+i)*s.W+j)
							}
						}
					}
				}
			}
		}
	}
}

// An operand lies between guard words, off the boundaries of cache lines.
type operand struct {
	all  []float32
	data []float32
	want []float64
	size []float64 // sum of the absolute terms of want: what rounding errors are relative to
}

const guards = 37

func newOperand(n int, rng *rand.Rand) operand {
	o := operand{all: make([]float32, n+2*guards), want: make([]float64, n), size: make([]float64, n)}
	o.data = o.all[guards : guards+n]
	for i := range o.all {
		o.all[i] = float32(math.NaN())
	}
	for i := range o.data {
		o.data[i] = float32(rng.NormFloat64())
		o.want[i], o.size[i] = float64(o.data[i]), math.Abs(float64(o.data[i]))
	}
	return o
}

func (o *operand) buffer() device.Buffer { return device.HostBuffer(o.data[:len(o.data):len(o.data)]) }

// clear makes the operand one whose old content must not matter.
func (o *operand) clear() {
	for i := range o.data {
		o.data[i] = float32(math.NaN())
	}
	clear(o.want)
	clear(o.size)
}

func (o *operand) add(i int, terms ...float64) {
	p := 1.0
	for _, t := range terms {
		p *= t
	}
	o.want[i] += p
	o.size[i] += math.Abs(p)
}

func (o *operand) check(t *testing.T, name string) {
	t.Helper()
	for i, v := range o.all {
		if inside := i >= guards && i < guards+len(o.data); !inside && v == v {
			t.Errorf("%s: wrote %v at %d of %d", name, v, i-guards, len(o.data))
			return
		}
	}
	for i, v := range o.data {
		// Every term is rounded once and passes through at most some tens of additions in a row, or in a long sum through
		// many, whose errors cancel.
		if e := math.Abs(float64(v) - o.want[i]); !(e <= 2e-6*o.size[i]+1e-30) {
			t.Errorf("%s[%d] of %d is %v, want %v, of terms up to %v", name, i, len(o.data), v, o.want[i], o.size[i])
			return
		}
	}
}

func TestConvOddShapes(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) {
		be, err := NewWorkers(name, 3)
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		for i, s := range oddShapes() {
			t.Run(convName(s), func(t *testing.T) { testConv(t, be, s, rand.New(rand.NewPCG(3, uint64(i)))) })
		}
	})
}

func convName(s device.ConvShape) string {
	return fmt.Sprintf("%d-%d_k%d_%dx%dx%d", s.Cin, s.Cout, s.K, s.N, s.H, s.W)
}

func testConv(t *testing.T, be device.Backend, s device.ConvShape, rng *rand.Rand) {
	const opt = 4 // epilogues take turns
	relu, bias := rng.IntN(2) == 0, rng.IntN(opt) > 0
	act := device.NoAct
	if relu {
		act = device.ReLU
	}
	w, b := newOperand(s.Weights(), rng), newOperand(s.Cout, rng)
	x, y := newOperand(s.Cin*s.M(), rng), newOperand(s.Cout*s.M(), rng)
	dx, h := newOperand(s.Cin*s.M(), rng), newOperand(s.Cin*s.M(), rng)
	dw, db := newOperand(s.Weights(), rng), newOperand(s.Cout, rng)
	dy := newOperand(s.Cout*s.M(), rng)

	y.clear()
	positive := make([]bool, len(h.data))
	for i, v := range h.data {
		positive[i] = v > 0
	}
	clear(h.want)
	clear(h.size)
	for i := range y.data {
		if bias {
			y.add(i, float64(b.data[i/s.M()]))
		}
	}
	products(s, func(iw, ix, iy int) {
		wv, xv, dyv := float64(w.data[iw]), float64(x.data[ix]), float64(dy.data[iy])
		y.add(iy, wv, xv)
		dx.add(ix, wv, dyv)
		h.add(ix, wv, dyv)
		dw.add(iw, dyv, xv)
	})
	for i, v := range dy.data {
		if bias {
			db.add(i/s.M(), float64(v))
		}
	}
	for i := range y.want {
		if relu {
			y.want[i] = max(0, y.want[i])
		}
	}
	for i := range h.want {
		if relu && !positive[i] {
			h.want[i], h.size[i] = 0, 0
		}
	}

	optional := func(o *operand) (none device.Buffer) {
		if bias {
			return o.buffer()
		}
		return none
	}
	be.ConvForward(s, act, w.buffer(), optional(&b), x.buffer(), y.buffer())
	be.ConvBackwardData(s, w.buffer(), dy.buffer(), dx.buffer())
	be.ConvBackwardAct(s, act, w.buffer(), dy.buffer(), h.buffer())
	be.ConvBackwardWeight(s, x.buffer(), dy.buffer(), dw.buffer(), optional(&db))
	for _, o := range []struct {
		name string
		*operand
	}{{"w", &w}, {"b", &b}, {"x", &x}, {"dy", &dy}, {"y", &y}, {"dx", &dx}, {"h", &h}, {"dw", &dw}, {"db", &db}} {
		o.check(t, o.name)
	}
}

// A loss that has become NaN must stay visible, whatever the activation.
func TestReLUKeepsNaN(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) {
		be, err := NewWorkers(name, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		for _, k := range []int{1, 3} {
			s := device.ConvShape{Cin: 2, Cout: 1, K: k, N: 1, H: 3, W: 3}
			w, x, y := make([]float32, s.Weights()), make([]float32, 2*9), make([]float32, 9)
			x[4] = float32(math.NaN())
			be.ConvForward(s, device.ReLU, device.HostBuffer(w), device.Buffer{}, device.HostBuffer(x), device.HostBuffer(y))
			if y[4] == y[4] {
				t.Errorf("k = %d: NaN became %v", k, y[4])
			}
		}
	})
}

// The order of every sum depends on shapes alone.
func TestConvBitsDoNotDependOnWorkers(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) {
		for _, s := range oddShapes()[:12] {
			var first [][]float32
			for workers := 1; workers <= 3; workers++ {
				be, err := NewWorkers(name, workers)
				if err != nil {
					t.Fatal(err)
				}
				rng := rand.New(rand.NewPCG(5, 6))
				w, b, x, y := newOperand(s.Weights(), rng), newOperand(s.Cout, rng), newOperand(s.Cin*s.M(), rng), newOperand(s.Cout*s.M(), rng)
				be.ConvForward(s, device.ReLU, w.buffer(), b.buffer(), x.buffer(), y.buffer())
				be.ConvBackwardWeight(s, x.buffer(), y.buffer(), w.buffer(), b.buffer())
				be.ConvBackwardData(s, w.buffer(), y.buffer(), x.buffer())
				got := [][]float32{y.data, w.data, b.data, x.data}
				if first == nil {
					first = got
				}
				for i := range got {
					if !slices.Equal(got[i], first[i]) {
						t.Errorf("%s: result %d differs between 1 and %d workers", convName(s), i, workers)
					}
				}
				be.Close()
			}
		}
	})
}

// layers are the conditioners' convolutions in the models that ship.
var layers = []struct {
	model string
	s     device.ConvShape
}{
	{"mnist", device.ConvShape{Cin: 2, Cout: 128, K: 3, N: 64, H: 16, W: 16}},
	{"mnist", device.ConvShape{Cin: 128, Cout: 128, K: 1, N: 64, H: 16, W: 16}},
	{"mnist", device.ConvShape{Cin: 128, Cout: 4, K: 3, N: 64, H: 16, W: 16}},
	{"mnist", device.ConvShape{Cin: 4, Cout: 128, K: 3, N: 64, H: 8, W: 8}},
	{"mnist", device.ConvShape{Cin: 128, Cout: 128, K: 1, N: 64, H: 8, W: 8}},
	{"mnist", device.ConvShape{Cin: 128, Cout: 8, K: 3, N: 64, H: 8, W: 8}},
	{"mnist", device.ConvShape{Cin: 8, Cout: 128, K: 3, N: 64, H: 4, W: 4}},
	{"mnist", device.ConvShape{Cin: 128, Cout: 128, K: 1, N: 64, H: 4, W: 4}},
	{"mnist", device.ConvShape{Cin: 128, Cout: 16, K: 3, N: 64, H: 4, W: 4}},
	{"digits", device.ConvShape{Cin: 2, Cout: 64, K: 3, N: 64, H: 4, W: 4}},
	{"digits", device.ConvShape{Cin: 64, Cout: 64, K: 1, N: 64, H: 4, W: 4}},
	{"digits", device.ConvShape{Cin: 64, Cout: 4, K: 3, N: 64, H: 4, W: 4}},
	{"digits", device.ConvShape{Cin: 4, Cout: 64, K: 3, N: 64, H: 2, W: 2}},
	{"digits", device.ConvShape{Cin: 64, Cout: 64, K: 1, N: 64, H: 2, W: 2}},
	{"digits", device.ConvShape{Cin: 64, Cout: 8, K: 3, N: 64, H: 2, W: 2}},
	{"cifar10", device.ConvShape{Cin: 6, Cout: 512, K: 3, N: 64, H: 16, W: 16}},
	{"cifar10", device.ConvShape{Cin: 512, Cout: 512, K: 1, N: 64, H: 16, W: 16}},
	{"cifar10", device.ConvShape{Cin: 512, Cout: 12, K: 3, N: 64, H: 16, W: 16}},
	{"dense", device.ConvShape{Cin: 512, Cout: 512, K: 1, N: 512, H: 1, W: 1}},
	{"dense", device.ConvShape{Cin: 256, Cout: 256, K: 1, N: 512, H: 1, W: 1}},
	{"dense", device.ConvShape{Cin: 256, Cout: 736, K: 1, N: 512, H: 1, W: 1}},
	{"residual", device.ConvShape{Cin: 64, Cout: 64, K: 3, N: 64, H: 16, W: 16}},
	{"residual", device.ConvShape{Cin: 64, Cout: 64, K: 3, N: 64, H: 4, W: 4}},
}

// BenchmarkConv reports the speed of every pass, and its share of what the machine could do in the same second.
func BenchmarkConv(b *testing.B) {
	for _, isa := range ISAs() {
		for _, workers := range []int{1, 2} {
			be, err := NewWorkers("cpu:"+isa, workers)
			if err != nil {
				b.Fatal(err)
			}
			for _, l := range layers {
				b.Run(fmt.Sprintf("%s/%d/%s/%s", isa, workers, l.model, convName(l.s)), func(b *testing.B) { benchmarkConv(b, be, l.s) })
			}
			be.Close()
		}
	}
}

func benchmarkConv(b *testing.B, be *Backend, s device.ConvShape) {
	var all []device.Buffer
	alloc := func(n int, v float32) device.Buffer {
		buf, err := be.Alloc(n)
		if err != nil {
			b.Fatal(err)
		}
		be.Fill(buf, v)
		all = append(all, buf)
		return buf
	}
	w, bias, x, y := alloc(s.Weights(), 0), alloc(s.Cout, 0), alloc(s.Cin*s.M(), 1), alloc(s.Cout*s.M(), 1)
	dw, h := alloc(s.Weights(), 0), alloc(s.Cin*s.M(), 1)
	defer func() {
		for _, buf := range all {
			be.Free(buf)
		}
	}()
	for _, op := range []struct {
		name string
		do   func()
	}{
		{"forward", func() { be.ConvForward(s, device.ReLU, w, bias, x, y) }},
		{"data", func() { be.ConvBackwardAct(s, device.ReLU, w, y, h) }},
		{"weight", func() { be.ConvBackwardWeight(s, x, y, dw, bias) }},
	} {
		b.Run(op.name, func(b *testing.B) {
			for b.Loop() {
				op.do()
			}
			gflops := float64(s.Flops()) * float64(b.N) / b.Elapsed().Seconds() / 1e9
			b.ReportMetric(gflops, "GFLOP/s")
			b.ReportMetric(100*gflops/slices.Max(PeakTries(be.Name(), be.Precision(), be.pool.Workers(), 50*time.Millisecond)), "%peak")
		})
	}
}
