package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// constants are the bits of what the functions use.
var constants = map[string]uint32{
	"one":            bits(1),
	"two":            bits(2),
	"half":           bits(0.5),
	"four":           bits(4),
	"signBit":        1 << 31,
	"noSign":         1<<31 - 1,
	"expLow":         bits(-104), // exp is 0 from here down, and infinite from expHigh up
	"expHigh":        bits(89),
	"expTiny":        bits(-87), // the last whole number where 2^n is a normal float32
	"philoxM0":       0xD2511F53,
	"philoxM1":       0xCD9E8D57,
	"philoxW0":       0x9E3779B9,
	"philoxW1":       0xBB67AE85,
	"uniformUnit":    bits(0x1p-24),
	"minSlope":       bits(1e-3),
	"perLogScale":    bits(0.25 / math.Ln10), // of an AffineCurve
	"minusOne":       bits(-1),
	"plusInf":        bits(math.Inf(1)),
	"expLarge":       bits(87),
	"leastLogit":     bits(-80),
	"mixtureFloor":   bits(1. / 1024),
	"near":           bits(1e-7),
	"minusTwo":       bits(-2),
	"quarter":        bits(0.25),
	"quarterUnit":    bits(0x1p-22),
	"turn":           bits(2 * math.Pi),
	"unit":           1,
	"sin3":           bits(-1.6666654611e-1), // sin(a) = a + a^3 (sin3 + sin5 a^2 + ...), within 1/8 of a turn: Cephes, sinf
	"sin5":           bits(8.3321608736e-3),
	"sin7":           bits(-1.9515295891e-4),
	"cos2":           bits(-0.5), // cos(a) = 1 + a^2 (cos2 + cos4 a^2 + ...): Cephes, cosf
	"cos4":           bits(4.166664568298827e-2),
	"cos6":           bits(-1.388731625493765e-3),
	"cos8":           bits(2.443315711809948e-5),
	"logisticOffset": bits(1 - 1<<24),
	"bias":           127,
	"log2e":          bits(math.Log2E),
	"ln2High":        bits(0.693359375), // 9 bits: n*ln2High is exact
	"ln2Low":         bits(-2.12194440e-4),
	"exp2":           bits(5.0000001201e-1), // exp(r) = 1 + r + r^2 (exp2 + exp3 r + ...): Cephes, expf
	"exp3":           bits(1.6666665459e-1),
	"exp4":           bits(4.1665795894e-2),
	"exp5":           bits(8.3334519073e-3),
	"exp6":           bits(1.3981999507e-3),
	"exp7":           bits(1.9875691500e-4),
	"sqrt2Less1":     bits(math.Sqrt2 - 1),
	"sqrtHalf":       bits(math.Sqrt2 / 2),
	"mantissa":       1<<23 - 1,
	"minusInf":       bits(math.Inf(-1)),
	"log3":           bits(3.3333331174e-1), // log(1+f) = f - f^2/2 + f^3 (log3 + log4 f + ...): Cephes, logf
	"log4":           bits(-2.4999993993e-1),
	"log5":           bits(2.0000714765e-1),
	"log6":           bits(-1.6668057665e-1),
	"log7":           bits(1.4249322787e-1),
	"log8":           bits(-1.2420140846e-1),
	"log9":           bits(1.1676998740e-1),
	"log10":          bits(-1.1514610310e-1),
	"log11":          bits(7.0376836292e-2),
	"geluLinear":     bits(2 * 0.79788456080286535588), // 2u = x*(geluLinear + geluCubic*x^2), see gelu of package nn
	"geluCubic":      bits(2 * 0.79788456080286535588 * 0.044715),
	"geluSlope":      bits(2 * 0.79788456080286535588 * 0.044715 * 3),
}

func bits(x float64) uint32 { return math.Float32bits(float32(x)) }

