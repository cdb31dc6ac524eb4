package flowgpu

import (
	"fmt"
	"math"

	"cuflow/device"

	"gonum.org/v1/gonum/stat/distuv"
)

// CurveCoupling moves one part of the channels by a monotone function of each number whose parameters a network reads off the other
// part, which stays as it is. With rational-quadratic splines: Durkan et al., "Neural spline flows", 2019; with mixtures of logistics: Ho
// et al., "Flow++", 2019.
//
// log|det dy/dx| = sum log dy/dx over the moved part
type CurveCoupling struct {
	curve  device.Curve
	c1, c2 int  // channels that condition, channels that move
	flip   bool // the last c1 channels condition and the first c2 move
	net    Net  // c1 -> Params()*c2

	params device.Buffer // [C2][Q][N][P], then its gradient
	mark   int           // of the stash
}

// NewCurveCoupling conditions on the first c1 channels of c. net must map c1 channels to curve.Params()*(c-c1).
func NewCurveCoupling(curve device.Curve, c, c1 int, net Net) *CurveCoupling {
	return &CurveCoupling{curve: curve, c1: c1, c2: c - c1, net: net}
}

// parts cuts a batch or its gradient into what conditions and what moves.
func (l *CurveCoupling) parts(s *State, b device.Buffer) (conditions, moves device.Buffer) {
	if l.flip {
		moves, conditions = halves(b, l.c2, s.M())
		return conditions, moves
	}
	return halves(b, l.c1, s.M())
}

func (l *CurveCoupling) rows(s *State) device.Rows { return device.Rows{C: l.c2, N: s.N, P: s.P()} }

// condition computes the parameters from the first part, with memory from a.
func (l *CurveCoupling) condition(s *State, a *device.Arena) {
	x1, _ := l.parts(s, s.X())
	l.params = a.Take(l.curve.Params() * l.c2 * s.M())
	l.net.Forward(s, a, x1, l.params)
}

func (l *CurveCoupling) Forward(s *State) {
	a := s.hidden()
	l.mark = a.Mark()
	l.condition(s, a)
	_, x2 := l.parts(s, s.X())
	s.Curve(l.rows(s), l.curve, l.params, x2, s.LogDet)
	if a == s.Scratch {
		a.Release(l.mark)
	}
}

func (l *CurveCoupling) Inverse(s *State) {
	mark := s.Scratch.Mark()
	s.Again = true
	l.condition(s, s.Scratch)
	s.Again = false
	_, y2 := l.parts(s, s.X())
	s.CurveInverse(l.rows(s), l.curve, l.params, y2, s.LogDet)
	s.Scratch.Release(mark)
}

func (l *CurveCoupling) Backward(s *State) {
	mark := s.Scratch.Mark()
	if !s.Keep {
		s.Again = true
		l.condition(s, s.Scratch)
		s.Again = false
	}
	x1, y2 := l.parts(s, s.X())
	dx1, dy2 := l.parts(s, s.DX())
	s.CurveBackward(l.rows(s), l.curve, l.params, y2, dy2, s.DLogDet)
	l.net.Backward(s, x1, l.params, dx1)
	s.Scratch.Release(mark)
	if s.Keep {
		s.Stash.Release(l.mark)
	}
}

func (l *CurveCoupling) Params() []*Param { return l.net.Params() }

// restOf is what parameters of curves are where a network says nothing, for c channels: the identity, or near it. Bins are of one
// size then, and slopes 1.
func restOf(curve device.Curve, c int) []float32 {
	one := make([]float32, curve.Params())
	switch curve.Of {
	case device.QuadraticSpline, device.RationalSpline:
		slope := float32(math.Log(math.Expm1(1 - device.MinSlope))) // MinSlope + log(1+exp(slope)) = 1
		for i := range curve.Knots() {
			one[len(one)-1-i] = slope
		}
	case device.LogisticMixture:
		restOfMixture(one[2:], curve.K, math.Sqrt(3)/math.Pi) // the standard logistic distribution has the variance pi^2/3
	case device.GaussianMixture:
		restOfMixture(one, curve.K, 1)
	}
	all := make([]float32, 0, c*len(one))
	for range c {
		all = append(all, one...)
	}
	return all
}

