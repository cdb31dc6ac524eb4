package main

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// command runs the program in this process.
func command(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(context.Background(), args, &out, &err)
	return status, out.String(), err.String()
}

// must runs the program and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := command(args...)
	if status != ok || stderr != "" {
		t.Fatalf("train %s: exit %d, %s", strings.Join(args, " "), status, stderr)
	}
	return stdout
}

// small are the flags of a run that takes a moment.
func small(more ...string) []string {
	return append([]string{"--levels", "1", "--depth", "1", "--hidden", "8", "--steps", "12", "--batch", "16", "--log-every", "4",
		"--eval-every", "0", "--sample-every", "0", "--samples", "4", "--device", "cpu"}, more...)
}

// binary builds the program.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "train")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

func contains(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in\n%s", w, text)
		}
	}
}

// TestWholeLife trains, resumes, evaluates, samples and inspects a run, as a user does.
func TestWholeLife(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, small()...)
	contains(t, out, "runs/digits", "step 12: held-out", "done", "runs/digits/samples.png", "sample runs/digits --n 100")

	var eval struct {
		BitsPerDim float64 `json:"bits_per_dim"`
		Stderr     float64 `json:"stderr"`
		Nats       float64 `json:"nats"`
		N          int     `json:"n"`
		Device     string  `json:"device"`
	}
	d := json.NewDecoder(strings.NewReader(must(t, "eval", "runs/digits", "--json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&eval); err != nil {
		t.Fatal(err)
	}
	if eval.BitsPerDim < 1 || eval.BitsPerDim > 6 || eval.Stderr <= 0 || eval.Nats < 50 || eval.N != 300 || !strings.HasPrefix(eval.Device, "cpu:") {
		t.Errorf("evaluated as %+v", eval)
	}
	contains(t, must(t, "eval", "runs/digits/checkpoint.cuflow", "--device", "cpu:generic"), "bits/dim over 300 images", "cpu:generic")

	contains(t, must(t, "sample", "runs/digits", "--n", "9", "--temperature", "0.5", "--seed", "2", "--out", "grid.png"), "9 samples", "grid.png")
	f, err := os.Open("grid.png")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil || picture.Bounds().Dx() < 3*8 || picture.Bounds().Dx() != picture.Bounds().Dy() {
		t.Errorf("the grid is %v, %v", picture.Bounds(), err)
	}

	contains(t, must(t, "inspect", "runs/digits"), "12 of 12", "level1.step1", "4x4x4")
	contains(t, must(t, "resume", "runs/digits"), "finished")
	contains(t, must(t, "resume", "runs/digits", "--steps", "20", "--lr", "0.002"), "resumed after step 12 of 20", "at 0.002", "after 20 steps")

	status, _, stderr := command(small()...)
	if status != failed {
		t.Errorf("a second run into the same folder: exit %d", status)
	}
	contains(t, stderr, "runs/digits holds a run already", "train resume runs/digits", "--out")
}

func TestPresetsAndDevices(t *testing.T) {
	contains(t, must(t, "presets"), "glow-digits", "glow-mnist", "glow-celeba256", "realnvp-cifar10-notes", "nice-cifar10")
	contains(t, must(t, "presets", "glow-mnist"), "32x32x1", "Kingma", "deviations", "bits/dim")
	contains(t, must(t, "devices"), "cpu:generic", "yes", "cuda", "no")
}

// TestImageFlags trains on images that are made to fit: the flags that change images change the model with them.
func TestImageFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, small("--size", "6x4", "--fit", "crop", "--channels", "3", "--classes", "auto", "--flip", "--shift", "1", "--val-fraction", "0.2",
		"--workers", "2", "--bad-files", "skip", "--out", "run")...)
	contains(t, out, "cropped to 6x4", "3 channels", "10 classes", "mirrored", "moved at random by up to 1 pixel", "Glow for 6x4x3", "curves    run/curves.png")
	contains(t, must(t, "eval", "run"), "bits/dim over 300 images")

	contains(t, must(t, small("--pad", "12", "--size", "12x10", "--out", "padded")...), "padded to 12x10")
	contains(t, must(t, small("--pad", "12", "--fit", "resize", "--out", "scaled")...), "scaled to cover 12x12")
	contains(t, must(t, "--preset", "nice-digits", "--steps", "2", "--blocks", "1", "--depth", "3", "--layout", "half", "--logit", "0.01", "--device", "cpu", "--out", "nice"),
		"3 additive couplings by halves", "1 hidden layer", "logit from 0.01")
}

func TestVersion(t *testing.T) {
	contains(t, must(t, "--version"), "train", runtime.Version())
}

func TestHelp(t *testing.T) {
	contains(t, must(t, "--help"), "resume", "eval", "sample", "inspect", "presets", "devices", "--preset", "--data", "--out", "--steps",
		"--batch", "--lr", "--seed", "--device", "--memory", "--checkpoint-every", "Examples:", "train eval runs/digits --json")
	for _, name := range []string{"resume", "eval", "sample", "inspect", "presets", "devices"} {
		contains(t, must(t, name, "--help"), "train "+name)
	}
}

