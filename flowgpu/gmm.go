package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// GaussianMixture is a prior of K Gaussians: p(z) = sum_k pi[k] N_k(z), pi = softmax(logits), component k of the mean mean[k] and the
// precision A[k]^T A[k]. A[k] is lower triangular with diagonal exp(logs[k]) and, where covariances are full, l[k] below it: rows of a
// triangle, packed. Full covariances are factored by their precision, so that a density needs products alone; a sample solves A[k].
//
// By itself, without a flow before it, it is the classical mixture model: Bishop, "Pattern recognition and machine learning", 2006,
// section 9.2.
type GaussianMixture struct {
	k, d   int
	logits *Param // [K]
	mean   *Param // [K][D]
	logs   *Param // [K][D]
	l      *Param // [K][D(D-1)/2]; nil where covariances are diagonal

	r    device.Buffer // [K][N] responsibilities, from LogProb to Backward
	mark int
}

// maxFull is how many dimensions a matrix op takes.
const maxFull = 1024

// NewGaussianMixture makes components of equal weight, round, of the given spread, their means drawn as wide about 0.
func NewGaussianMixture(k, d int, full bool, spread float64, r *rand.Rand) *GaussianMixture {
	mean := make([]float32, k*d)
	for i := range mean {
		mean[i] = float32(spread * r.NormFloat64())
	}
	p := &GaussianMixture{k: k, d: d, logits: newParam("logits", nil, k), mean: newParam("mean", mean, k, d),
		logs: newParam("logs", constant(float32(-math.Log(spread)), k*d), k, d)}
	if full && d > 1 {
		p.l = newParam("l", nil, k, d*(d-1)/2)
	}
	return p
}

func (p *GaussianMixture) Params() []*Param {
	all := []*Param{p.logits, p.mean, p.logs}
	if p.l != nil {
		all = append(all, p.l)
	}
	return all
}

// of is the mixture at work on a region, whose samples must be vectors.
func (p *GaussianMixture) of(r device.Rows) device.Components {
	if r.C != p.d || r.P != 1 {
		panic("flowgpu: a mixture of vectors of another length")
	}
	return device.Components{K: p.k, D: p.d, N: r.N}
}

// keep is the arena for the responsibilities.
func (p *GaussianMixture) keep(s *State) *device.Arena {
	if s.Training {
		return s.Stash
	}
	return s.Scratch
}

func (p *GaussianMixture) LogProb(s *State, r device.Rows, z device.Buffer) {
	arena := p.keep(s)
	p.mark = arena.Mark()
	p.r = arena.Take(p.k * r.N)
	p.responsibilities(s, r, z, p.r, s.LogDet)
	if !s.Training {
		arena.Release(p.mark)
	}
}

// responsibilities is the E-step: resp [K][N] becomes p(k|z), and logp += log p(z).
func (p *GaussianMixture) responsibilities(s *State, r device.Rows, z, resp, logp device.Buffer) {
	shape := p.of(r)
	if p.l == nil {
		s.MixtureDiagonal(shape, p.mean.V, p.logs.V, z, resp)
	} else {
		p.fullDensities(s, r, z, resp)
	}
	s.MixtureEvidence(p.k, r.N, p.logits.V, resp, logp)
}

// fullDensities writes log N_k(z) to q [K][N]: a product of matrices for each component.
func (p *GaussianMixture) fullDensities(s *State, r device.Rows, z, q device.Buffer) {
	mark := s.Scratch.Mark()
	a, y := s.Scratch.Take(p.d*p.d), s.Scratch.Take(p.d*r.N)
	s.Fill(q, 0)
	for k := range p.k {
		c := p.component(k, r.N, q)
		s.Triangle(p.d, c.logs, c.l, a)
		s.Center(p.d, r.N, c.mean, z, y)
		s.MixForward(p.d, r.N, a, device.Buffer{}, y)
		s.GaussianLogProb(device.Rows{C: p.d, N: r.N, P: 1}, y, c.of)
		s.AddSum(1, c.logs, c.of)
	}
	s.Scratch.Release(mark)
}

