package train

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
)

// tiny1D is a preset's run, shortened to a fraction of a second.
func tiny1D(t *testing.T, preset string) Config {
	t.Helper()
	p, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Data += ":20000"
	c.Steps, c.EvalEvery, c.CheckpointEvery, c.Device, c.Samples = 300, 0, 0, "cpu", 50
	return c
}

// Each flow in one dimension comes near the true density in 300 steps, and a run's folder is all that it takes to score it again.
func TestFlows1D(t *testing.T) {
	for _, preset := range []string{"flow1d-mixture", "flow1d-uniform", "flow1d-beta", "flow1d-bounded"} {
		t.Run(preset, func(t *testing.T) {
			dir := start(t, tiny1D(t, preset))
			e, err := Evaluate(context.Background(), dir, Detail{Terms: true}, Use{}, quiet())
			if err != nil {
				t.Fatal(err)
			}
			// The data is 20,000 samples, of which the model has up to 24 parameters: some 24/2 nats in all more than of the truth.
			if e.Exact == nil || !(e.Exact.KL < 5e-3 && e.Exact.KL > -5e-3) {
				t.Errorf("the true density takes %+v, the model %v", e.Exact, e.Score)
			}
			if e.Breakdown == nil {
				t.Error("no terms")
			}
		})
	}
}

// What a run is told to be and what it says; and data that the base gives no density is refused before it begins.
func TestFlow1DTexts(t *testing.T) {
	var out bytes.Buffer
	env := quiet()
	env.Out = &out
	c := tiny1D(t, "flow1d-beta")
	c.Steps, c.Model.Prior = 3, "beta(2,3)"
	if _, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"chain for vectors of 1 dimension: mixcdf(k=8)", "beta(2,3) prior"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}

	c = tiny1D(t, "flow1d-uniform")
	c.Model.Layers = "identity"
	_, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
	wantError(t, err, true, "training data: ", "of 20000 values lie outside (0, 1)", `"identity"`, "in sample 0", "--raw")
	c.Model.Layers, c.Model.Prior = "affine", "beta(0,1)"
	_, err = Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
	wantError(t, err, true, `a is "0"`)
}