// TestBadCommandLines: one line that says what to do, and a status that tells misuse from failure.
func TestBadCommandLines(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("empty", 0o777); err != nil {
		t.Fatal(err)
	}
	must(t, small("--out", "run")...)
	for _, tc := range []struct {
		args   string
		status int
		want   []string
	}{
		{"fly", misused, []string{`"fly"`, "train --help"}},
		{"--wings 2", misused, []string{"--wings", "train --help"}},
		{"resume --wings", misused, []string{"--wings", "train resume --help"}},
		{"--lr fast", misused, []string{`--lr "fast"`, "train --help"}},
		{"--lr -1", misused, []string{"--lr is -1", "above 0"}},
		{"--steps 1e3", misused, []string{`--steps "1e3"`}},
		{"--batch 0", misused, []string{"--batch is 0"}},
		{"--optimizer sgd", misused, []string{`"sgd"`, "adam or adamax"}},
		{"--pad -3", misused, []string{`--pad "-3"`}},
		{"--size 8x", misused, []string{`--size "8x"`, "48x64"}},
		{"--size 0", misused, []string{`--size "0"`}},
		{"--size 12", failed, []string{"8x8x1", "12x12x1", "--pad 8", "--fit"}},
		{"--size 10 --fit pad", misused, []string{"not divisible by 4", "12x12"}},
		{"--size 4 --fit pad", failed, []string{"too large to be padded to 4x4"}},
		{"--fit stretch", misused, []string{`"stretch"`, "crop, resize or pad"}},
		{"--channels 2", misused, []string{`--channels "2"`, "3 (RGB)"}},
		{"--bits 0", misused, []string{`--bits "0"`, "1 to 16"}},
		{"--bits 4", failed, []string{"17 intensities are no whole number of bits"}},
		{"--classes many", misused, []string{`--classes "many"`, "auto"}},
		{"--classes 3", failed, []string{"10 classes", "--classes 10"}},
		{"--preset nice-digits --classes auto", misused, []string{"only glow"}},
		{"--val-fraction 1", misused, []string{"--val-fraction is 1"}},
		{"--bad-files hide", misused, []string{`"hide"`, "fail or skip"}},
		{"--shift 9", misused, []string{"--shift", "9 pixels"}},
		{"--flip=maybe", misused, []string{`--flip "maybe"`}},
		{"--workers -1", misused, []string{"--workers is -1"}},
		{"--blocks 2", misused, []string{"depth is 2"}},
		{"--layout paper", misused, []string{"layout", "glow has none"}},
		{"--logit 0.5", misused, []string{"logit is 0.5"}},
		{"--preset glow-moon", misused, []string{`"glow-moon"`, "glow-digits"}},
		{"--device gpu9", misused, []string{`"gpu9"`, "train devices"}},
		{"--device cpu:mmx", misused, []string{`"cpu:mmx"`, "cpu:generic"}},
		{"--memory disk", misused, []string{`"disk"`, "recompute"}},
		{"--levels 4", misused, []string{"not divisible by 16", "pad"}},
		{"--data nowhere", failed, []string{"nowhere", "scripts/data mnist"}},
		{"--data empty", failed, []string{"empty", "train-images-idx3-ubyte"}},
		{"--preset glow-mnist --data digits", failed, []string{"17 intensities", "256", "--preset"}},
		{"--out run", failed, []string{"run", "train resume run", "--out"}},
		{"resume", misused, []string{"train resume DIR"}},
		{"resume nowhere", failed, []string{"nowhere", "no such folder"}},
		{"resume empty", failed, []string{"empty", "checkpoint.cuflow"}},
		{"resume run --steps 5", misused, []string{"12 steps already"}},
		{"eval run run", misused, []string{"train eval DIR"}},
		{"eval run --data nowhere", failed, []string{"nowhere", "--data"}},
		{"eval run --device gpu9", misused, []string{`"gpu9"`}},
		{"sample run --n 0", misused, []string{"--n is 0"}},
		{"sample run --temperature -1", misused, []string{"--temperature is -1"}},
		{"sample run --out nowhere/grid.png", failed, []string{"nowhere/grid.png"}},
		{"inspect", misused, []string{"train inspect DIR"}},
		{"presets glow-moon", misused, []string{`"glow-moon"`}},
		{"presets a b", misused, []string{"train presets [NAME]"}},
		{"devices all", misused, []string{"train devices"}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			args := strings.Fields(tc.args)
			status, _, stderr := command(args...)
			if status != tc.status {
				t.Errorf("exit %d, want %d", status, tc.status)
			}
			if !strings.HasPrefix(stderr, "train: ") || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "strconv") {
				t.Errorf("not one plain line: %q", stderr)
			}
			contains(t, stderr, tc.want...)
		})
	}
	if _, err := os.Stat("runs"); err == nil {
		t.Error("runs that were not started left a folder")
	}
}
