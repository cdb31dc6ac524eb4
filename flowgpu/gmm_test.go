package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"

	"gonum.org/v1/gonum/mat"
)

// vectorMixture describes a mixture of real-valued vectors.
func vectorMixture(k, d int, covariance string) Config {
	return Config{Kind: "gmm", Channels: d, Height: 1, Width: 1, Components: k, Covariance: covariance, Seed: 3}
}

// mixtureRig is a mixture alone on a device, its parameters moved off their initial values.
type mixtureRig struct {
	p     *GaussianMixture
	s     *State
	rows  device.Rows
	z, dz device.Buffer
}

func newMixtureRig(t *testing.T, be device.Backend, k, d, n int, full bool) *mixtureRig {
	r := rand.New(rand.NewPCG(5, 6))
	g := &mixtureRig{p: NewGaussianMixture(k, d, full, 1, r), rows: device.Rows{C: d, N: n, P: 1}}
	for _, p := range g.p.Params() {
		p.V, p.G = alloc(t, be, p.Len()), alloc(t, be, p.Len())
		start := make([]float32, p.Len())
		copy(start, p.start)
		for i := range start {
			start[i] += 0.4 * float32(r.NormFloat64())
		}
		be.Upload(p.V, start)
	}
	g.z, g.dz = alloc(t, be, d*n), alloc(t, be, d*n)
	z := make([]float32, d*n)
	for i := range z {
		z[i] = float32(1.5 * r.NormFloat64())
	}
	be.Upload(g.z, z)
	g.s = &State{Backend: be, N: n, LogDet: alloc(t, be, n), DLogDet: -0.7, Training: true,
		Scratch: device.NewArena(alloc(t, be, arenaRoom)), Stash: device.NewArena(alloc(t, be, arenaRoom))}
	return g
}

func eachMixture(t *testing.T, f func(t *testing.T, k, d int, full bool)) {
	for _, c := range []struct {
		k, d int
		full bool
	}{{1, 1, false}, {3, 1, true}, {1, 4, false}, {4, 3, false}, {1, 4, true}, {4, 3, true}, {2, 7, true}} {
		t.Run(fmt.Sprintf("k%d d%d full %v", c.k, c.d, c.full), func(t *testing.T) { f(t, c.k, c.d, c.full) })
	}
}

// The density against gonum's, built from the covariance matrix itself; and the responsibilities add up to 1.
func TestMixtureAgainstGonum(t *testing.T) {
	eachMixture(t, func(t *testing.T, k, d int, full bool) {
		const n = 5
		be := devicetest.Float64()
		g := newMixtureRig(t, be, k, d, n, full)
		g.p.LogProb(g.s, g.rows, g.z)
		logits, total := be.Values(g.p.logits.V), 0.0
		for _, v := range logits {
			total += math.Exp(v)
		}
		terms := make([][]float64, n)
		for c := range k {
			cov := covarianceOf(be, g.p, c)
			for i := range n {
				away, solved := mat.NewVecDense(d, nil), mat.NewVecDense(d, nil)
				for j := range d {
					away.SetVec(j, be.Values(g.z)[j*n+i]-be.Values(g.p.mean.V)[c*d+j])
				}
				if err := cov.SolveVecTo(solved, away); err != nil {
					t.Fatal(err)
				}
				normal := -mat.Dot(away, solved)/2 - cov.LogDet()/2 - float64(d)*math.Log(2*math.Pi)/2
				terms[i] = append(terms[i], logits[c]-math.Log(total)+normal)
			}
		}
		for i := range n {
			sum, resp := 0.0, 0.0
			for c := range k {
				sum += math.Exp(terms[i][c])
				resp += be.Values(g.p.r)[c*n+i]
			}
			if got, want := be.Values(g.s.LogDet)[i], math.Log(sum); math.Abs(got-want) > 1e-10*(1+math.Abs(want)) {
				t.Errorf("log p of sample %d is %v, gonum has %v", i, got, want)
			}
			if math.Abs(resp-1) > 1e-12 {
				t.Errorf("the responsibilities of sample %d add up to %v", i, resp)
			}
		}
	})
}

