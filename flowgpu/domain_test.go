package flowgpu

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cuflow/device"

	"gorgonia.org/tensor"
)

func circleCoupling(name string, c, c1 int) layerCase {
	curve := device.Curve{Of: device.RationalSpline, K: 3, B: math.Pi, On: device.Circle, Scale: 0.5}
	return layerCase{"CurveCoupling/" + name, c, 1, 1, func(r *rand.Rand) Layer {
		return Chain{NewRotation(c), NewCurveCoupling(curve, c, c1, newCircleNet(c1, func(cin int) Net { return NewMLP(cin, 7, 1, curve.Params()*(c-c1), r) }))}
	}}
}

func onIntervalOf(name string, c int) layerCase {
	curve := device.Curve{Of: device.RationalSpline, K: 3, On: device.Interval, Scale: 0.5}
	return layerCase{"CurveCoupling/" + name, c, 1, 1, func(r *rand.Rand) Layer {
		return Chain{NewElementwise(device.SigmoidMap), NewCurveCoupling(curve, c, c/2, NewMLP(c/2, 7, 1, curve.Params()*(c-c/2), r))}
	}}
}

// boundedModel is a small flow on a circle or an interval.
func boundedModel(kind, domain, curve string, d int) Config {
	return Config{Kind: kind, Channels: d, Height: 1, Width: 1, Steps: 3, Hidden: 12, Depth: 1, Seed: 5, Curve: curve, Bins: 5}.OnDomain(domain)
}

// ends are those of a domain.
func ends(domain string) (lo, hi float64) {
	if domain == onCircle {
		return -math.Pi, math.Pi
	}
	return 0, 1
}

func boundedVariants() map[string]Config {
	models := map[string]Config{}
	for _, domain := range []string{onCircle, onInterval} {
		for _, kind := range []string{"nsf", "maf", "iaf"} {
			for _, curve := range []string{"rational", "quadratic", "linear"} {
				models[strings.Join([]string{kind, domain, curve}, " ")] = boundedModel(kind, domain, curve, 2)
			}
		}
	}
	return models
}

