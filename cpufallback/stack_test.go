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

// stacks are the conditioners of the models that ship.
var stacks = []struct {
	model string
	device.Images
	kernel   int
	channels []int
}{
	{"mnist", device.Images{N: 64, H: 16, W: 16}, 3, []int{2, 128, 128, 4}},
	{"mnist", device.Images{N: 64, H: 8, W: 8}, 3, []int{4, 128, 128, 8}},
	{"mnist", device.Images{N: 64, H: 4, W: 4}, 3, []int{8, 128, 128, 16}},
	{"digits", device.Images{N: 64, H: 4, W: 4}, 3, []int{2, 64, 64, 4}},
	{"digits", device.Images{N: 64, H: 2, W: 2}, 3, []int{4, 64, 64, 8}},
	{"plane", device.Images{N: 512, H: 1, W: 1}, 1, []int{1, 64, 64, 2}},
	{"table", device.Images{N: 512, H: 1, W: 1}, 1, []int{31, 512, 512, 64}},
	{"table", device.Images{N: 64, H: 1, W: 1}, 1, []int{31, 512, 512, 64}},
	{"cifar10", device.Images{N: 64, H: 16, W: 16}, 3, []int{6, 512, 512, 12}},
}

// BenchmarkStack reports the speed of both passes, and its share of what the machine could do in the same second.
func BenchmarkStack(b *testing.B) {
	for _, isa := range ISAs() {
		for _, workers := range []int{1, 2} {
			be, err := NewWorkers("cpu:"+isa, workers)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range stacks {
				b.Run(fmt.Sprintf("%s/%d/%s/%v_%dx%dx%d", isa, workers, s.model, s.channels, s.N, s.H, s.W), func(b *testing.B) {
					benchmarkStack(b, be, s.Images, s.kernel, s.channels)
				})
			}
			be.Close()
		}
	}
}

func benchmarkStack(b *testing.B, be *Backend, g device.Images, kernel int, channels []int) {
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
	defer func() {
		for _, buf := range all {
			be.Free(buf)
		}
	}()
	m, last := g.N*g.H*g.W, len(channels)-2
	var units []device.Unit
	flops := 0.0
	for i := range last + 1 {
		u := device.Unit{Cin: channels[i], Cout: channels[i+1], K: 1, Act: device.ReLU}
		if i == 0 || i == last {
			u.K = kernel
		}
		n := u.Cin * u.Cout * u.K * u.K
		flops += 2 * float64(n*m)
		u.W, u.B, u.DW, u.DB = alloc(n, 0), alloc(u.Cout, 1), alloc(n, 0), alloc(u.Cout, 0)
		if i == last {
			u.Act = device.NoAct
		} else {
			u.Hidden = alloc(device.HiddenLen(u.Cout, m), 0)
		}
		units = append(units, u)
	}
	x, dx, y, dy := alloc(channels[0]*m, 1), alloc(channels[0]*m, 0), alloc(channels[last+1]*m, 0), alloc(channels[last+1]*m, 1)
	for _, op := range []struct {
		name   string
		passes float64
		do     func()
	}{
		{"forward", 1, func() { be.StackForward(g, units, x, y, true) }},
		{"backward", 2, func() { be.StackBackward(g, units, x, dy, dx) }},
	} {
		b.Run(op.name, func(b *testing.B) {
			for b.Loop() {
				op.do()
			}
			gflops := op.passes * flops * float64(b.N) / b.Elapsed().Seconds() / 1e9
			b.ReportMetric(gflops, "GFLOP/s")
			b.ReportMetric(100*gflops/slices.Max(PeakTries(be.Name(), be.Precision(), be.pool.Workers(), 50*time.Millisecond)), "%peak")
		})
	}
}

// So many columns through so many weights are cut in parts, and the tiles of a part go back through two layers at once. The gradients
// must be those of the convolutions one after another, the same bits on any number of cores, and the same whether they are added to zeros or set.
func TestStackOfManyParts(t *testing.T) {
	for _, middle := range []int{264, 320} { // 320: back through copies of the weights, too
		w := wideStack{device.Images{N: 159, H: 8, W: 8}, 3, []int{3, middle, middle, 4}}
		w.check(t, func(s *stackTask, _ int) string {
			if !s.Together(0) || !s.Together(2) {
				return "is not taken back in parts"
			}
			return ""
		})
	}
}