// covarianceOf is the Cholesky factorisation of (A^T A)^-1.
func covarianceOf(be *devicetest.Wide, p *GaussianMixture, c int) *mat.Cholesky {
	a := mat.NewDense(p.d, p.d, nil)
	for i := range p.d {
		a.Set(i, i, math.Exp(be.Values(p.logs.V)[c*p.d+i]))
		for j := range i {
			if p.l != nil {
				a.Set(i, j, be.Values(p.l.V)[c*p.d*(p.d-1)/2+i*(i-1)/2+j])
			}
		}
	}
	var precision mat.Dense
	precision.Mul(a.T(), a)
	symmetric := mat.NewSymDense(p.d, nil)
	for i := range p.d {
		for j := range i + 1 {
			symmetric.SetSym(i, j, precision.At(i, j))
		}
	}
	var chol, inverse mat.Cholesky
	chol.Factorize(symmetric)
	var cov mat.SymDense
	if err := chol.InverseTo(&cov); err != nil {
		panic(err)
	}
	inverse.Factorize(&cov)
	return &inverse
}

func TestMixtureGradients(t *testing.T) {
	eachMixture(t, func(t *testing.T, k, d int, full bool) {
		be := devicetest.Float64()
		g := newMixtureRig(t, be, k, d, 3, full)
		loss := func() (sum float64) { // DLogDet is that of every sample
			be.Fill(g.s.LogDet, 0)
			g.s.Training = false
			g.p.LogProb(g.s, g.rows, g.z)
			g.s.Training = true
			for _, v := range be.Values(g.s.LogDet) {
				sum += float64(g.s.DLogDet) * v
			}
			return sum
		}
		for _, p := range g.p.Params() {
			be.Fill(p.G, 0)
		}
		be.Fill(g.dz, float32(math.NaN())) // Backward writes it
		g.p.LogProb(g.s, g.rows, g.z)
		g.p.Backward(g.s, g.rows, g.z, g.dz)
		if g.s.Scratch.Mark() != 0 || g.s.Stash.Mark() != 0 {
			t.Error("an arena was not given back")
		}
		check := func(what string, value, gradient device.Buffer) {
			for i, got := range append([]float64(nil), be.Values(gradient)...) {
				const h = 1e-5
				old := be.Values(value)[i]
				be.Values(value)[i] = old + h
				up := loss()
				be.Values(value)[i] = old - h
				want := (up - loss()) / (2 * h)
				be.Values(value)[i] = old
				if !(math.Abs(got-want) <= 1e-6*(1+math.Abs(want))) {
					t.Errorf("d%s[%d] = %v, central difference %v", what, i, got, want)
				}
			}
		}
		check("z", g.z, g.dz)
		for _, p := range g.p.Params() {
			check(p.Name, p.V, p.G)
		}
	})
}

// On every CPU backend and on the GPU's, interpreted, the same in float32: there also where networks are rounded to TF32.
func TestMixtureAgreesWithFloat64(t *testing.T) {
	eachMixture(t, func(t *testing.T, k, d int, full bool) {
		run := func(be device.Backend) (results [][]float32) {
			g := newMixtureRig(t, be, k, d, 9, full)
			g.p.LogProb(g.s, g.rows, g.z)
			g.p.Backward(g.s, g.rows, g.z, g.dz)
			buffers := []device.Buffer{g.s.LogDet, g.dz}
			for _, p := range g.p.Params() {
				buffers = append(buffers, p.G)
			}
			for _, b := range buffers {
				v := make([]float32, b.Len())
				if err := be.Download(v, b); err != nil {
					t.Fatal(err)
				}
				results = append(results, v)
			}
			return results
		}
		want := run(devicetest.Float64())
		gpu, err := device.NewGPU(device.NewSim(device.SimConfig{}), "tf32")
		if err != nil {
			t.Fatal(err)
		}
		backends := []device.Backend{gpu}
		for _, isa := range cpufallback.ISAs() {
			backends = append(backends, openCPU(t, "cpu:"+isa))
		}
		for _, be := range backends {
			for i, got := range run(be) {
				closeTo(t, fmt.Sprintf("%s result %d", be.Name(), i), got, want[i], 3e-4) // squares of up to ten standard deviations
			}
		}
	})
}

