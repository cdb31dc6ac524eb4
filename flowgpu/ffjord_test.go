package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"

	"gorgonia.org/tensor"
)

// odeConfig is a continuous flow of d dimensions with the settings that are not given filled in.
func odeConfig(d int, o ODE) Config {
	return Config{Kind: "ffjord", Channels: d, Height: 1, Width: 1, Steps: 1, Hidden: 16, Depth: 2, ODE: o}.withDefaults()
}

// fieldFlow is a row of a continuous flow of d dimensions.
func fieldFlow(name string, d int, o ODE) layerCase {
	o = odeConfig(d, o).ODE
	return layerCase{"Continuous/" + name, d, 1, 1, func(r *rand.Rand) Layer { return NewFieldFlow(name, 0, o, d, 5, 2, r) }}
}

// odeRig is a continuous flow on the float64 reference, with what layers that draw numbers need.
func odeRig(t *testing.T, be *devicetest.Wide, d int, o ODE, keep bool) (*rig, *Continuous) {
	t.Helper()
	return solvingRig(t, be, fieldFlow("field", d, o), keep)
}

func solvingRig(t *testing.T, be *devicetest.Wide, lc layerCase, keep bool) (*rig, *Continuous) {
	t.Helper()
	g := newRig(t, be, lc, 3, keep)
	g.s.Solving, g.s.At = &Solving{}, alloc(t, be, 2)
	return g, g.layer.(*Continuous)
}

// convFlow is a row of a continuous flow of images.
func convFlow(o ODE) layerCase {
	o = Config{Kind: "ffjord", Channels: 2, Height: 2, Width: 3, Intensities: 4, ODE: o}.withDefaults().ODE
	return layerCase{"Continuous/images", 2, 2, 3, func(r *rand.Rand) Layer { return NewConvFlow("images", 1, o, 2, 3, 1, r) }}
}

// energies are the weighted integrals of |h|^2 and |dh/dz|^2 over the rig's batch, by the solver's own steps.
func energies(g *rig, l *Continuous, be *devicetest.Wide) (sum float64) {
	g.reset()
	s := g.s
	d, e := l.use(s, s.Scratch)
	d.begin(s, e, false)
	z, integrals := d.sizes(s)
	m := l.solver.take(s, d)
	s.Copy(m.y.Slice(0, z), s.X())
	s.Fill(m.y.Slice(z, z+integrals), 0)
	if err := l.solver.solve(s, d, &m, 0, 1, nil); err != nil {
		panic(err)
	}
	for i, v := range be.Values(m.y.Slice(z+s.N, z+integrals)) {
		weight := l.ode.Kinetic
		if i >= s.N {
			weight = l.ode.Jacobian
		}
		sum += weight * v
	}
	return sum
}

// Gradients are those of the steps that the solver took, of estimated traces with the directions as they are, and of the energies with
// their weights. Layers' tables hold exact traces to the same.
func TestContinuousGradients(t *testing.T) {
	for _, lc := range []layerCase{
		fieldFlow("rademacher", 3, ODE{Solver: "rk4", Steps: 3, Trace: "rademacher"}),
		fieldFlow("gaussian", 3, ODE{Solver: "midpoint", Steps: 4, Trace: "gaussian", Act: "softplus", Time: "concat"}),
		fieldFlow("energies", 3, ODE{Solver: "rk4", Steps: 3, Kinetic: 0.3, Jacobian: 0.2}),
		fieldFlow("estimated energies", 3, ODE{Solver: "euler", Steps: 5, Trace: "rademacher", Kinetic: 0.1, Jacobian: 0.4, Act: "silu"}),
		convFlow(ODE{Solver: "rk4", Steps: 2}),
		convFlow(ODE{Solver: "midpoint", Steps: 2, Trace: "gaussian", Act: "tanh", Kinetic: 0.2, Jacobian: 0.3}),
		convFlow(ODE{Solver: "rk4", Steps: 2, Time: "squash"}),
		convFlow(ODE{Solver: "midpoint", Steps: 2, Time: "squash", Act: "silu", Kinetic: 0.2, Jacobian: 0.3}),
	} {
		t.Run(lc.name, func(t *testing.T) {
			be := devicetest.Float64()
			g, l := solvingRig(t, be, lc, true)
			_, dparams := g.gradients()
			loss := func() float64 {
				g.reset()
				sum := g.loss(be)
				if l.ode.Kinetic > 0 {
					sum -= float64(g.s.DLogDet) * energies(g, l, be)
				}
				return sum
			}
			for i, p := range l.Params() {
				for j, got := range dparams[i] {
					const h = 1e-5
					was := be.Values(p.V)[j]
					be.Values(p.V)[j] = was + h
					up := loss()
					be.Values(p.V)[j] = was - h
					down := loss()
					be.Values(p.V)[j] = was
					if want := (up - down) / (2 * h); math.Abs(float64(got)-want) > 1e-6*(1+math.Abs(want)) {
						t.Errorf("d%s[%d] = %v, central difference %v", p.Name, j, got, want)
					}
				}
			}
		})
	}
}

