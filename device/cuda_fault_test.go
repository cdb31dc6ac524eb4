//go:build cuda && cgo && linux

package device_test

import (
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cuflow/device"
	"cuflow/device/internal/fakecuda"
	"cuflow/kernels"
)

// everything uses each part of a Driver once, and returns the first error of the GPU's life, that of Close included.
func everything(d device.Driver) (err error) {
	defer func() {
		if e := d.Close(); err == nil {
			err = e
		}
	}()
	text, err := kernels.Module("memory", kernels.Compute80)
	if err != nil {
		return err
	}
	f, err := d.Load("memory_80.ptx", text, []string{"fill"})
	if err != nil {
		return err
	}
	x, err := d.Alloc(3 << 20)
	if err != nil {
		return err
	}
	y, err := d.Alloc(4)
	if err != nil {
		return err
	}
	host := make([]byte, 3<<20) // more than a segment
	l := fill(f[0], 1, 1, x)
	var g device.Graph
	var work []func() error
	for range 130 { // more than a fence
		work = append(work, func() error { return d.Launch(l) })
	}
	stage := func() error { _, err := d.Stage(host[:1000]); return err }
	replay := func() error { return g.Replay() }
	for _, f := range slices.Concat([]func() error{
		func() error { return d.CopyIn(x, host) },
		func() error { return d.Free(y) },
	}, work, []func() error{
		d.Record,
		func() error { return d.Launch(l) },
		func() (err error) { g, err = d.Stop(); return err },
		stage, replay, stage, replay, stage, replay,
		func() error { return d.Fetch(x, 4) },
		replay,
		func() error { return d.Fetched(host[:4]) },
		func() error { return d.CopyOut(host, x) },
		d.Sync,
		func() error { return g.Close() },
	}) {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// watched runs f and fails the test if it does not return, or leaves a goroutine.
func watched(t *testing.T, f func() error) error {
	t.Helper()
	before := runtime.NumGoroutine()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // so that calls come in the same order each time, those that enter a thread included
		result <- f()
	}()
	var err error
	select {
	case err = <-result:
	case <-time.After(30 * time.Second):
		t.Fatal("hangs")
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
	return err
}

// TestCUDAEveryCallFails has each call that a GPU's life makes fail, one at a time: by itself, and with the device lost. Each ends
// in an error that names what failed, and whatever can still be freed is freed.
func TestCUDAEveryCallFails(t *testing.T) {
	open := func() error {
		d, err := device.NewCUDA(0, device.CUDAConfig{})
		if err != nil {
			return err
		}
		return everything(d)
	}
	fake(t, "log", 1)
	must(t, watched(t, open))
	if n := fakecuda.Get("live"); n != 0 {
		t.Fatalf("%d things left after Close", n)
	}
	calls := strings.FieldsFunc(fakecuda.Log(), func(r rune) bool { return r == '\n' })
	var names []string
	for _, c := range calls {
		if !strings.HasPrefix(c, " ") {
			names = append(names, c)
		}
	}
	if len(names) < 250 {
		t.Fatalf("only %d calls", len(names))
	}
	seen := map[string]int{}
	for i, name := range names {
		if seen[name]++; seen[name] > 12 && seen[name]%20 != 0 {
			continue // launches, mostly
		}
		for _, code := range []int{2, 719} {
			for sticky := range 2 {
				fake(t, "failcall", i+1, "failcode", code, "sticky", sticky)
				what := fmt.Sprintf("call %d, %s, code %d, sticky %d", i+1, name, code, sticky)
				err := watched(t, open)
				left := fakecuda.Get("live")
				switch {
				case err == nil:
					t.Errorf("%s: no error", what)
				case name == "cuDriverGetVersion" && strings.Contains(err.Error(), "version"):
				case !strings.Contains(err.Error(), map[int]string{2: "CUDA_ERROR_OUT_OF_MEMORY", 719: "CUDA_ERROR_LAUNCH_FAILED"}[code]):
					t.Errorf("%s: %v does not name it", what, err)
				case strings.Count(err.Error(), "\n") > 0 || strings.Count(err.Error(), "CUDA_ERROR") > 1:
					t.Errorf("%s: not one error but %v", what, err)
				}
				if s := fakecuda.Violation(); s != "" {
					t.Errorf("%s: misuse of the driver: %s", what, s)
				}
				freeing := regexp.MustCompile(`Free|Destroy|Unload|Release`).MatchString(name)
				if sticky == 0 && left > 0 && !(freeing && left == 1) && name != "cuCtxSetCurrent" {
					t.Errorf("%s: %d things left", what, left)
				}
			}
		}
	}
	t.Logf("%d calls of %d entry points", len(names), len(seen))
}

// TestCUDALost: a fault of the device ends in one error, at the latest at Sync, and every later call returns that.
func TestCUDALost(t *testing.T) {
	for name, fault := range map[string]struct {
		code int
		want []string
	}{
		"illegal address": {700, []string{"CUDA_ERROR_ILLEGAL_ADDRESS", "a kernel went wrong", "compute-sanitizer"}},
		"launch failure":  {719, []string{"CUDA_ERROR_LAUNCH_FAILED", "a kernel went wrong"}},
		"memory error":    {214, []string{"CUDA_ERROR_ECC_UNCORRECTABLE", "the hardware failed"}},
		"of the future":   {1234, []string{"CUDA error 1234"}},
	} {
		for _, eager := range []int{3, 0} {
			fake(t, "faultlaunch", 3, "failcode", fault.code, "eager", eager)
			d := openCUDA(t, device.CUDAConfig{})
			f := memoryKernels(t, d)
			x := alloc(t, d, 4)
			must(t, d.Record(), d.Launch(fill(f["fill"], 1, 1, x)))
			g, err := d.Stop()
			must(t, err, g.Replay(), g.Replay())
			if err = d.Launch(fill(f["fill"], 1, 1, x)); err == nil {
				err = d.Sync()
			}
			for _, want := range append(fault.want, "the GPU is lost") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q in it", name, err, want)
				}
			}
			for what, later := range later(d, g, f["fill"], x) {
				if e := later(); e == nil || e.Error() != err.Error() {
					t.Errorf("%s: later %s gives %v, want the first error again", name, what, e)
				}
			}
		}
	}
}

