package cpufallback

import (
	"math"

	"cuflow/device"
)

// The ends of intervals that a float32 does not reach, see device.Elementwise.
const (
	least    = 0x1p-126
	belowOne = 1 - 0x1p-24
)

// increasing is a function of device.Map, in float64: these flows have few elements beside the networks of others.
type increasing struct {
	move func(x, a float64) (y, ls float64)          // f(x) and log f'(x)
	back func(y, a float64) (x, slope, bend float64) // x = f^-1(y), f'(x) and f''(x)/f'(x)
}

// mapFuncs are the functions by device.Func; a is the slope of the leaky ReLU.
var mapFuncs = [...]increasing{
	device.SigmoidMap: {
		move: func(x, _ float64) (y, ls float64) {
			e := math.Exp(-math.Abs(x))
			y = 1 / (1 + e)
			if x < 0 {
				y *= e
			}
			return clamp(y, least, belowOne), -math.Abs(x) - 2*math.Log1p(e)
		},
		back: func(y, _ float64) (x, slope, bend float64) {
			y = inside(y, 0, 1, least, belowOne)
			return math.Log(y) - math.Log1p(-y), y * (1 - y), 1 - 2*y
		},
	},
	device.LogitMap: {
		move: func(x, _ float64) (y, ls float64) {
			x = inside(x, 0, 1, least, belowOne)
			p, q := math.Log(x), math.Log1p(-x)
			return p - q, -p - q
		},
		back: func(y, _ float64) (x, slope, bend float64) {
			e := math.Exp(-math.Abs(y))
			x = 1 / (1 + e)
			if y < 0 {
				x *= e
			}
			slope = (1 + e) * (1 + e) / e
			return clamp(x, least, belowOne), slope, math.Tanh(y/2) * slope
		},
	},
	device.TanhMap: {
		move: func(x, _ float64) (y, ls float64) {
			return clamp(math.Tanh(x), -belowOne, belowOne), -2 * logCosh(x)
		},
		back: func(y, _ float64) (x, slope, bend float64) {
			y = inside(y, -1, 1, -belowOne, belowOne)
			return math.Atanh(y), (1 - y) * (1 + y), -2 * y
		},
	},
	device.AtanhMap: {
		move: func(x, _ float64) (y, ls float64) {
			x = inside(x, -1, 1, -belowOne, belowOne)
			return math.Atanh(x), -math.Log1p(-x * x)
		},
		back: func(y, _ float64) (x, slope, bend float64) {
			c := math.Cosh(y)
			x = math.Tanh(y)
			return clamp(x, -belowOne, belowOne), c * c, 2 * x * c * c
		},
	},
	device.SoftplusMap: {
		move: func(x, _ float64) (y, ls float64) {
			l := math.Log1p(math.Exp(-math.Abs(x)))
			return clamp(max(x, 0)+l, least, math.Inf(1)), min(x, 0) - l
		},
		back: func(y, _ float64) (x, slope, bend float64) {
			y = inside(y, 0, math.Inf(1), least, math.Inf(1))
			slope = -math.Expm1(-y)
			return y + math.Log(slope), slope, math.Exp(-y)
		},
	},
	device.LogExpm1Map: {
		move: func(x, _ float64) (y, ls float64) {
			x = inside(x, 0, math.Inf(1), least, math.Inf(1))
			l := math.Log(-math.Expm1(-x))
			return x + l, -l
		},
		back: func(y, _ float64) (x, slope, bend float64) {
			e := math.Exp(-y)
			return clamp(softplus(y), least, math.Inf(1)), 1 + e, -e
		},
	},
	device.AsinhMap: {
		move: func(x, _ float64) (y, ls float64) { return math.Asinh(x), -math.Log(math.Hypot(1, x)) },
		back: func(y, _ float64) (x, slope, bend float64) {
			slope = 1 / math.Cosh(y)
			return math.Sinh(y), slope, -math.Tanh(y) * slope
		},
	},
	device.SinhMap: {
		move: func(x, _ float64) (y, ls float64) { return math.Sinh(x), logCosh(x) },
		back: func(y, _ float64) (x, slope, bend float64) {
			slope = math.Hypot(1, y)
			return math.Asinh(y), slope, y / slope
		},
	},
	device.LeakyReLUMap: {
		move: func(x, a float64) (y, ls float64) {
			if x < 0 {
				return a * x, math.Log(a)
			}
			return x, 0
		},
		back: func(y, a float64) (x, slope, bend float64) {
			if y < 0 {
				return y / a, a, 0
			}
			return y, 1, 0
		},
	},
}

