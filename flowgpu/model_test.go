package flowgpu

import (
	"bytes"
	"encoding/binary"
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

func openCPU(t testing.TB, name string) device.Backend {
	t.Helper()
	be, err := cpufallback.New(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { be.Close() })
	return be
}

// small is a Glow of every kind of layer, quick enough to run in float64.
var small = Config{Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Steps: 3, Hidden: 6, Seed: 5}

// newMoved is a model whose parameters have left their initial values: at the start every coupling is the identity.
func newMoved(t testing.TB, be device.Backend, cfg Config) *Model {
	t.Helper()
	m, err := New(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	v := make([]float32, m.values.Len())
	if err := be.Download(v, m.values); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(11, 12))
	m.eachView(func(p *Param, lo, hi int) {
		for i := lo; i < hi && !p.Fixed; i++ {
			v[i] += 0.1 * float32(r.NormFloat64())
		}
	})
	be.Upload(m.values, v)
	return m
}

// pixels are n random images of whole-number intensities, channel-major, or scaled vectors.
func pixels(cfg Config, n int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, cfg.D()*n)
	for i := range x {
		if cfg.vectors() {
			x[i] = float32(r.NormFloat64())
			continue
		}
		x[i] = float32(r.IntN(cfg.Intensities))
	}
	return x
}

func gradientOf(t *testing.T, m *Model, mode Mode, n int) (grads []float32, drift float32) {
	t.Helper()
	w, err := m.NewWorkspace(n, mode)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	d, err := m.be.Alloc(1)
	if err != nil {
		t.Fatal(err)
	}
	w.s.Drift = d
	m.be.Upload(w.pixels, pixels(m.cfg, n))
	if err := w.setContext(normals(m.features*n, 1, rand.New(rand.NewPCG(8, 9)))); err != nil {
		t.Fatal(err)
	}
	m.be.Fill(m.grads, 0)
	w.noiseAt(1, 0)
	w.dequantize(n, device.Stream{Seed: 3, ID: streamTrain})
	w.forward(n, true)
	w.backward()
	grads = make([]float32, m.grads.Len())
	var worst [1]float32
	if err := m.be.Download(grads, m.grads); err != nil {
		t.Fatal(err)
	}
	if err := m.be.Download(worst[:], d); err != nil {
		t.Fatal(err)
	}
	return grads, worst[0]
}

// The three modes differ in memory, not in gradients. Reversible inverts up to 16 steps in a row in float32: its gradients
// may be off by what that loses, a few 1e-5 of the gradient's norm here.
func TestModesGiveTheSameGradients(t *testing.T) {
	cfg := small
	cfg.Steps = 20 // more than one snapshot a level
	for _, isa := range cpufallback.ISAs() {
		m := newMoved(t, openCPU(t, "cpu:"+isa), cfg)
		stash, _ := gradientOf(t, m, Stash, 5)
		norm := 0.0
		for _, v := range stash {
			norm += float64(v) * float64(v)
		}
		norm = math.Sqrt(norm)
		if !(norm > 1) {
			t.Fatalf("the gradient's norm is %v: the test would prove nothing", norm)
		}
		for mode, tol := range map[Mode]float64{Recompute: 1e-7, Reversible: 2e-4} {
			other, drift := gradientOf(t, m, mode, 5)
			diff := 0.0
			for i, v := range other {
				d := float64(v) - float64(stash[i])
				diff += d * d
			}
			if rel := math.Sqrt(diff) / norm; !(rel <= tol) {
				t.Errorf("%s, %s: gradients differ from stash by %.2g of their norm", isa, mode, rel)
			}
			if mode == Reversible && !(drift > 0 && drift < 1e-2) {
				t.Errorf("%s: drift %g was not measured, or is large", isa, drift)
			}
		}
	}
}

