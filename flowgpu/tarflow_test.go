package flowgpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"
)

// tinyTarflow is a model of 4x4 images, its weights moved off their start.
func tinyTarflow(t *testing.T, be device.Backend, classes int, noise float64) *Model {
	t.Helper()
	m, err := New(be, Config{Kind: "tarflow", Channels: 1, Height: 4, Width: 4, Intensities: 16, Patch: 2, Steps: 2, Hidden: 8, Heads: 2, Depth: 2,
		Classes: classes, Noise: noise, Seed: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	perturb(t, m, 0.2)
	return m
}

// perturb adds noise to every trained parameter.
func perturb(t *testing.T, m *Model, std float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 8))
	x := make([]float32, m.values.Len())
	if err := m.be.Download(x, m.values); err != nil {
		t.Fatal(err)
	}
	for i := range x {
		x[i] += float32(std * r.NormFloat64())
	}
	m.be.Upload(m.values, x)
}

// What a causal transformer says of tokens one by one, from the keys and values it keeps, must be what it says of all at once; and it may not
// know of later tokens.
func TestTokensOneByOne(t *testing.T) {
	for _, open := range []func() (device.Backend, error){
		func() (device.Backend, error) { return devicetest.Float64(), nil },
		func() (device.Backend, error) { return cpufallback.New("cpu") },
	} {
		be, err := open()
		if err != nil {
			t.Fatal(err)
		}
		const n, tokens, cin, cout = 3, 19, 2, 3
		lc := layerCase{"steps", cin, 1, tokens, func(r *rand.Rand) Layer {
			l := &TokenFlow{c: cin, tokens: tokens, net: NewTransformer(TransformerShape{
				Cin: cin, Cout: cout, Width: 12, Heads: 3, Depth: 2, Tokens: tokens, Causal: true}, r)}
			l.before = newFixed("before", make([]float32, tokens+1), tokens+1)
			for i := range l.before.start {
				l.before.start[i] = float32(i - 1)
			}
			return l
		}}
		g := newRig(t, be, lc, n, false)
		l, s := g.layer.(*TokenFlow), g.s
		s.Training = false
		all := alloc(t, be, cout*n*tokens)
		l.net.Forward(s, s.Scratch, s.X(), all)
		want := g.read(all)

		x := s.X()
		token, said, positions := alloc(t, be, cin*n), alloc(t, be, cout*n), alloc(t, be, l.net.Width)
		s.Scratch.Release(0)
		l.caches[0].take(s, s.Scratch, l.net)
		s.H, s.W = 1, 1
		for i := range tokens {
			index := l.before.V.Slice(i+1, i+2)
			be.Gather(cin*n, tokens, 1, index, x, token)
			be.Gather(l.net.Width, tokens, 1, index, l.net.positions.V, positions)
			l.net.step(s, &l.caches[0], i, positions, token, said)
			for j, v := range g.read(said) {
				if w := want[j*tokens+i]; math.Abs(float64(v-w)) > 1e-5*(1+math.Abs(float64(w))) {
					t.Fatalf("%s: token %d, output %d is %v by steps and %v in one pass", be.Name(), i, j, v, w)
				}
			}
		}
		if err := be.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Guidance of 0 leaves samples as they are; with it they are where the told and the untold say together.
func TestGuidance(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	const n = 4
	samples := func(m *Model, guidance float32) []float32 {
		e, err := NewEvaluator(m, n)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if err := e.Label([]int32{0, 1, 2, 1}); err != nil {
			t.Fatal(err)
		}
		if guidance >= 0 {
			if err := e.Guide(guidance); err != nil {
				t.Fatal(err)
			}
		}
		x := make([]float32, n*m.cfg.D())
		for range 3 { // the third time as recorded, where the device records
			if err := e.Sample(n, 1, 5, 0, x); err != nil {
				t.Fatal(err)
			}
		}
		return x
	}
	m := tinyTarflow(t, be, 3, 0)
	plain := samples(m, -1)
	if !equalBits(plain, samples(m, 0)) {
		t.Error("guidance of 0 changes samples")
	}
	if equalBits(plain, samples(m, 1.5)) {
		t.Error("guidance of 1.5 changes nothing")
	}
	if err := func() error {
		e, err := NewEvaluator(tinyTarflow(t, be, 0, 0), n)
		if err != nil {
			return nil
		}
		defer e.Close()
		return e.Guide(1)
	}(); err == nil {
		t.Error("a model without classes was guided")
	}

	// Where every class is embedded as no class is, there is nothing to be guided by.
	for _, b := range m.blocks {
		for _, p := range b.chain.Params() {
			if p.Name == "classes" {
				be.Fill(p.V, 0.3)
			}
		}
	}
	closeTo(t, "guided", samples(m, 2), samples(m, 0), 1e-4)
}

// The noise that a model is trained on has the standard deviation that it is said to have.
func TestNoise(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	const noise, n = 0.1, 512
	m := tinyTarflow(t, be, 0, noise)
	w, err := m.NewWorkspace(n, "")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	size := n * m.cfg.D()
	pixels, x := make([]float32, size), make([]float32, size)
	for i := range pixels {
		pixels[i] = float32(i % 16)
	}
	be.Upload(w.pixels, pixels)
	w.noiseAt(3, 0)
	w.dequantize(n, device.Stream{Seed: 1, ID: streamTrain})
	if err := be.Download(x, w.s.x.Slice(0, size)); err != nil {
		t.Fatal(err)
	}
	var sum, squares float64
	for i, v := range x {
		d := 2 * (float64(v) - (float64(pixels[i])+0.5)/16 + 0.5) // where pixels are -1 to 1
		sum += d
		squares += d * d
	}
	mean, std := sum/float64(size), math.Sqrt(squares/float64(size))
	if math.Abs(mean) > 0.005 || math.Abs(std-noise) > 0.005 {
		t.Errorf("%d values have noise of mean %.4f and standard deviation %.4f, want 0 and %g", size, mean, std, noise)
	}
}

// A step of denoising is s^2 times the gradient of log p, held against differences of log p.
func TestDenoise(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	const noise, n, levels = 0.3, 3, 16
	m := tinyTarflow(t, be, 2, noise)
	d, err := NewDenoiser(m, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	labels := []int32{0, 1, 1}
	if err := d.Label(labels); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	start := make([]float32, n*m.cfg.D())
	for i := range start {
		start[i] = float32(levels * r.Float64())
	}
	got := append([]float32(nil), start...)
	if err := d.Denoise(n, got); err != nil {
		t.Fatal(err)
	}

	// the same in float64: a model with the same weights
	wide := devicetest.Float64()
	wm, err := New(wide, m.cfg)
	if err != nil {
		t.Fatal(err)
	}
	values := make([]float32, m.values.Len())
	if err := be.Download(values, m.values); err != nil {
		t.Fatal(err)
	}
	wide.Upload(wm.values, values)
	w, err := wm.NewWorkspace(n, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.setLabels(labels); err != nil {
		t.Fatal(err)
	}
	total := func(i int, by float64) (sum float64) {
		for j, v := range start {
			wide.Values(w.s.x)[j] = float64(v)/levels - 0.5
		}
		wide.Values(w.s.x)[i] += by
		w.forward(n, false)
		for _, v := range wide.Values(w.logdet) {
			sum += v
		}
		return sum
	}
	const h = 1e-4
	for _, i := range []int{0, 5, 17, 30, 47} {
		slope := (total(i, h) - total(i, -h)) / (2 * h)
		want := float64(start[i]) + levels*noise*noise/4*slope
		if math.Abs(float64(got[i])-want) > 1e-3*(1+math.Abs(want)) {
			t.Errorf("value %d of %.4f became %.5f, the gradient says %.5f", i, start[i], got[i], want)
		}
	}

	if _, err := NewDenoiser(tinyTarflow(t, be, 0, 0), 4); err == nil {
		t.Error("a model without noise was denoised")
	}
}
