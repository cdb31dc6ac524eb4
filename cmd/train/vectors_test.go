package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// cells writes a table, as people have them.
func cells(t *testing.T, path string, n int) {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	var b strings.Builder
	b.WriteString("id;kind;length;weight\n")
	for i := range n {
		length := 10 + r.NormFloat64()
		weight := fmt.Sprintf("%.1f", 3*length+r.NormFloat64())
		if i == 7 {
			weight = "NA"
		}
		fmt.Fprintf(&b, "%d;\"a; b\";%v;%s\n", i, length, weight)
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
}

// told is must of a command that tells notes about its data, too.
func told(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := command(args...)
	if status != ok || stderr != "" && !strings.HasPrefix(stderr, "note: ") {
		t.Fatalf("train %s: exit %d, %s", strings.Join(args, " "), status, stderr)
	}
	return stdout
}

// TestLifeOfVectors trains on a table of one's own, goes on, scores, samples and exports, as a user does.
func TestLifeOfVectors(t *testing.T) {
	t.Chdir(t.TempDir())
	cells(t, "cells.csv", 500)
	out := must(t, "--preset", "realnvp-tab", "--data", "cells.csv", "--columns", "length,weight", "--missing", "drop", "--depth", "2", "--hidden", "8",
		"--steps", "20", "--batch", "32", "--eval-every", "5", "--patience", "3", "--samples", "9", "--device", "cpu", "--norm", "actnorm")
	contains(t, out, "1 of 500 rows left out", "weight 0.1", "columns length, weight", "rows that lack a value left out", "runs/cells", "actnorm between",
		"vectors of 2 dimensions", "validation", "done      held-out", "nats over", "weights of step", "runs/cells/samples.csv", "sample runs/cells --n 1000")

	var eval struct {
		Stderr float64 `json:"stderr"`
		Nats   float64 `json:"nats"`
		N      int     `json:"n"`
		Dims   int     `json:"dims"`
		Device string  `json:"device"`
	}
	d := json.NewDecoder(strings.NewReader(told(t, "eval", "runs/cells", "--json")))
	d.DisallowUnknownFields()
	if err := d.Decode(&eval); err != nil {
		t.Fatal(err)
	}
	if eval.Dims != 2 || eval.N < 20 || eval.Stderr <= 0 {
		t.Errorf("evaluated as %+v", eval)
	}
	contains(t, told(t, "eval", "runs/cells", "--by-level", "--k", "2"), "nats over", "units", "2 noises per sample", "difference")
	contains(t, told(t, "sample", "runs/cells", "--n", "30"), "30 samples at temperature 1 in samples.csv")
	if text, err := os.ReadFile("samples.csv"); err != nil || !strings.HasPrefix(string(text), "length,weight\n") || strings.Count(string(text), "\n") != 31 {
		t.Errorf("samples %.60q, %v", text, err)
	}
	out = told(t, "score", "runs/cells", "cells.csv", "--best", "1", "--worst", "2", "--csv", "scores.csv")
	contains(t, out, "nats over 499 samples", "cells.csv:", "log p", "scores in scores.csv")
	if strings.Contains(out, "bits/dim") {
		t.Errorf("bits of vectors:\n%s", out)
	}
	contains(t, told(t, "inspect", "runs/cells"), "cells.csv, columns length, weight", "column", "step", "validation")
	contains(t, told(t, "export", "runs/cells"), "best weights")
	contains(t, told(t, "resume", "runs/cells", "--steps", "30", "--patience", "9"), "done")

	contains(t, must(t, "--preset", "realnvp-2d", "--data", "rings:512", "--depth", "2", "--hidden", "8", "--steps", "4", "--batch", "64", "--samples", "9", "--device", "cpu"),
		"runs/rings-512", "512 samples to train on")
	contains(t, must(t, "eval", "runs/rings-512"), "true density", "entropy 2.6232")
	contains(t, must(t, "presets", "realnvp-tab"), "data/sachs/sachs.csv", "for 63 dimensions", "train on one sample")
	contains(t, must(t, "presets"), "realnvp-2d", "realnvp-tab")
}

func TestBadUseOfVectors(t *testing.T) {
	t.Chdir(t.TempDir())
	cells(t, "cells.csv", 200)
	must(t, "--preset", "realnvp-tab", "--data", "two-moons:300", "--depth", "1", "--hidden", "4", "--steps", "1", "--batch", "64", "--samples", "4", "--device", "cpu", "--out", "run")
	for _, tc := range []struct {
		args   string
		status int
		want   []string
	}{
		{"--data cells.csv", failed, []string{"vectors, not images", "realnvp-tab"}},
		{"--preset realnvp-tab --data cells.csv", failed, []string{`"a; b", which is no number`, "--columns id,length,weight"}},
		{"--preset realnvp-tab --data cells.csv --columns length,weight", failed, []string{"line 9", "column weight has no value", "--missing drop"}},
		{"--preset realnvp-tab --data cells.csv --columns length,width", failed, []string{`"width"`, "id, kind, length, weight"}},
		{"--preset realnvp-tab --data cells.csv --delimiter comma", failed, []string{"line 2", "quote", "--delimiter"}},
		{"--preset realnvp-tab --data cells.csv --delimiter |", failed, []string{`delimiter "|"`}},
		{"--preset realnvp-tab --data cells.csv --quantum many", failed, []string{`quantum "many"`}},
		{"--preset realnvp-tab --data nowhere.csv", failed, []string{"nowhere.csv", "two-moons"}},
		{"--preset realnvp-2d --data bimodal", failed, []string{"two dimensions"}},
		{"--preset realnvp-2d --data two-moons:0", failed, []string{`"0"`, "number of samples"}},
		{"--preset realnvp-2d --patience 2 --eval-every 0", misused, []string{"--patience is 2", "--eval-every"}},
		{"--preset realnvp-2d --flip", misused, []string{"--flip", "for images"}},
		{"sample run --n 0", misused, []string{"--n is 0"}},
		{"sample run --out nowhere/s.csv", failed, []string{"nowhere/s.csv"}},
		{"score run test --out x.png", misused, []string{"vectors", "--csv"}},
		{"score run nowhere.csv", failed, []string{"nowhere.csv"}},
		{"interpolate run test:0 test:1", misused, []string{"vectors", "images"}},
		{"reconstruct run", misused, []string{"vectors", "images"}},
		{"resume run --patience 5", misused, []string{"all of its 1 step", "--steps"}},
	} {
		t.Run(tc.args, func(t *testing.T) {
			status, _, stderr := command(strings.Fields(tc.args)...)
			if status != tc.status {
				t.Errorf("exit %d, want %d", status, tc.status)
			}
			if !strings.HasPrefix(stderr, "train: ") || strings.Count(stderr, "\n") != 1 {
				t.Errorf("not one plain line: %q", stderr)
			}
			contains(t, stderr, tc.want...)
		})
	}
}