// later are calls after a device is lost, Close the last.
func later(d device.Driver, g device.Graph, f device.Function, x uint64) func(yield func(string, func() error) bool) {
	return func(yield func(string, func() error) bool) {
		for _, c := range []struct {
			name string
			call func() error
		}{
			{"Alloc", func() error { _, err := d.Alloc(4); return err }},
			{"Free", func() error { return d.Free(x) }},
			{"CopyIn", func() error { return d.CopyIn(x, make([]byte, 4)) }},
			{"CopyOut", func() error { return d.CopyOut(make([]byte, 4), x) }},
			{"Stage", func() error { _, err := d.Stage(make([]byte, 4)); return err }},
			{"Fetch", func() error { return d.Fetch(x, 4) }},
			{"Fetched", func() error { return d.Fetched(make([]byte, 4)) }},
			{"Launch", func() error { return d.Launch(fill(f, 1, 1, x)) }},
			{"Sync", d.Sync},
			{"Record", d.Record},
			{"Replay", g.Replay},
			{"Load", func() error { _, err := d.Load("f", "", nil); return err }},
			{"Graph.Close", g.Close},
			{"Close", d.Close},
		} {
			if !yield(c.name, c.call) {
				return
			}
		}
	}
}

// TestCUDAHangs: a kernel that never ends is an error after the time-out, wherever the host comes to wait for it. No call is made
// that waits in the driver; what the GPU holds is left to the end of the process.
func TestCUDAHangs(t *testing.T) {
	const timeout = 30 * time.Millisecond
	for name, waiting := range map[string]func(d device.Driver, l *device.Launch, g device.Graph) error{
		"Sync": func(d device.Driver, _ *device.Launch, _ device.Graph) error { return d.Sync() },
		"CopyOut": func(d device.Driver, l *device.Launch, _ device.Graph) error {
			return d.CopyOut(make([]byte, 4), l.Args[2])
		},
		"Fetched": func(d device.Driver, l *device.Launch, _ device.Graph) error {
			if err := d.Fetch(l.Args[2], 4); err != nil {
				return err
			}
			return d.Fetched(make([]byte, 4))
		},
		"Alloc": func(d device.Driver, _ *device.Launch, _ device.Graph) error { _, err := d.Alloc(4); return err },
		"Free":  func(d device.Driver, l *device.Launch, _ device.Graph) error { return d.Free(l.Args[2]) },
		"Launch": func(d device.Driver, l *device.Launch, _ device.Graph) error {
			for range 2000 {
				if err := d.Launch(l); err != nil {
					return err
				}
			}
			return nil
		},
		"Replay": func(d device.Driver, _ *device.Launch, g device.Graph) error {
			for range 100 {
				if err := g.Replay(); err != nil {
					return err
				}
			}
			return nil
		},
		"Stage": func(d device.Driver, _ *device.Launch, _ device.Graph) error {
			for range 10 {
				if _, err := d.Stage(make([]byte, 4)); err != nil {
					return err
				}
			}
			return nil
		},
		"CopyIn": func(d device.Driver, l *device.Launch, _ device.Graph) error {
			return d.CopyIn(l.Args[2], make([]byte, 20<<20))
		},
		"Graph.Close": func(_ device.Driver, _ *device.Launch, g device.Graph) error { return g.Close() },
		"Close":       func(d device.Driver, _ *device.Launch, _ device.Graph) error { return d.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			fake(t)
			d, err := device.NewCUDA(0, device.CUDAConfig{Timeout: timeout})
			must(t, err)
			f := memoryKernels(t, d)
			x := alloc(t, d, 20<<20)
			l := fill(f["fill"], 1, 1, x)
			must(t, d.Record(), d.Launch(l))
			g, err := d.Stop()
			must(t, err)
			_, err = d.Stage(make([]byte, 4))
			must(t, err)
			fakecuda.Set("hanglaunch", 3)
			must(t, d.Launch(l), d.Launch(l), d.Launch(l))
			began := time.Now()
			err = watched(t, func() error { return waiting(d, l, g) })
			if err == nil || !strings.Contains(err.Error(), "no progress for 30ms") {
				t.Errorf("%v, want an error that says for how long there was no progress", err)
			}
			if took := time.Since(began); took < timeout {
				t.Errorf("after %v already", took)
			}
			for what, later := range later(d, g, f["fill"], x) {
				if e := later(); name != "Close" && (e == nil || e.Error() != err.Error()) {
					t.Errorf("later %s gives %v, want the first error again", what, e)
				}
			}
			if s := fakecuda.Violation(); s != "" {
				t.Errorf("misuse of the driver: %s", s)
			}
		})
	}
}

