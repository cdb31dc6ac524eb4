package train

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu"
)

// tiny is a run of the digits that takes a fraction of a second.
func tiny(t *testing.T) Config {
	t.Helper()
	p, err := Preset("glow-digits")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Model.Levels, c.Model.Steps, c.Model.Hidden = 1, 2, 8
	c.Batch, c.Steps, c.Warmup = 32, 12, 4
	c.LogEvery, c.EvalEvery, c.SampleEvery, c.CheckpointEvery, c.EvalSamples = 3, 5, 6, 4, 70
	c.Samples, c.Device = 4, "cpu"
	return c
}

func openCPU(name string) (device.Backend, error) { return cpufallback.Open(device.Choice{Name: name}) }

func quiet() Env { return Env{Open: cpufallback.Open, Out: &bytes.Buffer{}} }

// start trains a new run into a new folder.
func start(t *testing.T, c Config) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Start(context.Background(), c, dir, quiet()); err != nil {
		t.Fatal(err)
	}
	return dir
}

// countdown is a context that ends when it has been asked a number of times: the run is stopped at every place where it
// may be.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left == 0 {
		return context.Canceled
	}
	c.left--
	return nil
}

// lines reads a run's log.
func lines(t *testing.T, dir string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, logFile))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// checkpoint reads a run's checkpoint.
func checkpoint(t *testing.T, dir string) *saved {
	t.Helper()
	s, err := open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// wantError checks that an error says all of what it should, in one line.
func wantError(t *testing.T, err error, usage bool, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if errors.As(err, &UsageError{}) != usage {
		t.Errorf("usage error is %v, want %v: %v", !usage, usage, err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("more than a line: %v", err)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
}

// evaluator is an initialised tiny model in batches of a size.
func evaluator(t *testing.T, m *flowgpu.Model, batch int) *flowgpu.Evaluator {
	t.Helper()
	e, err := flowgpu.NewEvaluator(m, batch)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}
