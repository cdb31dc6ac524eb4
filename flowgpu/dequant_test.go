package flowgpu

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
)

// variationalModel is a small Glow that learns its dequantisation.
func variationalModel() Config {
	c := small
	c.Dequantization, c.DequantSteps, c.DequantHidden = variationalNoise, 3, 5
	return c
}

// Before training the noise is uniform: its choice costs and gains nothing, and the weights of the model are those that it has without.
func TestVariationalNoiseStartsUniform(t *testing.T) {
	be := openCPU(t, "cpu")
	cfg := variationalModel()
	m, err := New(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e, err := NewEvaluator(m, 6)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out, noise := make([]float64, 6), make([]float64, 6)
	if err := e.LogProb(pixels(cfg, 6), 6, 0, 9, out); err != nil {
		t.Fatal(err)
	}
	if err := e.NoiseNats(6, noise); err != nil {
		t.Fatal(err)
	}
	for i, v := range noise {
		if math.Abs(v) > 1e-4*float64(cfg.D()) {
			t.Errorf("the noise of sample %d is worth %v nats before training", i, v)
		}
	}
	plain, err := New(be, small)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	a, b := make([]float32, m.values.Len()), make([]float32, plain.values.Len())
	if err := be.Download(a, m.values); err != nil {
		t.Fatal(err)
	}
	if err := be.Download(b, plain.values); err != nil {
		t.Fatal(err)
	}
	if !equalBits(a[:len(b)], b) {
		t.Error("variational dequantisation changes the model's initial weights")
	}
}

// Terms add up to the bound, those of the noise to -log q(u|v), and the rest to what the flow makes of the images with this noise.
func TestVariationalTerms(t *testing.T) {
	be := openCPU(t, "cpu")
	cfg := variationalModel()
	m := newMoved(t, be, cfg)
	e, err := NewEvaluator(m, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	x := pixels(cfg, 5)
	out, noise := make([]float64, 5), make([]float64, 5)
	if err := e.LogProb(x, 5, 0, 9, out); err != nil {
		t.Fatal(err)
	}
	if err := e.NoiseNats(5, noise); err != nil {
		t.Fatal(err)
	}
	terms, err := e.Terms(x, 5, 0, 9)
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for i := range out {
		sum, choice := 0., 0.
		for _, term := range terms {
			sum += term.Nats[i]
			if term.Kind == "dequantisation" && term.Name != "intensities" {
				choice += term.Nats[i]
				names++
			}
		}
		if math.Abs(sum-out[i]) > 1e-3 || math.Abs(choice-noise[i]) > 1e-3 || math.Abs(noise[i]) < 1e-3 {
			t.Errorf("sample %d: terms %v of %v, of the noise %v of %v", i, sum, out[i], choice, noise[i])
		}
	}
	if names != 5*(1+3+1) { // the noise, three couplings, the sigmoid
		t.Errorf("%d terms of the noise", names)
	}
	var u [2]float64 // another seed, other noise
	if err := e.LogProb(x, 1, 0, 9, u[:1]); err != nil {
		t.Fatal(err)
	}
	if err := e.LogProb(x, 1, 0, 10, u[1:]); err != nil {
		t.Fatal(err)
	}
	if u[0] == u[1] {
		t.Error("two seeds give the same noise")
	}
}

// Gradients of the bound, by every parameter of the noise's flow and some of the model's, against central differences in float64.
func TestVariationalGradients(t *testing.T) {
	be := devicetest.Float64()
	cfg := Config{Kind: "glow", Channels: 1, Height: 4, Width: 4, Intensities: 17, Levels: 1, Steps: 1, Hidden: 3, Seed: 5,
		Dequantization: variationalNoise, DequantSteps: 2, DequantHidden: 2}
	m, err := New(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 8))
	m.eachView(func(p *Param, lo, hi int) {
		for i := lo; i < hi && !p.Fixed; i++ {
			be.Values(m.values)[i] += 0.2 * r.NormFloat64()
		}
	})
	for _, mode := range []Mode{Stash, Recompute, Reversible} {
		w, err := m.NewWorkspace(2, mode)
		if err != nil {
			t.Fatal(err)
		}
		be.Upload(w.pixels, pixels(cfg, 2))
		w.noiseAt(1, 0)
		loss := func() float64 {
			w.dequantize(2, device.Stream{Seed: 3, ID: streamTrain})
			w.forward(2, true)
			return -(be.Values(w.logdet)[0] + be.Values(w.logdet)[1]) / 2
		}
		be.Fill(m.grads, 0)
		loss()
		w.backward()
		const h = 1e-5
		values, grads := be.Values(m.values), slices.Clone(be.Values(m.grads))
		m.eachView(func(p *Param, lo, hi int) {
			for i := lo; i < hi && !p.Fixed; i++ {
				at := values[i]
				values[i] = at + h
				up := loss()
				values[i] = at - h
				down := loss()
				values[i] = at
				if want := (up - down) / (2 * h); math.Abs(grads[i]-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("%s: gradient of %s[%d] is %g, central difference %g", mode, p.Name, i-lo, grads[i], want)
				}
			}
		})
		w.Close()
	}
}

// The modes agree; what recomputes loses no bit.
func TestVariationalModes(t *testing.T) {
	be := openCPU(t, "cpu")
	m := newMoved(t, be, variationalModel())
	stash, _ := gradientOf(t, m, Stash, 4)
	again, _ := gradientOf(t, m, Recompute, 4)
	if !equalBits(stash, again) {
		t.Error("stash and recompute give other gradients")
	}
	reversed, _ := gradientOf(t, m, Reversible, 4)
	norm, diff := 0., 0.
	for i, v := range stash {
		norm += float64(v) * float64(v)
		diff += float64(v-reversed[i]) * float64(v-reversed[i])
	}
	if rel := math.Sqrt(diff / norm); !(rel < 1e-3) {
		t.Errorf("reversible gradients differ from stash by %.2g of their norm", rel)
	}
}

// A model with its noise is the same after it was saved and loaded, and exported by name.
func TestVariationalRoundTrip(t *testing.T) {
	be := openCPU(t, "cpu")
	m := newMoved(t, be, variationalModel())
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		t.Fatal(err)
	}
	other, err := Load(be, &file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got, want := logProbs(t, other, 3), logProbs(t, m, 3); !slices.Equal(got, want) {
		t.Fatalf("log p %v after loading, %v before", got, want)
	}
	arrays, err := m.Arrays()
	if err != nil {
		t.Fatal(err)
	}
	blank, err := New(be, variationalModel())
	if err != nil {
		t.Fatal(err)
	}
	defer blank.Close()
	if err := blank.SetArrays(arrays); err != nil {
		t.Fatal(err)
	}
	if got, want := logProbs(t, blank, 3), logProbs(t, m, 3); !slices.Equal(got, want) {
		t.Fatalf("log p %v from arrays, %v before", got, want)
	}
	if !slices.ContainsFunc(arrays, func(a Array) bool { return a.Name == "noise.coupling1.conv1.w" }) {
		t.Error("the noise has no arrays")
	}
}

func TestDequantErrors(t *testing.T) {
	if err := variationalModel().Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"unknown": func(c *Config) { c.Dequantization = "gaussian" },
		"uniform": func(c *Config) { c.Dequantization = uniformNoise },
		"logit":   func(c *Config) { c.Logit = 0.05 },
		"steps":   func(c *Config) { c.DequantSteps = -1 },
		"real":    func(c *Config) { c.Intensities = 0 },
		"odd": func(c *Config) {
			*c = Config{Kind: "nice", Channels: 1, Height: 3, Width: 7, Intensities: 17, Steps: 4, Hidden: 8, Depth: 2, Dequantization: variationalNoise}
		},
		"vectors": func(c *Config) { *c = vectorModel("none"); c.Dequantization = variationalNoise },
	} {
		c := variationalModel()
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", what, c)
		}
	}
}
