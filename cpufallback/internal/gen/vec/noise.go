package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// noise is Philox 4x32-10 (device.Philox), one counter a lane, and what makes data of it.
func (m *machine) noise() {
	for _, d := range []struct {
		name, word, args string
		make             func(words vecs)
	}{
		{"uniform", "word w as a uniform number", "", m.uniforms},
		{"normal", "word w as a normal number, times std", ", std float32", m.normals},
		{"logistic", "word w as a logistic number, times scale", ", scale float32", m.logistic},
	} {
		m.philox(d.name+"s", d.args, ": u[4i+w] is "+d.word+", at counter (c0+i, c1, c2, c3).", 0, d.make, m.storeCrosswise)
		m.philox(d.name+"Rows", d.args, ": u[w*len(u)/4 + i] is "+d.word+", at counter (c0, c1+i, c2, c3).", 1, d.make, m.storeRows)
	}
	m.function("dequantize", "(v, u, x []float32, levels float32)", ": x[i] = (v[i]+u[i])/levels - 1/2.")
	v, u, x, n, levels := base("v"), base("u"), base("x"), length("v"), m.arg("levels")
	m.keep("half")
	m.loop("loop", n, 1, func(p at) {
		y := p.load(v)
		VADDPS(p.load(u), y, y)
		VDIVPS(levels, y, y)
		VSUBPS(m.c("half"), y, y)
		p.store(y, x)
	})
	end()
}

// storeCrosswise puts a counter's four words side by side.
func (m *machine) storeCrosswise(u, _ reg.Register, words vecs) {
	for i, r := range m.crosswise(words) { // lane l of r is block 4*l+i
		for l := range m.lanes / 4 {
			to := Mem{Base: u, Disp: 16 * (4*l + i)}
			if m.wide {
				VEXTRACTF32X4(Imm(uint64(l)), r, to)
			} else {
				VEXTRACTF128(Imm(uint64(l)), r, to)
			}
		}
	}
	ADDQ(U32(uint32(16*m.lanes)), u)
}

// storeRows puts each word in a row of its own.
func (m *machine) storeRows(u, row reg.Register, words vecs) {
	p := GP64()
	MOVQ(u, p)
	for w, x := range words {
		VMOVUPS(x, Mem{Base: p})
		if w < 3 {
			ADDQ(row, p)
		}
	}
	ADDQ(Imm(uint64(4*m.lanes)), u)
}

// uniforms makes numbers of [0, 1) of words: device.UniformOf.
func (m *machine) uniforms(words vecs) {
	m.wholes(words)
	multiply(words, m.k("uniformUnit"))
}

// wholes makes whole numbers of the first 24 bits of words.
func (m *machine) wholes(words vecs) {
	for _, w := range words {
		VPSRLD(Imm(8), w, w)
		VCVTDQ2PS(w, w)
	}
}

// normals makes normal numbers of pairs of words by Box and Muller: device.NormalOf.
func (m *machine) normals(words vecs) {
	m.wholes(words)
	std := m.arg("std")
	for pair := range 2 {
		even, odd := words[2*pair:][:1], words[2*pair+1:][:1]
		addTo(even, m.k("one"))
		multiply(even, m.k("uniformUnit"))
		radius := m.logs(even)
		multiply(radius, m.k("minusTwo"))
		VSQRTPS(radius[0], radius[0])
		VMULPS(std, radius[0], radius[0])
		cos, sin := m.circle(odd)
		do(VMULPS, cos, radius, even)
		do(VMULPS, sin, radius, odd)
	}
}

// circle is the cosine and the sine of k*2^-24 of a turn, k a whole number: of what lies beyond the nearest quarter, from -1/8 to 1/8 of
// a turn and exact, and for odd quarters one is the other.
func (m *machine) circle(k vecs) (cos, sin vecs) {
	quarter := m.times(k, m.k("quarterUnit"))
	m.round(quarter)
	angle := m.times(k, m.k("uniformUnit"))
	subProduct(angle, quarter, m.k("quarter"))
	multiply(angle, m.k("turn"))
	a2 := m.times(angle, angle)
	s := m.polynomials(a2, sinConstants)
	multiply(s, a2)
	timesPlus(s, angle, angle)
	c := m.polynomials(a2, cosConstants)
	timesPlus(c, a2, m.k("one"))
	for u := range k {
		number := m.vec()
		VCVTPS2DQ(quarter[u], number)
		odd := m.vec()
		VPSLLD(Imm(31), number, odd)
		cos, sin = append(cos, m.pick(m.negative(odd), s[u], c[u])), append(sin, m.pick(m.negative(odd), c[u], s[u]))
		for _, v := range []vec{sin[u], cos[u]} { // the sine is negative in quarters 2 and 3, the cosine in 1 and 2
			sign := m.vec()
			VPSLLD(Imm(30), number, sign)
			VANDPS(m.c("signBit"), sign, sign)
			VXORPS(sign, v, v)
			VPADDD(m.c("unit"), number, number)
		}
	}
	return cos, sin
}