// component is one component's parameters, and its row of a [K][N] buffer.
type component struct{ mean, logs, l, of device.Buffer }

func (p *GaussianMixture) component(k, n int, rows device.Buffer) component {
	row := func(b device.Buffer) device.Buffer {
		size := b.Len() / p.k
		return b.Slice(k*size, (k+1)*size)
	}
	return component{mean: row(p.mean.V), logs: row(p.logs.V), l: row(p.l.V), of: rows.Slice(k*n, (k+1)*n)}
}

func (p *GaussianMixture) gradients(k int) (c component) {
	row := func(b device.Buffer) device.Buffer {
		size := b.Len() / p.k
		return b.Slice(k*size, (k+1)*size)
	}
	return component{mean: row(p.mean.G), logs: row(p.logs.G), l: row(p.l.G)}
}

func (p *GaussianMixture) Backward(s *State, r device.Rows, z, dz device.Buffer) {
	if p.l == nil {
		s.MixtureDiagonalBackward(p.of(r), s.DLogDet, p.mean.V, p.logs.V, p.r, z, dz, p.mean.G, p.logs.G)
	} else {
		p.fullBackward(s, r, z, dz)
	}
	s.MixtureEvidenceBackward(p.k, r.N, s.DLogDet, p.logits.V, p.r, p.logits.G)
	p.keep(s).Release(p.mark)
}

// fullBackward is fullDensities backwards, component by component: of y = A (z - mean) and log N = sum logs - |y|^2/2 - ...
func (p *GaussianMixture) fullBackward(s *State, r device.Rows, z, dz device.Buffer) {
	mark := s.Scratch.Mark()
	a, da := s.Scratch.Take(p.d*p.d), s.Scratch.Take(p.d*p.d)
	x, dx := s.Scratch.Take(p.d*r.N), s.Scratch.Take(p.d*r.N)
	s.Fill(dz, 0)
	for k := range p.k {
		c, g := p.component(k, r.N, p.r), p.gradients(k)
		s.Triangle(p.d, c.logs, c.l, a)
		s.Center(p.d, r.N, c.mean, z, x)
		s.Copy(dx, x)
		s.MixForward(p.d, r.N, a, device.Buffer{}, dx) // y
		s.Weigh(p.d, r.N, -s.DLogDet, c.of, dx)        // dy
		s.Fill(da, 0)
		s.MixBackward(p.d, r.N, a, x, dx, da)
		s.CenterBackward(p.d, r.N, dx, dz, g.mean)
		s.TriangleBackward(p.d, c.logs, da, g.logs, g.l)
		s.AddSum(s.DLogDet, c.of, g.logs) // of sum logs, once for every sample
	}
	s.Scratch.Release(mark)
}

// Sample picks a component for each sample by its weight, and draws from it; temperature widens or narrows the component.
func (p *GaussianMixture) Sample(s *State, r device.Rows, temperature float32, rng device.Stream, at, z device.Buffer) {
	mark := s.Scratch.Mark()
	u, pick := s.Scratch.Take(r.N), s.Scratch.Take(r.N)
	s.Uniform(device.Rows{C: 1, N: r.N, P: 1}, device.Stream{Seed: rng.Seed, ID: streamPick}, at, u)
	s.MixturePick(p.k, r.N, p.logits.V, u, pick)
	s.Normal(r, temperature, rng, at, z)
	l := device.Buffer{}
	if p.l != nil {
		l = p.l.V
	}
	s.MixturePlace(p.of(r), pick, p.mean.V, p.logs.V, l, z)
	s.Scratch.Release(mark)
}

// gmm builds a mixture of Gaussians over the data itself: no flow but the way from images to vectors.
func gmm(cfg Config, b *builder) {
	b.level = 1
	b.flatten("flatten")
	b.mixture(cfg)
}

