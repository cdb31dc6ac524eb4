package train

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cuflow/device/devicetest"
	"cuflow/flowgpu"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// someData are n samples [n][d] of three clusters that are no spheres.
func someData(n, d int) []float32 {
	r := rand.New(rand.NewPCG(8, 9))
	x := make([]float32, n*d)
	for i := range n {
		shared := r.NormFloat64()
		for j := range d {
			x[i*d+j] = float32(2*float64(i%3)*float64(j%2) - float64(i%3) + 0.6*shared + (0.3+0.1*float64(j))*r.NormFloat64())
		}
	}
	return x
}

// fitting is a mixture of vectors and the data it is fitted to, in batches.
type fitting struct {
	m     *flowgpu.Model
	e     *flowgpu.Evaluator
	x     []float32 // [n][d]
	n, d  int
	sums  *emSums
	floor float64
}

func newFitting(t *testing.T, k, n, d int, covariance string) *fitting {
	t.Helper()
	cfg := flowgpu.Config{Kind: "gmm", Channels: d, Height: 1, Width: 1, Components: k, Covariance: covariance, Seed: 4}
	m, err := flowgpu.New(devicetest.Float64(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return &fitting{m: m, e: evaluator(t, m, 37), x: someData(n, d), n: n, d: d, floor: m.Config().VarianceFloor()}
}

// pass is one iteration as a run does it, without a run. It gives the mean log-likelihood before.
func (f *fitting) pass(t *testing.T) float64 {
	t.Helper()
	old, err := f.m.Mixture()
	if err != nil {
		t.Fatal(err)
	}
	f.sums = newEMSums(old)
	var e flowgpu.Expectation
	batch := make([]float32, f.e.Batch()*f.d)
	for from := 0; from < f.n; from += f.e.Batch() {
		n := min(f.e.Batch(), f.n-from)
		for i := range n {
			for j := range f.d {
				batch[j*n+i] = f.x[(from+i)*f.d+j]
			}
		}
		if err := f.e.Expect(batch, n, from, 1, &e); err != nil {
			t.Fatal(err)
		}
		f.sums.add(&e, from, n)
	}
	if err := f.m.SetMixture(f.sums.maximise(f.floor)); err != nil {
		t.Fatal(err)
	}
	return f.sums.logp / float64(f.n)
}

// plainMixture is the mixture that the equations speak of, in float64.
type plainMixture struct {
	pi   []float64
	mean [][]float64
	cov  []*mat.SymDense
}

func plainOf(m flowgpu.Mixture) plainMixture {
	var p plainMixture
	total := 0.0
	for _, v := range m.Logits {
		total += math.Exp(float64(v))
	}
	for k := range m.K {
		p.pi = append(p.pi, math.Exp(float64(m.Logits[k]))/total)
		mean, factor := make([]float64, m.D), mat.NewDense(m.D, m.D, nil)
		for i := range m.D {
			mean[i] = float64(m.Mean[k*m.D+i])
			factor.Set(i, i, math.Exp(float64(m.Logs[k*m.D+i])))
			for j := range i {
				if m.Full() {
					factor.Set(i, j, float64(m.L[k*m.D*(m.D-1)/2+i*(i-1)/2+j]))
				}
			}
		}
		var precision, cov mat.Dense
		precision.Mul(factor.T(), factor)
		if err := cov.Inverse(&precision); err != nil {
			panic(err)
		}
		sym := mat.NewSymDense(m.D, nil)
		for i := range m.D {
			for j := range i + 1 {
				sym.SetSym(i, j, cov.At(i, j))
			}
		}
		p.mean, p.cov = append(p.mean, mean), append(p.cov, sym)
	}
	return p
}

// iterate is one iteration of EM, written as in a textbook, and the mean log-likelihood before it.
func (p plainMixture) iterate(x []float32, d int, full bool) (plainMixture, float64) {
	n, k := len(x)/d, len(p.pi)
	resp, logp := mat.NewDense(n, k, nil), 0.0
	for i := range n {
		density := 0.0
		for c := range k {
			away := mat.NewVecDense(d, nil)
			for j := range d {
				away.SetVec(j, float64(x[i*d+j])-p.mean[c][j])
			}
			var inverse mat.Dense
			if err := inverse.Inverse(p.cov[c]); err != nil {
				panic(err)
			}
			quadratic := mat.Inner(away, &inverse, away)
			v := p.pi[c] * math.Exp(-quadratic/2) / math.Sqrt(math.Pow(2*math.Pi, float64(d))*mat.Det(p.cov[c]))
			resp.Set(i, c, v)
			density += v
		}
		for c := range k {
			resp.Set(i, c, resp.At(i, c)/density)
		}
		logp += math.Log(density) / float64(n)
	}
	next := plainMixture{}
	for c := range k {
		count, mean, cov := 0.0, make([]float64, d), mat.NewSymDense(d, nil)
		for i := range n {
			count += resp.At(i, c)
			for j := range d {
				mean[j] += resp.At(i, c) * float64(x[i*d+j])
			}
		}
		for j := range d {
			mean[j] /= count
		}
		for i := range n {
			for a := range d {
				for b := range a + 1 {
					if full || a == b {
						cov.SetSym(a, b, cov.At(a, b)+resp.At(i, c)/count*(float64(x[i*d+a])-mean[a])*(float64(x[i*d+b])-mean[b]))
					}
				}
			}
		}
		next.pi, next.mean, next.cov = append(next.pi, count/float64(n)), append(next.mean, mean), append(next.cov, cov)
	}
	return next, logp
}

func TestEMAgainstTextbook(t *testing.T) {
	for _, covariance := range []string{"diagonal", "full"} {
		for _, d := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s d%d", covariance, d), func(t *testing.T) {
				f := newFitting(t, 3, 200, d, covariance)
				start, err := f.m.Mixture()
				if err != nil {
					t.Fatal(err)
				}
				want := plainOf(start)
				for i := range 6 {
					logp := f.pass(t)
					next, plainLogp := want.iterate(f.x, d, covariance == "full")
					want = next
					if math.Abs(logp-plainLogp) > 1e-5*(1+math.Abs(plainLogp)) {
						t.Fatalf("iteration %d: log-likelihood %v, textbook %v", i, logp, plainLogp)
					}
				}
				m, err := f.m.Mixture()
				if err != nil {
					t.Fatal(err)
				}
				got := plainOf(m)
				for c := range want.pi {
					if math.Abs(got.pi[c]-want.pi[c]) > 1e-5 {
						t.Errorf("weight %d is %v, textbook %v", c, got.pi[c], want.pi[c])
					}
					for i := range d {
						if math.Abs(got.mean[c][i]-want.mean[c][i]) > 1e-4 {
							t.Errorf("mean %d, %d is %v, textbook %v", c, i, got.mean[c][i], want.mean[c][i])
						}
						for j := range i + 1 {
							if v := want.cov[c].At(i, j); math.Abs(got.cov[c].At(i, j)-v) > 1e-4*(1+math.Abs(v)) {
								t.Errorf("covariance %d, %d, %d is %v, textbook %v", c, i, j, got.cov[c].At(i, j), v)
							}
						}
					}
				}
			})
		}
	}
}

