package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
)

// curveVariants are a flow of every kind with curves, small, each with another curve, network, order and normalisation.
func curveVariants() map[string]Config {
	models := map[string]Config{}
	for i, kind := range []string{"nsf", "maf", "iaf"} {
		base := Config{Kind: kind, Channels: 5, Height: 1, Width: 1, Steps: 3, Hidden: 9, Depth: 2, Seed: 5}
		for j, curve := range curveNames {
			cfg := base
			cfg.Curve, cfg.Net = curve, netNames[(i+j)%2]
			cfg.Permutation = []string{"lu", "reverse", "shuffle", "natural"}[(i+j)%4]
			cfg.Norm = normNames[j%3]
			models[fmt.Sprintf("%s %s %s %s %s", kind, curve, cfg.Net, cfg.Permutation, cfg.Norm)] = cfg
		}
	}
	evenodd := models["nsf rational residual lu none"]
	evenodd.Layout = "evenodd"
	models["nsf evenodd"] = evenodd
	return models
}

// slowInverse inverts by D passes of the whole network: what the inversion by steps must equal.
func slowInverse(s *State, l *Autoregressive) {
	q := l.curve.Params() * s.N
	for d := range l.d {
		mark := s.Scratch.Mark()
		l.takeParams(s, s.Scratch)
		l.net.Forward(s, s.Scratch, s.X(), l.params)
		s.CurveInverse(device.Rows{C: 1, N: s.N, P: 1}, l.curve, l.params.Slice(d*q, (d+1)*q), s.X().Slice(d*s.N, (d+1)*s.N), s.LogDet)
		s.Scratch.Release(mark)
	}
}

// Inversion by steps, which computes each unit once, gives what D passes give, to the rounding of sums.
func TestInversionByStepsAgreesWithWholePasses(t *testing.T) {
	for _, isa := range cpufallback.ISAs() {
		be, err := cpufallback.New("cpu:" + isa)
		if err != nil {
			t.Fatal(err)
		}
		for _, lc := range layerCases {
			g := newRig(t, be, lc, 7, false)
			l, ok := g.layer.(*Autoregressive)
			if !ok {
				continue
			}
			slowInverse(g.s, l)
			x, ld := g.read(g.s.x), g.read(g.s.LogDet)
			g.reset()
			l.Inverse(g.s)
			closeTo(t, isa+" "+lc.name+" x", g.read(g.s.x), x, 1e-5)
			closeTo(t, isa+" "+lc.name+" logDet", g.read(g.s.LogDet), ld, 1e-5)
		}
		be.Close()
	}
}

// The slow direction costs the arithmetic of the fast one, half of what a dense network would; and the way back through it costs what
// that of a density costs.
func TestSlowDirectionCostsOnePass(t *testing.T) {
	const d, h, depth, n = 63, 512, 2, 32
	for _, residual := range []bool{false, true} {
		count := func(f func(l *Autoregressive, inverse *InverseAutoregressive, s *State)) int64 {
			be := &device.Tally{}
			curve := device.Curve{}
			var net autoNet = NewMADE(d, h, depth, restOf(curve, d), rand.New(rand.NewPCG(1, 1)))
			dense := int64(2*n) * (d*h + h*h + h*2*d)
			if residual {
				net = NewResMADE(d, h, depth, restOf(curve, d), rand.New(rand.NewPCG(1, 1)))
				dense = 2 * n * (d*h + 2*depth*h*h + h*2*d)
			}
			s := &State{Backend: be, N: n, C: d, H: 1, W: 1, x: device.Phantom(d * n), dx: device.Phantom(d * n), LogDet: device.Phantom(n),
				Scratch: device.NewArena(device.Phantom(1 << 30)), Stash: device.NewArena(device.Phantom(1 << 30))}
			l := NewAutoregressive(curve, d, net)
			f(l, &InverseAutoregressive{flow: l}, s)
			if be.Flops > dense*7/2 {
				t.Errorf("residual %v: %d operations, a dense network has %d each way", residual, be.Flops, dense)
			}
			return be.Flops
		}
		one := count(func(l *Autoregressive, _ *InverseAutoregressive, s *State) { l.Forward(s) })
		draw := count(func(l *Autoregressive, _ *InverseAutoregressive, s *State) { l.Inverse(s) })
		score := count(func(_ *Autoregressive, l *InverseAutoregressive, s *State) { l.Forward(s) })
		if draw != one || score != one {
			t.Errorf("residual %v: one pass is %d operations, a draw from a MAF %d, a density of an IAF %d: want the same", residual, one, draw, score)
		}
		train := count(func(l *Autoregressive, _ *InverseAutoregressive, s *State) {
			s.KeepX = true
			l.Forward(s)
			l.Backward(s)
		})
		inverse := count(func(_ *Autoregressive, l *InverseAutoregressive, s *State) { l.Forward(s); l.Backward(s) })
		if train != 4*one || inverse != 4*one { // forward, again, and both gradients
			t.Errorf("residual %v: one pass is %d operations, a step of a MAF %d, of an IAF %d: want 4 passes", residual, one, train, inverse)
		}
	}
}