// TestCUDAProgress: slow work is no hang. The time-out is for any 64 launches, not for all that is open.
func TestCUDAProgress(t *testing.T) {
	fake(t, "pause", 1000)
	const timeout = 200 * time.Millisecond
	d := openCUDA(t, device.CUDAConfig{Timeout: timeout})
	l := fill(memoryKernels(t, d)["fill"], 1, 1, alloc(t, d, 4))
	for range 500 {
		must(t, d.Launch(l))
	}
	began := time.Now()
	must(t, d.Sync())
	if waited := time.Since(began); waited < timeout {
		t.Errorf("waited for %v only, this shows nothing", waited)
	}
}

func TestCUDAOutOfMemory(t *testing.T) {
	fake(t)
	d := openCUDA(t, device.CUDAConfig{})
	fakecuda.Set("others", 960<<20) // another program takes all but 64 MiB
	_, err := d.Alloc(3 << 30)
	for _, want := range []string{
		"cuda:0: out of memory: 3.0 GiB asked", "64.0 MiB of 1.0 GiB free", "smaller batches", "CUDA_ERROR_OUT_OF_MEMORY",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if _, err := d.Stage(make([]byte, 100<<20)); err == nil || !strings.Contains(err.Error(), "100.0 MiB asked") {
		t.Errorf("a batch of 100 MiB: %v", err)
	}
	a := alloc(t, d, 32<<20) // the device goes on
	must(t, d.Free(a))
	if d.Free(a) == nil {
		t.Error("memory was freed twice")
	}
	if _, err := d.Alloc(-1); err == nil {
		t.Error("a negative size was taken")
	}
	_, err = d.Stage(make([]byte, 1000))
	must(t, err)
}
