package cpufallback

import (
	"math"

	"cuflow/device"
)

// gate is the h of a planar flow with its s, in float64. What a flow needs of it are
//
//	g(a) = (a-h(a)) + s*h(a),  g'(a) = (1-h'(a)) + s*h'(a)
//
// in sums whose terms have one sign, so that nothing cancels where s is near 0.
type gate struct {
	h     device.Func
	slope float64 // of the leaky ReLU
	s     float64
}

func newGate(h device.Map) gate {
	mustFit(h.Func == device.TanhMap || h.Func == device.SoftplusMap ||
		h.Func == device.LeakyReLUMap && h.Slope > 0 && h.Slope <= 1)
	return gate{h: h.Func, slope: float64(h.Slope)}
}

// with is the gate with another s.
func (g gate) with(s float32) gate { g.s = float64(s); return g }

// point is what is known of h at one a.
type point struct {
	h, d   float64 // h(a), a-h(a)
	h1, d1 float64 // their derivatives
	h2     float64 // h''(a)
}

func (g gate) at(a float64) point {
	switch g.h {
	case device.TanhMap:
		e := math.Exp(-2 * math.Abs(a))
		h := math.Copysign(-math.Expm1(-2*math.Abs(a))/(1+e), a)
		h1 := 4 * e / ((1 + e) * (1 + e))
		d := a - h
		if b := a * a; b < 0.04 { // a^3/3 - 2a^5/15 + 17a^7/315 - ...
			d = a * b * (1./3 - b*(2./15-b*(17./315-b*(62./2835-b*(1382./155925-b*(21844./6081075-b*929569./638512875))))))
		}
		return point{h, d, h1, h * h, -2 * h * h1}
	case device.SoftplusMap:
		e := math.Exp(-math.Abs(a))
		l, near, far := math.Log1p(e), 1/(1+e), e/(1+e)
		if a < 0 {
			return point{l, a - l, far, near, near * far}
		}
		return point{a + l, -l, near, far, near * far}
	}
	if a < 0 {
		return point{g.slope * a, (1 - g.slope) * a, g.slope, 1 - g.slope, 0}
	}
	return point{a, 0, 1, 0, 0}
}

// det is g'.
func (g gate) det(p point) float64 { return p.d1 + g.s*p.h1 }

// steps is how often solve improves its answer at most.
const steps = 64

// solve gives the a with g(a) = q: Newton's method from the side on which it cannot overshoot, in a bracket that is halved where a
// step leaves it, or where many steps were not enough.
func (g gate) solve(q float64) float64 {
	if q == 0 && g.h != device.SoftplusMap || math.IsNaN(q) || math.IsInf(q, 0) {
		return q
	}
	var lo, hi, a float64
	switch g.h {
	case device.LeakyReLUMap:
		if q < 0 {
			return q / (1 - g.slope + g.s*g.slope)
		}
		return q / g.s
	case device.TanhMap:
		if q < 0 {
			return -g.solve(-q)
		}
		lo, hi, a = g.bracketTanh(q)
	default:
		lo, hi, a = g.bracketSoftplus(q)
	}
	for i := range steps {
		p := g.at(a)
		over := p.d + g.s*p.h - q
		if over > 0 {
			hi = a
		} else {
			lo = a
		}
		next := a - over/g.det(p)
		if !(next >= lo && next <= hi) || i >= steps/4 && i%2 == 1 {
			next = lo + (hi-lo)/2
		}
		if math.Abs(next-a) <= 0x1p-50*math.Abs(next) {
			return next
		}
		a = next
	}
	return a
}

// bracketTanh is for q > 0. Where s < 1, g is convex and Newton's method comes from above; a-tanh(a) > 0.238 a^3 up to a = 1 says
// how far above. Otherwise it comes from below.
func (g gate) bracketTanh(q float64) (lo, hi, start float64) {
	if g.s >= 1 {
		lo = max(q/g.s, q-(g.s-1))
		return lo, q, lo
	}
	hi = min(q+1-g.s, q/g.s)
	if q <= 0.238 {
		hi = min(hi, math.Cbrt(q/0.238))
	}
	return 0, hi, hi
}

// bracketSoftplus: where s >= 1, g is convex, and its solution is below q. Otherwise it is concave, and g(a) = q says that
// s*log(1+exp(a)) = q + log(1+exp(-a)), whose sides are bounded one by the other.
func (g gate) bracketSoftplus(q float64) (lo, hi, start float64) {
	if g.s >= 1 {
		return q - (g.s-1)*softplus(q), q, q
	}
	if q > 0 {
		lo = max(q, unsoftplus(q/g.s))
		return lo, max(lo, -math.Log(g.s), unsoftplus(q/g.s+1)), lo
	}
	hi = max(q+math.Ln2, min(-math.Log(g.s), (q+math.Ln2)/g.s)) + 1
	if q < 0 {
		hi = min(hi, -unsoftplus(-q))
	}
	lo = max(q, -unsoftplus(g.s*softplus(hi)-q))
	return lo, hi, lo
}

// unsoftplus is the inverse of softplus.
func unsoftplus(y float64) float64 { return y + math.Log(-math.Expm1(-y)) }
