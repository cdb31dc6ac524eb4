package flowgpu

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"cuflow/device"

	"gorgonia.org/tensor"
)

// vectorModel is a small model of vectors in units of their own, of which one column has steps.
func vectorModel(norm string) Config {
	return Config{Kind: "realnvp-vector", Channels: 5, Height: 1, Width: 1, Steps: 4, Hidden: 6, Depth: 2, Layout: "evenodd", Norm: norm,
		Prior: "learned", Seed: 5, Columns: ColumnsOf([]Column{
			{Name: "a", Mean: 2, Std: 3}, {Name: "b", Mean: -1, Std: 0.5, Step: 0.25}, {Name: "c", Std: 1}, {Name: "d", Std: 2}, {Name: "e", Std: 1}})}
}

func TestColumnsAreAValue(t *testing.T) {
	list := []Column{{Name: "first, \"quoted\"", Mean: 1. / 3, Std: math.Nextafter(2, 3)}, {Name: "second", Mean: -1e300, Std: 5e-324, Step: 0.1}}
	a, b := ColumnsOf(list), ColumnsOf(slices.Clone(list))
	if a != b || !slices.Equal(a.List(), list) {
		t.Errorf("%v is not %v, or not %v", a, b, list)
	}
	if other := ColumnsOf(list[:1]); other == a {
		t.Error("other columns are the same")
	}
	cfg := Config{Kind: "nice", Columns: a}
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := json.Unmarshal(text, &back); err != nil || back != cfg {
		t.Errorf("%s comes back as %+v, %v", text, back, err)
	}
	if text, err := json.Marshal(Config{}); err != nil || strings.Contains(string(text), "columns") {
		t.Errorf("no columns are %s, %v", text, err)
	}
	if ColumnsOf(nil) != (Columns{}) || ColumnsOf(nil).List() != nil {
		t.Error("no columns are something")
	}
}

func TestColumnSteps(t *testing.T) {
	c := Column{Mean: 10, Std: 4, Step: 0.5}
	for x, want := range map[float32]float64{0: 10, 0.1: 10, 0.13: 10.5, -0.1: 9.5, -2.5: 0, -2.6: -0.5} {
		if got := c.Floor(c.Value(x)); got != want {
			t.Errorf("x = %v is the value %v, want %v", x, got, want)
		}
	}
	if v := (Column{Mean: 10, Std: 4}).Floor(9.99); v != 9.99 {
		t.Errorf("without a step 9.99 becomes %v", v)
	}
}

