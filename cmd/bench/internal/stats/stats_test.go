package stats

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// upTo is 1, 2, ... n in a shuffled order: nothing may depend on it.
func upTo(n int) Times {
	var t Times
	for _, i := range rand.New(rand.NewPCG(1, 2)).Perm(n) {
		t = append(t, time.Duration(i+1))
	}
	return t
}

func TestTimes(t *testing.T) {
	if a, b := upTo(5).Median(), upTo(4).Median(); a != 3 || b != 2 {
		t.Errorf("medians %d and %d", a, b)
	}
	if a, b, c := upTo(100).P95(), upTo(5).P95(), upTo(1).P95(); a != 95 || b != 5 || c != 1 {
		t.Errorf("p95 %d, %d and %d", a, b, c)
	}
	if a, b := upTo(4).Sum(), upTo(9).Min(); a != 10 || b != 1 {
		t.Errorf("sum %d, min %d", a, b)
	}
	if a, b := upTo(6).FasterHalf(), upTo(5).FasterHalf(); a != 2 || b != 2 {
		t.Errorf("faster halves %d and %d", a, b)
	}
}

func TestMeasureStops(t *testing.T) {
	for _, c := range []struct {
		room, least int
		budget      time.Duration
		want        int
	}{{10, 3, 0, 3}, {10, 3, time.Hour, 10}, {2, 3, 0, 2}} {
		calls := 0
		got, err := Measure(make(Times, 0, c.room), c.least, c.budget, func() error { calls++; return nil })
		if err != nil || len(got) != c.want || calls != c.want {
			t.Errorf("%+v: %d calls, %d times, %v", c, calls, len(got), err)
		}
	}
	bad := errors.New("bad")
	if _, err := Measure(make(Times, 0, 3), 3, 0, func() error { return bad }); err != bad {
		t.Errorf("an error of the work becomes %v", err)
	}
}

// noise are n times around a middle, the spread a share of it.
func noise(seed uint64, n int, middle, spread float64) (t Times) {
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		t = append(t, time.Duration(middle*(1+spread*r.NormFloat64())))
	}
	return t
}

func TestDrift(t *testing.T) {
	steady := noise(1, 200, 1e6, 0.02)
	if share, warning := steady.Drift(); math.Abs(share) > 0.02 || warning != "" {
		t.Errorf("a steady machine drifts by %v: %s", share, warning)
	}
	slowed := append(noise(2, 100, 1e6, 0.02), noise(3, 100, 1.2e6, 0.02)...)
	if share, warning := slowed.Drift(); math.Abs(share-0.2) > 0.02 || !strings.Contains(warning, "20 % slower") {
		t.Errorf("a machine that slows down drifts by %v: %q", share, warning)
	}
	faster := append(noise(2, 100, 1.2e6, 0.02), noise(3, 100, 1e6, 0.02)...)
	if _, warning := faster.Drift(); !strings.Contains(warning, "faster") {
		t.Errorf("a machine that gets faster: %q", warning)
	}
	if _, warning := slowed[97:103].Drift(); warning != "" {
		t.Errorf("6 times are too few for %q", warning)
	}
	if share, _ := (Times{5}).Drift(); share != 0 {
		t.Errorf("one time drifts by %v", share)
	}
}

func TestMiddle(t *testing.T) {
	m := MiddleOf([]float64{5, 1, 4, 2, 3, 6})
	if m.Median != 3.5 || m.Lo != 1 || m.Hi != 6 || math.Abs(m.Spread()-2.5/3.5) > 1e-12 {
		t.Errorf("%+v", m)
	}
	if m := MiddleOf([]float64{1, 2}); !math.IsInf(m.Lo, -1) || !math.IsInf(m.Hi, 1) || m.Spread() != 0 {
		t.Errorf("two values tell %+v", m)
	}
}

// times10 are ten values around a middle with a spread of one percent.
func times10(seed uint64, middle float64) []float64 { return noise(seed, 10, middle, 0.01).numbers() }

func TestVerdicts(t *testing.T) {
	old := times10(1, 1e6)
	for _, c := range []struct {
		name      string
		new       []float64
		tolerance float64
		want      Verdict
	}{
		{"the same machine", times10(2, 1e6), 0.05, Same},
		{"the same values", old, 0, Same},
		{"twice as slow", times10(3, 2e6), 0.05, TooSlow},
		{"slower by 10 %, 5 allowed", times10(4, 1.1e6), 0.05, TooSlow},
		{"slower by 4 %, 5 allowed", times10(5, 1.04e6), 0.05, Slower},
		{"slower by 10 %, 20 allowed", times10(4, 1.1e6), 0.2, Slower},
		{"faster", times10(6, 0.9e6), 0.05, Faster},
		{"slower, but with three values", times10(3, 2e6)[:1], 0.05, Unknown},
	} {
		got := Compare(old, c.new, c.tolerance)
		if got.Verdict != c.want || got.Verdict != Unknown && !strings.Contains(got.String(), string(c.want)) {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	if c := Compare([]float64{1, 1, 1, 1}, []float64{1, 1, 1, 1}, 0); c.Verdict != Same || c.P != 1 {
		t.Errorf("all values are one: %v", c)
	}
	// One wild value among ten is no reason for alarm.
	wild := times10(2, 1e6)
	wild[3] *= 50
	if c := Compare(old, wild, 0.05); c.Verdict != Same {
		t.Errorf("one outlier: %v", c)
	}
}

// TestLeastRepeats: with one repeat less, nothing can be significant.
func TestLeastRepeats(t *testing.T) {
	if leastP(LeastRepeats, LeastRepeats) >= alpha || leastP(LeastRepeats-1, LeastRepeats-1) < alpha {
		t.Errorf("P of at least %v and %v", leastP(LeastRepeats, LeastRepeats), leastP(LeastRepeats-1, LeastRepeats-1))
	}
	apart := differ([]float64{1, 2, 3, 4}, []float64{5, 6, 7, 8})
	if math.Abs(apart-leastP(4, 4)) > 1e-12 {
		t.Errorf("samples that are wholly apart have P %v, the least is %v", apart, leastP(4, 4))
	}
}