// One component is fitted in one iteration: to the sample's mean and covariance.
func TestEMOfOneComponent(t *testing.T) {
	f := newFitting(t, 1, 500, 4, "full")
	f.pass(t)
	m, err := f.m.Mixture()
	if err != nil {
		t.Fatal(err)
	}
	x := mat.NewDense(f.n, f.d, nil)
	for i, v := range f.x {
		x.Set(i/f.d, i%f.d, float64(v))
	}
	var cov mat.SymDense
	stat.CovarianceMatrix(&cov, x, nil)
	got := plainOf(m)
	for i := range f.d {
		if mean := stat.Mean(mat.Col(nil, i, x), nil); math.Abs(got.mean[0][i]-mean) > 1e-6 {
			t.Errorf("mean %d is %v, want %v", i, got.mean[0][i], mean)
		}
		for j := range i + 1 {
			want := cov.At(i, j) * float64(f.n-1) / float64(f.n) // the likelihood's, not the unbiased one
			if math.Abs(got.cov[0].At(i, j)-want) > 1e-5*(1+math.Abs(want)) {
				t.Errorf("covariance %d, %d is %v, want %v", i, j, got.cov[0].At(i, j), want)
			}
		}
	}
}

// The log-likelihood never falls: not where variances meet the floor, and not with more components than the data has clusters.
func TestLikelihoodNeverFalls(t *testing.T) {
	for _, covariance := range []string{"diagonal", "full"} {
		for _, floor := range []float64{1e-6, 0.3} {
			f := newFitting(t, 7, 150, 3, covariance)
			f.floor = floor
			before, rose := math.Inf(-1), 0
			for i := range 40 {
				logp := f.pass(t)
				if logp < before-1e-6 { // the mixture is rounded to float32 between iterations
					t.Errorf("%s, floor %g: iteration %d fell from %v to %v", covariance, floor, i, before, logp)
				}
				if logp > before+1e-4 {
					rose++
				}
				before = logp
			}
			if rose < 5 {
				t.Errorf("%s, floor %g: it rose %d times only: the test proves nothing", covariance, floor, rose)
			}
		}
	}
}

