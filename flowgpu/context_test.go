package flowgpu

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"

	"gorgonia.org/tensor"
)

// rigFeatures is how many features the context of a rig has.
const rigFeatures = 3

func givenCoupling(name string, c, c1 int) layerCase {
	return layerCase{"Coupling/given/" + name, c, 1, 1, func(r *rand.Rand) Layer {
		return NewCoupling(device.ExpScale, c, c1, newGivenNet(c1, rigFeatures, func(cin int) Net { return NewMLP(cin, 7, 2, 2*(c-c1), r) }))
	}}
}

func givenCurves(name string, c, c1 int) layerCase {
	curve := device.Curve{Of: device.RationalSpline, K: 3, B: 3, Scale: 1}
	return layerCase{"CurveCoupling/given/" + name, c, 1, 1, func(r *rand.Rand) Layer {
		return NewCurveCoupling(curve, c, c1, newGivenNet(c1, rigFeatures, func(cin int) Net {
			return NewResMLP(cin, 6, 1, curve.Params()*(c-c1), false, r)
		}))
	}}
}

// givenAuto is a masked network of the name's kind that sees the context of a rig.
func givenAuto(name string, d int, curve device.Curve, r *rand.Rand) autoNet {
	return newGivenMADE(d, rigFeatures, restOf(curve, d), r, func(d int, rest []float32) *MADE {
		if name == "mlp" {
			return NewMADE(d, 11, 2, rest, r)
		}
		return NewResMADE(d, 7, 2, rest, r)
	})
}

func givenMasked(name string, d int, curve device.Curve) layerCase {
	return layerCase{"Autoregressive/given/" + name, d, 1, 1, func(r *rand.Rand) Layer {
		return NewAutoregressive(curve, d, givenAuto(name, d, curve, r))
	}}
}

func inverseGiven(name string, d int, curve device.Curve) layerCase {
	return layerCase{"InverseAutoregressive/given/" + name, d, 1, 1, func(r *rand.Rand) Layer {
		return NewInverseAutoregressive(curve, d, givenAuto(name, d, curve, r))
	}}
}

// Everything that a conditioner says may depend on every feature of the context, and what a masked one says of a dimension on no
// dimension but those before it.
func TestConditionersSeeTheContext(t *testing.T) {
	be := openCPU(t, "cpu")
	const d = 5
	for _, name := range []string{"mlp", "residual"} {
		g := newRig(t, be, layerCase{name, d, 1, 1, func(r *rand.Rand) Layer {
			return NewAutoregressive(device.Curve{}, d, givenAuto(name, d, device.Curve{}, r))
		}}, 1, false)
		l := g.layer.(*Autoregressive)
		context := g.read(g.s.Context)
		params := func(x, c []float32) []float32 {
			g.reset()
			be.Upload(g.s.x, x)
			be.Upload(g.s.Context, c)
			l.takeParams(g.s, g.s.Scratch)
			l.net.Forward(g.s, g.s.Scratch, g.s.X(), l.params)
			return g.read(l.params)
		}
		base := params(g.x0, context)
		for i := range context {
			moved := slices.Clone(context)
			moved[i] += 0.5
			for j, v := range params(g.x0, moved) {
				if v == base[j] {
					t.Errorf("%s: feature %d changes nothing of parameter %d of dimension %d", name, i, j%2, j/2)
				}
			}
		}
		for i := range d {
			moved := slices.Clone(g.x0)
			moved[i] += 0.5
			for j, v := range params(moved, context) {
				if v != base[j] && j/2 <= i {
					t.Errorf("%s: dimension %d changes parameter %d of dimension %d", name, i, j%2, j/2)
				}
			}
		}
	}
}

// givenVariants are conditional models of every kind that takes a context: of numbers, and of a category.
func givenVariants() map[string]Config {
	context := ContextOf([]Condition{{Name: "a", Mean: 1, Std: 2}, {Name: "kind", Values: []string{"x", "y", "z"}}})
	models := map[string]Config{}
	for i, kind := range ContextKinds() {
		for _, d := range []int{1, 4} {
			cfg := Config{Kind: kind, Channels: d, Height: 1, Width: 1, Steps: 3, Hidden: 9, Depth: 2, Seed: 5, Context: context}
			name := kind + " of one"
			if d > 1 {
				name = kind
			}
			if kind != "realnvp-vector" {
				cfg.Net = netNames[i%2]
			}
			models[name] = cfg
		}
	}
	return models
}

// conditions are random rows of the variants' context, (N, 2).
func conditions(n int) *tensor.Dense {
	r := rand.New(rand.NewPCG(3, 4))
	rows := make([]float32, 0, 2*n)
	for range n {
		rows = append(rows, float32(1+2*r.NormFloat64()), float32(r.IntN(3)))
	}
	return tensor.New(tensor.WithShape(n, 2), tensor.WithBacking(rows))
}

