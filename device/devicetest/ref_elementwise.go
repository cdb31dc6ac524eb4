package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Map(s device.Rows, f device.Map, x, logdet device.Buffer) {
	k := r.begin()
	mapElements(s, f, k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) MapBackward(f device.Map, x, dx device.Buffer, dld float32) {
	k := r.begin()
	mapBackward(f, k.out(x, x.Len()), k.out(dx, x.Len()), float64(dld))
	k.done()
}

// increasing is an increasing function with what its flow needs.
type increasing struct {
	value    func(x float64) float64
	inverse  func(y float64) float64
	logSlope func(x float64) float64 // log f'(x)
	bend     func(x float64) float64 // its derivative, f''(x)/f'(x)
}

// The ends that a float32 does not reach, see device.Elementwise.
const (
	least    = 0x1p-126
	belowOne = 1 - 0x1p-24
)

func mapElements(r device.Rows, f device.Map, x, logdet []float64) {
	g, turned := increasingOf(f)
	for i, v := range x {
		_, n := at(r, i)
		if turned {
			x[i] = g.inverse(v)
			logdet[n] -= g.logSlope(x[i])
		} else {
			x[i] = g.value(v)
			logdet[n] += g.logSlope(v)
		}
	}
}

func mapBackward(f device.Map, x, dx []float64, dld float64) {
	g, turned := increasingOf(f)
	for i, y := range x {
		if turned { // y = g^-1(x): f' = 1/g'(y), f''/f' = -(g''/g')(y)/g'(y)
			x[i] = g.value(y)
			dx[i] = (dx[i] - dld*g.bend(y)) * math.Exp(-g.logSlope(y))
		} else {
			x[i] = g.inverse(y)
			dx[i] = dx[i]*math.Exp(g.logSlope(x[i])) + dld*g.bend(x[i])
		}
	}
}

// increasingOf is f as one of five functions, or as the inverse of one.
func increasingOf(f device.Map) (g increasing, turned bool) {
	switch f.Func {
	case device.SigmoidMap, device.LogitMap:
		return increasing{
			value:    func(x float64) float64 { return within(1/(1+math.Exp(-x)), least, belowOne) },
			inverse:  logitOf,
			logSlope: func(x float64) float64 { return -math.Abs(x) - 2*math.Log1p(math.Exp(-math.Abs(x))) },
			bend:     func(x float64) float64 { return -math.Tanh(x / 2) },
		}, f.Func == device.LogitMap
	case device.TanhMap, device.AtanhMap:
		return increasing{
			value:   func(x float64) float64 { return within(math.Tanh(x), -belowOne, belowOne) },
			inverse: func(y float64) float64 { return math.Atanh(inside(y, -1, 1, -belowOne, belowOne)) },
			logSlope: func(x float64) float64 {
				return 2 * (math.Ln2 - math.Abs(x) - math.Log1p(math.Exp(-2*math.Abs(x))))
			},
			bend: func(x float64) float64 { return -2 * math.Tanh(x) },
		}, f.Func == device.AtanhMap
	case device.SoftplusMap, device.LogExpm1Map:
		return increasing{
			value: func(x float64) float64 { return within(softplus(x), least, math.Inf(1)) },
			inverse: func(y float64) float64 {
				y = inside(y, 0, math.Inf(1), least, math.Inf(1))
				return y + math.Log(-math.Expm1(-y))
			},
			logSlope: func(x float64) float64 { return -softplus(-x) },
			bend:     func(x float64) float64 { return 1 / (1 + math.Exp(x)) },
		}, f.Func == device.LogExpm1Map
	case device.AsinhMap, device.SinhMap:
		return increasing{
			value:    math.Asinh,
			inverse:  math.Sinh,
			logSlope: func(x float64) float64 { return -math.Log(math.Hypot(1, x)) },
			bend:     func(x float64) float64 { return -x / (1 + x*x) },
		}, f.Func == device.SinhMap
	}
	a := float64(f.Slope)
	return increasing{
		value:    func(x float64) float64 { return leaky(x, x, a*x) },
		inverse:  func(y float64) float64 { return leaky(y, y, y/a) },
		logSlope: func(x float64) float64 { return leaky(x, 0, math.Log(a)) },
		bend:     func(float64) float64 { return 0 },
	}, false
}

// leaky is one value for x >= 0 and another below.
func leaky(x, above, below float64) float64 {
	if x >= 0 {
		return above
	}
	return below
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

// within keeps y from lo to hi.
func within(y, lo, hi float64) float64 { return max(lo, min(y, hi)) }

// inside takes the ends of an interval for numbers inside it. What lies outside becomes NaN.
func inside(y, lo, hi, first, last float64) float64 {
	switch {
	case y == lo:
		return first
	case y == hi:
		return last
	case y < lo || y > hi:
		return math.NaN()
	}
	return y
}

func logitOf(y float64) float64 {
	y = inside(y, 0, 1, least, belowOne)
	return math.Log(y) - math.Log1p(-y)
}