func TestPrecisionFactor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const d = 6
	for _, rank := range []int{6, 3, 1} { // fewer samples than dimensions leave directions without variance
		spread := mat.NewDense(d, rank, nil)
		for i := range d {
			for j := range rank {
				spread.Set(i, j, r.NormFloat64())
			}
		}
		cov := mat.NewSymDense(d, nil)
		cov.SymOuterK(1, spread)
		const floor = 1e-3
		factor := precisionFactor(cov, floor)
		var precision, inverse mat.Dense
		precision.Mul(factor.T(), factor)
		if err := inverse.Inverse(&precision); err != nil {
			t.Fatal(err)
		}
		var want, got mat.EigenSym
		want.Factorize(cov, false)
		sym := mat.NewSymDense(d, nil)
		for i := range d {
			for j := range i + 1 {
				sym.SetSym(i, j, inverse.At(i, j))
				if j > i && factor.At(i, j) != 0 {
					t.Error("not lower triangular")
				}
			}
		}
		got.Factorize(sym, false)
		for i, v := range want.Values(nil) {
			if v = max(v, floor); math.Abs(got.Values(nil)[i]-v) > 1e-8*(1+v) {
				t.Errorf("rank %d: eigenvalue %d is %v, want %v", rank, i, got.Values(nil)[i], v)
			}
		}
	}
}

// The M-step's sums and k-means have the same bits on any number of cores.
func TestEMOnAnyNumberOfCores(t *testing.T) {
	results := map[int][]float32{}
	for _, cores := range []int{1, 2, 5} {
		old := runtime.GOMAXPROCS(cores)
		for _, covariance := range []string{"diagonal", "full"} {
			f := newFitting(t, 4, 300, 70, covariance) // more rows than one piece of work
			c := kmeans(context.Background(), f.x, f.d, 4, 3)
			if err := f.m.SetMixture(c.mixture(f.x, f.m.Config())); err != nil {
				t.Fatal(err)
			}
			f.pass(t)
			m, err := f.m.Mixture()
			if err != nil {
				t.Fatal(err)
			}
			results[cores] = append(append(append(append(results[cores], m.Logits...), m.Mean...), m.Logs...), m.L...)
		}
		runtime.GOMAXPROCS(old)
	}
	if !sameBits(results[1], results[2]) || !sameBits(results[1], results[5]) {
		t.Error("the fit depends on the number of cores")
	}
}

func TestKMeansFindsClusters(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 3))
	const n, k = 600, 4
	corner := func(i int) (x, y float64) { return float64(i % 2 * 10), float64(i / 2 % 2 * 10) }
	z := make([]float32, 2*n)
	for i := range n {
		x, y := corner(i)
		z[2*i], z[2*i+1] = float32(x+0.5*r.NormFloat64()), float32(y+0.5*r.NormFloat64())
	}
	for seed := range uint64(5) {
		c := kmeans(context.Background(), z, 2, k, seed)
		for i := range n {
			if c.of[i] != c.of[i%4] {
				t.Fatalf("seed %d: sample %d of corner %d is in another cluster", seed, i, i%4)
			}
		}
		again := kmeans(context.Background(), z, 2, k, seed)
		if !slices.Equal(c.of, again.of) || !slices.Equal(c.centers, again.centers) {
			t.Errorf("seed %d gives other clusters the second time", seed)
		}
		m := c.mixture(z, flowgpu.Config{Kind: "gmm", Channels: 2, Height: 1, Width: 1, Components: k, Prior: "mixture", Floor: 1e-6})
		for i := range m.Mean {
			if off := math.Abs(math.Mod(float64(m.Mean[i])+5, 10) - 5); off > 0.3 {
				t.Errorf("seed %d: mean %v is no corner", seed, m.Mean[i])
			}
			if std := math.Exp(-float64(m.Logs[i])); std < 0.4 || std > 0.6 {
				t.Errorf("seed %d: a cluster is %v wide, want 0.5", seed, std)
			}
		}
	}
	// Fewer points than clusters: some stay without.
	same := kmeans(context.Background(), make([]float32, 20), 2, 3, 1)
	if m := same.mixture(make([]float32, 20), flowgpu.Config{Kind: "gmm", Channels: 2, Height: 1, Width: 1, Components: 3, Floor: 0.01}); !finite(float64(m.Logs[0])) {
		t.Errorf("equal points give a mixture of %v", m.Logs)
	}
}

