package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// Mixture is the parameters of a GaussianMixture on the host.
type Mixture struct {
	K, D   int
	Logits []float32 // [K]
	Mean   []float32 // [K][D]
	Logs   []float32 // [K][D]
	L      []float32 // [K][D(D-1)/2], row i of a triangle from i(i-1)/2 on; nil where covariances are diagonal
}

// Full says whether covariances are full. In one dimension they are diagonal too.
func (m Mixture) Full() bool { return m.L != nil }

var errNoMixture = fmt.Errorf("the model has no mixture prior")

// arrays pairs the host's arrays with the device's.
func (m *Mixture) arrays(p *GaussianMixture) map[*Param]*[]float32 {
	all := map[*Param]*[]float32{p.logits: &m.Logits, p.mean: &m.Mean, p.logs: &m.Logs}
	if p.l != nil {
		all[p.l] = &m.L
	}
	return all
}

// Mixture downloads the parameters of the model's mixture. It is an error if the model has none.
func (m *Model) Mixture() (Mixture, error) {
	p, ok := m.prior.(*GaussianMixture)
	if !ok {
		return Mixture{}, errNoMixture
	}
	mix := Mixture{K: p.k, D: p.d}
	for param, a := range mix.arrays(p) {
		*a = make([]float32, param.Len())
		if err := m.be.Download(*a, param.V); err != nil {
			return Mixture{}, fmt.Errorf("reading the mixture's %s: %w", param.Name, err)
		}
	}
	return mix, nil
}

// SetMixture uploads parameters. The error says which array has another length than the model's.
func (m *Model) SetMixture(mix Mixture) error {
	p, ok := m.prior.(*GaussianMixture)
	if !ok {
		return errNoMixture
	}
	arrays := mix.arrays(p)
	for param, a := range arrays {
		if len(*a) != param.Len() {
			return fmt.Errorf("the mixture's %s has %d values, the model %d", param.Name, len(*a), param.Len())
		}
	}
	for param, a := range arrays {
		m.be.Upload(param.V, *a)
	}
	return nil
}

// Expectation is what an E-step tells of n samples.
type Expectation struct {
	Z    []float32 // [D][n] what the mixture sees of them
	R    []float32 // [K][n] responsibilities p(k|z)
	LogP []float64 // [n] as Evaluator.LogProb gives it, in nats
}

// Latents writes what the mixture of a gmm sees of n samples to z [D][n]: dequantised with noise of samples first, first+1, ...
// that belongs to fitting. The same samples and seed give the same z, whatever the batch size.
func (e *Evaluator) Latents(x []float32, n, first int, seed uint64, z []float32) error {
	e.toLatents(x, n, first, seed)
	return e.readLatents(n, z)
}

func (e *Evaluator) toLatents(x []float32, n, first int, seed uint64) {
	w := e.w
	size := w.m.cfg.D() * n
	w.s.Upload(w.pixels.Slice(0, size), x[:size])
	w.noiseAt(0, first)
	w.dequantize(n, device.Stream{Seed: seed, ID: streamFit})
	w.forward(n, false)
}

func (e *Evaluator) readLatents(n int, z []float32) error {
	size := e.w.m.cfg.D() * n
	if err := e.w.s.Download(z[:size], e.w.s.x.Slice(0, size)); err != nil {
		return fmt.Errorf("encoding %d samples: %w", n, err)
	}
	return nil
}

// Expect is the E-step on n samples, as Latents takes them, of a gmm: arrays of out are made longer where they are too short.
func (e *Evaluator) Expect(x []float32, n, first int, seed uint64, out *Expectation) error {
	p, ok := e.w.m.prior.(*GaussianMixture)
	if !ok {
		return errNoMixture
	}
	d := e.w.m.cfg.D()
	if p.d != d {
		return fmt.Errorf("a flow lies between the data and the mixture: it is fitted by gradients alone")
	}
	out.Z, out.R, out.LogP = atLeast(out.Z, d*n), atLeast(out.R, p.k*n), atLeast(out.LogP, n)
	e.toLatents(x, n, first, seed)
	if err := e.w.s.Download(out.R, p.r); err != nil { // what evaluating leaves in scratch memory
		return fmt.Errorf("responsibilities of %d samples: %w", n, err)
	}
	if err := e.read(n, out.LogP); err != nil {
		return err
	}
	return e.readLatents(n, out.Z)
}

// atLeast gives n values of a slice that is kept.
func atLeast[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
