package main

import (
	"runtime"
	"strings"
	"testing"

	"cuflow/cpufallback"
)

// A line that leaves a core takes some time, and there is nothing to measure for one core.
func TestApart(t *testing.T) {
	for _, cores := range []int{1, 2} {
		be, err := cpufallback.NewWorkers("cpu:generic", cores)
		if err != nil {
			t.Fatal(err)
		}
		ns := apart(be)
		be.Close()
		switch {
		case cores == 1 && len(ns) > 0:
			t.Errorf("one core is %v ns away from itself", ns)
		case cores == 2 && runtime.GOMAXPROCS(0) > 1 && (len(ns) != 1 || !(ns[0] > 0)):
			t.Errorf("a line takes %v ns to another core and back", ns)
		}
	}
}

func TestWrittenApart(t *testing.T) {
	for text, ns := range map[string][]float64{
		"": nil,
		"a cache line takes 100 ns to another core and back":              {100, 120},
		"a cache line takes 100 to 450 ns to another core and back: they": {100, 450, 300},
	} {
		if got := writtenApart(ns); !strings.HasPrefix(got, text) || text == "" && got != "" {
			t.Errorf("%v: %q, want %q", ns, got, text)
		}
	}
}
