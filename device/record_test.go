package device_test

import (
	"errors"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
)

// sim opens the interpreter with a buffer of n ones.
func sim(t *testing.T, n int) (device.Backend, device.Buffer) {
	t.Helper()
	be, err := device.NewGPU(device.NewSim(device.SimConfig{}), "fp32")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { be.Close() })
	x, err := be.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	be.Fill(x, 1)
	return be, x
}

func read(t *testing.T, be device.Backend, b device.Buffer) []float32 {
	t.Helper()
	v := make([]float32, b.Len())
	if err := be.Download(v, b); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRecord: what is recorded is done at each Replay and not before, on what the buffers then hold.
func TestRecord(t *testing.T) {
	be, x := sim(t, 8)
	y, sum := x.Slice(0, 4), x.Slice(4, 5)
	work := func() {
		be.Axpy(1, x.Slice(4, 8), y) // y += what lies behind it
		be.Sum(1, y, sum)
	}
	work()
	recording, err := be.(device.Recorder).Record(work)
	if err != nil {
		t.Fatal(err)
	}
	if v := read(t, be, x); v[0] != 2 || v[4] != 8 {
		t.Errorf("after one pass and a recording: %v, want the first at 2 and the sum at 8", v)
	}
	be.Fill(x, 1)
	for range 2 {
		recording.Replay()
	}
	// 2 2 2 2 | 8, then 10 3 3 3 | 19
	if v := read(t, be, x); v[0] != 10 || v[1] != 3 || v[4] != 19 {
		t.Errorf("after two replays: %v, want 10 3 3 3 19 1 1 1", v)
	}
	recording.Close()
	if err := be.Sync(); err != nil {
		t.Error(err)
	}
}

// TestRecordRefuses: what a CUDA graph cannot hold is an error that names the op, and the backend goes on as before.
func TestRecordRefuses(t *testing.T) {
	be, x := sim(t, 1<<20)
	out := x.Slice(0, 1)
	for name, f := range map[string]func(){
		"Upload":   func() { be.Upload(out, []float32{1}) },
		"Download": func() { _ = be.Download(make([]float32, 1), out) },
		"Sync":     func() { _ = be.Sync() },
		"Free":     func() { be.Free(x) },
		"Sum":      func() { be.Sum(1, x, out) }, // whose scratch memory is not there yet
	} {
		r, err := be.(device.Recorder).Record(f)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "record") {
			t.Errorf("%s was recorded: %v, want an error that names it", name, err)
		}
		if r != nil {
			t.Errorf("%s: a recording beside the error", name)
		}
		if err := be.Sync(); err != nil {
			t.Fatalf("after %s: %v, want a backend that goes on", name, err)
		}
	}
	be.Sum(1, x, out)
	if r, err := be.(device.Recorder).Record(func() { be.Sum(1, x, out) }); err != nil {
		t.Errorf("once the scratch memory is there: %v", err)
	} else {
		r.Close()
	}
	var nested error
	if _, err := be.(device.Recorder).Record(func() { _, nested = be.(device.Recorder).Record(func() {}) }); err == nil && nested == nil {
		t.Error("a recording within a recording was accepted")
	}
}

// faulty is a Driver whose n-th call of one kind fails, as all that follow then do.
type faulty struct {
	device.Driver
	call string
	left int
	err  error
}

var errLost = errors.New("the device is lost")

func (f *faulty) fail(call string) error {
	if f.err == nil && call == f.call {
		if f.left--; f.left < 0 {
			f.err = errLost
		}
	}
	return f.err
}

func (f *faulty) Alloc(n int64) (uint64, error) {
	if err := f.fail("Alloc"); err != nil {
		return 0, err
	}
	return f.Driver.Alloc(n)
}

func (f *faulty) CopyIn(dst uint64, src []byte) error {
	if err := f.fail("CopyIn"); err != nil {
		return err
	}
	return f.Driver.CopyIn(dst, src)
}

func (f *faulty) CopyOut(dst []byte, src uint64) error {
	if err := f.fail("CopyOut"); err != nil {
		return err
	}
	return f.Driver.CopyOut(dst, src)
}

func (f *faulty) Launch(l *device.Launch) error {
	if err := f.fail("Launch"); err != nil {
		return err
	}
	return f.Driver.Launch(l)
}

