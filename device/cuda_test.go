//go:build cuda && cgo && linux

package device_test

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/internal/fakecuda"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// hardware has the tests that can run on a real GPU do so; the others, which watch or spoil the driver, do not run then.
var hardware = flag.Bool("hardware", false, "run on the GPU of this machine instead of the fake driver")

func TestMain(m *testing.M) {
	flag.Parse()
	if !*hardware {
		if err := fakecuda.Load(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// fake makes the fake driver forget all, and sets it as asked: name, value, ...
func fake(t testing.TB, settings ...any) {
	t.Helper()
	if *hardware {
		t.Skip("not run: -hardware, and this is about the fake driver")
	}
	fakecuda.Reset()
	for i := 0; i < len(settings); i += 2 {
		fakecuda.Set(settings[i].(string), settings[i+1].(int))
	}
}

// interpreted is fake with a device that computes.
func interpreted(t testing.TB, settings ...any) *fakecuda.Interpreter {
	fake(t, settings...)
	return fakecuda.Interpret(1<<30, ptx.Options{Check: true})
}

// orders are the ways of the fake driver to do the work of the two streams, of compute and of copies.
var orders = map[string][]any{
	"at once":           {},
	"work late":         {"eager", 2},
	"copies late":       {"eager", 1, "shy", 3},
	"both late":         {"eager", 0, "shy", 1},
	"both late, 4 asks": {"eager", 0, "shy", 4},
}

// inOrders runs a test on hardware once, or on the fake in each order.
func inOrders(t *testing.T, f func(t *testing.T)) {
	if *hardware {
		f(t)
		return
	}
	for name, settings := range orders {
		t.Run(name, func(t *testing.T) {
			i := interpreted(t, settings...)
			f(t)
			if err := i.Err(); err != nil {
				t.Errorf("the device: %v", err)
			}
		})
	}
}

// openCUDA opens a GPU, which the end of the test closes; then nothing may be left of it.
func openCUDA(t testing.TB, cfg device.CUDAConfig) device.Driver {
	t.Helper()
	d, err := device.NewCUDA(0, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Close()
		if *hardware {
			return
		}
		if s := fakecuda.Violation(); s != "" {
			t.Errorf("misuse of the driver: %s", s)
		}
	})
	return d
}

// memoryKernels loads the family memory and gives its kernels by name.
func memoryKernels(t testing.TB, d device.Driver) map[string]device.Function {
	t.Helper()
	text, err := kernels.Module("memory", kernels.Compute80)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"fill", "copy", "axpy"}
	functions, err := d.Load("memory_80.ptx", text, names)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]device.Function{}
	for i, n := range names {
		all[n] = functions[i]
	}
	return all
}

// axpy is y += a*x over n float32s.
func axpy(f device.Function, n int, a float32, x, y uint64) *device.Launch {
	return &device.Launch{
		Function: f, GridX: 1, GridY: 1, Block: 256,
		Args: []uint64{uint64(n), uint64(math.Float32bits(a)), x, y}, Sizes: []int{8, 4, 8, 8},
	}
}

func fill(f device.Function, n int, v float32, x uint64) *device.Launch {
	return &device.Launch{
		Function: f, GridX: 1, GridY: 1, Block: 256, Args: []uint64{uint64(n), uint64(math.Float32bits(v)), x}, Sizes: []int{8, 4, 8},
	}
}

func alloc(t testing.TB, d device.Driver, bytes int) uint64 {
	t.Helper()
	a, err := d.Alloc(int64(bytes))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// must fails the test at the first error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// floats are n float32s from v on.
func floats(n int, v float32) []byte {
	b := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(b[4*i:], math.Float32bits(v+float32(i)))
	}
	return b
}

func TestCUDAChip(t *testing.T) {
	fake(t, "minor", 6, "others", 100<<20)
	d := openCUDA(t, device.CUDAConfig{})
	c := d.Chip()
	want := device.Chip{Name: "Fake GPU 0", Major: 8, Minor: 6, Multiprocessors: 3, Memory: 1 << 30, Free: 924 << 20, Driver: c.Driver}
	if c != want || !strings.HasPrefix(c.Driver, "12.8") {
		t.Errorf("chip %+v, want %+v and driver 12.8", c, want)
	}
	if d.Name() != "cuda:0" {
		t.Errorf("name %q", d.Name())
	}
	before := c.Free
	alloc(t, d, 300<<20)
	if after := d.Chip().Free; before-after != 300<<20 {
		t.Errorf("%d bytes free, then %d after an allocation of 300 MiB", before, after)
	}
}