// variants are small models of every kind and choice.
func variants() map[string]Config {
	models := map[string]Config{}
	for _, coupling := range lawNames {
		for _, permutation := range []string{"lu", "reverse", "shuffle"} {
			cfg := small
			cfg.Coupling, cfg.Permutation = coupling, permutation
			models["glow "+coupling+" "+permutation] = cfg
		}
	}
	for _, covariance := range []string{"diagonal", "full"} {
		models["gmm "+covariance] = Config{Kind: "gmm", Channels: 1, Height: 3, Width: 4, Intensities: 17, Components: 5, Covariance: covariance, Seed: 5}
		cfg := small
		cfg.Prior, cfg.Components, cfg.Covariance = "mixture", 3, covariance
		models["glow with a mixture "+covariance] = cfg
	}
	conditional := small
	conditional.Classes = 3
	models["glow with classes"] = conditional
	for _, layout := range []string{"notes", "paper"} {
		models["realnvp "+layout] = Config{Kind: "realnvp", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Hidden: 4,
			Depth: 1, Layout: layout, Logit: 0.05, Seed: 5}
	}
	for _, layout := range []string{"evenodd", "half"} {
		for _, prior := range []string{"logistic", "standard"} {
			models["nice "+layout+" "+prior] = Config{Kind: "nice", Channels: 1, Height: 3, Width: 7, Intensities: 17, Steps: 4,
				Hidden: 8, Depth: 2, Layout: layout, Prior: prior, Seed: 5}
		}
	}
	models["chain"] = vectorChain(4, "affine, planar*3, asinh, radial, affine(qr), sylvester(2, softplus), triangular, planar(leakyrelu), actnorm")
	for _, norm := range []string{"none", "actnorm", "batchnorm"} {
		models["realnvp-vector "+norm] = vectorModel(norm)
	}
	for name, cfg := range curveVariants() {
		models[name] = cfg
	}
	for name, cfg := range tokenVariants() {
		models[name] = cfg
	}
	return models
}

// Recomputing changes no bit, also where conditioners normalise by batches and keep running averages.
func TestRecomputeIsExact(t *testing.T) {
	for name, cfg := range variants() {
		be := openCPU(t, "cpu")
		one, two := newMoved(t, be, cfg), newMoved(t, be, cfg)
		stash, _ := gradientOf(t, one, Stash, 4)
		again, _ := gradientOf(t, two, Recompute, 4)
		if !equalBits(stash, again) {
			t.Errorf("%s: stash and recompute give other gradients", name)
		}
		a, b := make([]float32, one.fixed.Len()), make([]float32, two.fixed.Len())
		if err := be.Download(a, one.fixed); err != nil {
			t.Fatal(err)
		}
		if err := be.Download(b, two.fixed); err != nil {
			t.Fatal(err)
		}
		if !equalBits(a, b) {
			t.Errorf("%s: recomputing moved a running average a second time", name)
		}
	}
}

// Fast backends must agree with the same model in float64.
func TestModelAgreesWithFloat64(t *testing.T) {
	for name, cfg := range variants() {
		exact := newMoved(t, devicetest.Float64(), cfg)
		want, _ := gradientOf(t, exact, Stash, 3)
		wantLogp := logProbs(t, exact, 3)
		for _, isa := range cpufallback.ISAs() {
			m := newMoved(t, openCPU(t, "cpu:"+isa), cfg)
			got, _ := gradientOf(t, m, Recompute, 3)
			norm, diff := 0.0, 0.0
			for i, v := range want {
				d := float64(got[i]) - float64(v)
				norm += float64(v) * float64(v)
				diff += d * d
			}
			if rel := math.Sqrt(diff / norm); !(rel <= 1e-4) { // float32 through 6 steps and back
				t.Errorf("%s %s: gradients differ from float64 by %.2g of their norm", isa, name, rel)
			}
			for i, logp := range logProbs(t, m, 3) {
				if math.Abs(logp-wantLogp[i]) > 1e-5*math.Abs(wantLogp[i]) {
					t.Errorf("%s %s: log p = %v, in float64 %v", isa, name, logp, wantLogp[i])
				}
			}
		}
	}
}

