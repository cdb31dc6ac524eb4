package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPlotCommand: it prints distances and the integral, and what it wrote is there.
func TestPlotCommand(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "--preset", "realnvp-2d", "--data", "two-moons:2000", "--steps", "20", "--batch", "64", "--device", "cpu",
		"--eval-every", "0", "--out", "run")
	out := must(t, "plot", "run", "--n", "200", "--csv", "--out", "figures", "--format", "svg")
	contains(t, out, "200 samples against 200 held-out rows", "KS distance", "usual at most", "the density integrates to ")
	found := regexp.MustCompile(`integrates to (\S+) on a grid of [\d,]+ x [\d,]+ points`).FindStringSubmatch(out)
	if found == nil || !strings.HasPrefix(found[1], "1.0000") && !strings.HasPrefix(found[1], "0.9999") {
		t.Errorf("the integral is %q", found)
	}
	wrote := regexp.MustCompile(`(?m)^wrote (.+)$`).FindAllStringSubmatch(out, -1)
	if len(wrote) != 9 {
		t.Errorf("%d files in\n%s", len(wrote), out)
	}
	for _, w := range wrote {
		if info, err := os.Stat(w[1]); err != nil || info.Size() == 0 || !strings.HasPrefix(w[1], "figures"+string(os.PathSeparator)) {
			t.Errorf("%s: %v", w[1], err)
		}
	}
}

// TestPlotOnFullDisk: like a full disk, a limit on the length of files fails a picture half way. What to do is said, and no half of a
// picture is left.
func TestPlotOnFullDisk(t *testing.T) {
	dir, program := t.TempDir(), binary(t)
	t.Chdir(dir)
	must(t, "--preset", "realnvp-2d", "--data", "two-moons:2000", "--steps", "5", "--batch", "64", "--device", "cpu",
		"--eval-every", "0", "--out", "run")
	out, err := exec.Command("sh", "-c", `ulimit -f 4 && exec "$@"`, "sh", program, "plot", "run").CombinedOutput() // 4 blocks, of 512 or 1024 bytes
	if err == nil {
		t.Fatalf("it was not told:\n%s", out)
	}
	contains(t, string(out), filepath.Join("run", "plots", "density.png"), "make some space, or give another --out")
	if left, err := os.ReadDir(filepath.Join("run", "plots")); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}

func TestPlotMistakes(t *testing.T) {
	inRun(t)
	for want, args := range map[string][]string{
		"a model of images of 8x8x1":                                {"plot", "run"},
		`--format: unknown format "gif"`:                            {"plot", "run", "--format", "gif"},
		"none: no such folder":                                      {"plot", "none"},
		"wrong number of arguments":                                 {"plot"},
		"--n is 0: it must be from 10 to":                           {"plot", "run", "--n", "0"},
		"`train plot --help` lists the flags":                       {"plot", "run", "--colour"},
		"no checkpoint.cuflow in this folder; give the folder of a": {"plot", "."},
	} {
		if status, _, stderr := command(args...); status == ok || !strings.Contains(stderr, want) {
			t.Errorf("%v: status %d, %q, want %q", args, status, stderr, want)
		}
	}
}