// mixtureRun is a fit of the digits that takes a moment.
func mixtureRun(t *testing.T, covariance string) Config {
	t.Helper()
	p, err := Preset("gmm-digits")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Model.Components, c.Model.Covariance = 4, covariance
	c.Batch, c.Steps, c.Tolerance, c.Device = 500, 6, 0, "cpu"
	c.EvalEvery, c.SampleEvery, c.CheckpointEvery, c.Samples = 4, 4, 0, 4
	return c
}

func TestEMRun(t *testing.T) {
	c := mixtureRun(t, "full")
	c.Tolerance, c.Steps = 1e-3, 50
	var out bytes.Buffer
	env := quiet()
	env.Out = &out
	dir := filepath.Join(t.TempDir(), "run")
	r, err := Start(context.Background(), c, dir, env)
	if err != nil {
		t.Fatal(err)
	}
	if r.Steps >= 50 || r.Steps < 3 {
		t.Errorf("converged after %d iterations", r.Steps)
	}
	if !(r.Score.BitsPerDim < 3.2 && r.Score.BitsPerDim > 2) {
		t.Errorf("%v bits/dim", r.Score.BitsPerDim)
	}
	for _, want := range []string{"mixture of 4 Gaussians", "full covariances", "at most 50 iterations of EM", "k-means++ on 1,497 samples", "converged at iteration"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	before := math.Inf(1)
	for i, text := range lines(t, dir) {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if loss := l["loss"].(float64); loss > before+1e-3 {
			t.Errorf("iteration %d: the loss rose from %v to %v", i+1, before, loss)
		} else {
			before = loss
		}
		for _, name := range []string{"lr", "grad_norm"} {
			if v, ok := l[name]; ok {
				t.Errorf("iteration %d has the %s %v, which EM has not", i+1, name, v)
			}
		}
	}
	// All that is done with a run is done with this one.
	for name, use := range uses() {
		if err := use(dir); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Without temperature a sample is one of the means, and components come as often as they weigh.
func TestMixtureSamplesAreMeans(t *testing.T) {
	dir := start(t, mixtureRun(t, "diagonal"))
	s := checkpoint(t, dir)
	err := s.with(Use{}, quiet(), func(m *flowgpu.Model, e *flowgpu.Evaluator) error {
		mix, err := m.Mixture()
		if err != nil {
			return err
		}
		const n = 400
		x, err := draw(e, m.Config(), n, 0, 5, func(int) int32 { return 0 }, nil)
		if err != nil {
			return err
		}
		counts := make([]int, mix.K)
		for i := range n {
			k := slices.IndexFunc(seq(mix.K), func(k int) bool {
				for j := range mix.D {
					if math.Abs(float64(x[i*mix.D+j])-17*(float64(mix.Mean[k*mix.D+j])+0.5)) > 1e-4 {
						return false
					}
				}
				return true
			})
			if k < 0 {
				t.Fatalf("sample %d is no mean", i)
			}
			counts[k]++
		}
		for k, w := range plainOf(mix).pi {
			if allowed := 5 * math.Sqrt(w*(1-w)*n); math.Abs(float64(counts[k])-w*n) > allowed {
				t.Errorf("component %d came %d times of %d, its weight is %v", k, counts[k], n, w)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func seq(n int) (s []int) {
	for i := range n {
		s = append(s, i)
	}
	return s
}

// A gradient fit goes on from k-means too.
func TestMixtureByGradient(t *testing.T) {
	c := mixtureRun(t, "full")
	c.Method, c.Batch, c.Steps, c.LogEvery, c.EvalEvery = byGradient, 100, 60, 20, 0
	texts := lines(t, start(t, c))
	var first, last Line
	for text, l := range map[string]*Line{texts[0]: &first, texts[len(texts)-1]: &last} {
		if err := json.Unmarshal([]byte(text), l); err != nil {
			t.Fatal(err)
		}
	}
	if !(first.BitsPerDim < 3.5) || !(last.BitsPerDim < first.BitsPerDim-0.05) || first.LR == 0 {
		t.Errorf("from %v to %v bits/dim", first.BitsPerDim, last.BitsPerDim)
	}
}

// On the GPU's backend, interpreted, EM finds what it finds on the CPU.
func TestEMOnSim(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the interpreter takes seconds for a run")
	}
	c := mixtureRun(t, "diagonal")
	c.Steps, c.EvalEvery, c.SampleEvery = 2, 0, 0
	want := losses(t, start(t, c))
	c.Device = "sim"
	for i, got := range losses(t, start(t, c)) {
		if math.Abs(got-want[i]) > 1e-5*want[i] {
			t.Errorf("iteration %d: %v bits/dim, on the CPU %v", i+1, got, want[i])
		}
	}
}

func TestEmptyComponentsArePlacedAnew(t *testing.T) {
	for _, covariance := range []string{"diagonal", "full"} {
		c := mixtureRun(t, covariance)
		dir := start(t, c)
		// One component is sent where no image is.
		s := checkpoint(t, dir)
		be, err := openCPU("cpu")
		if err != nil {
			t.Fatal(err)
		}
		m, err := flowgpu.NewFromCheckpoint(be, s.c)
		if err != nil {
			t.Fatal(err)
		}
		mix, err := m.Mixture()
		if err != nil {
			t.Fatal(err)
		}
		for i := range mix.D {
			mix.Mean[2*mix.D+i] = 1e3
		}
		if err := m.SetMixture(mix); err != nil {
			t.Fatal(err)
		}
		values, err := m.Checkpoint()
		if err != nil {
			t.Fatal(err)
		}
		s.c.Sections[slices.IndexFunc(s.c.Sections, func(x flowgpu.Section) bool { return x.Name == "values" })] =
			values.Sections[slices.IndexFunc(values.Sections, func(x flowgpu.Section) bool { return x.Name == "values" })]
		m.Close()
		be.Close()
		if err := replaceFile(s.path, s.c.Write); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		env := quiet()
		env.Out = &out
		if _, err := Resume(context.Background(), dir, func(c *Config) { c.Steps = 20 }, env); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "component 2 was empty: placed anew at training image") {
			t.Errorf("nothing said of it:\n%s", out.String())
		}
		if strings.Count(out.String(), "was empty") != 1 {
			t.Errorf("placed anew more than once:\n%s", out.String())
		}
		var losses []float64
		for _, text := range lines(t, dir) {
			var l Line
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatal(err)
			}
			losses = append(losses, l.Loss)
		}
		if last := losses[len(losses)-1]; !(last < losses[6]-0.5) { // the seventh is the first without the component
			t.Errorf("the component gained nothing: %v, then %v", losses[6], last)
		}
	}
}

// An interrupted fit goes on with the same bits, wherever it was stopped.
func TestEMResumeIsBitIdentical(t *testing.T) {
	c := mixtureRun(t, "full")
	c.Tolerance = 1e-3 // it ends before its last iteration
	c.Steps = 30
	straight := start(t, c)
	places := 0
	for ; ; places++ {
		dir := filepath.Join(t.TempDir(), "run")
		_, err := Start(&countdown{context.Background(), places}, c, dir, quiet())
		if err == nil {
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped at place %d: %v", places, err)
		}
		if errors.Is(err, errNotStarted) {
			if err := vacant(dir); err != nil {
				t.Fatalf("stopped at place %d, before the run, it left something: %v", places, err)
			}
			continue
		}
		if _, err := Resume(context.Background(), dir, func(*Config) {}, quiet()); err != nil {
			t.Fatalf("resumed at place %d: %v", places, err)
		}
		wantSameRun(t, dir, straight)
	}
	if places < 20 {
		t.Errorf("stopped at %d places only", places)
	}
}

func TestMixtureMistakes(t *testing.T) {
	for _, tc := range []struct {
		change func(*Config)
		want   []string
	}{
		{func(c *Config) { c.Method = "newton" }, []string{`"newton"`, "gradient or em"}},
		{func(c *Config) { c.Tolerance = -1 }, []string{"--tolerance is -1"}},
		{func(c *Config) { c.Tolerance = math.NaN() }, []string{"--tolerance is NaN"}},
		{func(c *Config) { c.Adam.EMADecay = 0.9 }, []string{"--ema 0"}},
		{func(c *Config) { c.Flip = true }, []string{"--flip", "gradient"}},
		{func(c *Config) { c.Model = tiny(t).Model }, []string{"not glow", "--method gradient"}},
		{func(c *Config) { c.Model.Components = 0 }, []string{"components is 0"}},
		{func(c *Config) { c.Model.Floor = -1 }, []string{"floor is -1"}},
	} {
		c := mixtureRun(t, "diagonal")
		tc.change(&c)
		wantError(t, c.Validate(), true, tc.want...)
	}
	c := mixtureRun(t, "diagonal")
	c.Model.Components = 1498
	_, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
	wantError(t, err, true, "--components is 1498", "1,497 samples")
}
