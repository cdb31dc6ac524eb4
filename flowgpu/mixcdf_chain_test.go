package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cuflow/device"

	"gonum.org/v1/gonum/stat/distuv"
	"gorgonia.org/tensor"
)

func oneD(layers, prior string) Config {
	return Config{Kind: "chain", Channels: 1, Height: 1, Width: 1, Layers: layers, Prior: prior, Seed: 3}
}

// flows1D are the flows in one dimension that are taught, and compositions of them, on the real line.
var flows1D = []Config{
	oneD("mixcdf(k=8, logistic)", "uniform"),
	oneD("mixcdf(k=8)", "beta"),
	oneD("mixcdf(gauss)", "beta(2, 0.7)"),
	oneD("mixcdf(k=3)", "standard"),
	oneD("mixcdf(k=3, logistic)", "logistic"),
	oneD("mixcdf(k=4), probit, diagonal", "standard"),
	oneD("mixcdf(k=4, logistic), logit, diagonal, mixcdf(k=2), probit", "standard"),
	oneD("diagonal, sigmoid", "uniform"),
	oneD("diagonal, sigmoid", "beta(3, 4)"),
	oneD("diagonal, asinh, mixcdf(k=5)", "uniform"),
	oneD("diagonal, tanh, atanh, diagonal", "standard"),
}

// Each of them, its parameters anywhere, is a density: it integrates to 1 on a grid, and what Decode gives of Encode is x.
func TestFlowsInOneDimension(t *testing.T) {
	for _, cfg := range flows1D {
		t.Run(cfg.Layers+" under "+cfg.Prior, func(t *testing.T) {
			m := newMoved(t, openCPU(t, "cpu"), cfg)
			const step, n = 4e-3, 40001
			x := make([]float32, n)
			for i := range x {
				x[i] = float32(step * float64(i-n/2))
			}
			logp, err := m.LogProb(column(x))
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, v := range logp.Data().([]float32) {
				sum += math.Exp(float64(v)) * step
			}
			if !(math.Abs(sum-1) <= 1e-4) {
				t.Errorf("the density integrates to %v", sum)
			}
			samples, err := m.Sample(1000, 1, 5)
			if err != nil {
				t.Fatal(err)
			}
			z, err := m.Encode(samples)
			if err != nil {
				t.Fatal(err)
			}
			back, err := m.Decode(z)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range samples.Data().([]float32) {
				if got := back.Data().([]float32)[i]; !(math.Abs(float64(got-v)) <= 2e-5*(1+math.Abs(float64(v)))) {
					t.Fatalf("x = %v came back as %v", v, got)
				}
			}
			// The samples' shares under the base are uniform.
			base, err := ParseBase(cfg.Prior)
			if err != nil {
				t.Fatal(err)
			}
			shares := make([]float64, 1000)
			for i, v := range z.Data().([]float32) {
				shares[i] = base.CDF(float64(v))
			}
			slices.Sort(shares)
			worst := 0.0
			for i, u := range shares {
				worst = max(worst, math.Abs(u-(float64(i)+0.5)/1000))
			}
			if worst > 1.63/math.Sqrt(1000) {
				t.Errorf("the Kolmogorov-Smirnov distance of the samples' latents to the base is %v", worst)
			}
		})
	}
}

func column(x []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(len(x), 1), tensor.WithBacking(x))
}

// The identity under a base is the base: on data of (0, 1) its density is gonum's.
func TestIdentityIsTheBase(t *testing.T) {
	x := []float32{1e-6, 0.01, 0.3, 0.5, 0.77, 0.999, 1 - 1e-6}
	for prior, of := range map[string]distuv.Beta{"uniform": {Alpha: 1, Beta: 1}, "beta": {Alpha: 5, Beta: 5}, "beta(2,5)": {Alpha: 2, Beta: 5}} {
		m := newMoved(t, openCPU(t, "cpu"), oneD("identity", prior))
		logp, err := m.LogProb(column(slices.Clone(x)))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range logp.Data().([]float32) {
			if want := of.LogProb(float64(x[i])); math.Abs(float64(v)-want) > 1e-5*(1+math.Abs(want)) {
				t.Errorf("%s: log p(%v) = %v, want %v", prior, x[i], v, want)
			}
		}
	}
}