func (f *faulty) Sync() error {
	if err := f.fail("Sync"); err != nil {
		return err
	}
	return f.Driver.Sync()
}

// TestFirstErrorIsKept: whatever the driver fails at, Sync and Download tell the first error from then on, with the op and the
// kernel that met it, and no op panics.
func TestFirstErrorIsKept(t *testing.T) {
	for _, c := range []struct {
		call string
		n    int // of them well
		want []string
	}{
		{"CopyIn", 0, []string{"Upload"}},
		{"Launch", 1, []string{"Axpy", "axpy"}}, // the first fills what is allocated
		{"Launch", 3, []string{"Sum", "sum_finish"}},
		{"Alloc", 1, []string{"Sum", "scratch"}},
		{"CopyOut", 0, []string{"Download"}},
		{"Sync", 0, []string{"Sync"}},
	} {
		f := &faulty{Driver: device.NewSim(device.SimConfig{}), call: c.call, left: c.n}
		be, err := device.NewGPU(f, "fp32")
		if err != nil {
			t.Fatal(err)
		}
		x, err := be.Alloc(8)
		if err != nil {
			t.Fatal(err)
		}
		out := make([]float32, 8)
		be.Upload(x, out)
		be.Axpy(1, x.Slice(0, 4), x.Slice(4, 8))
		be.Sum(1, x.Slice(0, 4), x.Slice(4, 5))
		first := be.Download(out, x)
		if first == nil {
			first = be.Sync()
		}
		if !errors.Is(first, errLost) {
			t.Errorf("%s %d: %v, want %v", c.call, c.n, first, errLost)
			continue
		}
		for _, w := range c.want {
			if !strings.Contains(first.Error(), w) {
				t.Errorf("%s %d: %q does not name %s", c.call, c.n, first, w)
			}
		}
		be.Fill(x, 1)
		if err := be.Sync(); !errors.Is(err, errLost) {
			t.Errorf("%s %d: afterwards %v, want the first error for ever", c.call, c.n, err)
		}
		if _, err := be.Alloc(8); !errors.Is(err, errLost) {
			t.Errorf("%s %d: afterwards Alloc gives %v", c.call, c.n, err)
		}
		be.Close()
	}
}

// idle is a Driver that does nothing, so that what is left is the Backend's own work.
type idle struct{ top uint64 }

func (*idle) Name() string      { return "idle" }
func (*idle) Chip() device.Chip { return device.Chip{Major: 8} }
func (d *idle) Alloc(n int64) (uint64, error) {
	d.top += uint64(n+255) &^ 255
	return d.top - uint64(n+255)&^255, nil
}
func (*idle) Load(_, _ string, names []string) ([]device.Function, error) {
	return make([]device.Function, len(names)), nil
}
func (*idle) Free(uint64) error            { return nil }
func (*idle) CopyIn(uint64, []byte) error  { return nil }
func (*idle) CopyOut([]byte, uint64) error { return nil }
func (*idle) Fetch(uint64, int) error      { return nil }
func (*idle) Fetched([]byte) error         { return nil }
func (*idle) Stage([]byte) (uint64, error) { return 0, nil }
func (*idle) Launch(*device.Launch) error  { return nil }
func (*idle) Sync() error                  { return nil }
func (*idle) Record() error                { return nil }
func (*idle) Stop() (device.Graph, error)  { return nil, errors.New("idle") }
func (*idle) Close() error                 { return nil }

// TestOpsAllocateNothing: enqueueing an op takes no memory of the host, in any precision.
func TestOpsAllocateNothing(t *testing.T) {
	for _, p := range []string{"fp32", "bf16"} {
		t.Run(p, func(t *testing.T) {
			devicetest.NoAllocs(t, func() (device.Backend, error) { return device.NewGPU(&idle{top: 1 << 20}, p) })
		})
	}
}

// TestSimTwiceTheSameBits: interpreters that run one block at a time and three agree bit for bit.
func TestSimTwiceTheSameBits(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: TestSim calls each op twice too")
	}
	open := func(workers int) devicetest.Open {
		return func() (device.Backend, error) {
			return device.NewGPU(device.NewSim(device.SimConfig{Unchecked: true, Workers: workers}), "tf32")
		}
	}
	devicetest.SameBitsCases(t, smallCases(), open(1), open(3))
}