// TestCUDALaunch compares what reaches the driver with what was asked for, byte by byte.
func TestCUDALaunch(t *testing.T) {
	fake(t)
	d := openCUDA(t, device.CUDAConfig{})
	f := memoryKernels(t, d)
	fakecuda.Set("log", 1)
	must(t, d.Launch(&device.Launch{
		Function: f["axpy"], GridX: 7, GridY: 3, Block: 96, Shared: 100000,
		Args: []uint64{0x0102030405060708, 0xdeadbeef3fc00000, 0x7f0011223344, 0x7f0055667788}, Sizes: []int{8, 4, 8, 8},
	}))
	want := "cuLaunchKernel\n  axpy grid 7 3 1 block 96 1 1 shared 100000 s0: " +
		"0807060504030201 0000c03f 44332211007f0000 88776655007f0000\n"
	if got := fakecuda.Log(); !strings.HasSuffix(got, want) {
		t.Errorf("the driver got\n%swant\n%s", got, want)
	}
}

// TestCUDALaunchRefuses: what the driver or the device cannot take is an error that names the kernel, and the device goes on.
func TestCUDALaunchRefuses(t *testing.T) {
	for _, told := range []int{0, 1} {
		fake(t, "paraminfo", told)
		d := openCUDA(t, device.CUDAConfig{})
		f := memoryKernels(t, d)["fill"]
		for name, spoil := range map[string]func(*device.Launch){
			"block":  func(l *device.Launch) { l.Block = 2000 },
			"grid":   func(l *device.Launch) { l.GridY = 1 << 17 },
			"shared": func(l *device.Launch) { l.Shared = 200 << 10 },
			"size":   func(l *device.Launch) { l.Sizes = []int{8, 8, 8} },
			"count":  func(l *device.Launch) { l.Sizes, l.Args = l.Sizes[:2], l.Args[:2] },
			"many":   func(l *device.Launch) { l.Sizes, l.Args = make([]int, 65), make([]uint64, 65) },
		} {
			l := fill(f, 1, 0, 0)
			spoil(l)
			if told == 0 && (name == "size" || name == "count") {
				continue // nobody knows
			}
			if err := d.Launch(l); err == nil || !strings.Contains(err.Error(), "fill") {
				t.Errorf("%s: %v, want an error that names the kernel", name, err)
			}
		}
		must(t, d.Sync())
	}
}

// TestCUDASharedMemory: kernels may have what a block can have beside their own.
func TestCUDASharedMemory(t *testing.T) {
	fake(t, "optin", 101376)
	d := openCUDA(t, device.CUDAConfig{})
	const text = ".version 8.1\n.target sm_80\n.address_size 64\n.visible .entry k(\n.param .u32 k_param_0\n)\n{\n" +
		".shared .align 16 .b8 tile[30000];\nret;\n}\n"
	f, err := d.Load("k.ptx", text, []string{"k"})
	must(t, err)
	l := &device.Launch{Function: f[0], GridX: 1, GridY: 1, Block: 32, Args: []uint64{1}, Sizes: []int{4}}
	l.Shared = 101376 - 30000
	must(t, d.Launch(l))
	l.Shared++
	if d.Launch(l) == nil {
		t.Error("a byte too much was taken")
	}
}

// TestCUDACopies: copies of every length, through the ring more than once, in order with the work.
func TestCUDACopies(t *testing.T) {
	inOrders(t, func(t *testing.T) {
		d := openCUDA(t, device.CUDAConfig{})
		f := memoryKernels(t, d)
		for _, n := range []int{0, 1, 3, 5000, 2 << 20, 2<<20 + 1, 11<<20 + 7} {
			a := alloc(t, d, n+1)
			src := make([]byte, n)
			r := rand.New(rand.NewPCG(1, uint64(n)))
			for i := range src {
				src[i] = byte(r.Uint32())
			}
			got := make([]byte, n)
			kept := slices.Clone(src)
			must(t, d.CopyIn(a, src))
			clear(src) // it is the caller's again
			must(t, d.CopyOut(got, a))
			if !bytes.Equal(got, kept) {
				t.Errorf("%d bytes came back changed", n)
			}
			must(t, d.Free(a))
		}

		x, y := alloc(t, d, 4096), alloc(t, d, 4096)
		must(t, d.Launch(fill(f["fill"], 1024, 0, y)))
		sum := float32(0)
		for i := range 300 { // small copies in between: none may overtake work or be overtaken
			must(t, d.CopyIn(x, floats(1024, float32(i))), d.Launch(axpy(f["axpy"], 1024, 1, x, y)))
			sum += float32(i)
		}
		got := make([]byte, 4096)
		must(t, d.CopyOut(got, y))
		for k := range 1024 {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(got[4*k:])); v != sum+float32(300*k) {
				t.Fatalf("element %d is %g, want %g", k, v, sum+float32(300*k))
			}
		}
	})
}

