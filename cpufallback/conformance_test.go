package cpufallback

import (
	"runtime"
	"slices"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
)

// eachISA runs a test on every instruction set that the package has kernels for. A machine may lack the vector ones; the
// plain Go loops are everywhere.
func eachISA(t *testing.T, test func(t *testing.T, name string)) {
	have := ISAs()
	for _, isa := range []string{"avx512", "avx2", "neon", "generic"} {
		t.Run(isa, func(t *testing.T) {
			if !slices.Contains(have, isa) {
				if isa == "generic" {
					t.Fatal("the plain Go loops are missing from this build")
				}
				t.Skipf("this machine (or a build for %s, or with -tags noasm) has no %s kernels; it has %v", runtime.GOARCH, isa, have)
			}
			test(t, "cpu:"+isa)
		})
	}
}

func opener(name string, workers int) devicetest.Open {
	return func() (device.Backend, error) { return NewWorkers(name, workers) }
}

// Shifts of 1 and 3 put operands on odd addresses: kernels must take any.
func TestConformance(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) { devicetest.Run(t, opener(name, 2), 1, 3) })
}

func TestResultsDoNotDependOnCores(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) {
		devicetest.SameBits(t, opener(name, 1), opener(name, 2), opener(name, 3))
	})
}

// Which worker does what, and when, is chance where others want the cores too. Results must not depend on it.
func TestResultsDoNotDependOnOrder(t *testing.T) {
	shuffled := func(name string, seed uint64) devicetest.Open {
		return func() (device.Backend, error) {
			be, err := NewWorkers(name, 3)
			if err == nil {
				be.pool.Shuffle(seed)
			}
			return be, err
		}
	}
	eachISA(t, func(t *testing.T, name string) {
		devicetest.SameBits(t, opener(name, 1), shuffled(name, 1), shuffled(name, 2))
	})
}

func TestOpsAllocateNothing(t *testing.T) {
	eachISA(t, func(t *testing.T, name string) { devicetest.NoAllocs(t, opener(name, 2)) })
}

func TestNewNamesWhatTheMachineHas(t *testing.T) {
	be, err := New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	if want := "cpu:" + ISAs()[0]; be.Name() != want {
		t.Errorf("cpu opened %s, want the fastest, %s", be.Name(), want)
	}
	for _, name := range []string{"", "cpu:", "cpu:mmx", "cuda:0", "avx2"} {
		if be, err := New(name); err == nil {
			t.Errorf("New(%q) opened %s, want an error", name, be.Name())
		}
	}
}

func BenchmarkOps(b *testing.B) {
	for _, isa := range ISAs() {
		b.Run(isa, func(b *testing.B) { devicetest.Bench(b, opener("cpu:"+isa, runtime.GOMAXPROCS(0))) })
	}
}