var (
	expConstants = []string{"log2e", "ln2High", "ln2Low", "exp7", "exp6", "exp5", "exp4", "exp3", "exp2"}
	sinConstants = []string{"sin7", "sin5", "sin3"}
	cosConstants = []string{"cos8", "cos6", "cos4", "cos2"}
	logConstants = []string{"log11", "log10", "log9", "log8", "log7", "log6", "log5", "log4", "log3"}
)

// polynomial is the value at r of the polynomial with these coefficients, the highest power first.
func (m *machine) polynomial(r vec, coefficients []string) vec {
	return m.polynomials(vecs{r}, coefficients)[0]
}

func (m *machine) polynomials(r vecs, coefficients []string) vecs {
	p := m.fill(len(r), m.k(coefficients[0]))
	for _, c := range coefficients[1:] {
		timesPlus(p, r, m.k(c))
	}
	return p
}

// expParts splits exp(x) = 2^n * (1+p), n whole, |p| < 0.42, with p relatively exact near x = 0.
func (m *machine) expParts(x vec) (n, p vec) {
	ns, ps := m.expsParts(vecs{x})
	return ns[0], ps[0]
}

func (m *machine) expsParts(x vecs) (n, p vecs) {
	n = m.times(x, m.k("log2e"))
	m.round(n)
	r := m.fill(len(x), x)
	subProduct(r, n, m.k("ln2High"))
	subProduct(r, n, m.k("ln2Low"))
	p = m.polynomials(r, expConstants[3:])
	timesPlus(p, m.times(r, r), r)
	return n, p
}

// round makes whole numbers, the nearest.
func (m *machine) round(x vecs) {
	for _, x := range x {
		if m.wide {
			VRNDSCALEPS(Imm(8), x, x)
		} else {
			VROUNDPS(Imm(8), x, x)
		}
	}
}

// exp is exp(x) for every x, about 1 ulp.
func (m *machine) exp(x vec) vec {
	x1, x2 := m.vec(), m.vec()
	VMAXPS(x, m.reg("expLow"), x1) // of NaN and a number, the first operand (Intel's last) comes out: NaN stays
	VMINPS(x1, m.reg("expHigh"), x2)
	n, p := m.expParts(x2)
	if m.wide {
		VADDPS(m.c("one"), p, p)
		VSCALEFPS(n, p, p)
		return p
	}
	// 2^n does not fit into a float32 for all n; 2^(n/2) does.
	whole, half, rest := m.vec(), m.vec(), m.vec()
	VCVTPS2DQ(n, whole)
	VPSRAD(Imm(1), whole, half)
	VPSUBD(half, whole, rest)
	for _, e := range []vec{half, rest} {
		VPADDD(m.c("bias"), e, e)
		VPSLLD(Imm(23), e, e)
	}
	VADDPS(m.c("one"), p, p)
	VMULPS(half, p, p)
	VMULPS(rest, p, p)
	return p
}

// expNegative gives exp(x), not below exp(-87), as power*(1+p), for x <= 0.
func (m *machine) expNegative(x vec) (p, power vec) {
	ps, powers := m.expNegatives(vecs{x})
	return ps[0], powers[0]
}

func (m *machine) expNegatives(x vecs) (p, power vecs) {
	x1 := make(vecs, len(x))
	for u := range x {
		x1[u] = m.vec()
		VMAXPS(x[u], m.reg("expTiny"), x1[u])
	}
	n, p := m.expsParts(x1)
	return p, m.powers(n)
}

// powers are 2^n for whole n from -126 to 127.
func (m *machine) powers(n vecs) vecs {
	power := make(vecs, len(n))
	for u := range n {
		power[u] = m.vec()
		if m.wide {
			VSCALEFPS(n[u], m.reg("one"), power[u])
		} else {
			VCVTPS2DQ(n[u], power[u])
			VPSLLD(Imm(23), power[u], power[u])
			VPADDD(m.c("one"), power[u], power[u]) // adds n to the exponent of 1
		}
	}
	return power
}

// exps are exp(x) for x from -87 to 87.
func (m *machine) exps(x vecs) vecs {
	n, p := m.expsParts(x)
	power := m.powers(n)
	timesPlus(p, power, power)
	return p
}

