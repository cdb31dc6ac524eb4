package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestContinuousCommands: a continuous flow is trained by its flags, and solved by others where it is used.
func TestContinuousCommands(t *testing.T) {
	t.Chdir(t.TempDir())
	out := must(t, "--preset", "ffjord-2d", "--data", "two-moons:2000", "--hidden", "8", "--blocks", "1", "--steps", "12", "--batch", "64", "--samples", "9",
		"--device", "cpu", "--ode-solver", "bosh3", "--ode-tolerance", "1e-3", "--ode-test-tolerance", "1e-4", "--ode-kinetic", "0.01", "--out", "run")
	contains(t, out, "1 flow of 1 hidden layer of 8 units gated by the time, tanh, bosh3 at 1e-03 (outside training 1e-04), exact trace, kinetic energy weighs 0.01",
		"evaluations,", "of the time")
	evaluations := func(flags ...string) float64 {
		var r struct {
			Solved struct {
				Evaluations  float64 `json:"evaluations"`
				ReverseError float64 `json:"reverse_error"`
			} `json:"solved"`
		}
		if err := json.Unmarshal([]byte(must(t, append([]string{"eval", "run", "--json"}, flags...)...)), &r); err != nil {
			t.Fatal(err)
		}
		if !(r.Solved.ReverseError > 0 && r.Solved.ReverseError < 1e-2) {
			t.Errorf("%v: reverse error %v", flags, r.Solved.ReverseError)
		}
		return r.Solved.Evaluations
	}
	if usual, fine := evaluations(), evaluations("--ode-test-tolerance", "1e-6"); !(usual >= 6 && fine > 2*usual) {
		t.Errorf("%v evaluations at 1e-4, %v at 1e-6", usual, fine)
	}
	contains(t, must(t, "eval", "run", "--ode-test-error", "batch"), "solved by", "evaluations in", "a way back of 64 misses by at most")
	contains(t, must(t, "score", "run", "test", "--ode-test-tolerance", "1e-5", "--best", "1"), "nats over 50,000 samples")
	contains(t, must(t, "sample", "run", "--n", "10", "--ode-test-tolerance", "1e-5"), "10 samples")
	must(t, "--preset", "realnvp-2d", "--data", "two-moons:500", "--depth", "1", "--hidden", "4", "--steps", "1", "--batch", "64", "--samples", "4", "--device", "cpu", "--out", "other")
	for args, want := range map[string]string{
		"eval run --ode-test-tolerance 1e-9":      "each must be from 1e-07",
		"eval run --ode-test-error all":           `unknown test error norm "all"`,
		"sample other --ode-test-tolerance 1e-4":  "for continuous flows, and this run's model is realnvp-vector",
		"--preset ffjord-2d --ode-solver rk45":    `unknown solver "rk45"`,
		"--preset realnvp-2d --ode-solver dopri5": "use ffjord",
	} {
		if status, _, stderr := command(strings.Fields(args)...); status != misused || !strings.Contains(stderr, want) {
			t.Errorf("train %s: exit %d, %q, want %q", args, status, stderr, want)
		}
	}
}