// TestDensityIsInUnitsOfTheData: of the same flow, a column in other units moves log p by the log of the factor, and the
// density over the plane integrates to 1.
func TestDensityIsInUnitsOfTheData(t *testing.T) {
	be := openCPU(t, "cpu")
	cfg := Config{Kind: "realnvp-vector", Channels: 2, Height: 1, Width: 1, Steps: 4, Hidden: 8, Depth: 1, Seed: 2}
	plain := newMoved(t, be, cfg)
	cfg.Columns = ColumnsOf([]Column{{Name: "a", Mean: 3, Std: 0.5}, {Name: "b", Mean: -200, Std: 40}})
	scaled := newMoved(t, be, cfg)
	const side, wide = 600, 60.0
	var x, v []float32
	for i := range side {
		for j := range side {
			a, b := wide*(float64(i)+0.5)/side-wide/2, wide*(float64(j)+0.5)/side-wide/2
			x = append(x, float32(a), float32(b))
			v = append(v, float32(3+0.5*a), float32(-200+40*b))
		}
	}
	of := func(m *Model, values []float32) []float32 {
		logp, err := m.LogProb(tensor.New(tensor.WithShape(side*side, 2), tensor.WithBacking(values)))
		if err != nil {
			t.Fatal(err)
		}
		return logp.Data().([]float32)
	}
	total := 0.
	inX, inV := of(plain, x), of(scaled, v)
	for i := range inX {
		if d := float64(inX[i]-inV[i]) - math.Log(0.5*40); math.Abs(d) > 2e-4*(1+math.Abs(float64(inX[i]))) {
			t.Fatalf("point %d: log p %v in units of the flow, %v in those of the data", i, inX[i], inV[i])
		}
		total += math.Exp(float64(inV[i])) * 0.5 * 40 * wide * wide / (side * side)
	}
	if math.Abs(total-1) > 1e-4 {
		t.Errorf("the density integrates to %v", total)
	}
	samples, err := scaled.Sample(300, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if s := samples.Shape(); len(s) != 2 || s[0] != 300 || s[1] != 2 {
		t.Fatalf("samples have shape %v", s)
	}
	mean := 0.
	for i, v := range samples.Data().([]float32) {
		if i%2 == 1 {
			mean += float64(v) / 300
		}
	}
	if math.Abs(mean+200) > 40 {
		t.Errorf("the second column of the samples has the mean %v", mean)
	}
}

// TestNoiseOfColumns: it is uniform over a column's step, that of a sample's index, and touches no column without a step.
func TestNoiseOfColumns(t *testing.T) {
	be := openCPU(t, "cpu")
	m := newMoved(t, be, vectorModel("none"))
	const n = 4000
	w, err := m.NewWorkspace(n, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	x := pixels(m.cfg, n)
	noisy := func(first int) []float32 {
		be.Upload(w.pixels, x)
		w.noiseAt(0, first)
		w.dequantize(n, device.Stream{Seed: 9, ID: streamEval})
		out := make([]float32, len(x))
		if err := be.Download(out, w.s.x); err != nil {
			t.Fatal(err)
		}
		return out
	}
	y, other := noisy(0), noisy(1)
	least, most, mean := math.Inf(1), math.Inf(-1), 0.
	for i := range y {
		u := float64(y[i]-x[i]) * 0.5 / 0.25 // Std/Step of column b
		if c := i / n; c != 1 {
			if y[i] != x[i] {
				t.Fatalf("column %d has noise", c)
			}
			continue
		}
		least, most, mean = min(least, u), max(most, u), mean+u/n
		if j := i%n + 1; j < n && math.Abs(float64(y[n+j]-x[n+j]-(other[n+j-1]-x[n+j-1]))) > 1e-6 {
			t.Fatalf("the noise of sample %d is another in another batch", j)
		}
	}
	if least < -1e-6 || most > 1+1e-6 || least > 0.01 || most < 0.99 || math.Abs(mean-0.5) > 5/math.Sqrt(12*n) {
		t.Errorf("noise from %v to %v of a step, mean %v", least, most, mean)
	}
}

func TestWrongVectorConfigs(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"2 columns for data of 5 channels":                         func(c *Config) { c.Columns = ColumnsOf(make([]Column, 2)) },
		"must be positive":                                         func(c *Config) { c.Columns = ColumnsOf(make([]Column, 5)) },
		"5 columns for data of 5 channels, 1x1 and 17 intensities": func(c *Config) { c.Intensities = 17 },
		"for vectors, height and width 1":                          func(c *Config) { c.Height, c.Columns = 2, Columns{} },
		"a coupling needs two dimensions":                          func(c *Config) { c.Channels, c.Columns = 1, Columns{} },
		"for real numbers, not for 17 intensities":                 func(c *Config) { c.Intensities, c.Columns = 17, Columns{} },
		"steps is 0":         func(c *Config) { c.Steps = 0 },
		"depth is 0":         func(c *Config) { c.Depth = 0 },
		"levels is 1":        func(c *Config) { c.Levels = 1 },
		`unknown norm "x"`:   func(c *Config) { c.Norm = "x" },
		`unknown layout "x"`: func(c *Config) { c.Layout = "x" },
	} {
		cfg := vectorModel("none")
		change(&cfg)
		if _, err := New(&device.Tally{}, cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// TestWeights: others may be the model's for a while.
func TestWeights(t *testing.T) {
	be := openCPU(t, "cpu")
	m, other := newMoved(t, be, vectorModel("batchnorm")), newMoved(t, be, vectorModel("batchnorm"))
	s, err := NewStepper(other, StepConfig{Batch: 8, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 5 {
		s.Step(pixels(other.cfg, 8), 1e-2)
	}
	w, err := other.Weights()
	if err != nil {
		t.Fatal(err)
	}
	before, theirs := logProbs(t, m, 6), logProbs(t, other, 6)
	err = m.WithWeights(w, func() error {
		if got := logProbs(t, m, 6); !slices.Equal(got, theirs) {
			t.Errorf("with the other's weights log p is %v, not %v", got, theirs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := logProbs(t, m, 6); !slices.Equal(got, before) || slices.Equal(got, theirs) {
		t.Errorf("afterwards log p is %v, before %v, the other's %v", got, before, theirs)
	}
	if err := m.WithWeights(Weights{}, func() error { return nil }); err == nil || !strings.Contains(err.Error(), "0 + 0 values") {
		t.Errorf("weights of nothing: %v", err)
	}
}
