package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCollect: what scripts/gpu leaves is put together, the best peer of the same model and batch is found, and what was not
// measured is named.
func TestCollect(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"peaks.json":   `{"gpu": "Model G", "driver": "1.2", "date": "2026-01-02", "library": "library 3", "copy_gb_per_second": 4000, "gflops": {"bf16": 800000}}`,
		"checks.jsonl": `{"check": "conformance", "result": "passed", "seconds": 2}` + "\n" + `{"check": "racecheck", "result": "not run: no compute-sanitizer", "seconds": 0}`,
		"steps.jsonl":  `{"preset": "glow-cifar10", "batch": 64, "precision": "bf16", "graph": true, "ms": 5, "gflops": 400000, "images_per_second": 12800}`,
		"peers.jsonl": `{"workload": "glow-cifar10", "batch": 64, "setting": "slow", "ms": 20}
{"workload": "glow-cifar10", "batch": 64, "setting": "fast", "ms": 15}
{"workload": "glow-cifar10", "batch": 256, "setting": "other batch", "ms": 1}
{"workload": "glow-mnist", "batch": 64, "setting": "other model", "ms": 1}`,
		"traffic.jsonl": `{"op": "copy", "mib": 64, "ms": 0.04, "gb_per_second": 3600, "share_of_copy": 1}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text := must(t, "collect", dir)
	for _, want := range []string{
		"Model G, driver 1.2, 2026-01-02", "not run: no compute-sanitizer", "15.0 ms fast", "3.00", "50.0 %", "90.0 %",
		"Models trained to the end: not measured", "Operations at the sizes of models: not measured",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "other") {
		t.Errorf("a peer of another model or batch in\n%s", text)
	}
	if _, err := os.Stat(filepath.Join(dir, "report.json")); err != nil {
		t.Error(err)
	}
	if text := must(t, "collect", t.TempDir()); strings.Count(text, "not measured") != 6 {
		t.Errorf("an empty folder gives\n%s", text)
	}

	os.WriteFile(filepath.Join(dir, "steps.jsonl"), []byte(`{"preset": 5}`), 0o644)
	if status, _, stderr := bench("collect", dir); status == 0 || !strings.Contains(stderr, "steps.jsonl") {
		t.Errorf("a broken file: exit %d, %s", status, stderr)
	}
	if status, _, stderr := bench("collect", "nosuch"); status == 0 || !strings.Contains(stderr, "scripts/gpu") {
		t.Errorf("no folder: exit %d, %s", status, stderr)
	}
}
