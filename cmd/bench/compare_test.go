package main

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/cmd/bench/internal/stats"
)

// stored writes records with these medians of their rounds to a file.
func stored(t *testing.T, rounds map[string][]float64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "records.jsonl")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for preset, ms := range rounds {
		if err := json.NewEncoder(f).Encode(record{Work: training, Preset: preset, Device: "cpu:x", Batch: 64, RoundMs: ms}); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestCompareCommand(t *testing.T) {
	steady, slower := []float64{10, 10.1, 9.9, 10.05, 9.95, 10.02}, []float64{12, 12.1, 11.9, 12.05, 11.95, 12.02}
	old := stored(t, map[string][]float64{"glow-mnist": steady, "nice-digits": slower})
	for _, c := range []struct {
		name   string
		new    map[string][]float64
		args   []string
		status int
		want   string
	}{
		{"the same", map[string][]float64{"glow-mnist": steady}, nil, 0, string(stats.Same)},
		{"slower by 20 %", map[string][]float64{"glow-mnist": slower}, nil, 1, string(stats.TooSlow)},
		{"slower by 20 %, 30 allowed", map[string][]float64{"glow-mnist": slower}, []string{"--tolerance", "30"}, 0, "slower"},
		{"faster", map[string][]float64{"nice-digits": steady}, nil, 0, "faster"},
		{"one round", map[string][]float64{"glow-mnist": {99}}, nil, 0, string(stats.Unknown)},
		{"another workload too", map[string][]float64{"glow-mnist": steady, "other": steady}, nil, 0, "1 new record without a counterpart"},
		{"nothing in common", map[string][]float64{"other": steady}, nil, 2, "no workload in common"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, stdout, stderr := bench(append([]string{"compare", old, stored(t, c.new)}, c.args...)...)
			if status != c.status || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("exit %d, printed\n%s%s", status, stdout, stderr)
			}
		})
	}

	worse := stored(t, map[string][]float64{"glow-mnist": slower})
	status, stdout, _ := bench("compare", old, worse, "--json")
	o := objects(t, stdout)
	if status != 1 || len(o) != 1 || o[0]["verdict"] != string(stats.TooSlow) || !near(field(t, o[0], "ratio"), field(t, o[0], "new_ms")/field(t, o[0], "old_ms")) {
		t.Errorf("exit %d, %v", status, o)
	}
	status, stdout, _ = bench("compare", old, worse, "--csv")
	if rows, err := csv.NewReader(strings.NewReader(stdout)).ReadAll(); status != 1 || err != nil || len(rows) != 2 || rows[0][0] != "work" {
		t.Errorf("exit %d, %v, %v", status, rows, err)
	}
}

func TestBrokenBaselines(t *testing.T) {
	for text, want := range map[string]string{"": "no records", "{}": "no rounds", "{": "record 1", `{"preset": 5}`: "record 1"} {
		path := filepath.Join(t.TempDir(), "broken.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		status, _, stderr := bench("step", "--baseline", path)
		if status != 2 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "bench step --json") {
			t.Errorf("%q: exit %d, %s", text, status, stderr)
		}
	}
}

// TestStepAgainstABaseline: what --json has printed is what --baseline reads, in rounds, and a baseline that nobody reaches is told by
// the exit status.
func TestStepAgainstABaseline(t *testing.T) {
	flags := []string{"step", "--preset", "glow-digits,nice-digits", "--batch", "2,4", "--device", "cpu", "--seconds", "0"}
	text := must(t, append(flags, "--json", "--rounds", "4")...)
	list := objects(t, text)
	if len(list) != 4 {
		t.Fatalf("%d records of 2 presets and 2 batches", len(list))
	}
	for _, o := range list {
		if n := len(o["round_ms"].([]any)); n != 4 || field(t, o, "timed_steps") < 4*leastSteps {
			t.Errorf("%d rounds, %v steps", n, o["timed_steps"])
		}
		checkStep(t, o)
	}
	path := filepath.Join(t.TempDir(), "before.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := bench(append(flags, "--baseline", path, "--tolerance", "1000")...)
	if _, verdicts, _ := strings.Cut(stdout, "verdict"); strings.Count(verdicts, "glow-digits") != 2 || strings.Count(verdicts, "nice-digits") != 2 {
		t.Errorf("printed\n%s", stdout)
	}
	records, err := readRecords(path)
	if err != nil {
		t.Fatal(err)
	}
	impossible := filepath.Join(t.TempDir(), "impossible.jsonl")
	f, err := os.Create(impossible)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		for i := range r.RoundMs {
			r.RoundMs[i] *= 1e-6
		}
		json.NewEncoder(f).Encode(r)
	}
	f.Close()
	status, stdout, stderr := bench(append(flags, "--baseline", impossible, "--json")...)
	if status != 1 || len(objects(t, stdout)) != 4 || !strings.Contains(stderr, string(stats.TooSlow)) || !strings.Contains(stderr, "bench: slower than the baseline") {
		t.Errorf("exit %d, printed\n%s%s", status, stdout, stderr)
	}
}

func TestStepCSV(t *testing.T) {
	text := must(t, "step", "--preset", "glow-digits", "--batch", "2", "--device", "cpu", "--seconds", "0", "--csv")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(rows) != 2 || rows[0][0] != "work" || rows[1][0] != training || rows[1][1] != "glow-digits" {
		t.Errorf("%v, %q", err, rows)
	}
}
