package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSampleCommand(t *testing.T) {
	list := objects(t, must(t, "sample", "--preset", "glow-digits,realnvp-2d", "--device", "cpu", "--seconds", "0", "--json"))
	if len(list) != 2 {
		t.Fatalf("%d records", len(list))
	}
	for i, batch := range []float64{drawnImages, drawnVectors} {
		o := list[i]
		if o["work"] != sampling || field(t, o, "batch") != batch || field(t, o, "gflops") <= 0 || field(t, o, "memory_bytes") <= 0 {
			t.Error(o)
		}
		if got, want := field(t, o, "images_per_second"), batch/field(t, o, "ms")*1000; !near(got, want) {
			t.Errorf("images_per_second is %v, batch/ms %v", got, want)
		}
	}
	text := must(t, "sample", "--preset", "nice-digits", "--batch", "3", "--device", "cpu", "--seconds", "0")
	if !strings.Contains(text, "nice-digits, batches of 3") || !strings.Contains(text, "batch of samples") || strings.Contains(text, "memory stash") {
		t.Errorf("printed\n%s", text)
	}
}

func TestUntilAScore(t *testing.T) {
	flags := []string{"step", "--preset", "glow-digits", "--device", "cpu", "--batch", "16", "--eval-every", "2"}
	o := objects(t, must(t, append(flags, "--until", "100", "--json")...))[0]
	if o["reached"] != true || field(t, o, "step") != 2 || field(t, o, "score") > 100 || o["unit"] != "bits/dim" || field(t, o, "seconds") <= 0 || field(t, o, "startup_seconds") <= 0 {
		t.Error(o)
	}
	if text := must(t, append(flags, "--until", "100")...); !strings.Contains(text, "bits/dim at step 2") {
		t.Errorf("printed %s", text)
	}
}

func TestStartCommand(t *testing.T) {
	o := objects(t, must(t, "start", "--preset", "glow-digits", "--batch", "2", "--device", "cpu", "--times", "2", "--json"))[0]
	if field(t, o, "times") != 2 || !(0 < field(t, o, "min") && field(t, o, "min") <= field(t, o, "ms")) {
		t.Error(o)
	}
	if text := must(t, "start", "--preset", "nice-digits", "--device", "cpu", "--one-step"); !strings.Contains(text, "first step done") {
		t.Errorf("printed %s", text)
	}
}

// TestScaleCommand: every sweep, on little, with tables and pictures.
func TestScaleCommand(t *testing.T) {
	dir := t.TempDir()
	flags := []string{"scale", "--preset", "glow-digits", "--device", "cpu", "--batch", "1,2", "--seconds", "0", "--sweep", "batch,width,depth,size,memory,neighbour"}
	list := objects(t, must(t, append(flags, "--json", "--plot", dir)...))
	seen := map[string]int{}
	for _, o := range list {
		name := o["sweep"].(string)
		seen[name]++
		switch {
		case o["skipped"] != nil:
		case name == "memory":
			if field(t, o, "memory_bytes") <= 0 {
				t.Error(o)
			}
		case !near(field(t, o, "ms_per_sample"), field(t, o, "ms")/field(t, o, "batch")):
			t.Error(o)
		}
	}
	for name, least := range map[string]int{"batch": 2, "width": 5, "depth": 5, "size": 3, "memory": 15, "neighbour": 2} {
		if seen[name] < least {
			t.Errorf("%d points of %s", seen[name], name)
		}
		for _, ending := range []string{".png", ".svg"} {
			if _, err := os.Stat(filepath.Join(dir, "scale-"+name+ending)); err != nil {
				t.Error(err)
			}
		}
	}
	text := must(t, "scale", "--preset", "realnvp-2d", "--device", "cpu", "--batch", "2,1024", "--seconds", "0", "--sweep", "batch,memory", "--gib", "0.01")
	for _, want := range []string{"batch: realnvp-2d", "memory: realnvp-2d", "1024 was not measured: takes", "µs a sample", "reversible"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestScaleWithoutANumber: what a chain of layers has no number for is not swept.
func TestScaleWithoutANumber(t *testing.T) {
	text := must(t, "scale", "--preset", "planar-2d", "--device", "cpu", "--seconds", "0", "--batch", "2", "--sweep", "batch,width,depth,memory")
	for _, want := range []string{"batch: planar-2d", "width: no one number says the hidden units of planar-2d", "depth: no one", "memory: no one"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestValuesOfSweeps(t *testing.T) {
	if got := around(8, 4, 4); !slices.Equal(got, []int{2, 4, 8, 16, 32}) {
		t.Errorf("around 8: %v", got)
	}
	if got := around(2, 4, 2); !slices.Equal(got, []int{1, 2, 4}) {
		t.Errorf("around 2: %v", got)
	}
	var cores []int
	for n := 1; n <= 6; n = nextCores(n, 6) {
		cores = append(cores, n)
	}
	if !slices.Equal(cores, []int{1, 2, 4, 6}) {
		t.Errorf("of 6 cores: %v", cores)
	}
}