// Of images, what a solve back finds is what went in, gradients by the adjoint are near those of the steps, and gradients of inputs are the
// loss's: a sum of moves of all inputs at once.
func TestContinuousImages(t *testing.T) {
	be := devicetest.Float64()
	for _, time := range []string{"concat", "squash"} {
		g, l := solvingRig(t, be, convFlow(ODE{Solver: "dopri5", Tolerance: 1e-6, Time: time}), true)
		dx, dparams := g.gradients()
		closeTo(t, "x recovered", g.read(g.s.x), g.x0, 1e-6)
		l.ode.Gradient = "adjoint"
		adjointDX, adjoint := g.gradients()
		closeTo(t, "dx by the adjoint", adjointDX, dx, 3e-4)
		for i := range dparams {
			closeTo(t, fmt.Sprint("parameter by the adjoint ", i), adjoint[i], dparams[i], 3e-4)
		}
		g.reset()
		l.Forward(g.s)
		if equalBits(g.read(g.s.x), g.x0) {
			t.Fatal("forward changed nothing")
		}
		l.Inverse(g.s)
		closeTo(t, "x", g.read(g.s.x), g.x0, 1e-5)
	}
	fixed, _ := solvingRig(t, be, convFlow(ODE{Solver: "rk4", Steps: 3}), true)
	dx, _ := fixed.gradients()
	for i := range dx {
		const h = 1e-3 // inputs are float32
		was := fixed.x0[i]
		fixed.x0[i] = was + h
		fixed.reset()
		up, above := fixed.loss(be), fixed.x0[i]
		fixed.x0[i] = was - h
		fixed.reset()
		down, below := fixed.loss(be), fixed.x0[i]
		fixed.x0[i] = was
		if want := (up - down) / float64(above-below); math.Abs(float64(dx[i])-want) > 1e-5*(1+math.Abs(want)) {
			t.Errorf("dx[%d] = %v, central difference %v", i, dx[i], want)
		}
	}
}

// A model of images in scales trains, and what it draws it can score.
func TestContinuousImageModel(t *testing.T) {
	for _, time := range []string{"concat", "squash"} {
		t.Run(time, func(t *testing.T) {
			trainImages(t, Config{Kind: "ffjord", Channels: 1, Height: 4, Width: 4, Intensities: 16, Levels: 2, Steps: 1, Hidden: 4, Depth: 1, Logit: 0.05,
				ODE: ODE{Tolerance: 1e-4, Time: time}})
		})
	}
}

func trainImages(t *testing.T, cfg Config) {
	t.Helper()
	m, err := New(openCPU(t, "cpu"), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	s := trainer(t, m, 16)
	x := pixels(m.cfg, 16)
	for range 8 {
		s.Step(x, 1e-2)
	}
	records, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	if !(records[7].Loss < records[0].Loss) || records[0].Solves.Accepted < 3 {
		t.Errorf("from %+v to %+v", records[0], records[7])
	}
	drawn, err := m.Sample(5, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range drawn.Data().([]float32) {
		if v != v {
			t.Fatal("a sample is not a number")
		}
	}
}

// The adjoint's equation gives what the solver's own steps give, up to the tolerance.
func TestAdjointAgreesWithDirect(t *testing.T) {
	for _, o := range []ODE{
		{Solver: "dopri5", Tolerance: 1e-6}, {Solver: "rk4", Steps: 40}, {Solver: "bosh3", Tolerance: 1e-6, Trace: "rademacher"},
		{Solver: "dopri5", Tolerance: 1e-6, Kinetic: 0.2, Jacobian: 0.1, Act: "softplus"},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			gradients := func(how string) (dx []float32, dparams [][]float32) {
				o.Gradient = how
				g, _ := odeRig(t, devicetest.Float64(), 3, o, true)
				return g.gradients()
			}
			dx, dparams := gradients("direct")
			gotDX, got := gradients("adjoint")
			closeTo(t, "dx", gotDX, dx, 2e-4)
			differs := false
			for i := range dparams {
				closeTo(t, fmt.Sprint("parameter ", i), got[i], dparams[i], 2e-4)
				differs = differs || !slices.Equal(got[i], dparams[i])
			}
			if !differs {
				t.Error("the same numbers: the two ways are one")
			}
		})
	}
}

