package flowgpu

import (
	"fmt"
	"math"

	"cuflow/device"
)

// Splines bend on the real line, with tails that stay; on an interval, [0, 1], whose ends they keep; or on a circle of angles, [-pi, pi),
// whose ends are one point. On the last two the prior is uniform, and nothing but splines may move what lies there: no linear maps and no
// normalisation. Durkan et al., "Neural spline flows", 2019, section 3.1; Rezende et al., "Normalizing flows on tori and spheres", 2020.
//
// A spline on a circle keeps its seam where it is, so that one layer after another would treat it apart: before each, every angle is
// turned by one that is learned.

// Names of Config.Domain.
const (
	onLine     = "line"
	onCircle   = "circle"
	onInterval = "interval"
)

var domainNames = []string{onLine, onCircle, onInterval}

// bounded says whether the flow is of a circle or an interval.
func (c Config) bounded() bool { return c.Domain == onCircle || c.Domain == onInterval }

// OnDomain is the description with what splines on a domain ask for.
func (c Config) OnDomain(domain string) Config {
	if c.Domain = domain; c.bounded() {
		c.Bound, c.Norm, c.Prior = 0, "none", "uniform"
		if c.Permutation == "" || c.Permutation == "lu" {
			c.Permutation = "shuffle"
		}
		if !isSpline(c.Curve) {
			c.Curve = "rational"
		}
	}
	return c
}

// checkBounded says what does not go with a circle or an interval, and that a uniform prior needs one.
func (c Config) checkBounded() error {
	switch {
	case !c.bounded() && c.Prior == "uniform" && c.Kind != "chain":
		return fmt.Errorf("prior is uniform, which is for domain circle or interval: use another prior, or one of these domains")
	case !c.bounded():
		return nil
	case !isSpline(c.Curve):
		return fmt.Errorf("curve is %s, but on domain %s it must be a spline: rational, quadratic or linear", c.Curve, c.Domain)
	case c.Prior != "uniform":
		return fmt.Errorf("prior is %s, but on domain %s it must be uniform", c.Prior, c.Domain)
	case c.Norm != "none":
		return fmt.Errorf("norm is %s, but it would leave domain %s: use none", c.Norm, c.Domain)
	case c.Permutation == "lu":
		return fmt.Errorf("permutation is lu, but a linear map would leave domain %s: use shuffle, reverse or natural", c.Domain)
	}
	return nil
}

// turn adds what comes before a layer on a circle.
func (b *builder) turn(cfg Config, step string) {
	if cfg.Domain == onCircle {
		b.add(step+".turn", NewRotation(b.c))
	}
}

// Rotation turns the angles of every channel by one that is learned: y = x + b, from -pi on. Its log-determinant is 0.
type Rotation struct {
	c int
	b *Param // [C]
}

// NewRotation turns nothing to begin with.
func NewRotation(c int) *Rotation { return &Rotation{c: c, b: newParam("b", nil, c)} }

// zeros are the log scales of an actnorm that does nothing but shift, with memory from Scratch.
func (l *Rotation) zeros(s *State) device.Buffer {
	logs := s.Scratch.Take(l.c)
	s.Fill(logs, 0)
	return logs
}

func (l *Rotation) Forward(s *State) {
	mark := s.Scratch.Mark()
	s.ActNorm(l.c, s.M(), l.zeros(s), l.b.V, s.X())
	s.Wrap(s.X())
	s.Scratch.Release(mark)
}

func (l *Rotation) Inverse(s *State) {
	mark := s.Scratch.Mark()
	s.ActNormInverse(l.c, s.M(), l.zeros(s), l.b.V, s.X())
	s.Wrap(s.X())
	s.Scratch.Release(mark)
}

func (l *Rotation) Backward(s *State) {
	mark := s.Scratch.Mark()
	unused := l.zeros(s) // the gradient of log scales
	s.ActNormBackward(l.c, s.M(), l.zeros(s), l.b.V, s.X(), s.DX(), 0, unused, l.b.G)
	s.Wrap(s.X())
	s.Scratch.Release(mark)
}

func (l *Rotation) Params() []*Param { return []*Param{l.b} }

// circleNet is a network that sees the points of the circle, cosine and sine, in place of angles: what it says has no seam.
type circleNet struct {
	net Net // from 2C channels
	c   int

	points device.Buffer // [2C][N][P]
}

// newCircleNet makes a network for c angles; build is told how many channels it has to take.
func newCircleNet(c int, build func(cin int) Net) Net { return &circleNet{net: build(2 * c), c: c} }

func (n *circleNet) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	n.points = a.Take(2 * n.c * s.M())
	s.Angles(in, n.points)
	n.net.Forward(s, a, n.points, out)
}

func (n *circleNet) Backward(s *State, _, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	dpoints := s.Scratch.Take(n.points.Len())
	s.Fill(dpoints, 0)
	n.net.Backward(s, n.points, dout, dpoints)
	s.AnglesBackward(n.points, dpoints, din)
	s.Scratch.Release(mark)
}

func (n *circleNet) Params() []*Param { return n.net.Params() }

// uniformPrior is that of [lo, lo+size] in every dimension.
type uniformPrior struct{ lo, size float32 }

// boundedPrior is the prior of a circle or an interval.
func (c Config) boundedPrior() uniformPrior {
	if c.Domain == onCircle {
		return uniformPrior{-math.Pi, 2 * math.Pi}
	}
	return uniformPrior{0, 1}
}

// LogProb takes it that a flow leaves nothing outside.
func (p uniformPrior) LogProb(s *State, r device.Rows, _ device.Buffer) {
	mark := s.Scratch.Mark()
	one := s.Scratch.Take(1)
	s.Fill(one, float32(-float64(r.C*r.P)*math.Log(float64(p.size))))
	s.AddSum(1, one, s.LogDet)
	s.Scratch.Release(mark)
}

func (uniformPrior) Backward(s *State, _ device.Rows, _, dz device.Buffer) { s.Fill(dz, 0) }

// Sample draws from a part about the middle that temperature gives the size of; a temperature above 1 counts as 1: there is nothing wider.
func (p uniformPrior) Sample(s *State, r device.Rows, temperature float32, rng device.Stream, at, z device.Buffer) {
	mark := s.Scratch.Mark()
	u, size := s.Scratch.Take(z.Len()), p.size*min(temperature, 1)
	s.Uniform(r, rng, at, u)
	s.Fill(z, p.lo+(p.size-size)/2)
	s.Axpy(size, u, z)
	s.Scratch.Release(mark)
}

func (uniformPrior) Params() []*Param { return nil }