func logProbs(t *testing.T, m *Model, n int) []float64 {
	t.Helper()
	e, err := NewEvaluator(m, n)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	out := make([]float64, n)
	if err := e.LogProb(pixels(m.cfg, n), n, 0, 9, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// cubeToNormal maps the uniform density on [-1/2, 1/2] to the standard normal: with it a model is uniform over the cube.
type cubeToNormal struct{}

func (cubeToNormal) Forward(s *State) {
	x, ld := s.X().Host(), s.LogDet.Host()
	for i, u := range x {
		z := math.Sqrt2 * math.Erfinv(2*float64(u))
		x[i] = float32(z)
		// log dz/du = -log phi(z), for the z that was stored
		ld[i/s.P()%s.N] += float32(float64(x[i])*float64(x[i])/2 + math.Log(2*math.Pi)/2)
	}
}
func (cubeToNormal) Inverse(*State)   {}
func (cubeToNormal) Backward(*State)  { panic("not needed") }
func (cubeToNormal) Params() []*Param { return nil }

// Every constant is counted: a model that is uniform over the cube of intensities scores log2(L) bits per dimension.
func TestUniformModelScoresLogLBits(t *testing.T) {
	for _, levels := range []int{2, 17, 32, 256, 65536} {
		cfg := small
		cfg.Intensities = levels
		be := openCPU(t, "cpu")
		m := &Model{cfg: cfg, be: be, blocks: []block{{name: "uniform", chain: Chain{cubeToNormal{}}, c: 1, h: 8, w: 8}}}
		for _, logp := range logProbs(t, m, 5) {
			bits := -logp / (float64(cfg.D()) * math.Ln2)
			if want := math.Log2(float64(levels)); math.Abs(bits-want) > 1e-6*want { // float32 sums of 64 terms that cancel
				t.Errorf("%d levels: %.9f bits/dim instead of %.9f", levels, bits, want)
			}
		}
	}
}

// The terms of every model add up to its log-density.
func TestTermsAddUp(t *testing.T) {
	for name, cfg := range variants() {
		m := newMoved(t, openCPU(t, "cpu"), cfg)
		want := logProbs(t, m, 3)
		e, err := NewEvaluator(m, 3)
		if err != nil {
			t.Fatal(err)
		}
		terms, err := e.Terms(pixels(cfg, 3), 3, 0, 9)
		e.Close()
		if err != nil {
			t.Fatal(err)
		}
		sum := make([]float64, 3)
		for _, term := range terms {
			for i, v := range term.Nats {
				sum[i] += v
			}
		}
		for i := range want {
			if math.Abs(sum[i]-want[i]) > 1e-5*math.Abs(want[i]) {
				t.Errorf("%s: the terms add up to %v, log p is %v", name, sum[i], want[i])
			}
		}
	}
}

// A class-conditional model scores a sample by its class, and refuses one that it does not know.
func TestClasses(t *testing.T) {
	cfg := small
	cfg.Classes = 3
	m := newMoved(t, openCPU(t, "cpu"), cfg)
	e, err := NewEvaluator(m, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var logp [3]float64
	for class := range int32(3) {
		if err := e.Label([]int32{class, 0}); err != nil {
			t.Fatal(err)
		}
		out := make([]float64, 2)
		if err := e.LogProb(pixels(cfg, 2), 2, 0, 1, out); err != nil {
			t.Fatal(err)
		}
		logp[class] = out[0]
	}
	if logp[0] == logp[1] || logp[1] == logp[2] {
		t.Errorf("log p does not depend on the class: %v", logp)
	}
	for _, wrong := range []int32{-1, 3} {
		if err := e.Label([]int32{0, wrong}); err == nil || !strings.Contains(err.Error(), "knows 0 to 2") {
			t.Errorf("class %d: error %v", wrong, err)
		}
	}
}

func TestDecodeUndoesEncode(t *testing.T) {
	m := newMoved(t, openCPU(t, "cpu"), small)
	x, err := m.Sample(70, 1, 4) // more than one batch
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
	for i, v := range x.Data().([]float32) {
		if got := back.Data().([]float32)[i]; math.Abs(float64(got-v)) > 1e-2 { // of 17 intensities
			t.Fatalf("x[%d] = %v came back as %v", i, v, got)
		}
	}
	// The latent of what the model drew is standard normal: mean 0 and variance 1 within four standard errors.
	sum, square := 0.0, 0.0
	for _, v := range z.Data().([]float32) {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	n := float64(z.Shape().TotalSize())
	if math.Abs(sum/n) > 4/math.Sqrt(n) || math.Abs(square/n-1) > 4*math.Sqrt(2/n) {
		t.Fatalf("latents have mean %v and mean square %v", sum/n, square/n)
	}
}

// Sample i depends on the seed and i alone, not on the batches that it was drawn in.
func TestSamplesDoNotDependOnBatches(t *testing.T) {
	m := newMoved(t, openCPU(t, "cpu"), small)
	draw := func(batch int) []float32 {
		e, err := NewEvaluator(m, batch)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		all, out := make([]float32, 0, 6*64), make([]float32, batch*64)
		for i := 0; i < 6; i += batch {
			if err := e.Sample(batch, 0.7, 8, i, out); err != nil {
				t.Fatal(err)
			}
			all = append(all, out...) // one channel: [N][P]
		}
		return all
	}
	whole := draw(6)
	for _, batch := range []int{1, 2, 3} {
		closeTo(t, "sample", draw(batch), whole, 1e-4)
	}
	if slices.Equal(whole[:64], whole[64:128]) {
		t.Fatal("two samples are the same")
	}
}

func TestSaveAndLoad(t *testing.T) {
	m := newMoved(t, openCPU(t, "cpu"), small)
	s, err := NewStepper(m, StepConfig{Batch: 4, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Initialise(pixels(small, 4))
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		t.Fatal(err)
	}
	other, err := Load(openCPU(t, "cpu"), &file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if !other.Initialised() {
		t.Fatal("the actnorm flags were lost")
	}
	if got, want := logProbs(t, other, 3), logProbs(t, m, 3); !slices.Equal(got, want) {
		t.Fatalf("log p %v after loading, %v before", got, want)
	}
	// A loaded model is never initialised again.
	o, err := NewStepper(other, StepConfig{Batch: 4, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	o.Initialise(make([]float32, 4*64))
	if got, want := logProbs(t, other, 3), logProbs(t, m, 3); !slices.Equal(got, want) {
		t.Fatal("loading let a batch initialise the model again")
	}
}

func TestSpoiltCheckpoints(t *testing.T) {
	m := newMoved(t, openCPU(t, "cpu"), small)
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	spoil := func(f func(b []byte) []byte) []byte { return f(slices.Clone(whole)) }
	for _, c := range []struct {
		name, want string
		file       []byte
	}{
		{"empty", "cut short", nil},
		{"other file", "not a Cuflow checkpoint", bytes.Repeat([]byte("PNG\n"), 100)},
		{"other version", "format version 9", spoil(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[8:], 9); return b })},
		{"huge header", "claims", spoil(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], 1<<31); return b })},
		{"header", "header cannot be read", spoil(func(b []byte) []byte { b[16] = 'x'; return b })},
		{"cut", "cut short", whole[:len(whole)/2]},
		{"cut by one byte", "cut short", whole[:len(whole)-1]},
		{"flipped bit", "SHA-256", spoil(func(b []byte) []byte { b[len(b)-100] ^= 4; return b })},
		{"longer", "behind its end", append(slices.Clone(whole), 0)},
	} {
		_, err := ReadCheckpoint(bytes.NewReader(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	if _, err := ReadCheckpoint(bytes.NewReader(whole)); err != nil {
		t.Fatalf("the unspoilt file: %v", err)
	}
}

func TestWrongConfigs(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"unknown kind":        func(c *Config) { c.Kind = "glowing" },
		"unknown coupling":    func(c *Config) { c.Coupling = "spline" },
		"unknown permutation": func(c *Config) { c.Permutation = "qr" },
		"unknown prior":       func(c *Config) { c.Prior = "flat" },
		"pad it to 32x32":     func(c *Config) { c.Height, c.Width, c.Levels = 28, 28, 3 },
		"steps is 0":          func(c *Config) { c.Steps = 0 },
		"hidden is -1":        func(c *Config) { c.Hidden = -1 },
		"intensities is 1":    func(c *Config) { c.Intensities = 1 },
		"at most 1024":        func(c *Config) { c.Channels, c.Height, c.Width, c.Levels = 3, 256, 256, 8 },
	} {
		cfg := small
		change(&cfg)
		if _, err := New(openCPU(t, "cpu"), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestWrongTensors(t *testing.T) {
	m := newMoved(t, openCPU(t, "cpu"), small)
	nan := make([]float32, 2*64)
	nan[70] = float32(math.NaN())
	for _, c := range []struct {
		want string
		x    *tensor.Dense
	}{
		{"takes (N, 1, 8, 8)", tensor.New(tensor.WithShape(2, 8, 8), tensor.Of(tensor.Float32))},
		{"float32 is wanted", tensor.New(tensor.WithShape(2, 1, 8, 8), tensor.Of(tensor.Float64))},
		{"image 1 holds a NaN", tensor.New(tensor.WithShape(2, 1, 8, 8), tensor.WithBacking(nan))},
	} {
		if _, err := m.LogProb(c.x); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
	if _, err := m.Decode(tensor.New(tensor.WithShape(2, 63), tensor.Of(tensor.Float32))); err == nil {
		t.Error("latents of the wrong width were taken")
	}
}

// The training step: it learns, allocates nothing, and the same seed gives the same bits on any number of cores.
func TestStepper(t *testing.T) {
	train := func(workers int, mode Mode) (losses []float64) {
		be, err := cpufallback.NewWorkers("cpu", workers)
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		m, err := New(be, small)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := NewStepper(m, StepConfig{Batch: 16, Mode: mode, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.9}, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		x := pixels(small, 16)
		for i := range x { // images that differ from noise: half black
			if i%2 == 0 {
				x[i] = 0
			}
		}
		s.Initialise(x)
		for range 30 {
			s.Step(x, 1e-2)
		}
		if n := testing.AllocsPerRun(10, func() { s.Step(x, 1e-2) }); n != 0 {
			t.Errorf("%s: %v allocations a step", mode, n)
		}
		records, err := s.Read()
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range records {
			if r.Step != i+1 {
				t.Fatalf("record %d is of step %d", i, r.Step)
			}
			losses = append(losses, r.Loss)
		}
		return losses
	}
	for _, mode := range []Mode{Stash, Recompute, Reversible} {
		one := train(1, mode)
		if first, last := one[0], one[len(one)-1]; !(last < first-20) {
			t.Errorf("%s: the loss went from %v to %v nats in 41 steps", mode, first, last)
		}
		for _, workers := range []int{2, 3} {
			if !slices.Equal(train(workers, mode), one) {
				t.Errorf("%s: other losses with %d workers than with one", mode, workers)
			}
		}
	}
}

// Memory of reversible mode must not grow with depth but for a snapshot every 16 steps.
func TestReversibleMemoryIsFlat(t *testing.T) {
	be := openCPU(t, "cpu")
	bytes := func(steps int, mode Mode) int64 {
		cfg := small
		cfg.Steps, cfg.Hidden = steps, 64
		m, err := New(be, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		w, err := m.NewWorkspace(16, mode)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		return w.Bytes()
	}
	snapshot := int64(4 * 64 * 16) // one batch
	for _, steps := range []int{8, 16, 32} {
		base, deep := bytes(steps, Reversible), bytes(2*steps, Reversible)
		if deep-base > snapshot*int64(2*steps/SnapshotEvery+1) {
			t.Errorf("%d steps a level hold %d bytes, %d steps %d", steps, base, 2*steps, deep)
		}
		if stash := bytes(2*steps, Stash); stash < 4*deep {
			t.Errorf("stash holds %d bytes, reversible %d: the modes do not differ", stash, deep)
		}
	}
}