// Flows on a circle and an interval are densities there, whose integral is 1; before training they are uniform; what they draw stays
// there, and comes back.
func TestBoundedFlowsAreDensities(t *testing.T) {
	for name, cfg := range boundedVariants() {
		t.Run(name, func(t *testing.T) {
			be := openCPU(t, "cpu")
			lo, hi := ends(cfg.Domain)
			m := newMoved(t, be, cfg)
			const points = 160
			grid := make([]float32, 0, 2*points*points)
			for i := range points * points {
				for _, k := range []int{i % points, i / points} {
					grid = append(grid, float32(lo+(hi-lo)*(float64(k)+0.5)/points))
				}
			}
			logp, err := m.LogProb(tensor.New(tensor.WithShape(points*points, 2), tensor.WithBacking(grid)))
			if err != nil {
				t.Fatal(err)
			}
			sum, cell := 0., (hi-lo)*(hi-lo)/(points*points)
			for _, v := range logp.Data().([]float32) {
				sum += math.Exp(float64(v)) * cell
			}
			if math.Abs(sum-1) > 1e-2 { // splines have kinks, linear ones steps, and the networks of masked flows a seam
				t.Errorf("the density integrates to %v", sum)
			}
			fresh, err := New(be, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer fresh.Close()
			x, err := m.Sample(300, 1, 3)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range x.Data().([]float32) {
				if float64(v) < lo-1e-6 || float64(v) > hi+1e-6 {
					t.Fatalf("drew %v as value %d", v, i)
				}
				x.Data().([]float32)[i] = float32(min(max(float64(v), lo), hi-1e-6))
			}
			uniform, err := fresh.LogProb(x)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range uniform.Data().([]float32) {
				if math.Abs(float64(v)+2*math.Log(hi-lo)) > 1e-4 {
					t.Fatalf("log p is %v before training, and that of a uniform density %v", v, -2*math.Log(hi-lo))
				}
			}
			z, err := m.Encode(x)
			if err != nil {
				t.Fatal(err)
			}
			back, err := m.Decode(z)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range back.Data().([]float32) {
				off := math.Abs(float64(v - x.Data().([]float32)[i]))
				if cfg.Domain == onCircle {
					off = min(off, 2*math.Pi-off)
				}
				if off > 1e-4 {
					t.Fatalf("x[%d] = %v came back as %v", i, x.Data().([]float32)[i], v)
				}
			}
		})
	}
}

// The density of a coupling flow on a circle is the same on both sides of the seam, in every dimension.
func TestNoSeam(t *testing.T) {
	be := openCPU(t, "cpu")
	for _, curve := range []string{"rational", "quadratic"} {
		m := newMoved(t, be, boundedModel("nsf", onCircle, curve, 4))
		r := rand.New(rand.NewPCG(4, 2))
		const h = 1e-5
		for dim := range 4 {
			for range 20 {
				pair := make([]float32, 8)
				for i := range 4 {
					v := float32(math.Pi * (2*r.Float64() - 1))
					pair[i], pair[4+i] = v, v
				}
				pair[dim], pair[4+dim] = -math.Pi+h, math.Pi-h
				logp, err := m.LogProb(tensor.New(tensor.WithShape(2, 4), tensor.WithBacking(pair)))
				if err != nil {
					t.Fatal(err)
				}
				if v := logp.Data().([]float32); math.Abs(float64(v[0]-v[1])) > 2e-3 {
					t.Errorf("%s: log p is %v on one side of the seam of dimension %d, %v on the other", curve, v[0], dim, v[1])
				}
			}
		}
	}
}

// A flow on a circle learns a peak across the seam.
func TestCircleLearnsAcrossTheSeam(t *testing.T) {
	be := openCPU(t, "cpu")
	m, err := New(be, boundedModel("nsf", onCircle, "rational", 2))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	const batch, std = 256, 0.4
	s, err := NewStepper(m, StepConfig{Batch: batch, Mode: Reversible, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 20}, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r := rand.New(rand.NewPCG(6, 6))
	loss := 0.
	for step := range 300 {
		x := make([]float32, 2*batch)
		for i := range x {
			x[i] = float32(math.Remainder(math.Pi+std*r.NormFloat64(), 2*math.Pi))
			if x[i] >= math.Pi {
				x[i] = -math.Pi
			}
		}
		s.Step(x, 5e-3)
		if step%50 == 49 {
			records, err := s.Read()
			if err != nil {
				t.Fatal(err)
			}
			loss = 0
			for _, r := range records {
				loss += r.Loss / float64(len(records))
			}
		}
	}
	if want := 2 * (math.Log(std*math.Sqrt(2*math.Pi)) + 0.5); math.Abs(loss-want) > 0.06 {
		t.Errorf("%.3f nats, the true density takes %.3f", loss, want)
	}
}

func TestBoundedErrors(t *testing.T) {
	good := boundedModel("nsf", onCircle, "rational", 2)
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(c *Config){
		"prior": func(c *Config) { c.Prior = "standard" }, "norm": func(c *Config) { c.Norm = "actnorm" },
		"lu": func(c *Config) { c.Permutation = "lu" }, "curve": func(c *Config) { c.Curve, c.Bins = "logistics", 0 },
		"affine": func(c *Config) { c.Curve, c.Bins = "affine", 0 }, "bound": func(c *Config) { c.Bound = 2 },
		"line": func(c *Config) { c.Domain = onLine }, "domain": func(c *Config) { c.Domain = "torus" },
		"kind": func(c *Config) {
			*c = Config{Kind: "realnvp-vector", Channels: 2, Height: 1, Width: 1, Steps: 1, Hidden: 2, Depth: 1, Domain: onCircle}
		},
	} {
		c := good
		change(&c)
		if err := c.Validate(); err == nil {
			t.Errorf("%s: %+v was accepted", what, c)
		}
	}
	for domain, x := range map[string][]float32{onCircle: {0, 3.2}, onInterval: {0.5, -0.01}} {
		c := boundedModel("maf", domain, "rational", 2)
		c.Columns = ColumnsOf([]Column{{Name: "a", Std: 1}, {Name: "b", Mean: 10, Std: 10}})
		if err := c.CheckData(x, 1, 0); err == nil || !strings.Contains(err.Error(), "--range") || !strings.Contains(err.Error(), `"b"`) {
			t.Errorf("%s: error %v", domain, err)
		}
		x[1] = 0.2
		if err := c.CheckData(x, 1, 0); err != nil {
			t.Error(err)
		}
	}
	stepped := boundedModel("maf", onInterval, "rational", 2)
	stepped.Columns = ColumnsOf([]Column{{Name: "a", Std: 1}, {Name: "b", Std: 1, Step: 0.25}})
	if err := stepped.CheckData([]float32{0, 0.8}, 1, 0); err == nil || !strings.Contains(err.Error(), "its step") {
		t.Errorf("a value whose noise leaves the interval: %v", err)
	}
}