// TestCUDAStage: batches of many sizes, each read by work that is enqueued before the next Stage. In the late orders a copy that
// the work does not wait for, or a slot that is written while work still reads it, gives wrong numbers.
func TestCUDAStage(t *testing.T) {
	inOrders(t, func(t *testing.T) {
		d := openCUDA(t, device.CUDAConfig{})
		f := memoryKernels(t, d)
		y := alloc(t, d, 4*4000)
		must(t, d.Launch(fill(f["fill"], 4000, 0, y)))
		want := make([]float32, 4000)
		for i := range 40 {
			n := []int{100, 100, 100, 1000, 999, 4000, 4000, 1}[i%8]
			src := floats(n, float32(i))
			a, err := d.Stage(src)
			must(t, err)
			clear(src)
			for range 2 {
				must(t, d.Launch(axpy(f["axpy"], n, 1, a, y)))
			}
			for k := range n {
				want[k] += 2 * (float32(i) + float32(k))
			}
		}
		got := make([]byte, 4*4000)
		must(t, d.CopyOut(got, y))
		for k := range want {
			if v := math.Float32frombits(binary.LittleEndian.Uint32(got[4*k:])); v != want[k] {
				t.Fatalf("element %d is %g, want %g", k, v, want[k])
			}
		}
		if _, err := d.Stage(nil); err != nil {
			t.Errorf("an empty batch: %v", err)
		}
	})
}

// TestCUDAGraph: a recording is done at each Replay and not before, between staged batches and copies from the host.
// TestCUDAFetch: what is fetched is what the work before has left, whatever comes after it.
func TestCUDAFetch(t *testing.T) {
	inOrders(t, func(t *testing.T) {
		d := openCUDA(t, device.CUDAConfig{})
		f := memoryKernels(t, d)
		const n = 1000
		x := alloc(t, d, 4*n)
		got := make([]byte, 4*n)
		for _, size := range []int{1, n, 7} { // it grows, and need not be filled
			for step := range 3 {
				v := float32(size + step)
				must(t, d.Launch(fill(f["fill"], n, v, x)))
				must(t, d.Fetch(x, 4*size))
				must(t, d.Launch(fill(f["fill"], n, -1, x)))
				clear(got)
				must(t, d.Fetched(got[:4*size]))
				for i := range size {
					if g := math.Float32frombits(binary.LittleEndian.Uint32(got[4*i:])); g != v {
						t.Fatalf("%d values: [%d] is %v, want %v", size, i, g, v)
					}
				}
			}
		}
		if err := d.Fetched(got); err == nil || !strings.Contains(err.Error(), "28 bytes were fetched, not 4000") {
			t.Errorf("another size: %v", err)
		}
		must(t, d.Fetch(x, 0))
		must(t, d.Fetched(nil))
	})
}

func TestCUDAGraph(t *testing.T) {
	inOrders(t, func(t *testing.T) {
		d := openCUDA(t, device.CUDAConfig{})
		f := memoryKernels(t, d)
		x, y, batch := alloc(t, d, 4), alloc(t, d, 4), alloc(t, d, 4)
		must(t, d.CopyIn(x, floats(1, 3)), d.CopyIn(y, floats(1, 0)), d.CopyIn(batch, floats(1, 0)))
		must(t, d.Record())
		l := axpy(f["axpy"], 1, 2, x, y) // y += 2x
		must(t, d.Launch(l))
		l.Args[1], l.Args[2] = uint64(math.Float32bits(1)), batch // y += batch; the arguments were taken
		must(t, d.Launch(l))
		g, err := d.Stop()
		must(t, err)
		want := float32(0)
		for i := range 30 {
			a, err := d.Stage(floats(1, float32(i)))
			must(t, err, d.Launch(fill(f["fill"], 1, 0, batch)), d.Launch(axpy(f["axpy"], 1, 1, a, batch)))
			if i%7 == 3 {
				must(t, d.CopyIn(x, floats(1, float32(i))))
			}
			must(t, g.Replay())
			last := float32(3)
			if i >= 3 {
				last = float32(i - (i-3)%7)
			}
			want += 2*last + float32(i)
		}
		got := make([]byte, 4)
		must(t, d.CopyOut(got, y))
		if v := math.Float32frombits(binary.LittleEndian.Uint32(got)); v != want {
			t.Errorf("after 30 replays %g, want %g", v, want)
		}
		must(t, g.Replay(), g.Close(), g.Close())
		if g.Replay() == nil {
			t.Error("a closed graph was replayed")
		}
	})
}

