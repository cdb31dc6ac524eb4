package train

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/meter"
	"cuflow/flowgpu"
)

// TestAmounts: what a run does, counted by hand.
func TestAmounts(t *testing.T) {
	images := func(change func(*Config)) Config {
		c := tiny(t) // 12 steps; validation every 5 (of 70), samples (4) every 6, checkpoints every 4
		change(&c)
		return c
	}
	for _, c := range []struct {
		name      string
		cfg       Config
		val, test int
		same      bool
		want      amounts
	}{
		{"images", images(func(*Config) {}), 100, 100, true, amounts{12, 2*70 + 100, 2*4 + 4, 1 + 1, 1 + 2 + 1}},
		{"all at the end", images(func(c *Config) { c.EvalEvery, c.SampleEvery, c.CheckpointEvery = 0, 0, 0 }), 100, 100, true, amounts{12, 100, 4, 1, 2}},
		{"patience", images(func(c *Config) { c.Patience = 3 }), 100, 100, true, amounts{12, 2*70 + 70 + 100, 12, 2, 4}},
		{"few are held out", images(func(c *Config) { c.EvalSamples = 1000 }), 100, 100, true, amounts{12, 3 * 100, 12, 2, 4}},
		{"a test part", images(func(c *Config) { c.EvalSamples = 0 }), 100, 50, false, amounts{12, 3*100 + 50, 12, 2, 4}},
		{"nothing is held out", images(func(*Config) {}), 0, 0, true, amounts{12, 0, 12, 2, 4}},
	} {
		if got := c.cfg.amounts(c.val, c.test, c.same); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// TestAmountsAreWhatARunDoes: a real run scores and writes as often as was counted.
func TestAmountsAreWhatARunDoes(t *testing.T) {
	c := tiny(t)
	scored := 0
	env := quiet()
	env.Scored = func(_ int, seconds float64, s Score) {
		scored += s.N
		if !(seconds > 0) {
			t.Errorf("scored after %v s", seconds)
		}
	}
	dir := filepath.Join(t.TempDir(), "run")
	if _, err := Start(context.Background(), c, dir, env); err != nil {
		t.Fatal(err)
	}
	s, err := c.open(func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	a := c.amounts(s.val.Info().N, s.test.Info().N, s.val == s.test)
	if scored != a.validated {
		t.Errorf("%d samples were scored, %d counted", scored, a.validated)
	}
	grids, err := os.ReadDir(filepath.Join(dir, samplesFolder))
	if err != nil {
		t.Fatal(err)
	}
	if drawn := (len(grids) + 1) * c.Samples; drawn != a.drawn {
		t.Errorf("%d samples were drawn, %d counted", drawn, a.drawn)
	}
}

func TestPortions(t *testing.T) {
	c := tiny(t)
	sum := 0.0
	var texts []string
	for _, p := range (amounts{1000, 200, 64, 3, 1}).portions(rates{0.1, 0.01, 0.001, 0.5, 2}, c) {
		sum += p.seconds
		texts = append(texts, p.String())
	}
	if math.Abs(sum-(100+2+0.064+1.5+2)) > 1e-9 {
		t.Errorf("in all %v s", sum)
	}
	if got := strings.Join(texts, "; "); got != "1,000 steps: 100 s; 200 images scored: 2 s; 64 images drawn: 0.064 s; 3 pictures of the curves: 1.5 s; 1 checkpoint: 2 s" {
		t.Error(got)
	}
}

// TestRatio: where arithmetic limits, a step grows with the batch; where memory does and parameters are most of it, hardly.
func TestRatio(t *testing.T) {
	c := tiny(t)
	c.Model.Seed, c.Batch = 1, 64
	budget := func(batch int) float64 {
		c := c
		c.Batch = batch
		b, err := flowgpu.Plan(c.Model, c.stepping(c.Memory), c.Memory)
		if err != nil {
			t.Fatal(err)
		}
		return float64(b[0].Flops)
	}
	slow, err := c.ratio(meter.Peaks{GFLOPS: 1e-3, Copy: 1e6, Triad: 1e6}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if want := budget(64) / budget(4); math.Abs(slow/want-1) > 0.02 {
		t.Errorf("16 times the batch takes %v times as long, its arithmetic is %v times", slow, want)
	}
	fast, err := c.ratio(meter.Peaks{GFLOPS: 1e9, Copy: 1, Triad: 1}, 4)
	if err != nil {
		t.Fatal(err)
	}
	if !(fast > 1 && fast < slow) {
		t.Errorf("by memory alone %v times, by arithmetic %v", fast, slow)
	}
}

// TestDryRun: images, vectors and EM; what is told adds up, and the plan is that of the run.
func TestDryRun(t *testing.T) {
	vectors, err := Preset("realnvp-2d")
	if err != nil {
		t.Fatal(err)
	}
	em, err := Preset("gmm-digits")
	if err != nil {
		t.Fatal(err)
	}
	em.Model.Components = 3
	vectors.Data, vectors.Samples = "two-moons:2000", 100
	for _, c := range []Config{tiny(t), vectors.Config, em.Config} {
		c.Device = "cpu"
		e, err := DryRun(context.Background(), c, quiet())
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, p := range e.Parts {
			sum += p.seconds
		}
		if e.Seconds != sum || !(e.Step > 0) || e.Measured < drySteps || e.Batch != c.Batch {
			t.Errorf("%s: %+v", c.Preset, e)
		}
		if want := e.Took / float64(e.Measured) * e.Scaled; e.Step != want || c.em() != (e.Scaled > 1) {
			t.Errorf("%s: a step of %v s, measured %v, scaled by %v", c.Preset, e.Step, want, e.Scaled)
		}
		budgets, err := flowgpu.Plan(e.Config.Model, e.Config.stepping(c.Memory), modes()...)
		if err != nil || budgets[0] != e.Budgets[0] || e.Params != budgets[0].Params {
			t.Errorf("%s: %v, the plan is not that of the run", c.Preset, err)
		}
		var out bytes.Buffer
		if err := e.Write(&out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"parameters", "reversible", "measured:", "in all"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", c.Preset, want, out.String())
			}
		}
	}
}

func TestDryRunWithoutItsData(t *testing.T) {
	c := tiny(t)
	c.Data = filepath.Join(t.TempDir(), "not", "there")
	e, err := DryRun(context.Background(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Notes) == 0 || !strings.Contains(e.Notes[0], "noise stands for it") || !(e.Step > 0) || e.Parts[1].n != 0 {
		t.Errorf("notes %q, %+v", e.Notes, e.Parts)
	}
	bounded, err := Preset("flow1d-bounded")
	if err != nil {
		t.Fatal(err)
	}
	bounded.Data, bounded.Steps = c.Data, 100
	if _, err := DryRun(context.Background(), bounded.Config, quiet()); err != nil {
		t.Errorf("a flow of (0, 1): %v", err)
	}
	c.Data = t.TempDir() // is there, and holds no images
	if _, err := DryRun(context.Background(), c, quiet()); err == nil {
		t.Error("an empty folder is taken for data")
	}
	c.Batch = 0
	if _, err := DryRun(context.Background(), c, quiet()); !errors.As(err, &UsageError{}) {
		t.Errorf("no batch: %v", err)
	}
}

// TestAffordable: a step that would take minutes is not measured whole.
func TestAffordable(t *testing.T) {
	be, err := cpufallback.Open(device.Choice{Name: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	e := &Estimate{Config: Config{Batch: 64, Memory: flowgpu.Stash}, Modes: modes()}
	for flops, want := range map[int64]int{1e9: 64, 2 * dryFlops: 32, 1e18: 1} {
		e.Budgets = []flowgpu.Budget{{Flops: flops}, {}, {}}
		if got := e.affordable(be); got != want {
			t.Errorf("%d operations: batches of %d are measured, want %d", flops, got, want)
		}
	}
}
