package train

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// realnvp makes a configuration one of RealNVP, whose preprocessing has a log-determinant.
func realnvp(c *Config) {
	c.Model.Kind, c.Model.Prior, c.Model.Layout, c.Model.Coupling, c.Model.Permutation, c.Model.Net = "realnvp", "standard", "notes", "tanh", "", ""
	c.Model.Levels, c.Model.Steps, c.Model.Hidden, c.Model.Depth, c.Model.Logit = 2, 0, 4, 1, 0.05
}

// TestBreakdown: the terms are those of the model, and add up to the score, level by level.
func TestBreakdown(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		levels int
		logit  bool
		terms  []string
	}{
		"glow":    {func(c *Config) { c.Model.Levels = 2 }, 2, false, []string{"intensities", "level1.step1 actnorm", "level1.step2 invconv", "level2.step1 coupling", "level1 prior", "level2 prior"}},
		"realnvp": {realnvp, 2, true, []string{"intensities", "logit", "level1.checker1 coupling", "level1.checker1.norm batchnorm", "level2 prior"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			tc.change(&c)
			r, err := Evaluate(context.Background(), start(t, c), Detail{Terms: true}, Use{}, quiet())
			if err != nil {
				t.Fatal(err)
			}
			b := r.Breakdown
			if math.Abs(b.Sum-r.BitsPerDim) > sumTolerance || r.Bound != nil {
				t.Errorf("the terms add up to %v, the score is %v", b.Sum, r.BitsPerDim)
			}
			byLevel, byTerm, seen := 0.0, 0.0, map[string]float64{}
			for i, l := range b.Levels {
				if l.Level != i || math.Abs(l.Dequantisation+l.Preprocessing+l.LogDet+l.Prior-l.BitsPerDim) > 1e-12 {
					t.Errorf("level %+v", l)
				}
				if i > 0 && !(l.Prior > 0 && l.LogDet != 0 && l.Dequantisation == 0) {
					t.Errorf("level %+v", l)
				}
				byLevel += l.BitsPerDim
			}
			for _, term := range b.Terms {
				if _, twice := seen[term.Name]; twice {
					t.Errorf("%s is there twice", term.Name)
				}
				seen[term.Name] = term.BitsPerDim
				byTerm += term.BitsPerDim
			}
			if len(b.Levels) != tc.levels+1 || math.Abs(byLevel-b.Sum) > 1e-12 || math.Abs(byTerm-b.Sum) > 1e-12 {
				t.Errorf("%d levels of %v, terms of %v, sum %v", len(b.Levels), byLevel, byTerm, b.Sum)
			}
			for _, want := range tc.terms {
				if seen[want] == 0 {
					t.Errorf("no %q in %v", want, seen)
				}
			}
			if math.Abs(seen["intensities"]-math.Log2(17)) > 1e-9 || (b.Levels[0].Preprocessing != 0) != tc.logit {
				t.Errorf("data: %+v", b.Levels[0])
			}
			text, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{`"breakdown":{"terms":[`, `"levels":[{"level":0,"dequantisation":4.08`, `"sum":`} {
				if !strings.Contains(string(text), want) {
					t.Errorf("no %s in %s", want, text)
				}
			}
		})
	}
}

// TestBound: more noises never make the bound worse, and one is the score.
func TestBound(t *testing.T) {
	dir := start(t, tiny(t))
	last := math.Inf(1)
	for _, k := range []int{1, 2, 16} {
		r, err := Evaluate(context.Background(), dir, Detail{K: k}, Use{}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		b := r.Bound
		if b.K != k || b.One != r.Score || r.Breakdown != nil {
			t.Errorf("%d noises: %+v beside %+v", k, b, r.Score)
		}
		if k == 1 && (b.Score != r.Score || b.Gain != 0 || b.GainStderr != 0) {
			t.Errorf("one noise: %+v", b)
		}
		if k > 1 && !(b.GainStderr > 0 && b.Gain > -3*b.GainStderr && math.Abs(b.One.BitsPerDim-b.BitsPerDim-b.Gain) < 1e-9) {
			t.Errorf("%d noises: %+v", k, b)
		}
		if b.BitsPerDim > last+3*b.GainStderr {
			t.Errorf("%d noises are worse than fewer: %v, %v", k, b.BitsPerDim, last)
		}
		last = b.BitsPerDim
	}
	if r, err := Evaluate(context.Background(), dir, Detail{K: 16}, Use{}, quiet()); err != nil || !(r.Bound.Gain > 0) {
		t.Errorf("16 noises gain %+v, %v", r, err)
	}
	for _, k := range []int{-1, maxK + 1} {
		_, err := Evaluate(context.Background(), dir, Detail{K: k}, Use{}, quiet())
		wantError(t, err, true, "--k is", "65536")
	}
	_, err := Evaluate(&countdown{context.Background(), 15}, dir, Detail{K: 1000}, Use{}, quiet())
	if err != ErrInterrupted {
		t.Errorf("stopped within an image's noises: %v", err)
	}
	_, err = Evaluate(context.Background(), breakModel(t, dir), Detail{K: 2, Terms: true}, Use{}, quiet())
	wantError(t, err, false, "300 of 300", "not finite")
}

// TestLogSum: in any order, and far outside of what exp can give.
func TestLogSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, at := range []float64{0, -5000, 3000} {
		var s logSum
		plain := 0.0
		for range 50 {
			v := 10 * r.NormFloat64()
			plain += math.Exp(v)
			s.add(v + at)
		}
		if want := math.Log(plain) + at; math.Abs(s.value()-want) > 1e-11*math.Max(1, math.Abs(want)) {
			t.Errorf("at %v: %v, want %v", at, s.value(), want)
		}
	}
	var s logSum
	s.add(math.Inf(-1)) // of no probability at all
	s.add(-3)
	if s.value() != -3 {
		t.Errorf("0 + exp(-3) is exp(%v)", s.value())
	}
	s.add(math.NaN())
	if !math.IsNaN(s.value()) {
		t.Errorf("NaN is lost: %v", s.value())
	}
}
