package main

import (
	"encoding/csv"
	"encoding/json"
	"image"
	"image/png"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// inRun trains a run named run in a new folder and goes there.
func inRun(t *testing.T, more ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	must(t, small(append(more, "--out", "run")...)...)
}

// isPicture checks that a file is a PNG.
func isPicture(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func TestEvalDetails(t *testing.T) {
	inRun(t)
	out := must(t, "eval", "run", "--by-level", "--k", "4")
	contains(t, out, "bits/dim over 300 images", "4 noises per image  ", "one noise            ", "difference",
		"level  dequantisation  preprocessing  log-determinants", "data           4.0875", "level1.step1 actnorm", "level1 prior", "sum")
	var score, sum string
	for line := range strings.Lines(out) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case score == "":
			score = fields[0]
		case fields[0] == "sum":
			sum = fields[1]
			if a, b := number(t, score), number(t, sum); math.Abs(a-b) > 2e-4 { // rounded to four places each
				t.Errorf("the terms add up to %v, the score is %v", b, a)
			}
		case fields[0] == "level1.step1" && len(fields) != 4:
			t.Errorf("a row of %q", fields)
		}
	}
	if strings.Count(out, "\nsum") != 2 {
		t.Errorf("not two sums in\n%s", out)
	}

	var all struct {
		BitsPerDim float64 `json:"bits_per_dim"`
		Breakdown  struct {
			Terms []struct {
				Name, Kind string
				Level      int
				BitsPerDim float64 `json:"bits_per_dim"`
			}
			Levels []struct{ Prior, LogDet float64 }
			Sum    float64
		}
		Bound struct {
			K          int
			BitsPerDim float64 `json:"bits_per_dim"`
			One        struct {
				BitsPerDim float64 `json:"bits_per_dim"`
			} `json:"one_sample"`
			Gain   float64
			Stderr float64 `json:"gain_stderr"`
		}
	}
	if err := json.Unmarshal([]byte(must(t, "eval", "run", "--by-level", "--k", "4", "--json")), &all); err != nil {
		t.Fatal(err)
	}
	if math.Abs(all.Breakdown.Sum-all.BitsPerDim) > 1e-4 || len(all.Breakdown.Terms) < 4 || len(all.Breakdown.Levels) != 2 || all.Breakdown.Terms[0].Kind != "dequantisation" {
		t.Errorf("breakdown %+v", all.Breakdown)
	}
	if b := all.Bound; b.K != 4 || b.One.BitsPerDim != all.BitsPerDim || math.Abs(b.One.BitsPerDim-b.Gain-b.BitsPerDim) > 1e-9 || b.Stderr <= 0 {
		t.Errorf("bound %+v", b)
	}
}