// What a network says of a dimension may depend on the dimensions before it, on each of them, and on no other.
func TestMaskedNetworksAreAutoregressive(t *testing.T) {
	const d = 6
	for name, net := range map[string]func(rest []float32, r *rand.Rand) autoNet{
		"mlp":      func(rest []float32, r *rand.Rand) autoNet { return NewMADE(d, 40, 2, rest, r) },
		"residual": func(rest []float32, r *rand.Rand) autoNet { return NewResMADE(d, 33, 2, rest, r) },
	} {
		be, err := cpufallback.New("cpu")
		if err != nil {
			t.Fatal(err)
		}
		g := newRig(t, be, autoregressive(name, d, device.Curve{}, net), 1, false)
		l := g.layer.(*Autoregressive)
		params := func(x []float32) []float32 {
			g.reset()
			be.Upload(g.s.x, x)
			l.takeParams(g.s, g.s.Scratch)
			l.net.Forward(g.s, g.s.Scratch, g.s.X(), l.params)
			return g.read(l.params)
		}
		base := params(g.x0)
		for i := range d {
			moved := slices.Clone(g.x0)
			moved[i] += 0.5
			for j, v := range params(moved) {
				if changed, may := v != base[j], j/2 > i; changed != may {
					t.Errorf("%s: dimension %d changes parameter %d of dimension %d: %v", name, i, j%2, j/2, changed)
				}
			}
		}
		be.Close()
	}
}

func TestCurveConfigErrors(t *testing.T) {
	good := Config{Kind: "nsf", Channels: 4, Height: 1, Width: 1, Steps: 2, Hidden: 8, Depth: 1}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"bins":     func(c *Config) { c.Bins = 65 },
		"fewbins":  func(c *Config) { c.Curve, c.Bins = "quadratic", 1 },
		"bound":    func(c *Config) { c.Bound = -1 },
		"unbound":  func(c *Config) { c.Curve, c.Bound = "logistics", 3 },
		"affine":   func(c *Config) { c.Curve, c.Bins = "affine", 3 },
		"curve":    func(c *Config) { c.Curve = "cubic" },
		"net":      func(c *Config) { c.Net = "conv" },
		"images":   func(c *Config) { c.Height, c.Channels = 2, 1 },
		"one":      func(c *Config) { c.Channels = 1 },
		"steps":    func(c *Config) { c.Steps = 0 },
		"coupling": func(c *Config) { c.Kind, c.Bins, c.Layout, c.Coupling = "realnvp-vector", 3, "half", "exp" },
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", what, c)
		}
	}
}

// The three modes give the same gradients, where a layer's inverse costs a pass and where z gives it back: Reversible inverts in
// float32, and its gradients may be off by what that loses: most where random mixtures of logistics stretch x a hundredfold.
func TestCurveModesGiveTheSameGradients(t *testing.T) {
	be := openCPU(t, "cpu")
	for name, cfg := range curveVariants() {
		if cfg.Norm == "batchnorm" { // the reversed pass meets running averages that have moved on; TestRecomputeIsExact covers the rest
			continue
		}
		m := newMoved(t, be, cfg)
		stash, _ := gradientOf(t, m, Stash, 16)
		norm := 0.0
		for _, v := range stash {
			norm += float64(v) * float64(v)
		}
		for mode, tol := range map[Mode]float64{Recompute: 1e-6, Reversible: 1e-2} {
			if mode == Reversible && norm > 1e6 {
				continue // it stretches x so much that what float32 loses on the way back is any part of the gradient
			}
			other, _ := gradientOf(t, m, mode, 16)
			diff := 0.0
			for i, v := range other {
				d := float64(v) - float64(stash[i])
				diff += d * d
			}
			if rel := math.Sqrt(diff / norm); !(rel <= tol) {
				t.Errorf("%s, %s: gradients differ from stash by %.2g of their norm", name, mode, rel)
			}
		}
	}
}
