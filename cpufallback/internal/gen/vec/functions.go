package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// constants are the bits of what the functions use.
var constants = map[string]uint32{
	"one":         bits(1),
	"two":         bits(2),
	"half":        bits(0.5),
	"four":        bits(4),
	"signBit":     1 << 31,
	"noSign":      1<<31 - 1,
	"expLow":      bits(-104), // exp is 0 from here down, and infinite from expHigh up
	"expHigh":     bits(89),
	"expTiny":     bits(-87), // the last whole number where 2^n is a normal float32
	"philoxM0":    0xD2511F53,
	"philoxM1":    0xCD9E8D57,
	"philoxW0":    0x9E3779B9,
	"philoxW1":    0xBB67AE85,
	"uniformUnit": bits(0x1p-24),
	"bias":        127,
	"log2e":       bits(math.Log2E),
	"ln2High":     bits(0.693359375), // 9 bits: n*ln2High is exact
	"ln2Low":      bits(-2.12194440e-4),
	"exp2":        bits(5.0000001201e-1), // exp(r) = 1 + r + r^2 (exp2 + exp3 r + ...): Cephes, expf
	"exp3":        bits(1.6666665459e-1),
	"exp4":        bits(4.1665795894e-2),
	"exp5":        bits(8.3334519073e-3),
	"exp6":        bits(1.3981999507e-3),
	"exp7":        bits(1.9875691500e-4),
	"sqrt2Less1":  bits(math.Sqrt2 - 1),
	"sqrtHalf":    bits(math.Sqrt2 / 2),
	"mantissa":    1<<23 - 1,
	"minusInf":    bits(math.Inf(-1)),
	"log3":        bits(3.3333331174e-1), // log(1+f) = f - f^2/2 + f^3 (log3 + log4 f + ...): Cephes, logf
	"log4":        bits(-2.4999993993e-1),
	"log5":        bits(2.0000714765e-1),
	"log6":        bits(-1.6668057665e-1),
	"log7":        bits(1.4249322787e-1),
	"log8":        bits(-1.2420140846e-1),
	"log9":        bits(1.1676998740e-1),
	"log10":       bits(-1.1514610310e-1),
	"log11":       bits(7.0376836292e-2),
}

func bits(x float64) uint32 { return math.Float32bits(float32(x)) }

var (
	expConstants = []string{"log2e", "ln2High", "ln2Low", "exp7", "exp6", "exp5", "exp4", "exp3", "exp2"}
	logConstants = []string{"log11", "log10", "log9", "log8", "log7", "log6", "log5", "log4", "log3"}
)

// polynomial is the value at r of the polynomial with these coefficients, the highest power first.
func (m *machine) polynomial(r vec, coefficients []string) vec {
	p := m.vec()
	VMOVUPS(m.c(coefficients[0]), p)
	for _, c := range coefficients[1:] {
		VFMADD213PS(m.c(c), r, p)
	}
	return p
}

// expParts splits exp(x) = 2^n * (1+p), n whole, |p| < 0.42, with p relatively exact near x = 0.
func (m *machine) expParts(x vec) (n, p vec) {
	n, r := m.vec(), m.vec()
	VMULPS(m.c("log2e"), x, n)
	if m.wide {
		VRNDSCALEPS(Imm(8), n, n)
	} else {
		VROUNDPS(Imm(8), n, n)
	}
	VMOVAPS(x, r)
	VFNMADD231PS(m.c("ln2High"), n, r)
	VFNMADD231PS(m.c("ln2Low"), n, r)
	p = m.polynomial(r, expConstants[3:])
	r2 := m.vec()
	VMULPS(r, r, r2)
	VFMADD213PS(r, r2, p)
	return n, p
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
	x1 := m.vec()
	VMAXPS(x, m.reg("expTiny"), x1)
	n, p := m.expParts(x1)
	power = m.vec()
	if m.wide {
		VSCALEFPS(n, m.reg("one"), power)
	} else {
		VCVTPS2DQ(n, power)
		VPSLLD(Imm(23), power, power)
		VPADDD(m.c("one"), power, power) // adds n to the exponent of 1
	}
	return p, power
}

// minusAbs is -|x|.
func (m *machine) minusAbs(x vec) vec {
	y := m.vec()
	VORPS(m.c("signBit"), x, y)
	return y
}

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
func (m *machine) log1p(q vec) vec {
	far := m.vec()
	VSUBPS(m.c("one"), q, far)
	VMULPS(m.c("half"), far, far)
	large := m.above(q, m.c("sqrt2Less1"))
	f := m.pick(large, far, q)
	y := m.polynomial(f, logConstants)
	f2, f3 := m.vec(), m.vec()
	VMULPS(f, f, f2)
	VMULPS(f, f2, f3)
	VMULPS(f3, y, y)
	VFNMADD231PS(m.c("half"), f2, y)
	m.addWhere(large, "ln2Low", y)
	VADDPS(f, y, y)
	m.addWhere(large, "ln2High", y)
	return y
}
