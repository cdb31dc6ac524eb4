package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// The kernels of this file are for operands with few rows, where a tile would spend its time on beginning and ending.

// maxFew is how many terms a sum of few has, at most.
const maxFew = 4

// narrow writes them. On arm64 nobody has measured that they pay.
func (m *machine) narrow() {
	if m.arm {
		return
	}
	for terms := 1; terms <= maxFew; terms++ {
		m.few(terms)
	}
	for rows := 1; rows <= m.dotRows; rows++ {
		m.cross(rows)
	}
}

// fetches is a flag of few's own: there is something to fetch, with every row as much as it stores.
const fetches = 1 << 8

// few is tile for sums of few terms: what B has of two vectors of columns stays in registers, and rows of C are blocks of one.
func (m *machine) few(terms int) {
	m.function(fmt.Sprintf("few%d", terms), "(a *tileArgs)", fmt.Sprintf("does rows of two vectors, sums of %d terms.", terms))
	a := args(tileFields...)
	b, bVec := a.load("B"), a.floats("BVec")
	var held [maxFew][vectors]vec
	for k := range terms {
		for j := range vectors {
			held[k][j] = m.vec()
			VMOVUPS(m.besides(b, bVec, j, k*m.bytes()), held[k][j])
		}
	}
	w, wNext, col := a.load("A"), a.floats("ABlk"), a.floats("Col")
	at := newRows(terms, col)
	c, cNext, gap, old := a.load("C"), a.floats("CBlk"), a.floats("CGap"), a.load("Old")
	bias, sums := a.load("Bias"), a.load("Sums")
	flags, n := a.load("Flags"), a.load("Blocks")
	zero := m.zero()
	ahead := a.floats("AheadAt")
	ADDQ(a.mem("Ahead"), ahead)
	CMPQ(a.mem("AheadLines"), U8(0))
	JE(LabelRef("row"))
	ORQ(U32(fetches), flags)

	Label("row")
	unless := func(flag int, label string) {
		TESTQ(U32(flag), flags)
		JZ(LabelRef(label))
	}
	unless(fetches, "nothingAhead")
	for at := 0; at < vectors*m.bytes(); at += 64 {
		PREFETCHT1(Mem{Base: ahead, Disp: at})
	}
	ADDQ(U32(uint32(vectors*m.bytes())), ahead)
	Label("nothingAhead")
	sum := [vectors]vec{m.vec(), m.vec()}
	for k := range terms {
		x := m.vec()
		VBROADCASTSS(at.near(w, k), x)
		for j, v := range sum {
			if k == 0 {
				VMULPS(held[k][j], x, v)
			} else {
				m.multiplyAdd(held[k][j], x, v)
			}
		}
	}
	ADDQ(wNext, w)
	unless(flagAddBias, "noBias")
	x := m.vec()
	VBROADCASTSS(Mem{Base: bias}, x)
	ADDQ(U8(4), bias)
	for _, v := range sum {
		VADDPS(x, v, v)
	}
	Label("noBias")
	unless(flagReLU, "noReLU")
	for _, v := range sum {
		VMAXPS(v, zero, v) // NaN if v is
	}
	Label("noReLU")
	unless(flagMask, "noMask")
	for j, v := range sum {
		o := m.vec()
		VMOVUPS(m.vectorOf(old, gap, j), o)
		m.keepPositive(o, zero, v)
	}
	ADDQ(cNext, old)
	Label("noMask")
	unless(flagSumRows, "noSums")
	both := m.vec()
	VADDPS(sum[0], sum[1], both)
	VADDPS(Mem{Base: sums}, both, both)
	VMOVUPS(both, Mem{Base: sums})
	ADDQ(U8(m.bytes()), sums)
	Label("noSums")
	for j, v := range sum {
		VMOVUPS(v, m.vectorOf(c, gap, j))
	}
	ADDQ(cNext, c)
	DECQ(n)
	JNZ(LabelRef("row"))
	end()
}

// cross is C[i,j] += sum_k X[i,k] Y[j,k] for n rows of panels X and, group after group, four of panels Y. Every lane sums its own k.
func (m *machine) cross(n int) {
	m.function(fmt.Sprintf("cross%d", n), "(x, y, c []float32, xVec, yVec, cRow, groups, vecs int)", fmt.Sprintf("does %d rows of X.", n))
	x, y, c := GP64(), GP64(), GP64()
	xVec, yVec, cRow, groups := GP64(), GP64(), GP64(), GP64()
	Load(Param("x").Base(), x)
	Load(Param("y").Base(), y)
	Load(Param("c").Base(), c)
	for i, r := range []gp{xVec, yVec, cRow} {
		Load(Param([]string{"xVec", "yVec", "cRow"}[i]), r)
		SHLQ(U8(2), r)
	}
	Load(Param("groups"), groups)
	acc := make([][4]vec, n)
	for i := range acc {
		for j := range acc[i] {
			acc[i][j] = m.vec()
		}
	}
	Label("group")
	for i := range acc {
		for _, v := range acc[i] {
			m.clear(v)
		}
	}
	xp, yp, k := GP64(), GP64(), GP64()
	MOVQ(x, xp)
	MOVQ(y, yp)
	Load(Param("vecs"), k)
	Label("k")
	held, passing := make([]vec, n), m.vec()
	for i := range held {
		held[i] = m.vec()
		VMOVUPS(Mem{Base: xp, Disp: i * m.bytes()}, held[i])
	}
	for j := range 4 {
		VMOVUPS(Mem{Base: yp, Disp: j * m.bytes()}, passing)
		for i := range n {
			m.multiplyAdd(passing, held[i], acc[i][j])
		}
	}
	ADDQ(xVec, xp)
	ADDQ(yVec, yp)
	DECQ(k)
	JNZ(LabelRef("k"))
	cp := GP64()
	MOVQ(c, cp)
	for i := range acc {
		s := m.sumFour(acc[i])
		VADDPS(Mem{Base: cp}, s, s)
		VMOVUPS(s, Mem{Base: cp})
		if i < n-1 {
			ADDQ(cRow, cp)
		}
	}
	ADDQ(U8(16), c)
	ADDQ(U32(uint32(4*m.bytes())), y)
	DECQ(groups)
	JNZ(LabelRef("group"))
	end()
}