// lively is a model whose weights are moved off their initial values, so that it bends space.
func lively(t *testing.T, be device.Backend, cfg Config, by float64) *Model {
	t.Helper()
	m, err := New(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	arrays, err := m.Arrays()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, a := range arrays {
		for i := range a.Data {
			a.Data[i] += float32(by * r.NormFloat64())
		}
	}
	if err := m.SetArrays(arrays); err != nil {
		t.Fatal(err)
	}
	return m
}

func vectors(d, n int, f func(i int) float32) *tensor.Dense {
	x := make([]float32, n*d)
	for i := range x {
		x[i] = f(i)
	}
	return tensor.New(tensor.WithShape(n, d), tensor.WithBacking(x))
}

// At a tolerance of 1e-5 a solve back ends within 1e-4 of where the solve began.
func TestContinuousReverseError(t *testing.T) {
	for _, solver := range []string{"dopri5", "bosh3"} {
		m := lively(t, openCPU(t, "cpu"), odeConfig(2, ODE{Solver: solver, Tolerance: 1e-5}), 0.4)
		r := rand.New(rand.NewPCG(1, 1))
		x := vectors(2, 500, func(int) float32 { return float32(r.NormFloat64()) })
		z, err := m.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		back, err := m.Decode(z)
		if err != nil {
			t.Fatal(err)
		}
		worst, moved := 0.0, 0.0
		for i, v := range x.Data().([]float32) {
			worst = max(worst, math.Abs(float64(back.Data().([]float32)[i]-v)))
			moved = max(moved, math.Abs(float64(z.Data().([]float32)[i]-v)))
		}
		if worst > 1e-4 || moved < 0.5 {
			t.Errorf("%s: a way back misses by %.2g, which must be at most 1e-4; points move by %.2g", solver, worst, moved)
		}
	}
}

// The density of a model that bends space a lot integrates to 1, to within 1e-3 at a tolerance of 1e-6.
func TestContinuousDensityIntegratesToOne(t *testing.T) {
	m := lively(t, openCPU(t, "cpu"), odeConfig(2, ODE{Tolerance: 1e-6}), 0.4)
	const side, reach = 300, 9.0
	x := vectors(2, side*side, func(i int) float32 {
		at := i / 2 % side
		if i%2 == 1 {
			at = i / 2 / side
		}
		return float32((float64(at)+0.5)/side*2*reach - reach)
	})
	logp, err := m.LogProb(x)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range logp.Data().([]float32) {
		sum += math.Exp(float64(v)) * (2 * reach / side) * (2 * reach / side)
	}
	if math.Abs(sum-1) > 1e-3 {
		t.Errorf("the density integrates to %v", sum)
	}
}

// The mean of many estimates of the trace is the exact one.
func TestEstimatedTraceIsUnbiased(t *testing.T) {
	for _, trace := range []string{"rademacher", "gaussian"} {
		const n = 4096
		x := vectors(3, n, func(i int) float32 { return []float32{0.3, -0.7, 1.1}[i%3] }) // one point, each time with directions of its own
		mean := func(how string) (mean, stderr float64) {
			m := lively(t, openCPU(t, "cpu"), odeConfig(3, ODE{TestTrace: how, Trace: "rademacher"}), 0.3)
			e, err := NewEvaluator(m, n)
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			out := make([]float64, n)
			host := make([]float32, 3*n)
			for i, v := range x.Data().([]float32) {
				host[i%3*n+i/3] = v
			}
			if err := e.LogProb(host, n, 0, 5, out); err != nil {
				t.Fatal(err)
			}
			var squares float64
			for _, v := range out {
				mean += v / n
			}
			for _, v := range out {
				squares += (v - mean) * (v - mean) / n
			}
			return mean, math.Sqrt(squares / n)
		}
		want, none := mean("exact")
		got, stderr := mean(trace)
		if none > 1e-6 || stderr < 1e-4 || math.Abs(got-want) > 4*stderr {
			t.Errorf("%s: a mean log-density of %v ± %v, the exact one is %v ± %v", trace, got, stderr, want, none)
		}
	}
}

// Modes stash and recompute are one for a continuous flow; reversible goes back by a solve, and differs by as much as that misses.
func TestContinuousMemoryModes(t *testing.T) {
	m := lively(t, openCPU(t, "cpu"), odeConfig(2, ODE{Tolerance: 1e-6}), 0.2)
	want, _ := gradientOf(t, m, Stash, 64)
	same, _ := gradientOf(t, m, Recompute, 64)
	near, _ := gradientOf(t, m, Reversible, 64)
	if !slices.Equal(want, same) {
		t.Error("stash and recompute differ")
	}
	closeTo(t, "gradient in mode reversible", near, want, 1e-3)
}

func trainer(t *testing.T, m *Model, batch int) *Stepper {
	t.Helper()
	s, err := NewStepper(m, StepConfig{Batch: batch, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50}, ReverseEvery: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A few steps of training, on one core and on three, give the same bits, and tell what their solves took.
func TestContinuousTraining(t *testing.T) {
	cfg := odeConfig(2, ODE{})
	cfg.Steps, cfg.Norm = 2, "actnorm"
	var values [2][]float32
	for i, workers := range []int{1, 3} {
		be, err := cpufallback.NewWorkers("cpu", workers)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { be.Close() })
		m := lively(t, be, cfg, 0.1)
		s := trainer(t, m, 100)
		x := pixels(cfg, 100)
		s.Initialise(x)
		for range 6 {
			s.Step(x, 1e-2)
		}
		records, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if r.Solves.Evaluations < 6*r.Solves.Accepted || r.Solves.Accepted < 2 || r.Solves.Seconds <= 0 {
				t.Fatalf("step %d: %+v", r.Step, r.Solves)
			}
			if measured := r.Step%2 == 0; measured != (r.Drift > 0) || r.Drift > 1e-4 {
				t.Errorf("step %d: reverse error %v", r.Step, r.Drift)
			}
		}
		if !(records[5].Loss < records[0].Loss) {
			t.Errorf("the loss went from %v to %v", records[0].Loss, records[5].Loss)
		}
		values[i] = make([]float32, m.values.Len())
		if err := be.Download(values[i], m.values); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(values[0], values[1]) {
		t.Error("one core and three: not the same bits")
	}
}

// A solve that fails costs the step before it, and half of the learning rate; the next ends the training. The message says where.
func TestFailedSolve(t *testing.T) {
	m := lively(t, openCPU(t, "cpu"), odeConfig(2, ODE{Budget: 500}), 0.1)
	s := trainer(t, m, 32)
	x := pixels(m.cfg, 32)
	s.Step(x, 1e-3)
	before := make([]float32, m.values.Len())
	if err := m.be.Download(before, m.values); err != nil {
		t.Fatal(err)
	}
	s.Step(x, 1e6) // weights that no solver follows
	s.Step(x, 1e-3)
	records, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	last := records[len(records)-1]
	if last.Undone == "" || records[1].Undone != "" {
		t.Fatalf("step 3 should be undone, %+v", records)
	}
	for _, part := range []string{"step 3", "flow1", "t =", "step has become", "greatest gradient", "flow1.dense"} {
		if part == "step has become" && strings.Contains(last.Undone, "evaluations of the dynamics") {
			continue
		}
		if !strings.Contains(last.Undone, part) {
			t.Errorf("%q does not say %q", last.Undone, part)
		}
	}
	after := make([]float32, m.values.Len())
	if err := m.be.Download(after, m.values); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(before, after) || s.caution.rate() != 0.5 {
		t.Error("the step before was not undone, or the learning rate not halved")
	}
	s.Step(x, 1e-3)
	s.Step(x, 1e7)
	s.Step(x, 1e-3)
	if _, err := s.Read(); err == nil || !strings.Contains(err.Error(), "flow1") || !strings.Contains(err.Error(), "learning rate") {
		t.Errorf("the second failure: %v", err)
	}
	if _, err := m.LogProb(vectors(2, 3, func(int) float32 { return 1 })); err == nil {
		t.Error("a density by a solve that fails")
	}
}

func TestODEConfigErrors(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"solver":         func(c *Config) { c.ODE.Solver = "rk45" },
		"chooses":        func(c *Config) { c.ODE.Steps = 3 },
		"tolerance":      func(c *Config) { c.ODE.Tolerance = 1e-9 },
		"exact trace":    func(c *Config) { c.Channels = 65; c.ODE.Trace = "exact" },
		"budget":         func(c *Config) { c.ODE.Budget = 3 },
		"use ffjord":     func(c *Config) { c.Kind = "nsf" },
		"unknown trace":  func(c *Config) { c.ODE.Trace = "some" },
		"from 1 to":      func(c *Config) { c.ODE.Solver, c.ODE.Steps = "rk4", -1 },
		"kinetic":        func(c *Config) { c.ODE.Kinetic = -1 },
		"depth is 0":     func(c *Config) { c.Depth = 0 },
		"unknown act":    func(c *Config) { c.ODE.Act = "relu" },
		"error norm":     func(c *Config) { c.ODE.ErrorNorm = "max" },
		"unknown gradie": func(c *Config) { c.ODE.Gradient = "none" },
	} {
		c := odeConfig(2, ODE{})
		change(&c)
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// The frames of a continuous flow are its times, and end where Encode and LogProb do.
func TestContinuousFrames(t *testing.T) {
	m := lively(t, openCPU(t, "cpu"), odeConfig(2, ODE{Tolerance: 1e-6}), 0.3)
	x := vectors(2, 40, func(i int) float32 { return float32(i%7) - 3 })
	frames, err := m.Frames(x)
	if err != nil {
		t.Fatal(err)
	}
	if len(frames) != 1+instants || frames[1].Name != "flow1, t = 0.0625" || frames[instants].Name != "flow1" {
		t.Fatalf("%d frames, from %q to %q", len(frames), frames[1].Name, frames[len(frames)-1].Name)
	}
	z, err := m.Encode(x)
	if err != nil {
		t.Fatal(err)
	}
	logp, err := m.LogProb(x)
	if err != nil {
		t.Fatal(err)
	}
	last := frames[instants]
	end := last.X.Data().([]float32)
	closeTo(t, "z", end, z.Data().([]float32), 1e-4)
	for i, ld := range last.LogDet {
		normal := -math.Log(2*math.Pi) - float64(end[2*i]*end[2*i]+end[2*i+1]*end[2*i+1])/2
		if want := float64(logp.Data().([]float32)[i]); math.Abs(ld+normal-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("log-density %v, by the frames %v", want, ld+normal)
		}
	}
}

// What the data has become on the way has a density of its own there: that of x, but for the volume that it has lost or won on the way. Where
// the flow ends it is the prior's.
func TestDensityOnTheWay(t *testing.T) {
	cfg := odeConfig(2, ODE{Tolerance: 1e-6})
	cfg.Steps, cfg.Norm, cfg.Columns = 2, "actnorm", ColumnsOf([]Column{{Name: "a", Mean: 3, Std: 0.5}, {Name: "b", Mean: -1, Std: 4}})
	m := lively(t, openCPU(t, "cpu"), cfg, 0.3)
	x := vectors(2, 300, func(i int) float32 { return float32(i%7)/3 + 1 })
	frames, err := m.Frames(x)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := m.LogProb(x)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(frames); i++ {
		there, err := m.LogProbAt(i, frames[i].X)
		if err != nil {
			t.Fatal(err)
		}
		for j, got := range there.Data().([]float32) {
			if want := float64(whole.Data().([]float32)[j]) - frames[i].LogDet[j]; math.Abs(float64(got)-want) > 2e-4*(1+math.Abs(want)) {
				t.Fatalf("frame %q: log-density %v of vector %d, want %v", frames[i].Name, got, j, want)
			}
		}
	}
	for _, i := range []int{0, len(frames)} {
		if _, err := m.LogProbAt(i, x); err == nil {
			t.Errorf("a density at frame %d", i)
		}
	}
	if _, err := m.LogProbAt(1, vectors(3, 2, func(int) float32 { return 0 })); err == nil {
		t.Error("densities of other vectors")
	}
}
