package flowgpu

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cuflow/device"
)

// droppedCurves is a coupling whose residual network leaves things out. Rows of the table compare gradients with differences under one
// choice of what is left out, the same in every pass.
func droppedCurves(name string, norm bool) layerCase {
	return layerCase{"CurveCoupling/" + name, 4, 1, 2, func(r *rand.Rand) Layer {
		n := NewResMLP(2, 6, 2, 4, norm, r)
		for i := range n.blocks {
			n.blocks[i].leave = &dropout{rate: 0.3, id: streamDropout + uint32(i)}
		}
		return NewCurveCoupling(device.Curve{}, 4, 2, n)
	}}
}

// droppedModel is a flow with dropout and batch normalisation in its networks, or with one of them.
func droppedModel(dropout float64, netNorm string) Config {
	return Config{Kind: "nsf", Channels: 4, Height: 1, Width: 1, Steps: 4, Hidden: 16, Depth: 2, Seed: 5, Curve: "affine", Dropout: dropout, NetNorm: netNorm}
}

// Modes leave out the same: stash and recompute to the bit, reversible to what inversion loses.
func TestDropoutIsTheSameInEveryMode(t *testing.T) {
	be := openCPU(t, "cpu")
	for _, norm := range []string{"none", "batchnorm"} {
		gradients := map[Mode][]float32{}
		for _, mode := range []Mode{Stash, Recompute, Reversible} {
			gradients[mode], _ = gradientOf(t, newMoved(t, be, droppedModel(0.25, norm)), mode, 32)
		}
		if !equalBits(gradients[Stash], gradients[Recompute]) {
			t.Errorf("%s: stash and recompute give other gradients", norm)
		}
		closeTo(t, norm, gradients[Reversible], gradients[Stash], 1e-3)
		without, _ := gradientOf(t, newMoved(t, be, droppedModel(0, norm)), Stash, 32)
		if slices.Equal(without, gradients[Stash]) {
			t.Errorf("%s: dropout changes no gradient", norm)
		}
	}
}

// Training leaves out another part in every step, the same for the same seed; evaluation and sampling leave out nothing.
func TestDropoutIsForTraining(t *testing.T) {
	be := openCPU(t, "cpu")
	cfg := droppedModel(0.25, "none")
	m := newMoved(t, be, cfg)
	plain := newMoved(t, be, droppedModel(0, "none"))
	if got, want := logProbs(t, m, 9), logProbs(t, plain, 9); !slices.Equal(got, want) {
		t.Errorf("log p %v with dropout, %v without", got, want)
	}
	a, err := m.Sample(5, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	b, err := plain.Sample(5, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	if !equalBits(a.Data().([]float32), b.Data().([]float32)) {
		t.Error("samples differ with dropout")
	}
	losses := func(seed uint64) (l []float64) {
		m := newMoved(t, be, cfg)
		s, err := NewStepper(m, StepConfig{Batch: 64, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		x := pixels(cfg, 64)
		for range 3 {
			s.Step(x, 0) // the weights stay
		}
		records, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			l = append(l, r.Loss)
		}
		return l
	}
	one, same, other := losses(1), losses(1), losses(2)
	if !slices.Equal(one, same) {
		t.Errorf("the same seed gives losses %v and %v", one, same)
	}
	if one[0] == one[1] || one[1] == one[2] || one[0] == other[0] {
		t.Errorf("steps leave out the same: losses %v, of another seed %v", one, other)
	}
}

// What is left out is a share of all, and what is kept is scaled so that the mean stays.
func TestDropoutKeepsTheMean(t *testing.T) {
	be := openCPU(t, "cpu")
	const n, rate = 1 << 16, 0.2
	x, at := alloc(t, be, n), alloc(t, be, 2)
	be.Fill(x, 1)
	be.Dropout(device.Rows{C: 16, N: n / 16, P: 1}, rate, device.Stream{Seed: 9}, at, x)
	values := make([]float32, n)
	if err := be.Download(values, x); err != nil {
		t.Fatal(err)
	}
	mean, zeros := 0., 0
	for _, v := range values {
		mean += float64(v) / n
		if v == 0 {
			zeros++
		}
	}
	share := float64(zeros) / n
	if spread := 5 * math.Sqrt(rate*(1-rate)/n); math.Abs(share-rate) > spread || math.Abs(mean-1) > spread/(1-rate) {
		t.Errorf("%.4f left out of %.1f, mean %.4f", share, rate, mean)
	}
}

func TestDropoutConfigErrors(t *testing.T) {
	if err := droppedModel(0.5, "batchnorm").Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"one":      func(c *Config) { c.Dropout = 1 },
		"negative": func(c *Config) { c.Dropout = -0.1 },
		"mlp":      func(c *Config) { c.Net = "mlp" },
		"norm":     func(c *Config) { c.Dropout, c.Net, c.NetNorm = 0, "mlp", "batchnorm" },
		"maf":      func(c *Config) { c.Kind, c.NetNorm = "maf", "" },
		"unknown":  func(c *Config) { c.NetNorm = "layernorm" },
	} {
		c := droppedModel(0.5, "none")
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", what, c)
		}
	}
}
