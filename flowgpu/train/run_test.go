package train

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/flowgpu/data"
)

func TestTrainingLearns(t *testing.T) {
	c := tiny(t)
	c.Steps, c.Warmup, c.LR, c.LogEvery, c.EvalEvery = 60, 10, 3e-3, 1, 0
	texts := lines(t, start(t, c))
	var first, last Line
	for text, l := range map[string]*Line{texts[0]: &first, texts[len(texts)-1]: &last} {
		if err := json.Unmarshal([]byte(text), l); err != nil {
			t.Fatal(err)
		}
	}
	if first.Step != 1 || last.Step != 60 || last.Validation == nil {
		t.Fatalf("first line %+v, last %+v", first, last)
	}
	if !(last.Loss < first.Loss-20) || !(last.Validation.BitsPerDim < first.BitsPerDim) {
		t.Errorf("from %v to %v nats, validated %v bits/dim", first.Loss, last.Loss, last.Validation.BitsPerDim)
	}
	if d := math.Abs(first.BitsPerDim - first.Loss/(64*math.Ln2)); d > 1e-12 {
		t.Errorf("bits/dim off by %v", d)
	}
}

func TestRunLeavesItsFiles(t *testing.T) {
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "a", "run")
	r, err := Start(context.Background(), tiny(t), dir, Env{Open: cpufallback.Open, Out: &out})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			name, _, _ = strings.Cut(name, ".out.tfevents.") // then the time and the machine
			names = append(names, name)
		}
		return err
	})
	if got, want := strings.Join(names, " "), "checkpoint.cuflow curves.png events log.jsonl samples/step-000006.png samples/step-000012.png samples.png"; err != nil || got != want {
		t.Errorf("files %q, want %q; %v", got, want, err)
	}
	for _, want := range []string{"device    cpu:", "1,497 images", "parameters", "mode stash", "recompute would take", "initialised from the first batch", "step 12: held-out", "over 300 images"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if r.Samples != filepath.Join(dir, "samples.png") || r.Steps != 12 {
		t.Errorf("result %+v", r)
	}
	e, err := Evaluate(context.Background(), dir, Detail{}, Use{}, quiet())
	if err != nil || e.Score != r.Score {
		t.Errorf("evaluated as %+v, trained to %+v; %v", e, r.Score, err)
	}
	if byFile, err := Evaluate(context.Background(), filepath.Join(dir, checkpointFile), Detail{}, Use{}, quiet()); err != nil || *byFile != *e {
		t.Errorf("by its file %+v, %v", byFile, err)
	}
}

func TestPaddedRun(t *testing.T) {
	c := tiny(t)
	c.Fit, c.Model.Height, c.Model.Width = pad, 12, 10
	r, err := Start(context.Background(), c, t.TempDir(), quiet())
	if err != nil || r.Score.N != 300 {
		t.Errorf("%+v, %v", r, err)
	}
	train, test, err := c.openData(nil)
	if err != nil || train.Info().H != 12 || test.Info().W != 10 {
		t.Errorf("padded to %dx%d, %v", train.Info().H, test.Info().W, err)
	}
	if same, _, err := data.Digits(); err != nil || train.Info().N != same.N {
		t.Errorf("%d images of %d; %v", train.Info().N, same.N, err)
	}
}
