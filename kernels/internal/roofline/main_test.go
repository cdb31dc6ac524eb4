package main

import (
	"strings"
	"testing"

	"cuflow/kernels"
)

// TestStep: a step's launches are noted, and each has a cost; the table adds them up.
func TestStep(t *testing.T) {
	for _, preset := range []string{"glow-digits", "realnvp-digits", "nice-digits", "realnvp-tab"} {
		launches, err := step(preset, 8, 6, "bf16")
		if err != nil {
			t.Fatal(err)
		}
		resident, updates := map[string]float64{}, 0
		for _, l := range launches {
			resident[l.name] = threads
			if l.name == "adam" {
				updates++
			}
		}
		if updates != 1 {
			t.Errorf("%s: %d optimiser steps in one step", preset, updates)
		}
		var out strings.Builder
		if err := write(&out, launches, resident, nil); err != nil {
			t.Errorf("%s: %v", preset, err)
		}
		if lines := strings.Count(out.String(), "\n"); lines != len(resident)+2 {
			t.Errorf("%s: %d lines for %d kernels", preset, lines, len(resident))
		}
	}
}

func TestSpan(t *testing.T) {
	var s span
	for _, v := range []float64{0.5, 12.4, 0.001} {
		s.add(v)
	}
	if got := s.String(); got != "<0.01-12" {
		t.Error(got)
	}
	if err := write(&strings.Builder{}, []launch{{name: "none", shape: kernels.One()}}, nil, nil); err == nil {
		t.Error("a kernel without a cost went unnoticed")
	}
}