func softplus(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }

func logCosh(x float64) float64 {
	return math.Abs(x) + math.Log1p(math.Exp(-2*math.Abs(x))) - math.Ln2
}

// clamp keeps y from lo to hi; NaN stays.
func clamp(y, lo, hi float64) float64 { return max(lo, min(y, hi)) }

// inside takes the ends of an interval for numbers inside it; what lies outside becomes NaN.
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

// mapTask is Map, or MapBackward as a single row of samples.
type mapTask struct {
	sampleWalk
	increasing
	slope     float64
	x, logdet []float32
	dx        []float32
	dld       float64
	sum       func(v []float32, p int, acc []float32)
}

func (t *mapTask) Do(chunk, worker int) {
	first, last := t.samples(chunk)
	if t.dx != nil {
		t.backward(first, last)
		return
	}
	ls, sums := t.scratch(worker)
	for n := first; n < last; n += t.group() {
		group := min(t.group(), last-n)
		clear(sums[:group])
		for c := range t.C {
			row := c*t.M() + n*t.P
			for lo := row; lo < row+group*t.P; lo += tile {
				hi := min(lo+tile, row+group*t.P)
				for i, x := range t.x[lo:hi] {
					y, l := t.move(float64(x), t.slope)
					t.x[lo+i], ls[i] = float32(y), float32(l)
				}
				t.sum(ls[:hi-lo], min(t.P, hi-lo), sums[:group])
			}
		}
		for j, s := range sums[:group] {
			t.logdet[n+j] += s
		}
	}
}

func (t *mapTask) backward(first, last int) {
	for i := first; i < last; i++ {
		x, slope, bend := t.back(float64(t.x[i]), t.slope)
		t.x[i], t.dx[i] = float32(x), float32(float64(t.dx[i])*slope+t.dld*bend)
	}
}

// mapCost is how much longer than a plain loop a function takes.
const mapCost = 16

func (b *Backend) runMap(r device.Rows, f device.Map, t mapTask) {
	mustFit(f.Func >= 0 && int(f.Func) < len(mapFuncs) && (f.Func != device.LeakyReLUMap || f.Slope > 0))
	t.sampleWalk, t.increasing, t.slope, t.sum = b.newSampleWalk(r, mapCost), mapFuncs[f.Func], float64(f.Slope), b.vec.SegmentSums
	b.elem.maps = t
	b.pool.Run(t.chunks, &b.elem.maps)
}

// Map: x = f(x); logdet[n] += sum_{c,p} log f'(x).
func (b *Backend) Map(r device.Rows, f device.Map, x, logdet device.Buffer) {
	mustFit(x.Len() == r.Len() && logdet.Len() == r.N)
	b.runMap(r, f, mapTask{x: x.Host(), logdet: logdet.Host()})
}

// MapBackward takes (y, dy) to (x, dx).
func (b *Backend) MapBackward(f device.Map, x, dx device.Buffer, dld float32) {
	mustFit(x.Len() == dx.Len())
	if x.Nil() {
		return
	}
	b.runMap(device.Rows{C: 1, N: x.Len(), P: 1}, f, mapTask{x: x.Host(), dx: dx.Host(), dld: float64(dld)})
}
