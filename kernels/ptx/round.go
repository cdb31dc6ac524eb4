package ptx

import "math"

// exact is a real number that float64 may not hold: the nearest float64, and a number with the sign of what is missing.
// The results of add, mul, fma, div and sqrt on float32 are computed so and rounded once, in any direction.
type exact struct {
	near, rest float64
	cancelled  bool // the zero that opposite terms leave, negative when rounding down and positive otherwise
}

// odd rounds to odd: where the number lies between two float64s, the one whose last bit is 1. Rounding that to a format of
// at most 51 bits of precision gives what rounding the number itself would have given.
func (e exact) odd() float64 {
	if e.rest == 0 || math.IsNaN(e.rest) || math.IsInf(e.near, 0) || math.Float64bits(e.near)&1 == 1 {
		return e.near
	}
	return math.Nextafter(e.near, math.Inf(int(math.Copysign(1, e.rest))))
}

// sum is a + b.
func sum(a, b float64) exact {
	s := a + b
	t := s - a
	return exact{s, (a - (s - t)) + (b - t), s == 0 && math.Signbit(a) != math.Signbit(b)}
}

func quotient(a, b float64) exact {
	q := a / b
	rest := math.FMA(-q, b, a)
	if b < 0 {
		rest = -rest
	}
	return exact{near: q, rest: rest}
}

func root(a float64) exact {
	r := math.Sqrt(a)
	return exact{near: r, rest: math.FMA(-r, r, a)}
}

// rounding says how a real number becomes a float.
type rounding byte

const (
	nearest rounding = iota // to the nearest, ties to even: .rn
	toZero                  // .rz
	down                    // .rm
	up                      // .rp
	away                    // to the nearest, ties away from zero: .rna
)

var roundingOf = map[string]rounding{"": nearest, "rn": nearest, "rz": toZero, "rm": down, "rp": up, "rna": away,
	"rni": nearest, "rzi": toZero, "rmi": down, "rpi": up}

// format is a binary floating-point format.
type format struct {
	mantissa int // bits stored
	exponent int // of the largest number
}

var (
	single   = format{23, 127}
	half     = format{10, 15}
	brain    = format{7, 127}
	tensor32 = format{10, 127}
)

// round takes v to the nearest number of a format, in the way asked. The result is again a float64.
func (f format) round(v float64, how rounding) float64 {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	_, e := math.Frexp(v) // |v| in [2^(e-1), 2^e)
	step := max(e-1, 1-f.exponent) - f.mantissa
	r := math.Ldexp(integral(math.Ldexp(v, -step), how), step)
	if largest := math.Ldexp(2-math.Ldexp(1, -f.mantissa), f.exponent); math.Abs(r) > largest {
		if how == toZero || how == down && v > 0 || how == up && v < 0 {
			return math.Copysign(largest, v)
		}
		return math.Inf(int(math.Copysign(1, v)))
	}
	return math.Copysign(r, v)
}

// integral takes v to an integer.
func integral(v float64, how rounding) float64 {
	switch how {
	case toZero:
		return math.Trunc(v)
	case down:
		return math.Floor(v)
	case up:
		return math.Ceil(v)
	case away:
		return math.Round(v)
	}
	return math.RoundToEven(v)
}

// float32 rounds the number to single precision.
func (e exact) float32(how rounding) float32 {
	switch {
	case how == nearest:
		return float32(e.odd())
	case how == down && e.cancelled:
		return float32(math.Copysign(0, -1))
	}
	return float32(single.round(e.odd(), how))
}

// flush is .ftz: a subnormal becomes zero, with its sign.
func flush(v float32) float32 {
	if v != 0 && math.Abs(float64(v)) < 0x1p-126 {
		return float32(math.Copysign(0, float64(v)))
	}
	return v
}

// saturate is .sat: into [0, 1], NaN to 0.
func saturate(v float32) float32 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}

func f32(v uint64) float32     { return math.Float32frombits(uint32(v)) }
func f64(v uint64) float64     { return math.Float64frombits(v) }
func bits32(v float32) uint64  { return uint64(math.Float32bits(v)) }
func brain32(v uint64) float32 { return math.Float32frombits(uint32(v) << 16) }

// halfToFloat widens an IEEE half.
func halfToFloat(v uint64) float64 {
	sign, e, m := 1-2*float64(v>>15&1), int(v>>10&31), float64(v&1023)
	switch e {
	case 0:
		return sign * math.Ldexp(m, -24)
	case 31:
		if m != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+m, e-25)
}

// halfBits packs a number that the format holds.
func halfBits(v float64) uint64 {
	sign := uint64(0)
	if math.Signbit(v) {
		sign = 1 << 15
	}
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return 0x7fff
	case math.IsInf(v, 0):
		return sign | 31<<10
	case a < 0x1p-14:
		return sign | uint64(a*0x1p24)
	}
	frac, e := math.Frexp(a)
	return sign | uint64(e+14)<<10 | uint64(frac*2048)&1023
}
