package flowgpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"
)

// vectorRows are n rows in the units of three columns.
func vectorRows(n int) *tensor.Dense {
	r := rand.New(rand.NewPCG(7, 8))
	x := make([]float32, 0, 3*n)
	for range n {
		x = append(x, float32(10+3*r.NormFloat64()), float32(-200+50*r.NormFloat64()), float32(0.01*r.NormFloat64()))
	}
	return tensor.New(tensor.WithShape(n, 3), tensor.WithBacking(x))
}

// TestFrames: the way through a flow begins at the data and ends at what Encode gives, and its log-determinant with the prior's density
// of the end is what LogProb gives; more vectors than go into one batch included.
func TestFrames(t *testing.T) {
	columns := []Column{{Name: "a", Mean: 10, Std: 3}, {Name: "b", Mean: -200, Std: 50}, {Name: "c", Std: 0.01}}
	for name, cfg := range map[string]Config{
		"columns":  {Columns: ColumnsOf(columns), Layout: "evenodd", Norm: "actnorm"},
		"as it is": {Layout: "half", Norm: "none"},
	} {
		cfg.Kind, cfg.Channels, cfg.Height, cfg.Width, cfg.Steps, cfg.Hidden, cfg.Depth, cfg.Seed = "realnvp-vector", 3, 1, 1, 4, 8, 1, 3
		m := newMoved(t, openCPU(t, "cpu"), cfg)
		const n = tensorBatch + 7
		x := vectorRows(n)
		frames, err := m.Frames(x)
		if err != nil {
			t.Fatal(err)
		}
		z, err := m.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		logp, err := m.LogProb(x)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range frames {
			names = append(names, f.Name)
		}
		want := []string{"data"}
		if name == "columns" {
			want = append(want, "scaled")
		}
		for _, l := range m.Layers() {
			want = append(want, l.Name)
		}
		if !slices.Equal(names, want) {
			t.Errorf("%s: frames %v, want %v", name, names, want)
		}
		first, last := frames[0], frames[len(frames)-1]
		if !slices.Equal(first.X.Data().([]float32), x.Data().([]float32)) || slices.Max(first.LogDet) != 0 || slices.Min(first.LogDet) != 0 {
			t.Errorf("%s: the first frame is not the data", name)
		}
		if !slices.Equal(last.X.Data().([]float32), z.Data().([]float32)) {
			t.Errorf("%s: the last frame is not the latent", name)
		}
		for i, v := range logp.Data().([]float32) {
			prior := 0.0
			for _, u := range last.X.Data().([]float32)[3*i : 3*i+3] {
				prior -= float64(u)*float64(u)/2 + math.Log(2*math.Pi)/2
			}
			if got := prior + last.LogDet[i]; math.Abs(got-float64(v)) > 1e-5*max(1, math.Abs(prior), math.Abs(last.LogDet[i])) {
				t.Fatalf("%s, vector %d: the way and its end say %v, LogProb %v", name, i, got, v)
			}
		}
		if name == "columns" {
			s := frames[1]
			if got, want := s.X.Data().([]float32)[1], float32((float64(x.Data().([]float32)[1])+200)/50); got != want {
				t.Errorf("a scaled value is %v, want %v", got, want)
			}
			if want := -math.Log(3 * 50 * 0.01); math.Abs(s.LogDet[n-1]-want) > 1e-12 {
				t.Errorf("scaling counts %v nats, want %v", s.LogDet[n-1], want)
			}
		}
	}
}

func TestFramesOfImages(t *testing.T) {
	m := newMoved(t, openCPU(t, "cpu"), small)
	x := tensor.New(tensor.WithShape(1, 1, 8, 8), tensor.WithBacking(make([]float32, 64)))
	if _, err := m.Frames(x); err == nil || !strings.Contains(err.Error(), "of images") {
		t.Errorf("got %v", err)
	}
}

// TestShown: a latent of a base on (0, 1) is told as u, and its slope is that of u.
func TestShown(t *testing.T) {
	for prior, name := range map[string]string{"standard": "z", "logistic": "z", "uniform": "u", "beta(2,3)": "u"} {
		b, err := ParseBase(prior)
		if err != nil {
			t.Fatal(err)
		}
		if b.ShownName() != name {
			t.Errorf("%s: a latent is called %s", prior, b.ShownName())
		}
		for _, z := range []float64{-5, -0.3, 0, 2, 7} {
			const h = 1e-5
			slope := (b.Shown(z+h) - b.Shown(z-h)) / (2 * h)
			if got := math.Exp(b.LogShownSlope(z)); math.Abs(got-slope) > 1e-6*slope+1e-9 {
				t.Errorf("%s at %g: the slope is %g, want %g", prior, z, got, slope)
			}
		}
	}
}

// TestInside: a chain that begins on (0, 1) has no density elsewhere, and columns are scaled first.
func TestInside(t *testing.T) {
	cfg := Config{Kind: "chain", Channels: 2, Height: 1, Width: 1, Layers: "logit", Prior: "standard"}
	x := []float64{0.5, 0.1, 0.5, 1.5, -1, 0.5, 0, 0.5, math.NaN(), 0.5}
	if got, want := cfg.Inside(x), []bool{true, false, false, false, false}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	cfg.Columns = ColumnsOf([]Column{{Name: "a", Mean: -2, Std: 4}, {Name: "b", Std: 1}})
	if got, want := cfg.Inside(x), []bool{true, false, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	cfg.Kind = "realnvp-vector"
	if got := cfg.Inside(x[:8]); slices.Contains(got, false) {
		t.Errorf("a flow of the plane begins everywhere, but %v", got)
	}
}