func TestMixtureIntegratesToOne(t *testing.T) {
	for _, d := range []int{1, 2} {
		for _, covariance := range []string{"diagonal", "full"} {
			m := newMoved(t, openCPU(t, "cpu"), vectorMixture(3, d, covariance))
			const lo, hi, points = -9.0, 9.0, 601
			step := (hi - lo) / (points - 1)
			n := int(math.Pow(points, float64(d)))
			x := make([]float32, d*n)
			for i := range n {
				x[i] = float32(lo + step*float64(i%points))
				if d == 2 {
					x[n+i] = float32(lo + step*float64(i/points))
				}
			}
			e, err := NewEvaluator(m, n)
			if err != nil {
				t.Fatal(err)
			}
			logp, sum := make([]float64, n), 0.0
			if err := e.LogProb(x, n, 0, 1, logp); err != nil {
				t.Fatal(err)
			}
			for _, v := range logp {
				sum += math.Exp(v)
			}
			e.Close()
			if got := sum * math.Pow(step, float64(d)); !(math.Abs(got-1) <= 1e-5) {
				t.Errorf("%d-D, %s: the density integrates to %v", d, covariance, got)
			}
		}
	}
}

// Samples have the mixture's mean and covariance, at every temperature.
func TestMixtureSampleMoments(t *testing.T) {
	const k, d, n = 3, 3, 20000
	for _, covariance := range []string{"diagonal", "full"} {
		for _, temperature := range []float64{1, 0.5, 0} {
			be := openCPU(t, "cpu")
			m := newMoved(t, be, vectorMixture(k, d, covariance))
			mix, err := m.Mixture()
			if err != nil {
				t.Fatal(err)
			}
			copy(mix.Logits, []float32{0, 1, -1})
			if err := m.SetMixture(mix); err != nil {
				t.Fatal(err)
			}
			mean, cov := mixtureMoments(mix, temperature)
			samples, err := m.Sample(n, float32(temperature), 7)
			if err != nil {
				t.Fatal(err)
			}
			x := samples.Data().([]float32)
			for i := range d {
				sum := 0.0
				for s := range n {
					sum += float64(x[s*d+i]) / n
				}
				if allowed := 5 * math.Sqrt(cov.At(i, i)/n); math.Abs(sum-mean[i]) > allowed {
					t.Errorf("%s at %g: mean %d is %v, want %v within %v", covariance, temperature, i, sum, mean[i], allowed)
				}
				for j := range i + 1 {
					product := 0.0
					for s := range n {
						product += (float64(x[s*d+i]) - mean[i]) * (float64(x[s*d+j]) - mean[j]) / n
					}
					allowed := 8 * math.Sqrt(cov.At(i, i)*cov.At(j, j)/n) // of fourth moments not above 3
					if math.Abs(product-cov.At(i, j)) > allowed {
						t.Errorf("%s at %g: covariance %d, %d is %v, want %v within %v", covariance, temperature, i, j, product, cov.At(i, j), allowed)
					}
				}
			}
		}
	}
}

// mixtureMoments are the mean and covariance of a mixture whose components are scaled by temperature.
func mixtureMoments(mix Mixture, temperature float64) (mean []float64, cov *mat.SymDense) {
	be := devicetest.Float64()
	p := NewGaussianMixture(mix.K, mix.D, mix.Full(), 1, rand.New(rand.NewPCG(0, 0)))
	for param, a := range mix.arrays(p) {
		param.V, _ = be.Alloc(param.Len())
		be.Upload(param.V, *a)
	}
	total := 0.0
	for _, v := range mix.Logits {
		total += math.Exp(float64(v))
	}
	mean, cov = make([]float64, mix.D), mat.NewSymDense(mix.D, nil)
	for c := range mix.K {
		w := math.Exp(float64(mix.Logits[c])) / total
		var own mat.SymDense
		covarianceOf(be, p, c).ToSym(&own)
		for i := range mix.D {
			mean[i] += w * float64(mix.Mean[c*mix.D+i])
			for j := range i + 1 {
				cov.SetSym(i, j, cov.At(i, j)+w*(temperature*temperature*own.At(i, j)+float64(mix.Mean[c*mix.D+i])*float64(mix.Mean[c*mix.D+j])))
			}
		}
	}
	for i := range mix.D {
		for j := range i + 1 {
			cov.SetSym(i, j, cov.At(i, j)-mean[i]*mean[j])
		}
	}
	return mean, cov
}