// A stack goes back through copies of its large weights, of as many layers as have some. Rows may be more, or fewer, than are copied at a time.
func TestStackBackThroughCopies(t *testing.T) {
	for _, n := range []int{40, 512} {
		w := wideStack{device.Images{N: n, H: 1, W: 1}, 1, []int{31, 256, 300, 320, 384, 6}}
		w.check(t, func(s *stackTask, workers int) string {
			want := []int{5, 0, 6} // rows of 300 are not a whole number of cache lines
			if n == 40 && workers > 1 {
				want = []int{0, 0, 0} // nobody reads them twice
			}
			if copied := []int{s.SpreadChunks(1), s.SpreadChunks(2), s.SpreadChunks(3)}; !slices.Equal(copied, want) {
				return fmt.Sprintf("has copies in %d chunks with %d workers", copied, workers)
			}
			return ""
		})
	}
}

// wideStack is a stack of too many weights to go through all layers at a time.
type wideStack struct {
	device.Images
	kernel   int // of the ends
	channels []int
}

// check compares gradients. wrong says what is not as it should be in the pass back, if anything.
func (w *wideStack) check(t *testing.T, wrong func(s *stackTask, workers int) string) {
	t.Helper()
	want := w.gradients(t, 1, true, false, nil)
	one, three, set := w.gradients(t, 1, false, false, wrong), w.gradients(t, 3, false, false, wrong), w.gradients(t, 2, false, true, wrong)
	for i, w := range want {
		off, size := 0.0, 0.0
		for j, v := range w {
			if one[i][j] != three[i][j] {
				t.Fatalf("gradient %d: [%d] is %v on one core and %v on three", i, j, one[i][j], three[i][j])
			}
			if one[i][j] != set[i][j] {
				t.Fatalf("gradient %d: [%d] is %v where it is added to 0 and %v where it is set", i, j, one[i][j], set[i][j])
			}
			d := float64(one[i][j] - v)
			off, size = off+d*d, size+float64(v)*float64(v)
		}
		if size == 0 || off > 1e-10*size {
			t.Errorf("gradient %d: squares of differences add up to %g, of what convolutions say to %g", i, off, size)
		}
	}
}

// gradients is what the stack adds to the gradients of its operand, its weights and its biases, or sets those of the latter to, or what its
// convolutions do.
func (w *wideStack) gradients(t *testing.T, workers int, convolutions, set bool, wrong func(s *stackTask, workers int) string) [][]float32 {
	t.Helper()
	be, err := NewWorkers("cpu", workers)
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	rng := rand.New(rand.NewPCG(3, 4))
	var memory []device.Buffer
	defer func() {
		for _, buf := range memory {
			be.Free(buf)
		}
	}()
	alloc := func(n int, scale float64) device.Buffer {
		buf, err := be.Alloc(n)
		if err != nil {
			t.Fatal(err)
		}
		memory = append(memory, buf)
		for i := range buf.Host() {
			buf.Host()[i] = float32(scale * rng.NormFloat64())
		}
		return buf
	}
	m, last := w.N*w.H*w.W, len(w.channels)-2
	var units []device.Unit
	for i := range last + 1 {
		u := device.Unit{Cin: w.channels[i], Cout: w.channels[i+1], K: 1, Act: device.ReLU}
		if i == 0 || i == last {
			u.K = w.kernel
		}
		n := u.Cin * u.Cout * u.K * u.K
		u.W, u.B, u.DW, u.DB, u.Set = alloc(n, 0.1), alloc(u.Cout, 1), alloc(n, 0), alloc(u.Cout, 0), set
		if set {
			be.Fill(u.DW, float32(math.NaN()))
			be.Fill(u.DB, float32(math.NaN()))
		}
		if i < last {
			u.Hidden = alloc(device.HiddenLen(u.Cout, m), 0)
		} else {
			u.Act = device.NoAct
		}
		units = append(units, u)
	}
	in, out := w.channels[0], w.channels[last+1]
	x, y, dy, dx := alloc(in*m, 1), alloc(out*m, 0), alloc(out*m, 1), alloc(in*m, 0)
	if convolutions {
		device.StackForwardOn(be, w.Images, units, x, y)
		device.StackBackwardOn(be, w.Images, units, x, dy, dx)
	} else {
		be.StackForward(w.Images, units, x, y, true)
		be.StackBackward(w.Images, units, x, dy, dx)
		if is := wrong(be.conv.kept[stackPass{&units[0], true}], workers); is != "" {
			t.Fatalf("a stack of %v channels and %d columns %s", w.channels, m, is)
		}
	}
	all := [][]float32{slices.Clone(dx.Host())}
	for i := range units {
		all = append(all, slices.Clone(units[i].DW.Host()), slices.Clone(units[i].DB.Host()))
	}
	return all
}

