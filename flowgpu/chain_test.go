package flowgpu

import (
	"math"
	"slices"
	"strings"
	"testing"

	"cuflow/device"

	"gorgonia.org/tensor"
)

func vectorChain(d int, layers string) Config {
	return Config{Kind: "chain", Channels: d, Height: 1, Width: 1, Layers: layers, Seed: 3}
}

func TestChainIsBuiltAsItIsWritten(t *testing.T) {
	m, err := New(&device.Tally{}, vectorChain(3, " affine,planar( softplus ) * 2 , asinh,sylvester(2,leakyrelu, 0.5),affine(qr, 2), planar"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range m.Layers() {
		names = append(names, l.Name)
	}
	if want := []string{"affine1", "planar1", "planar2", "asinh1", "sylvester1", "affine2", "planar3"}; !slices.Equal(names, want) {
		t.Errorf("layers %v, want %v", names, want)
	}
	layer := func(i int) Layer { return m.blocks[i].chain[0] }
	if got := layer(1).(*Planar).h.Func; got != device.SoftplusMap {
		t.Errorf("planar(softplus) has function %v", got)
	}
	if s := layer(4).(*Sylvester); s.m != 2 || s.h != (device.Map{Func: device.LeakyReLUMap, Slope: 0.5}) {
		t.Errorf("sylvester(2, leakyrelu, 0.5) has %d directions and %v", s.m, s.h)
	}
	if q := layer(5).(*Linear).w.(*qrMatrix); q.q.k != 2 {
		t.Errorf("affine(qr, 2) has %d reflections", q.q.k)
	}
	if got := layer(6).(*Planar).h.Func; got != device.TanhMap {
		t.Errorf("planar has function %v", got)
	}
}

// Every name that an error lists is one that a chain knows.
func TestEveryLayerOfAChainIsKnown(t *testing.T) {
	for _, name := range linkNames {
		if _, err := parseLink(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChainErrors(t *testing.T) {
	for _, c := range []struct{ layers, want string }{
		{"", "has an empty place"},
		{"affine,,planar", "has an empty place"},
		{"affine, splanar", `unknown layer "splanar": use affine, `},
		{"planar(", "is not closed"},
		{"planar)", "does not match"},
		{"planar(tanh(2))", "does not match"},
		{"planar(tanh)x", `"x" behind the options is not understood`},
		{"planar*0", "from 1 on"},
		{"planar*many", "from 1 on"},
		{"planar*5000", "more than 4096"},
		{"planar(relu)", `unknown option "relu": the layer takes tanh or softplus or leakyrelu`},
		{"asinh(3)", `unknown option "3": the layer takes none`},
		{"planar(leakyrelu, 1.5)", "it must be above 0 and at most 1"},
		{"leakyrelu(-1)", "it must be above 0"},
		{"householder(0)", "the number of reflections is 0"},
		{"sylvester(3)", "3 directions in 2 dimensions: use at most 2"},
		{"affine, sigmoid", "the last, sigmoid, gives numbers of (0, 1), but the standard prior is a density on the real line"},
		{"sigmoid, affine", "sigmoid gives numbers of (0, 1), but affine takes those of the real line"},
		{"tanh, logit", "tanh gives numbers of (-1, 1), but logit takes those of (0, 1)"},
		{"sigmoid*2, logit", "cannot follow itself"},
	} {
		_, err := New(&device.Tally{}, vectorChain(2, c.layers))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.layers, err, c.want)
		}
	}
	images := vectorChain(2, "planar")
	images.Height = 2
	if err := images.Validate(); err == nil || !strings.Contains(err.Error(), "for vectors") {
		t.Errorf("a chain over images: %v", err)
	}
	other := small
	other.Layers = "planar"
	if err := other.Validate(); err == nil || !strings.Contains(err.Error(), "only a chain") {
		t.Errorf("a glow with layers: %v", err)
	}
}

// planeChains are flows of the plane, of every kind of layer.
var planeChains = []string{
	"planar*6", "planar(softplus)*3, planar(leakyrelu)*2", "radial*5", "sylvester(2)*3", "sylvester(1, softplus)*2, sylvester(2, leakyrelu)",
	"affine, sinh, planar*2, asinh, affine(qr), radial", "triangular, sinh, asinh, triangular(lower), leakyrelu(0.5), householder(2), diagonal",
	"affine, sigmoid, logit, planar, tanh, atanh, softplus, logexpm1, affine",
}

// Each, its parameters anywhere, is a density: it integrates to 1 on a grid, and what Decode gives of Encode is x.
func TestChainsOfThePlane(t *testing.T) {
	const side, step = 901, 0.04
	x := make([]float32, 0, 2*side*side)
	for i := range side {
		for j := range side {
			x = append(x, float32(step*float64(i-side/2)), float32(step*float64(j-side/2)))
		}
	}
	for _, layers := range planeChains {
		t.Run(layers, func(t *testing.T) {
			m := newMoved(t, openCPU(t, "cpu"), vectorChain(2, layers))
			logp, err := m.LogProb(tensor.New(tensor.WithShape(side*side, 2), tensor.WithBacking(slices.Clone(x))))
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, v := range logp.Data().([]float32) {
				sum += math.Exp(float64(v)) * step * step
			}
			tol := 1e-4
			if strings.Contains(layers, "leakyrelu") {
				tol = 3e-3 // the density jumps where h has its kink, which limits the sum over a grid
			}
			if !(math.Abs(sum-1) <= tol) {
				t.Errorf("the density integrates to %v", sum)
			}
			samples, err := m.Sample(500, 1, 5)
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
				if got := back.Data().([]float32)[i]; !(math.Abs(float64(got-v)) <= 1e-4*(1+math.Abs(float64(v)))) {
					t.Fatalf("x = %v came back as %v", v, got)
				}
			}
		})
	}
}

// The kernels, on the interpreter, give the CPU's densities and gradients.
func TestChainsOnTheInterpreter(t *testing.T) {
	for _, layers := range planeChains {
		t.Run(layers, func(t *testing.T) {
			cfg := vectorChain(2, layers)
			cpu, sim := newMoved(t, openCPU(t, "cpu"), cfg), newMoved(t, openSim(t), cfg)
			want, got := logProbs(t, cpu, 40), logProbs(t, sim, 40)
			for i := range want {
				if !(math.Abs(got[i]-want[i]) <= 2e-5*(1+math.Abs(want[i]))) {
					t.Fatalf("log p = %v, on the CPU %v", got[i], want[i])
				}
			}
			dwant, _ := gradientOf(t, cpu, Stash, 40)
			dgot, _ := gradientOf(t, sim, Stash, 40)
			norm, diff := 0.0, 0.0
			for i, v := range dwant {
				d := float64(dgot[i]) - float64(v)
				norm, diff = norm+float64(v)*float64(v), diff+d*d
			}
			if rel := math.Sqrt(diff / norm); !(rel <= 1e-4) {
				t.Errorf("gradients differ from the CPU's by %.2g of their norm", rel)
			}
		})
	}
}
