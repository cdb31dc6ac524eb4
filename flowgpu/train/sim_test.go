package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/flowgpu"
)

// small is a model of each architecture that the interpreter can train for 20 steps in seconds.
func small(t *testing.T, preset string) Config {
	p, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	switch c.Model.Kind {
	case "glow":
		c.Model.Levels, c.Model.Steps, c.Model.Hidden = 2, 1, 8
	case "realnvp":
		c.Model.Levels, c.Model.Hidden, c.Model.Depth = 1, 2, 1
	case "nice":
		c.Model.Steps, c.Model.Hidden, c.Model.Depth = 2, 16, 1
	}
	c.Batch, c.Steps, c.Warmup, c.LogEvery = 8, 20, 4, 1
	c.EvalEvery, c.SampleEvery, c.CheckpointEvery, c.Samples = 0, 0, 10, 4
	c.Device, c.Precision = "cpu", "fp32"
	return c
}

// losses are those of a run's steps, in bits/dim.
func losses(t *testing.T, dir string) []float64 {
	var all []float64
	for _, text := range lines(t, dir) {
		var l Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		all = append(all, l.BitsPerDim)
	}
	return all
}

// wantLosses checks that two runs saw the same losses but for rounding. Noise, order and start are the same on every device; what
// differs is the order of sums, 1e-7 of a loss at first, and grows as training amplifies it: ten times at most in 20 steps here.
func wantLosses(t *testing.T, got, want []float64) {
	t.Helper()
	if len(got) != 20 || len(want) != 20 {
		t.Fatalf("%d and %d losses, want 20 of each", len(got), len(want))
	}
	for i := range want {
		if d := math.Abs(got[i] - want[i]); !(d <= 2e-5*(1+math.Abs(want[i]))) {
			t.Errorf("step %d: %.7f bits/dim, want %.7f", i+1, got[i], want[i])
		}
	}
}

// TestTrainOnTheInterpreter trains each architecture with the kernels that ship: the losses are those of the CPU, and a second run
// has the same bits, whether its steps are recorded as a graph or not.
func TestTrainOnTheInterpreter(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the interpreter takes seconds for a run")
	}
	for _, preset := range []string{"glow-digits", "realnvp-digits", "nice-digits"} {
		t.Run(preset, func(t *testing.T) {
			c := small(t, preset)
			cpu := start(t, c)
			c.Device = "sim"
			sim := start(t, c)
			wantLosses(t, losses(t, sim), losses(t, cpu))

			c.NoGraph = true
			again := start(t, c)
			a, b := losses(t, sim), losses(t, again)
			for i := range a {
				if a[i] != b[i] {
					t.Fatalf("step %d of a second run, without a graph: %v, not %v", i+1, b[i], a[i])
				}
			}
		})
	}
}

// TestResumeOnAnotherDevice: a checkpoint of one device goes on on another.
func TestResumeOnAnotherDevice(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the interpreter takes seconds for a run")
	}
	c := small(t, "glow-digits")
	want := losses(t, start(t, c))
	for _, devices := range [][2]string{{"cpu", "sim"}, {"sim", "cpu"}, {"sim", "sim:70"}} {
		t.Run(devices[0]+" to "+devices[1], func(t *testing.T) {
			c.Device, c.Steps = devices[0], 10
			dir := start(t, c)
			if _, err := Resume(context.Background(), dir, func(c *Config) { c.Device, c.Steps = devices[1], 20 }, quiet()); err != nil {
				t.Fatal(err)
			}
			wantLosses(t, losses(t, dir), want)
			if s := checkpoint(t, dir); !strings.HasPrefix(s.Config.Device, devices[1]) {
				t.Errorf("the run ended on %s, want %s", s.Config.Device, devices[1])
			}
		})
	}
}

// TestUseOnTheInterpreter: a run of the CPU is scored and sampled by the kernels, with the same outcome but for rounding.
func TestUseOnTheInterpreter(t *testing.T) {
	c := small(t, "glow-digits")
	c.Steps = 2
	dir := start(t, c)
	var nats [2]float64
	for i, device := range []string{"cpu", "sim"} {
		e, err := Evaluate(context.Background(), dir, Detail{}, Use{Device: device, Precision: "fp32"}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		nats[i] = e.BitsPerDim
	}
	if math.Abs(nats[0]-nats[1]) > 1e-5 {
		t.Errorf("%v bits/dim on the CPU, %v on the interpreter", nats[0], nats[1])
	}
}

// TestStopOnTheInterpreter: on a device whose losses come while the next step runs, a run that was stopped anywhere ends with the
// same bits and the same log as one that was not.
func TestStopOnTheInterpreter(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the interpreter takes seconds for a run")
	}
	c := small(t, "nice-digits")
	c.Device, c.Steps, c.LogEvery, c.CheckpointEvery, c.Model.Hidden, c.Batch = "sim", 5, 2, 4, 4, 2
	want := start(t, c)
	for asked := 1; asked <= 4; asked++ { // before each step but the first: at a line, between two, and at the checkpoint
		dir := filepath.Join(t.TempDir(), "run")
		_, err := Start(&countdown{context.Background(), asked}, c, dir, quiet())
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped at place %d: %v", asked, err)
		}
		if _, err := Resume(context.Background(), dir, func(*Config) {}, quiet()); err != nil {
			t.Fatal(err)
		}
		wantSameRun(t, dir, want)
	}
}

// TestTooLittleMemory: what does not fit is said before anything is allocated, with what would.
func TestTooLittleMemory(t *testing.T) {
	c := small(t, "glow-digits")
	c.Batch, c.Memory, c.Model.Hidden, c.Model.Steps = 64, flowgpu.Stash, 32, 4
	need, err := c.need(c.Batch, modes()...)
	if err != nil {
		t.Fatal(err)
	}
	if need[0] <= need[1] || need[1] <= need[2] {
		t.Fatalf("stash, recompute and reversible take %v bytes", need)
	}
	for memory, want := range map[int64][]string{
		need[0] - 1: {"batches of 64 in mode stash take", "--memory recompute takes", "--memory reversible takes", "--batch 32 takes"},
		need[2] - 1: {"--batch "},
		1 << 12:     {"take a smaller model than glow-digits"},
	} {
		env := quiet()
		env.Open = func(device.Choice) (device.Backend, error) {
			return device.NewGPU(device.NewSim(device.SimConfig{Memory: memory}), "fp32")
		}
		dir := filepath.Join(t.TempDir(), "run")
		_, err := Start(context.Background(), c, dir, env)
		wantError(t, err, false, append(want, "sim has")...)
		if _, err := os.Stat(dir); err == nil {
			t.Error("a run's folder is there")
		}
	}
}

// TestPrecisionNeedsTheDevice: what a device cannot do is said before anything is trained.
func TestPrecisionNeedsTheDevice(t *testing.T) {
	for _, x := range []struct{ device, precision, want string }{
		{"cpu", "tf32", "--precision tf32 is for GPUs"},
		{"cpu:generic", "bf16", "has no instructions for --precision bf16"},
		{"sim:70", "tf32", "compute capability 8.0"},
		{"sim", "fp8", `unknown precision "fp8"`},
		{"sim:90", "", "unknown device"},
		{"cuda:x", "", "cuda:0"},
	} {
		c := small(t, "glow-digits")
		c.Device, c.Precision = x.device, x.precision
		_, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
		wantError(t, err, false, x.want)
	}
}