// logistic makes logistic numbers of words: log u - log(1-u) for u = (k + 1/2) 2^-24, k the first 24 bits. With t = |2u-1|, which a
// float32 holds, it is log((1+t)/(1-t)), and 2t/(1-t) is known exactly enough where that is the logarithm of nearly 1.
func (m *machine) logistic(words vecs) {
	m.wholes(words)
	scale := m.arg("scale")
	for i := range words {
		d := words[i : i+1]
		timesPlus(d, m.fill(1, m.k("two")), m.k("logisticOffset"))
		t := m.times(d, m.k("uniformUnit"))
		do(VANDPS, m.k("noSign"), t, t)
		per := m.inverse(m.minus(m.fill(1, m.k("one")), t))
		n, f := m.logParts(m.times(m.plus(t, m.k("one")), per))
		addTo(t, t)
		m.where(m.compare(equal, n, m.zeros(1)), m.times(t, per), f)
		l := m.logOf(n, f)
		do(VANDPS, m.k("signBit"), d, d)
		do(VXORPS, l, d, d)
		do(VMULPS, same{scale}, d, d)
	}
}

// philox writes a function that fills u with random numbers, of four words for each of len(u)/4 counters, which differ in word moving. make
// makes numbers of the words of as many counters as there are lanes, in place; store puts them down and moves u on, row is the length of u
// over 4, in bytes.
func (m *machine) philox(name, args, doc string, moving int, make func(words vecs), store func(u, row reg.Register, words vecs)) {
	m.function(name, "(u []float32, c0, c1, c2, c3, k0, k1 uint32"+args+")", doc)
	u, n, row := base("u"), length("u"), length("u") // len(u)/4 float32s of 4 bytes
	of := []string{"c0", "c1", "c2", "c3"}
	counter := m.arg(of[moving])
	VPADDD(m.data("laneNumbers", m.lanes, func(i int) uint32 { return uint32(i) }), counter, counter)
	next := m.data("laneCount", m.lanes, func(int) uint32 { return uint32(m.lanes) })
	m.keep("philoxM0", "philoxM1", "philoxW0", "philoxW1")
	odd := m.oddLanes()
	JMP(LabelRef("test"))
	Label("loop")
	var c [4]vec
	for i := range c {
		if i == moving {
			c[i] = m.vec()
			VMOVUPS(counter, c[i])
		} else {
			c[i] = m.arg(of[i]) // again in every round: AVX2 has no registers to keep it
		}
	}
	k := [2]vec{m.arg("k0"), m.arg("k1")}
	for round := range 10 {
		hi0, lo0 := m.product(c[0], m.c("philoxM0"), odd)
		hi1, lo1 := m.product(c[2], m.c("philoxM1"), odd)
		m.xor(hi1, c[1], k[0])
		m.xor(hi0, c[3], k[1])
		c = [4]vec{hi1, lo1, hi0, lo0}
		if round < 9 {
			VPADDD(m.c("philoxW0"), k[0], k[0])
			VPADDD(m.c("philoxW1"), k[1], k[1])
		}
	}
	make(c[:])
	store(u, row, c[:])
	VPADDD(next, counter, counter)
	SUBQ(Imm(uint64(4*m.lanes)), n)
	Label("test")
	CMPQ(n, Imm(uint64(4*m.lanes)))
	JGE(LabelRef("loop"))
	end()
}

// oddLanes is the mask of lanes 1, 3, 5 ... where one is needed.
func (m *machine) oddLanes() reg.OpmaskVirtual {
	if !m.wide {
		return nil
	}
	bits, k := GP32(), K()
	MOVL(U32(0xaaaa), bits)
	KMOVW(bits, k)
	return k
}

// product is a*b in every lane, 64 bits of it. The instruction takes even lanes only.
func (m *machine) product(a vec, b Op, odd reg.OpmaskVirtual) (hi, lo vec) {
	even, next := m.vec(), m.vec()
	VPMULUDQ(b, a, even)
	VPSRLQ(Imm(32), a, next)
	VPMULUDQ(b, next, next)
	hi, lo = m.vec(), m.vec()
	VPSRLQ(Imm(32), even, hi)
	VPSLLQ(Imm(32), next, lo)
	if m.wide {
		VPBLENDMD(next, hi, odd, hi)
		VPBLENDMD(lo, even, odd, lo)
	} else {
		VPBLENDD(Imm(0xaa), next, hi, hi)
		VPBLENDD(Imm(0xaa), lo, even, lo)
	}
	return hi, lo
}

// xor: a ^= b ^ c.
func (m *machine) xor(a, b, c vec) {
	if m.wide {
		VPTERNLOGD(Imm(0x96), c, b, a)
		return
	}
	VPXOR(b, a, a)
	VPXOR(c, a, a)
}

// crosswise transposes 4x4 blocks: lane 4*l+w of the result's register i is lane 4*l+i of x[w].
func (m *machine) crosswise(x vecs) (y [4]vec) {
	var t [4]vec
	for i := range t {
		t[i], y[i] = m.vec(), m.vec()
	}
	VUNPCKLPS(x[1], x[0], t[0])
	VUNPCKHPS(x[1], x[0], t[1])
	VUNPCKLPS(x[3], x[2], t[2])
	VUNPCKHPS(x[3], x[2], t[3])
	VUNPCKLPD(t[2], t[0], y[0])
	VUNPCKHPD(t[2], t[0], y[1])
	VUNPCKLPD(t[3], t[1], y[2])
	VUNPCKHPD(t[3], t[1], y[3])
	return y
}