// mixture ends a flow with the model's own prior, of vectors.
func (b *builder) mixture(cfg Config) {
	if b.h*b.w > 1 {
		b.flatten("prior.flatten")
	}
	spread := 1.0
	if cfg.Kind == "gmm" && cfg.Intensities > 0 && cfg.Logit == 0 {
		spread = 0.25 // intensities lie in [-1/2, 1/2]
	}
	b.prior = NewGaussianMixture(cfg.Components, b.c, cfg.Covariance == "full", spread, b.r)
}

// The least variance that a component may have, where a description does not say.
const (
	// NoiseFloor is that of dequantisation noise, in intensities squared: no direction of dequantised data has less.
	NoiseFloor = 1.0 / 12
	// RealFloor is for real-valued data and for latents.
	RealFloor = 1e-6
)

// ofIntensities says whether the mixture sees intensities: its floor is then counted in them.
func (c Config) ofIntensities() bool { return c.Kind == "gmm" && c.Intensities > 0 && c.Logit == 0 }

// VarianceFloor is the least variance of a component in the units of the mixture's own space: for a gmm of images, of
// v/Intensities - 1/2.
func (c Config) VarianceFloor() float64 {
	if c.ofIntensities() {
		return c.Floor / float64(c.Intensities*c.Intensities)
	}
	return c.Floor
}

// mixtureDefaults fills in what is left empty of a mixture.
func (c Config) mixtureDefaults() Config {
	if c.Prior != "mixture" {
		return c
	}
	if c.Covariance == "" {
		c.Covariance = "diagonal"
	}
	if c.Floor == 0 {
		c.Floor = RealFloor
		if c.ofIntensities() {
			c.Floor = NoiseFloor
		}
	}
	return c
}

// checkMixture says what is wrong with the prior's description.
func (c Config) checkMixture() error {
	if c.Prior != "mixture" {
		switch {
		case c.Components != 0:
			return fmt.Errorf("components is %d, but the prior is %s: only a mixture has components, leave it 0", c.Components, c.Prior)
		case c.Covariance != "":
			return fmt.Errorf("covariance is %q, but the prior is %s: only a mixture has covariances, leave it empty", c.Covariance, c.Prior)
		case c.Floor != 0:
			return fmt.Errorf("floor is %g, but the prior is %s: only a mixture has variances, leave it 0", c.Floor, c.Prior)
		}
		return nil
	}
	if err := inRange(number{"components", c.Components, 1, 1 << 12}); err != nil {
		return err
	}
	if c.Covariance != "diagonal" && c.Covariance != "full" {
		return fmt.Errorf("unknown covariance %q: use diagonal or full", c.Covariance)
	}
	if !(c.Floor > 0 && c.Floor <= math.MaxFloat32) {
		return fmt.Errorf("floor is %g: it must be a variance above 0", c.Floor)
	}
	if c.Classes > 0 {
		return fmt.Errorf("classes is %d, but the prior is a mixture: choose one, a prior by class or a mixture", c.Classes)
	}
	if d := c.D() >> max(0, c.Levels-1); c.Covariance == "full" && d > maxFull { // splits halve the latent
		return fmt.Errorf("full covariances of %d dimensions: at most %d, use diagonal ones", d, maxFull)
	}
	return nil
}

func checkGMM(c Config) error {
	return inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 0, 0}, number{"hidden", c.Hidden, 0, 0}, number{"depth", c.Depth, 0, 0})
}

// constrain keeps the mixture's variances above the floor; where they are full, those of each dimension given the ones before it. values
// is the model's, or averages of them; it may not be given.
func (m *Model) constrain(values device.Buffer) {
	p, ok := m.prior.(*GaussianMixture)
	if !ok || values.Nil() {
		return
	}
	lo := 0
	for _, param := range m.params {
		if param == p.logs {
			m.be.AtMost(float32(-math.Log(m.cfg.VarianceFloor())/2), values.Slice(lo, lo+param.Len()))
		}
		if !param.Fixed {
			lo += aligned(param.Len())
		}
	}
}