// Data that the base gives no density is refused, with how much of it there is and where it begins.
func TestDataOutsideTheBase(t *testing.T) {
	cfg := oneD("identity", "uniform")
	m := newMoved(t, openCPU(t, "cpu"), cfg)
	_, err := m.LogProb(column([]float32{0.5, 1.7, 0.2, -3}))
	for _, want := range []string{"2 of 4 values lie outside (0, 1)", "1.7 in sample 1", `"identity"`, "uniform"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	e, err := NewEvaluator(m, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.LogProb([]float32{0.5, 1, 0.2}, 3, 7, 0, make([]float64, 3)); err == nil || !strings.Contains(err.Error(), "the first is 1 in sample 8") {
		t.Errorf("error %v, want one that names sample 8", err)
	}
	cfg.Columns = ColumnsOf([]Column{{Name: "height", Mean: 3, Std: 2}})
	if err := cfg.CheckData([]float32{-1}, 1, 0); err == nil || !strings.Contains(err.Error(), `column "height" (1 before it was standardised)`) ||
		!strings.Contains(err.Error(), "--raw") {
		t.Errorf("error %v, want one that names the column and --raw", err)
	}
	if err := oneD("mixcdf", "uniform").CheckData([]float32{-1e9}, 1, 0); err != nil {
		t.Errorf("a flow from the real line refuses data: %v", err)
	}
}

// Wrong texts are errors that say what is right.
func TestChainsOfOneDimensionRefused(t *testing.T) {
	for text, want := range map[string]string{
		"affine|uniform":                 "the last, affine, gives numbers of the real line, but the uniform prior is a density on (0, 1)",
		"probit|standard":                "put mixcdf before it",
		"sigmoid, probit|standard":       "put mixcdf before it",
		"sigmoid|standard":               "the last, sigmoid, gives numbers of (0, 1)",
		"mixcdf(k=0)|standard":           `k is "0"`,
		"mixcdf(k=x)|standard":           `k is "x"`,
		"mixcdf(cauchy)|standard":        `unknown option "cauchy": the layer takes the number of components, as in k=8, and gauss or logistic`,
		"mixcdf*2|standard":              "cannot follow itself",
		"mixcdf, affine|standard":        "affine takes those of the real line",
		"affine, identity|standard":      "leave it out",
		"mixcdf|beta(0,1)":               `a is "0"`,
		"mixcdf|gamma":                   "unknown prior",
		"logit, mixcdf, logit|beta(1,1)": "the last, mixcdf, gives numbers of the real line",
	} {
		layers, prior, _ := strings.Cut(text, "|")
		if err := oneD(layers, prior).Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", text, err, want)
		}
	}
}

// u never rounds to 1: at 30 scales from everything, under a uniform base, log p is still the mixture's density.
func TestUniformBaseInTheTails(t *testing.T) {
	for _, layers := range []string{"mixcdf(k=1)", "mixcdf(k=1, logistic)"} {
		m, err := New(openCPU(t, "cpu"), oneD(layers, "uniform"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		logp, err := m.LogProb(column([]float32{12, -12, 30, -30}))
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range logp.Data().([]float32) {
			x := []float64{12, 12, 30, 30}[i]
			want := distuv.UnitNormal.LogProb(x)
			if strings.Contains(layers, "logistic") {
				a := math.Pi / math.Sqrt(3)
				want = math.Log(a) - a*x - 2*math.Log1p(math.Exp(-a*x))
			}
			if math.Abs(float64(v)-want) > 1e-5*math.Abs(want) {
				t.Errorf("%s: log p(%v) = %v, want %v", layers, x, v, want)
			}
		}
	}
}

// Training finds a mixture of two: the loss comes within 0.02 nats of its entropy, under every base.
func TestFlowInOneDimensionTrains(t *testing.T) {
	const batch, steps, entropy = 512, 400, 1.41508929 // of the bimodal toy
	for _, cfg := range []Config{oneD("mixcdf(k=4)", "standard"), oneD("mixcdf(k=4, logistic)", "uniform"), oneD("mixcdf(k=6)", "beta")} {
		t.Run(fmt.Sprint(cfg.Layers, " ", cfg.Prior), func(t *testing.T) {
			m, err := New(openCPU(t, "cpu"), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			s, err := NewStepper(m, StepConfig{Batch: batch, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			r := rand.New(rand.NewPCG(1, 1))
			x := make([]float32, batch)
			draw := func(x []float32) {
				for i := range x {
					x[i] = float32(0.5*r.NormFloat64() + 1.5*float64(2*r.IntN(2)-1))
				}
			}
			for i := range steps {
				draw(x)
				s.Step(x, float32(0.05*(1-float64(i)/steps)))
				if _, err := s.Read(); err != nil {
					t.Fatal(err)
				}
			}
			test := make([]float32, 20000)
			draw(test)
			logp, err := m.LogProb(column(test))
			if err != nil {
				t.Fatal(err)
			}
			nats := 0.0
			for _, v := range logp.Data().([]float32) {
				nats -= float64(v) / float64(len(test))
			}
			if !(math.Abs(nats-entropy) < 0.02+3*0.006) { // and three standard errors of a mean of 20,000
				t.Errorf("%v nats after %d steps, the entropy is %v", nats, steps, entropy)
			}
		})
	}
}

// Stash and recompute, which keep what a mixcdf takes in, give the same bits; reversible finds it again by the inverse.
func TestModesOfOneDimension(t *testing.T) {
	cfg := oneD("mixcdf(k=4), logit, diagonal, mixcdf(k=3, logistic)", "beta")
	gradients := func(mode Mode) []float32 {
		m := newMoved(t, openCPU(t, "cpu"), cfg)
		const n = 50
		w, err := m.NewWorkspace(n, mode)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(i)/10 - 2
		}
		m.be.Upload(w.s.x, x)
		m.be.Fill(m.grads, 0)
		w.forward(n, true)
		w.backward()
		grads := make([]float32, m.grads.Len())
		if err := m.be.Download(grads, m.grads); err != nil {
			t.Fatal(err)
		}
		return grads
	}
	stash := gradients(Stash)
	if !equalBits(stash, gradients(Recompute)) {
		t.Error("stash and recompute give other gradients")
	}
	closeTo(t, "gradient in mode reversible", gradients(Reversible), stash, 1e-5)
}