// restOfMixture leaves logits, means and log scales of k components as a MixCDF starts: of one weight, at quantiles of the standard normal
// distribution, and of variance 1 in all. scale is that of a component of variance 1.
func restOfMixture(p []float32, k int, scale float64) {
	within := 1.0
	for i := range k {
		q := distuv.UnitNormal.Quantile((float64(i) + 0.5) / float64(k))
		p[k+i] = float32(q)
		within -= q * q / float64(k)
	}
	for i := range k {
		p[2*k+i] = float32(math.Log(math.Sqrt(within)*scale - device.MixtureFloor))
	}
}

// curveKinds are the names of curves.
var curveKinds = map[string]device.CurveKind{
	"affine": device.AffineCurve, "linear": device.LinearSpline, "quadratic": device.QuadraticSpline,
	"rational": device.RationalSpline, "logistics": device.LogisticMixture, "gaussians": device.GaussianMixture,
}

var curveNames = []string{"rational", "quadratic", "linear", "logistics", "affine", "gaussians"}

// isSpline says whether a curve of a name bends between knots of a domain.
func isSpline(curve string) bool {
	return curve == "rational" || curve == "quadratic" || curve == "linear"
}

// Of a spline that says nothing else: as in the code of Durkan et al.
const (
	defaultBins  = 8
	defaultBound = 3
)

// curve is the function of a model's couplings or autoregressive layers. Logits of widths and heights are divided by the square
// root of the network's width, as in the code of Durkan et al.
func (c Config) curve() device.Curve {
	k := device.Curve{Of: curveKinds[c.Curve], K: c.Bins, B: float32(c.Bound), Scale: float32(1 / math.Sqrt(float64(c.Hidden)))}
	if k.Of == device.AffineCurve {
		k.K = 0
	}
	switch c.Domain {
	case onCircle:
		k.On, k.B = device.Circle, math.Pi
	case onInterval:
		k.On = device.Interval
	}
	return k
}

// curveDefaults fills in what a curve needs.
func (c Config) curveDefaults() Config {
	if c.Curve != "" && c.Curve != "affine" {
		if c.Bins == 0 {
			c.Bins = defaultBins
		}
		if c.Bound == 0 && isSpline(c.Curve) && !c.bounded() {
			c.Bound = defaultBound
		}
	}
	return c
}

// checkCurve says what is wrong with bins and bound.
func (c Config) checkCurve() error {
	switch {
	case c.Curve == "" && (c.Bins != 0 || c.Bound != 0):
		return fmt.Errorf("bins is %d and bound %g, but %s has no splines: leave them 0", c.Bins, c.Bound, c.Kind)
	case c.Curve == "affine" && (c.Bins != 0 || c.Bound != 0):
		return fmt.Errorf("bins is %d and bound %g, but curve is affine: leave them 0, or use curve rational", c.Bins, c.Bound)
	case c.Curve == "" || c.Curve == "affine":
		return nil
	case !isSpline(c.Curve) && c.Bound != 0:
		return fmt.Errorf("bound is %g, but a mixture of %s has none: leave it 0", c.Bound, c.Curve)
	case c.bounded() && c.Bound != 0:
		return fmt.Errorf("bound is %g, but domain %s has its own: leave it 0", c.Bound, c.Domain)
	case isSpline(c.Curve) && !c.bounded() && !(c.Bound > 0 && c.Bound <= 1e6):
		return fmt.Errorf("bound is %g: it must be above 0 and at most 1e6; splines bend from -bound to bound", c.Bound)
	}
	least := 1
	if c.Curve == "quadratic" && !c.bounded() {
		least = 2
	}
	return inRange(number{"bins", c.Bins, least, device.MaxBins})
}