func number(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSampleCommand(t *testing.T) {
	inRun(t)
	contains(t, must(t, "sample", "run", "--n", "4", "--temperatures", "0,0.5,1", "--out", "t.png", "--npz", "s.npz"),
		"4 samples each at temperature 0, 0.5, 1 in t.png and s.npz")
	isPicture(t, "t.png")
	if info, err := os.Stat("s.npz"); err != nil || info.Size() < 1000 {
		t.Errorf("arrays: %v, %v", info, err)
	}
	inRun(t, "--classes", "auto")
	must(t, "sample", "run", "--n", "20")
	byClass := isPicture(t, "grid.png").Bounds()
	contains(t, must(t, "sample", "run", "--n", "20", "--class", "7"), "20 samples at temperature 0.7 in grid.png")
	if b := isPicture(t, "grid.png").Bounds(); b == byClass {
		t.Errorf("one class is laid out like all: %v", b)
	}
}

func TestLatentCommands(t *testing.T) {
	inRun(t)
	contains(t, must(t, "interpolate", "run", "test:0", "train:1", "--steps", "5", "--path", "linear", "--out", "p.png"),
		"5 images on a linear path in p.png; its ends are off by at most ", "e-0")
	if b := isPicture(t, "p.png").Bounds(); b.Dx() < 4*b.Dy() {
		t.Errorf("a row of five is %v", b)
	}
	contains(t, must(t, "interpolate", "run", "test:0", "test:1"), "8 images on a spherical path in path.png")

	contains(t, must(t, "reconstruct", "run", "--n", "3", "--out", "r.png"), "3 images in r.png: largest error ", "(test:", "mean")
	must(t, "reconstruct", "run", "test:4", "r.png", "--fit", "resize") // any picture will do
	isPicture(t, "reconstruction.png")
}

func TestScoreCommand(t *testing.T) {
	inRun(t)
	out := must(t, "score", "run", "test", "--csv", "s.csv", "--best", "2", "--worst", "3", "--out", "e.png")
	contains(t, out, "over 300 images", "best ", "log p  bits/dim", "worst ", "scores in s.csv", "picture in e.png")
	if got := strings.Count(out, "\ntest:"); got != 5 {
		t.Errorf("%d images are named in\n%s", got, out)
	}
	isPicture(t, "e.png")
	f, err := os.Open("s.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if rows, err := csv.NewReader(f).ReadAll(); err != nil || len(rows) != 301 || strings.Join(rows[0], ",") != "name,logp,bits_per_dim" {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	if a, b := must(t, "score", "run", "test:1", "--best", "0"), must(t, "score", "run", "test:1", "--best", "0", "--seed", "3"); a == b || strings.Contains(a, "best") {
		t.Errorf("with other noise:\n%s\n%s", a, b)
	}
	inRun(t, "--classes", "10")
	contains(t, must(t, "score", "run", "run/samples.png", "--fit", "resize", "--class", "3"), "over 1 images")
}

func TestExportAndImport(t *testing.T) {
	inRun(t)
	contains(t, must(t, "export", "run"), "arrays", "ema weights in run/weights.safetensors")
	contains(t, must(t, "export", "run", "--format", "npz", "--weights", "raw", "--out", "w"), "raw weights in w\n")
	contains(t, must(t, "import", "run/weights.safetensors"), "Glow for 8x8x1", "eval runs/weights")
	if a, b := must(t, "eval", "run", "--json"), must(t, "eval", "runs/weights", "--json"); a != b {
		t.Errorf("scored %s, imported %s", a, b)
	}
	contains(t, must(t, "import", "w", "--out", "raw", "--data", "digits"), "eval raw")
	must(t, "sample", "raw", "--n", "2")
	contains(t, must(t, "inspect", "raw"), "imported from w before step 1")
	contains(t, must(t, "resume", "raw", "--steps", "4"), "after 4 steps")
}

// TestUseHelp: every option is told of, and what the words promise is there.
func TestUseHelp(t *testing.T) {
	for name, want := range map[string][]string{
		"eval":        {"--by-level", "--k", "--json", "--data", "--device"},
		"sample":      {"--n", "--temperature", "--temperatures", "--seed", "--class", "--out", "--npz", "--device"},
		"interpolate": {"--steps", "--path", "--out", "--fit", "--data", "test:7", "without random noise", "class 0"},
		"reconstruct": {"--n", "--out", "--fit", "--data", "three rows"},
		"score":       {"--csv", "--best", "--worst", "--out", "--seed", "--class", "--fit", "name,logp,bits_per_dim"},
		"export":      {"--format", "--weights", "--out", "flowgpu/weights"},
		"import":      {"--preset", "--data", "--out", "fresh optimiser"},
	} {
		text := must(t, name, "--help")
		contains(t, text, append(want, "Examples:", "train "+name)...)
		if strings.Contains(text, "default -1") || strings.Contains(text, "default )") || strings.Contains(text, "[]") {
			t.Errorf("a default that means nothing in\n%s", text)
		}
		for line := range strings.Lines(text) {
			if len(line) > 140 {
				t.Errorf("%s: a line of %d", name, len(line))
			}
		}
		contains(t, must(t, "--help"), name)
	}
}

func TestBadUse(t *testing.T) {
	inRun(t)
	if err := os.WriteFile("bad.png", []byte("no picture"), 0o666); err != nil {
		t.Fatal(err)
	}
	must(t, "export", "run")
	for _, tc := range []struct {
		args   string
		status int
		want   []string
	}{
		{"eval run --k 0", misused, []string{"--k is 0", "at least 1"}},
		{"eval run --k 100000", misused, []string{"--k is 100000", "from 1 to 65536"}},
		{"eval run --k many", misused, []string{`--k "many"`}},
		{"sample run --class 3", misused, []string{"--class is 3", "no classes"}},
		{"sample run --class -1", misused, []string{"--class is -1", "from 0"}},
		{"sample run --temperature 1 --temperatures 0,1", misused, []string{"--temperature and --temperatures"}},
		{"sample run --temperatures 0,hot", misused, []string{"--temperatures", "train sample --help"}},
		{"sample run --temperatures 0,11", misused, []string{"--temperature is 11"}},
		{"sample run --npz nowhere/s.npz", failed, []string{"nowhere/s.npz"}},
		{"interpolate run test:0", misused, []string{"train interpolate DIR A B"}},
		{"interpolate run test:0 test:1 --steps 1", misused, []string{"--steps is 1"}},
		{"interpolate run test:0 test:1 --path crooked", misused, []string{`"crooked"`, "linear or spherical"}},
		{"interpolate run test:0 test:999", misused, []string{"test:999", "test:299"}},
		{"interpolate run test:0 bad.png", failed, []string{"bad.png", "unknown format"}},
		{"interpolate run test:0 run/samples.png", failed, []string{"run/samples.png", "8x8", "crop, resize or pad"}},
		{"reconstruct", misused, []string{"train reconstruct DIR [IMAGE...]"}},
		{"reconstruct run --n 0", misused, []string{"--n is 0"}},
		{"reconstruct run nothing.png", failed, []string{"nothing.png", "no such file"}},
		{"reconstruct run --data nowhere", failed, []string{"nowhere", "--data"}},
		{"score run", misused, []string{"train score DIR IMAGE..."}},
		{"score run test --best -1", misused, []string{"--best is -1"}},
		{"score run test --class -2", misused, []string{"--class is -2"}},
		{"score run test --csv nowhere/s.csv", failed, []string{"nowhere/s.csv"}},
		{"score run bad.png", failed, []string{"bad.png"}},
		{"score run run/samples.png --fit shrink", failed, []string{`"shrink"`}},
		{"export run --format onnx", misused, []string{`"onnx"`, "safetensors or npz"}},
		{"export run --weights last", misused, []string{`"last"`, "ema or raw"}},
		{"export nowhere", failed, []string{"nowhere", "no such folder"}},
		{"import", misused, []string{"train import FILE"}},
		{"import bad.png", failed, []string{"bad.png", "safetensors"}},
		{"import run/weights.safetensors --out run", failed, []string{"run holds a run already"}},
		{"import run/weights.safetensors --preset glow-mnist --out other", failed, []string{"another model than preset glow-mnist", "8 instead of 32"}},
		{"import run/weights.safetensors --preset glow-moon --out other", misused, []string{`"glow-moon"`}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, _, stderr := command(strings.Fields(tc.args)...)
			if status != tc.status {
				t.Errorf("exit %d, want %d", status, tc.status)
			}
			if !strings.HasPrefix(stderr, "train: ") || strings.Count(stderr, "\n") != 1 || strings.Contains(stderr, "strconv") {
				t.Errorf("not one plain line: %q", stderr)
			}
			contains(t, stderr, tc.want...)
		})
	}
	if _, err := os.Stat("other"); err == nil {
		t.Error("an import that was refused left a folder")
	}
}