// TestCUDARecordRefuses: what a graph cannot hold is an error, and the recording goes on; a launch that fails spoils it.
func TestCUDARecordRefuses(t *testing.T) {
	fake(t)
	d := openCUDA(t, device.CUDAConfig{})
	f := memoryKernels(t, d)
	x := alloc(t, d, 4)
	must(t, d.Record(), d.Launch(fill(f["fill"], 1, 5, x)))
	for name, call := range map[string]func() error{
		"Alloc":   func() error { _, err := d.Alloc(4); return err },
		"Free":    func() error { return d.Free(x) },
		"CopyIn":  func() error { return d.CopyIn(x, make([]byte, 4)) },
		"CopyOut": func() error { return d.CopyOut(make([]byte, 4), x) },
		"Stage":   func() error { _, err := d.Stage(make([]byte, 4)); return err },
		"Sync":    d.Sync,
		"Record":  d.Record,
		"Load":    func() error { _, err := d.Load("f", "", nil); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), "record") {
			t.Errorf("%s while work is recorded: %v", name, err)
		}
	}
	d.Chip() // may be asked at any time
	g, err := d.Stop()
	must(t, err, g.Replay(), d.Sync())
	if _, err := d.Stop(); err == nil {
		t.Error("a second Stop")
	}

	must(t, d.Record())
	bad := fill(f["fill"], 1, 5, x)
	bad.Block = 5000
	if d.Launch(bad) == nil {
		t.Error("a block of 5000 was taken")
	}
	must(t, d.Launch(fill(f["fill"], 1, 5, x)))
	if _, err := d.Stop(); err == nil || !strings.Contains(err.Error(), "fill") {
		t.Errorf("Stop after a launch that failed: %v", err)
	}
	must(t, g.Replay(), d.Sync())

	must(t, d.Record())
	must(t, d.Close()) // in the middle of a recording, with a graph open
	if n := fakecuda.Get("live"); n != 0 {
		t.Errorf("%d things left after Close", n)
	}
	must(t, g.Close())
	if g.Replay() == nil || d.Close() == nil || d.Sync() == nil || d.Launch(bad) == nil {
		t.Error("a closed GPU went on")
	}
}