// A mixture of one round Gaussian says of images what that Gaussian says: a check of the constants of dequantisation.
func TestMixtureOfImagesCountsConstants(t *testing.T) {
	m, err := New(openCPU(t, "cpu"), Config{Kind: "gmm", Channels: 1, Height: 2, Width: 3, Intensities: 17, Components: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	mix, err := m.Mixture()
	if err != nil {
		t.Fatal(err)
	}
	for i := range mix.Mean {
		mix.Mean[i], mix.Logs[i] = 0, float32(-math.Log(3.0/17)) // 3 intensities wide about 8.5
	}
	if err := m.SetMixture(mix); err != nil {
		t.Fatal(err)
	}
	x := []float32{0, 3, 8, 8, 12, 16}
	e, err := NewEvaluator(m, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	var got Expectation
	if err := e.Expect(x, 1, 5, 9, &got); err != nil {
		t.Fatal(err)
	}
	want := 0.0
	for i, v := range x {
		u := (float64(got.Z[i])+0.5)*17 - float64(v)
		if !(u >= -1e-5 && u <= 1+1e-5) {
			t.Errorf("the noise of pixel %d is %v", i, u)
		}
		away := (float64(v) + u - 8.5) / 3
		want -= away*away/2 + math.Log(3) + math.Log(2*math.Pi)/2
	}
	if math.Abs(got.LogP[0]-want) > 1e-4 || got.R[0] != 1 {
		t.Errorf("log p %v, want %v; responsibility %v", got.LogP[0], want, got.R[0])
	}
}

// Expect gives the same whatever the batch, and what it gives belongs together.
func TestExpectDoesNotDependOnBatches(t *testing.T) {
	cfg := Config{Kind: "gmm", Channels: 1, Height: 3, Width: 3, Intensities: 17, Components: 4, Covariance: "full", Seed: 2}
	be := openCPU(t, "cpu")
	m := newMoved(t, be, cfg)
	const n = 10
	x := pixels(cfg, n)
	whole, part := Expectation{}, Expectation{}
	e, err := NewEvaluator(m, n)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if err := e.Expect(x, n, 0, 3, &whole); err != nil {
		t.Fatal(err)
	}
	z := make([]float32, 9*n)
	if err := e.Latents(x, n, 0, 3, z); err != nil {
		t.Fatal(err)
	}
	if !equalBits(z, whole.Z) {
		t.Error("Latents and Expect see other samples")
	}
	for from := 0; from < n; from += 3 {
		k := min(3, n-from)
		batch := make([]float32, 9*k)
		for d := range 9 { // one channel: [n][9]
			for i := range k {
				batch[i*9+d] = x[(from+i)*9+d]
			}
		}
		if err := e.Expect(batch, k, from, 3, &part); err != nil {
			t.Fatal(err)
		}
		for i := range k {
			if math.Abs(part.LogP[i]-whole.LogP[from+i]) > 1e-4 {
				t.Errorf("log p of sample %d: %v and %v", from+i, part.LogP[i], whole.LogP[from+i])
			}
			for d := range 9 {
				if part.Z[d*k+i] != whole.Z[d*n+from+i] {
					t.Fatalf("sample %d, dimension %d has other noise in another batch", from+i, d)
				}
			}
		}
	}
}

// A training step leaves no variance below the floor, whatever the gradient wants.
func TestFloorHolds(t *testing.T) {
	for _, covariance := range []string{"diagonal", "full"} {
		cfg := vectorMixture(2, 3, covariance)
		cfg.Floor = 0.04
		m, err := New(openCPU(t, "cpu"), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		s, err := NewStepper(m, StepConfig{Batch: 4, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, EMADecay: 0.5}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		x := make([]float32, 12)
		for range 60 { // one point: the likelihood grows without bound as variances fall
			s.Step(x, 0.1)
		}
		if _, err := s.Read(); err != nil {
			t.Fatal(err)
		}
		bound := float32(math.Log(5))
		check := func() error {
			mix, err := m.Mixture()
			most := float32(math.Inf(-1))
			for _, v := range mix.Logs {
				most = max(most, v)
			}
			if most > bound+1e-6 || most < bound-1e-3 {
				t.Errorf("%s: the greatest log precision is %v, want the bound %v reached and kept", covariance, most, bound)
			}
			return err
		}
		if err := check(); err != nil {
			t.Error(err)
		}
		if err := s.WithEMA(check); err != nil {
			t.Error(err)
		}
	}
}

func TestMixtureStepAllocatesNothing(t *testing.T) {
	for _, covariance := range []string{"diagonal", "full"} {
		m := newMoved(t, openCPU(t, "cpu"), vectorMixture(5, 6, covariance))
		s, err := NewStepper(m, StepConfig{Batch: 32, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, EMADecay: 0.9}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		x := make([]float32, 6*32)
		s.Step(x, 1e-3)
		if n := testing.AllocsPerRun(5, func() { s.Step(x, 1e-3) }); n != 0 {
			t.Errorf("%s: %v allocations in a step", covariance, n)
		}
	}
}

func TestWrongMixtures(t *testing.T) {
	base := vectorMixture(3, 2, "full")
	for _, tc := range []struct {
		change func(*Config)
		want   string
	}{
		{func(c *Config) { c.Components = 0 }, "components is 0"},
		{func(c *Config) { c.Components = 1 << 13 }, "components is 8192"},
		{func(c *Config) { c.Covariance = "tied" }, "diagonal or full"},
		{func(c *Config) { c.Floor = -1 }, "floor is -1"},
		{func(c *Config) { c.Floor = math.NaN() }, "floor is NaN"},
		{func(c *Config) { c.Prior = "standard" }, "gmm takes mixture"},
		{func(c *Config) { c.Steps = 1 }, "steps is 1"},
		{func(c *Config) { c.Hidden = 8 }, "hidden is 8"},
		{func(c *Config) { c.Coupling = "exp" }, "gmm has none"},
		{func(c *Config) { c.Channels, c.Height, c.Width, c.Intensities = 3, 32, 32, 256 }, "full covariances of 3072 dimensions: at most 1024"},
		{func(c *Config) { *c = small; c.Components = 3 }, "only a mixture has components"},
		{func(c *Config) { *c = small; c.Covariance = "full" }, "only a mixture has covariances"},
		{func(c *Config) { *c = small; c.Floor = 1 }, "only a mixture has variances"},
		{func(c *Config) { *c = small; c.Prior, c.Components, c.Classes = "mixture", 3, 2 }, "choose one"},
	} {
		cfg := base
		tc.change(&cfg)
		if _, err := New(&device.Tally{}, cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("want an error with %q, got %v", tc.want, err)
		}
	}
	m, err := New(openCPU(t, "cpu"), small)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Mixture(); err == nil {
		t.Error("a Glow has a mixture")
	}
	if err := m.SetMixture(Mixture{}); err == nil {
		t.Error("a Glow takes a mixture")
	}
	mixture := newMoved(t, openCPU(t, "cpu"), base)
	if err := mixture.SetMixture(Mixture{K: 3, D: 2, Logits: make([]float32, 3)}); err == nil || !strings.Contains(err.Error(), "0 values") {
		t.Errorf("arrays of another length: %v", err)
	}
}

// A full mixture counts the parameters that it has: no triangle is stored twice.
func TestMixtureParams(t *testing.T) {
	for covariance, want := range map[string]int{"diagonal": 10 + 2*640, "full": 10 + 2*640 + 10*64*63/2} {
		m, err := New(&device.Tally{}, Config{Kind: "gmm", Channels: 1, Height: 8, Width: 8, Intensities: 17, Components: 10, Covariance: covariance})
		if err != nil {
			t.Fatal(err)
		}
		if got := m.NumParams(); got != want {
			t.Errorf("%s: %d parameters, want %d", covariance, got, want)
		}
		if layers := m.Layers(); len(layers) != 2 || layers[1].Name != "mixture" || layers[1].C != 64 {
			t.Errorf("layers %v", layers)
		}
	}
}
