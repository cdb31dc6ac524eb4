//go:build cuda && cgo && linux

package fakecuda_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cuflow/cpufallback"
	"cuflow/device/internal/fakecuda"
	"cuflow/flowgpu/train"
	"cuflow/kernels/ptx"
)

func TestMain(m *testing.M) {
	if err := fakecuda.Load(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// small is a run that the interpreter does in seconds.
func small(t *testing.T, device string) train.Config {
	p, err := train.Preset("glow-digits")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Model.Levels, c.Model.Steps, c.Model.Hidden = 2, 1, 8
	c.Batch, c.Steps, c.Warmup, c.LogEvery = 8, 7, 4, 1
	c.EvalEvery, c.SampleEvery, c.CheckpointEvery, c.Samples = 0, 0, 3, 4
	c.Device, c.Precision = device, "fp32"
	return c
}

// computing makes the fake driver forget all; its device computes from now on.
func computing(settings ...any) *fakecuda.Interpreter {
	fakecuda.Reset()
	for i := 0; i < len(settings); i += 2 {
		fakecuda.Set(settings[i].(string), settings[i+1].(int))
	}
	return fakecuda.Interpret(1<<30, ptx.Options{})
}

func env() train.Env {
	return train.Env{Open: cpufallback.Open, Out: &bytes.Buffer{}, Notes: io.Discard}
}

// losses are those of a run's log, by step, as they were written: in the last bit.
func losses(t *testing.T, dir string) map[int]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var l struct {
			Step       int         `json:"step"`
			BitsPerDim json.Number `json:"bits_per_dim"`
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.BitsPerDim != "" {
			all[l.Step] = string(l.BitsPerDim)
		}
	}
	return all
}

func start(t *testing.T, c train.Config) (string, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	_, err := train.Start(context.Background(), c, dir, env())
	return dir, err
}

func wantLosses(t *testing.T, got, want map[int]string) {
	t.Helper()
	if len(want) < 7 || len(got) != len(want) {
		t.Fatalf("%d losses, want %d, at least 7", len(got), len(want))
	}
	for step, v := range want {
		if got[step] != v {
			t.Errorf("step %d: %s bits/dim, want %s", step, got[step], v)
		}
	}
}

// TestTrain runs a training through gorgonia.org/cu, streams, graphs and staged batches: to the last bit what the interpreter
// computes by itself, in whatever order the device does what it may.
func TestTrain(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: -short, and the interpreter takes seconds for a run")
	}
	dir, err := start(t, small(t, "sim"))
	if err != nil {
		t.Fatal(err)
	}
	want := losses(t, dir)
	for name, settings := range map[string][]any{
		"work late": {"eager", 2}, "copies late": {"eager", 1, "shy", 2},
	} {
		t.Run(name, func(t *testing.T) {
			device := computing(settings...)
			dir, err := start(t, small(t, "cuda"))
			if err != nil {
				t.Fatalf("%v\nthe device: %v", err, device.Err())
			}
			wantLosses(t, losses(t, dir), want)
			if s := fakecuda.Violation(); s != "" {
				t.Errorf("misuse of the driver: %s", s)
			}
			if n := fakecuda.Get("live"); n != 0 {
				t.Errorf("%d things of the GPU left", n)
			}
		})
	}
}

// TestTrainFaults: a device that is lost in the middle of a run ends it with one error, and without a goroutine left; another device
// goes on from the checkpoint, and comes to the losses of a run that was never stopped.
func TestTrainFaults(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: -short, and the interpreter takes seconds for a run")
	}
	computing()
	dir, err := start(t, small(t, "cuda"))
	if err != nil {
		t.Fatal(err)
	}
	want, all := losses(t, dir), fakecuda.Get("launches")
	for name, c := range map[string]struct {
		settings []any
		want     string
	}{
		"illegal address": {[]any{"faultlaunch", all * 6 / 10, "failcode", 700}, "CUDA_ERROR_ILLEGAL_ADDRESS"},
		"launch failure":  {[]any{"faultlaunch", all * 6 / 10, "failcode", 719, "eager", 0}, "CUDA_ERROR_LAUNCH_FAILED"},
	} {
		t.Run(name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			computing(c.settings...)
			dir, err := start(t, small(t, "cuda"))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v, want one error with %s", err, c.want)
			}
			for range 100 {
				if runtime.NumGoroutine() > before {
					time.Sleep(time.Millisecond)
				}
			}
			if n := runtime.NumGoroutine(); n > before {
				t.Errorf("%d goroutines before, %d after", before, n)
			}
			computing()
			if _, err := train.Resume(context.Background(), dir, func(c *train.Config) { c.Device = "cuda" }, env()); err != nil {
				t.Fatalf("resumed: %v", err)
			}
			wantLosses(t, losses(t, dir), want)
		})
	}
}