// TestCUDAThreads: calls come from one goroutine at a time, on whatever thread that is, and two GPUs take turns on it.
func TestCUDAThreads(t *testing.T) {
	if *hardware {
		t.Skip("not run: -hardware, and this takes two GPUs")
	}
	interpreted(t, "devices", 2)
	var gpus [2]device.Driver
	var f [2]map[string]device.Function
	var x [2]uint64
	for i := range gpus {
		var err error
		gpus[i], err = device.NewCUDA(i, device.CUDAConfig{})
		must(t, err)
		f[i] = memoryKernels(t, gpus[i])
		x[i] = alloc(t, gpus[i], 4)
		must(t, gpus[i].CopyIn(x[i], floats(1, 1)))
	}
	for range 20 {
		done := make(chan error)
		go func() {
			runtime.LockOSThread() // and end with it: the next goroutine gets another thread
			for i, d := range gpus {
				if err := d.Launch(axpy(f[i]["axpy"], 1, float32(i+1), x[i], x[i])); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
		must(t, <-done)
	}
	for i, d := range gpus {
		got := make([]byte, 4)
		must(t, d.CopyOut(got, x[i]))
		if v, want := math.Float32frombits(binary.LittleEndian.Uint32(got)), float32(math.Pow(float64(i+2), 20)); v != want {
			t.Errorf("GPU %d: %g, want %g", i, v, want)
		}
		must(t, d.Close())
	}
	if n := fakecuda.Get("live"); n != 0 {
		t.Errorf("%d things left after Close", n)
	}
	// The same GPU again: its new context may have the old one's address.
	d := openCUDA(t, device.CUDAConfig{})
	alloc(t, d, 4)
}

// TestCUDARunsAhead: the host never has more than some hundred launches open, however slow the device.
func TestCUDARunsAhead(t *testing.T) {
	fake(t, "eager", 0)
	d := openCUDA(t, device.CUDAConfig{})
	f := memoryKernels(t, d)
	l := fill(f["fill"], 1, 5, alloc(t, d, 4))
	for i := range 2000 {
		must(t, d.Launch(l))
		if open := i + 1 - fakecuda.Get("launches"); open > 9*64 {
			t.Fatalf("%d launches are open", open)
		}
	}
	must(t, d.Record())
	for range 2000 { // of these any number
		must(t, d.Launch(l))
	}
	g, err := d.Stop()
	must(t, err, g.Replay(), d.Sync())
	if n := fakecuda.Get("launches"); n != 4000 {
		t.Errorf("%d launches were done of 4000", n)
	}
}

// TestCUDAAllocatesNothing: what a step does takes no memory of the host.
func TestCUDAAllocatesNothing(t *testing.T) {
	fake(t, "shy", 2)
	d := openCUDA(t, device.CUDAConfig{})
	f := memoryKernels(t, d)
	x := alloc(t, d, 4096)
	l := fill(f["fill"], 1024, 5, x)
	must(t, d.Record(), d.Launch(l))
	g, err := d.Stop()
	must(t, err)
	batch, loss := make([]byte, 1<<20), make([]byte, 4)
	must2 := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, step := range map[string]func(){
		"Launch":  func() { must2(d.Launch(l)) },
		"Replay":  func() { must2(g.Replay()) },
		"CopyIn":  func() { must2(d.CopyIn(x, loss)) },
		"CopyOut": func() { must2(d.CopyOut(loss, x)) },
		"Sync":    func() { must2(d.Sync()) },
		"Stage":   func() { _, err := d.Stage(batch); must2(err) },
	} {
		if n := testing.AllocsPerRun(500, step); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestCUDANotice: the user is told what takes long, once, and not after it is over.
func TestCUDANotice(t *testing.T) {
	fake(t, "slow", 600)
	var told []string
	d := openCUDA(t, device.CUDAConfig{Notice: func(s string) { told = append(told, s) }})
	memoryKernels(t, d)
	if len(told) != 0 {
		t.Errorf("after 0.6 s: %q", told)
	}
	memoryKernels(t, d)
	memoryKernels(t, d)
	if len(told) != 1 || !strings.Contains(told[0], "Fake GPU 0") {
		t.Errorf("after 1.8 s: %q", told)
	}
}

func TestCUDALoadErrors(t *testing.T) {
	fake(t)
	d := openCUDA(t, device.CUDAConfig{})
	_, err := d.Load("bad.ptx", "nonsense", []string{"k"})
	for _, want := range []string{"cuModuleLoadDataEx of bad.ptx", "CUDA_ERROR_INVALID_PTX", "ptxas fatal: a module needs a .version"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	text, _ := kernels.Module("memory", kernels.Compute80)
	_, err = d.Load("memory_80.ptx", text, []string{"fill", "absent"})
	for _, want := range []string{"kernel absent of memory_80.ptx", "CUDA_ERROR_NOT_FOUND"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	must(t, d.Sync())
}

// TestPTXVersion: the kernels ask for no newer CUDA than NewCUDA does.
func TestPTXVersion(t *testing.T) {
	for _, target := range []kernels.Target{kernels.Compute70, kernels.Compute80} {
		for _, k := range kernels.Table(target) {
			text, err := kernels.Module(k.Family, target)
			must(t, err)
			if v := regexp.MustCompile(`(?m)^\.version (.*)$`).FindStringSubmatch(text); v == nil || v[1] != "8.1" {
				t.Fatalf("%s for %s: .version %v; CUDA 12.1 takes 8.1", k.Family, target, v)
			}
		}
	}
}

func BenchmarkCUDALaunch(b *testing.B) {
	fake(b)
	d := openCUDA(b, device.CUDAConfig{})
	l := fill(memoryKernels(b, d)["fill"], 1024, 5, alloc(b, d, 4096))
	b.ReportAllocs()
	for b.Loop() {
		must(b, d.Launch(l))
	}
}

// BenchmarkCUDAReplay is what a training step costs the host beside what the driver does: a batch is staged, a graph replayed.
func BenchmarkCUDAReplay(b *testing.B) {
	fake(b)
	d := openCUDA(b, device.CUDAConfig{})
	l := fill(memoryKernels(b, d)["fill"], 1024, 5, alloc(b, d, 4096))
	must(b, d.Record(), d.Launch(l))
	g, err := d.Stop()
	must(b, err)
	batch := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		_, err := d.Stage(batch)
		must(b, err, g.Replay())
	}
}