// Parts of a gradient are added as they are done. Their sum must be the same bits in whatever order that is: for parts of one tile and of several, and for
// tiles that are longer than one call of a kernel goes.
func TestStackDoesNotDependOnOrder(t *testing.T) {
	for _, s := range []struct {
		device.Images
		kernel   int
		channels []int
	}{
		{device.Images{N: 512, H: 1, W: 1}, 1, []int{2, 64, 64, 4}},
		{device.Images{N: 9000, H: 1, W: 1}, 1, []int{2, 32, 32, 4}},
		{device.Images{N: 48, H: 14, W: 14}, 3, []int{2, 96, 96, 4}},
		{device.Images{N: 159, H: 8, W: 8}, 3, []int{3, 264, 264, 4}},
	} {
		for _, open := range []func(string, int) (*Backend, error){NewWorkers, NewBF16Workers} {
			var want [][]float32
			for seed := range uint64(4) {
				be, err := open("cpu", 3)
				if err != nil {
					t.Skip(err)
				}
				be.pool.Shuffle(seed)
				got := goneBack(t, be, s.Images, s.kernel, s.channels)
				be.Close()
				for i := range want {
					if !slices.Equal(got[i], want[i]) {
						t.Errorf("%s, %dx%dx%d through %v: gradient %d depends on the order of chunks", be.Precision(), s.N, s.H, s.W, s.channels, i)
					}
				}
				want = got
			}
		}
	}
}

// goneBack is what a stack of random weights computes, back and forth.
func goneBack(t *testing.T, be *Backend, g device.Images, kernel int, channels []int) [][]float32 {
	rng := rand.New(rand.NewPCG(5, 6))
	alloc := func(n int) device.Buffer {
		b, err := be.Alloc(n)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b.Host() {
			b.Host()[i] = rng.Float32() - 0.5
		}
		return b
	}
	m, last := g.N*g.H*g.W, len(channels)-2
	var units []device.Unit
	var all [][]float32
	for i := range last + 1 {
		u := device.Unit{Cin: channels[i], Cout: channels[i+1], K: 1, Set: true}
		if i == 0 || i == last {
			u.K = kernel
		}
		n := u.Cin * u.Cout * u.K * u.K
		u.W, u.B, u.DW, u.DB = alloc(n), alloc(u.Cout), alloc(n), alloc(u.Cout)
		if i < last {
			u.Act, u.Hidden = device.ReLU, alloc(device.HiddenLen(u.Cout, m))
		}
		all = append(all, u.DW.Host(), u.DB.Host())
		units = append(units, u)
	}
	x, y, dy, dx := alloc(channels[0]*m), alloc(channels[last+1]*m), alloc(channels[last+1]*m), alloc(channels[0]*m)
	be.StackForward(g, units, x, y, true)
	be.StackBackward(g, units, x, dy, dx)
	return append(all, y.Host(), dx.Host())
}

// A pass is known by its network. With other operands, another batch or other weights it must be done anew all the same.
func TestKeptStackIsDoneAnew(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 1))
	be, err := NewWorkers("cpu", 2)
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	units := make([]device.Unit, 2)
	for range 3 {
		for _, n := range []int{64, 512} {
			g := device.Images{N: n, H: 1, W: 1}
			alloc := func(n int) device.Buffer {
				b, err := be.Alloc(n)
				if err != nil {
					t.Fatal(err)
				}
				for i := range b.Host() {
					b.Host()[i] = rng.Float32() - 0.5
				}
				return b
			}
			for i := range units {
				c := []int{3, 16, 4}[i:]
				u := device.Unit{Cin: c[0], Cout: c[1], K: 1, W: alloc(c[0] * c[1]), B: alloc(c[1]), DW: alloc(c[0] * c[1]), DB: alloc(c[1])}
				if i == 0 {
					u.Act, u.Hidden = device.ReLU, alloc(device.HiddenLen(c[1], n))
				}
				units[i] = u
			}
			x, y, dy, dx := alloc(3*n), alloc(4*n), alloc(4*n), alloc(3*n)
			be.StackForward(g, units, x, y, true)
			got := slices.Clone(y.Host())
			be.StackForward(g, slices.Clone(units), x, y, true) // unknown
			if !slices.Equal(got, y.Host()) {
				t.Fatalf("%d samples: forward is another result for a network that is not known", n)
			}
			for i := range units {
				clear(units[i].DW.Host())
			}
			clear(dx.Host())
			be.StackBackward(g, units, x, dy, dx)
			got, dw := slices.Clone(dx.Host()), slices.Clone(units[0].DW.Host())
			clear(dx.Host())
			clear(units[0].DW.Host())
			be.StackForward(g, units, x, y, true) // Hidden has been used up
			be.StackBackward(g, slices.Clone(units), x, dy, dx)
			if !slices.Equal(got, dx.Host()) || !slices.Equal(dw, units[0].DW.Host()) {
				t.Fatalf("%d samples: backward is another result for a network that is not known", n)
			}
		}
	}
	if be.Free(units[0].W); len(be.conv.kept) != 0 {
		t.Error("passes are kept that point at memory which has been freed")
	}
}