// minusAbs is -|x|.
func (m *machine) minusAbs(x vec) vec { return m.minusAbses(vecs{x})[0] }

func (m *machine) minusAbses(x vecs) vecs { return m.new(VORPS, m.k("signBit"), x, len(x)) }

// fma is a*b + c in a new register.
func (m *machine) fma(a, b, c vec) vec {
	v := m.vec()
	VMOVAPS(c, v)
	VFMADD231PS(a, b, v)
	return v
}

// tanhParts gives n and d with tanh(u) = n/d, relatively exact for small u too, and p, power with d = 1 + power*(1+p).
// With q = exp(-2|u|) it is tanh(|u|) = (1-q)/(1+q), and q-1 = power*p + (power-1) loses nothing.
func (m *machine) tanhParts(u vec) (n, d, p, power vec) {
	x := m.minusAbs(u)
	VADDPS(x, x, x)
	p, power = m.expNegative(x)
	less1 := m.vec()
	VSUBPS(m.c("one"), power, less1)
	VFMADD231PS(p, power, less1)
	d = m.vec()
	VADDPS(m.c("two"), less1, d)
	n, sign := m.vec(), m.vec()
	VANDPS(m.c("noSign"), less1, n)
	VANDPS(m.c("signBit"), u, sign)
	VORPS(sign, n, n)
	return n, d, p, power
}

// log1p is log(1+q) for 0 <= q <= 1. Where 1+q is above sqrt(2) it is log(2) + log(1+f) with f = (q-1)/2, else f = q.
func (m *machine) log1p(q vec) vec { return m.log1ps(vecs{q})[0] }

func (m *machine) log1ps(q vecs) vecs {
	f := m.minus(q, m.k("one"))
	multiply(f, m.k("half"))
	large := m.compare(above, q, m.k("sqrt2Less1"))
	for u := range f {
		f[u] = m.pick(large[u], f[u], q[u])
	}
	y := m.polynomials(f, logConstants)
	f2 := m.times(f, f)
	multiply(y, m.times(f2, f))
	subProduct(y, f2, m.k("half"))
	for u := range y {
		m.addWhere(large[u], "ln2Low", y[u])
	}
	addTo(y, f)
	for u := range y {
		m.addWhere(large[u], "ln2High", y[u])
	}
	return y
}

// log is log(x) of normal float32s; minus infinity of 0 and below; NaN of NaN and of infinity. x = 2^n * (1+f), 1+f within
// sqrt(2) of 1.
func (m *machine) log(x vec) vec { return m.logs(vecs{x})[0] }

func (m *machine) logs(x vecs) vecs {
	y := m.logOf(m.logParts(x))
	l := m.fill(len(x), m.k("minusInf"))
	m.where(m.compare(above, x, m.zeros(len(x))), y, l)
	addTo(l, m.minus(x, x)) // NaN where x is not finite
	return l
}

// logParts splits a normal float32 above 0 into 2^n * (1+f), 1+f within sqrt(2) of 1.
func (m *machine) logParts(x vecs) (n, f vecs) {
	n = m.new(VPSUBD, m.k("sqrtHalf"), x, len(x))
	f = m.new(VANDPS, m.k("mantissa"), n, len(n))
	do(VPADDD, m.k("sqrtHalf"), f, f)
	for _, n := range n {
		VPSRAD(Imm(23), n, n)
		VCVTDQ2PS(n, n)
	}
	subFrom(f, m.k("one"))
	return n, f
}

// logOf is n log 2 + log(1+f).
func (m *machine) logOf(n, f vecs) vecs {
	y := m.polynomials(f, logConstants)
	f2 := m.times(f, f)
	multiply(y, m.times(f2, f))
	subProduct(y, f2, m.k("half"))
	addProduct(y, n, m.k("ln2Low"))
	addTo(y, f)
	addProduct(y, n, m.k("ln2High"))
	return y
}
