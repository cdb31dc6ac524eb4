package train

import (
	"context"
	"errors"
	"math"
	"testing"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// TestUniformScore: a density that is the same everywhere in the cube [0, L)^D scores exactly log2(L) bits/dim.
func TestUniformScore(t *testing.T) {
	for _, levels := range []int{2, 17, 256, 65536} {
		for _, d := range []int{1, 64, 3072} {
			logp := make([]float64, 7)
			for i := range logp {
				logp[i] = -float64(d) * math.Log(float64(levels))
			}
			s, err := summarise(logp, d)
			if err != nil {
				t.Fatal(err)
			}
			if want := math.Log2(float64(levels)); math.Abs(s.BitsPerDim-want) > 1e-14*want || s.Stderr > 1e-14*want || s.N != 7 {
				t.Errorf("%d levels, %d dimensions: %v, want %v", levels, d, s, want)
			}
		}
	}
}

func TestSummarise(t *testing.T) {
	s, err := summarise([]float64{-1, -2, -3, -6}, 2)
	if err != nil {
		t.Fatal(err)
	}
	// Mean 3, sample variance (4+1+0+9)/3 = 14/3.
	want := Score{BitsPerDim: 3 / (2 * math.Ln2), Stderr: math.Sqrt(14.0/3/4) / (2 * math.Ln2), Nats: 3, N: 4}
	if math.Abs(s.BitsPerDim-want.BitsPerDim) > 1e-15 || math.Abs(s.Stderr-want.Stderr) > 1e-15 || s.Nats != 3 || s.N != 4 {
		t.Errorf("%+v, want %+v", s, want)
	}
	if s, err := summarise([]float64{-1}, 2); err != nil || s.Stderr != 0 || s.Nats != 1 {
		t.Errorf("one image: %+v, %v", s, err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := summarise([]float64{-1, bad, -3, bad}, 2)
		wantError(t, err, false, "2 of 4 images", "image 1")
		if !errors.Is(err, errNotFinite) {
			t.Errorf("%v is not errNotFinite", err)
		}
	}
}

// trained is a tiny model after its first steps.
func trained(t *testing.T) *flowgpu.Model {
	t.Helper()
	s := checkpoint(t, start(t, tiny(t)))
	be, err := openCPU("cpu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { be.Close() })
	m, err := flowgpu.NewFromCheckpoint(be, s.c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestScoreCountsEveryImage: batches, the last one short, change nothing against scoring images one by one.
func TestScoreCountsEveryImage(t *testing.T) {
	m := trained(t)
	_, test, err := data.Digits()
	if err != nil {
		t.Fatal(err)
	}
	test = test.Head(77)
	x, logp := make([]float32, test.D()), make([]float64, test.N)
	one := evaluator(t, m, 1)
	for i := range logp {
		test.Fill(x, i, 1)
		if err := one.LogProb(x, 1, i, 9, logp[i:]); err != nil {
			t.Fatal(err)
		}
	}
	want, err := summarise(logp, test.D())
	if err != nil {
		t.Fatal(err)
	}
	for _, batch := range []int{1, 7, 32, 77, 100} {
		got, err := score(context.Background(), evaluator(t, m, batch), test, test.N, 9)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.BitsPerDim-want.BitsPerDim) > 1e-5 || math.Abs(got.Stderr-want.Stderr) > 1e-5 || got.N != 77 { // float32 sums of other shapes
			t.Errorf("batches of %d: %+v, one by one %+v", batch, got, want)
		}
	}
	other, err := score(context.Background(), one, test, test.N, 10)
	if err != nil || other.BitsPerDim == want.BitsPerDim {
		t.Errorf("other noise scores %v, %v: the same", other, err)
	}
}

func noClass(int) int32 { return 0 }

func TestSamplesDependOnSeedAlone(t *testing.T) {
	m := trained(t)
	want, err := draw(evaluator(t, m, 10), m.Config(), 10, 0.7, 3, noClass, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := draw(evaluator(t, m, 4), m.Config(), 10, 0.7, 3, noClass, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := draw(evaluator(t, m, 4), m.Config(), 10, 0.7, 4, noClass, nil)
	if err != nil {
		t.Fatal(err)
	}
	same := true
	for i := range want {
		if math.Abs(float64(got[i]-want[i])) > 1e-3 { // of 17; sums of other shapes
			t.Fatalf("value %d is %v in batches of 4, %v in one of 10", i, got[i], want[i])
		}
		same = same && other[i] == want[i]
	}
	if same {
		t.Error("another seed gives the same samples")
	}
}
