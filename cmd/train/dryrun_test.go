package main

import (
	"os"
	"testing"
)

// TestDryRun: everything is told, and nothing is left behind.
func TestDryRun(t *testing.T) {
	t.Chdir(t.TempDir())
	text := must(t, small("--dry-run")...)
	contains(t, text, "parameters", "stash:", "recompute:", "reversible:", "(this run's)", "step", "in batches of 16 (measured:", "12 steps:", "images scored:", "in all")
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
	status, _, stderr := command("--dry-run", "--out", "somewhere")
	if status != misused {
		t.Errorf("--dry-run with --out: exit %d", status)
	}
	contains(t, stderr, "leaves nothing behind")
}