// A conditional model encodes and decodes under its context, in more than one batch; another context gives another density; and a row
// alone gives what it gives among others.
func TestConditionalModels(t *testing.T) {
	for name, cfg := range givenVariants() {
		t.Run(name, func(t *testing.T) {
			m := newMoved(t, openCPU(t, "cpu"), cfg)
			const n = tensorBatch + 7
			if _, err := m.Sample(n, 1, 3); err == nil {
				t.Fatal("sampled without a context")
			}
			c := conditions(n)
			if err := m.Condition(c); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Sample(n+1, 1, 3); err == nil {
				t.Fatal("took the context of fewer samples")
			}
			x, err := m.Sample(n, 1, 3)
			if err != nil {
				t.Fatal(err)
			}
			z, err := m.Encode(x)
			if err != nil {
				t.Fatal(err)
			}
			back, err := m.Decode(z)
			if err != nil {
				t.Fatal(err)
			}
			closeTo(t, "x", back.Data().([]float32), x.Data().([]float32), 1e-3)
			logp, err := m.LogProb(x)
			if err != nil {
				t.Fatal(err)
			}
			const at = tensorBatch + 2
			one := func(row []float32) float32 {
				if err := m.Condition(tensor.New(tensor.WithShape(1, 2), tensor.WithBacking(row))); err != nil {
					t.Fatal(err)
				}
				d := cfg.Channels
				sample := tensor.New(tensor.WithShape(1, d), tensor.WithBacking(slices.Clone(x.Data().([]float32)[at*d:][:d])))
				v, err := m.LogProb(sample)
				if err != nil {
					t.Fatal(err)
				}
				return v.Data().([]float32)[0]
			}
			row := c.Data().([]float32)[2*at:][:2]
			alone, among := one(row), logp.Data().([]float32)[at]
			closeTo(t, "log p", []float32{alone}, []float32{among}, 1e-5)
			for _, other := range [][]float32{{row[0] + 1, row[1]}, {row[0], float32(int(row[1]+1) % 3)}} {
				if v := one(other); v == alone {
					t.Errorf("context %v gives the density of %v", other, row)
				}
			}
			if err := m.Condition(tensor.New(tensor.WithShape(1, 2), tensor.WithBacking([]float32{0, 3}))); err == nil {
				t.Error("a category that there is not was taken")
			}
		})
	}
}

// The three modes give the same gradients of conditional models, the first two to the bit.
func TestConditionalModes(t *testing.T) {
	for name, cfg := range givenVariants() {
		m := newMoved(t, openCPU(t, "cpu"), cfg)
		if cfg.Norm == "" && cfg.Kind == "maf" { // batch normalisation by default: the reversed pass meets averages that have moved on
			cfg.Norm = "actnorm"
			m = newMoved(t, openCPU(t, "cpu"), cfg)
		}
		stash, _ := gradientOf(t, m, Stash, 8)
		again, _ := gradientOf(t, m, Recompute, 8)
		if !equalBits(stash, again) {
			t.Errorf("%s: stash and recompute give other gradients", name)
		}
		reversed, _ := gradientOf(t, m, Reversible, 8)
		closeTo(t, name, reversed, stash, 1e-3)
	}
}

// Inversion by steps under a context gives what whole passes give.
func TestGivenInversionByStepsAgreesWithWholePasses(t *testing.T) {
	for _, isa := range cpufallback.ISAs() {
		be := openCPU(t, "cpu:"+isa)
		for _, lc := range []layerCase{givenMasked("mlp", 4, device.Curve{}), givenMasked("residual", 3, device.Curve{})} {
			g := newRig(t, be, lc, 7, false)
			l := g.layer.(*Autoregressive)
			slowInverse(g.s, l)
			x := g.read(g.s.x)
			g.reset()
			l.Inverse(g.s)
			closeTo(t, lc.name, g.read(g.s.x), x, 1e-5)
		}
	}
}

func TestContextErrors(t *testing.T) {
	good := Config{Kind: "maf", Channels: 1, Height: 1, Width: 1, Steps: 2, Hidden: 8, Depth: 1, Context: ContextOf([]Condition{{Name: "a", Std: 1}})}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"kind": func(c *Config) {
			*c = Config{Kind: "chain", Channels: 2, Height: 1, Width: 1, Layers: "affine", Context: c.Context}
		},
		"twice": func(c *Config) { c.Context = ContextOf([]Condition{{Name: "a", Std: 1}, {Name: "a", Std: 1}}) },
		"std":   func(c *Config) { c.Context = ContextOf([]Condition{{Name: "a"}}) },
		"many":  func(c *Config) { c.Context = ContextOf([]Condition{{Name: "a", Values: make([]string, 1025)}}) },
		"none":  func(c *Config) { c.Context = Context{} }, // of one dimension
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", what, c)
		}
	}
	m := newMoved(t, openCPU(t, "cpu"), good)
	e, err := NewEvaluator(m, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out := make([]float64, 4)
	if err := e.LogProb(make([]float32, 4), 4, 0, 1, out); err == nil {
		t.Error("scored without a context")
	}
	if err := e.Condition(make([]float32, 3)); err != nil {
		t.Fatal(err)
	}
	if err := e.LogProb(make([]float32, 4), 4, 0, 1, out); err == nil {
		t.Error("scored four samples under the context of three")
	}
	if err := e.Condition(make([]float32, 5)); err == nil {
		t.Error("took the context of more samples than a batch has")
	}
}
