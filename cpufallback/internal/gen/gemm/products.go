package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// Flags of tileArgs and foldArgs.
const (
	flagAddD = 1 << iota
	flagAddBias
	flagReLU
	flagMask
	flagSumRows
)

// panelLines is how many lines a block of a panels kernel fetches in each segment.
const panelLines = 4

// tileFields are those of tileArgs.
var tileFields = []string{
	"A[]", "Row", "Col", "Seg", "Segs", "K", "B[]", "BVec", "C[]", "CRow", "CGap", "Old[]", "D[]", "DRow", "Bias[]", "Sums[]", "Flags", "Cols",
	"Blocks", "ABlk", "CBlk", "DBlk", "BiasBlk", "SumsBlk", "Ahead[]", "AheadAt", "AheadRow", "AheadLines",
	"aSeg", "aCur", "cCur", "oldCur", "dCur", "biasCur", "sumsCur", "segs", "blocks", "aheadCur", "lines",
}

// tile is C = act(bias + D + A B) for n rows of nv vectors, block after block. The accumulators stay in registers over the
// whole sum: at every k, nv vectors of B meet one float32 of every row of A.
func (m *machine) tile(n, nv int) {
	m.function(fmt.Sprintf("tile%dx%d", n, nv), "(a *tileArgs)", fmt.Sprintf("does %d rows of %d vectors.", n, nv))
	m.tileBlocks(n, nv, false)
}

// panels is tile where A is panels, each row of a segment a vector: a segment is unrolled.
func (m *machine) panels(n, nv int) {
	m.function(fmt.Sprintf("panels%dx%d", n, nv), "(a *tileArgs)", fmt.Sprintf("does %d rows of %d vectors, A being panels.", n, nv))
	m.tileBlocks(n, nv, true)
}

func (m *machine) tileBlocks(n, nv int, panels bool) {
	a := args(tileFields...)
	var rowsA rows
	var col gp
	if !panels {
		rowsA, col = newRows(n, a.floats("Row")), a.floats("Col")
	}
	bVec := GP64()
	if nv > 1 {
		MOVQ(a.mem("BVec"), bVec)
		SHLQ(U8(2), bVec)
	}
	for _, v := range [][2]string{{"A", "aCur"}, {"C", "cCur"}, {"Old", "oldCur"}, {"D", "dCur"}, {"Bias", "biasCur"}, {"Sums", "sumsCur"}, {"Blocks", "blocks"}, {"AheadLines", "lines"}} {
		a.store(a.load(v[0]), v[1])
	}
	ahead := a.floats("AheadAt")
	ADDQ(a.mem("Ahead"), ahead)
	a.store(ahead, "aheadCur")
	acc := make([][]vec, n)
	for i := range acc {
		for range nv {
			acc[i] = append(acc[i], m.vec())
		}
	}

	// The tile of C is wanted at the end of its block, and may take longer to come than the block takes.
	fetch := func(c gp) {
		cRow, gap := a.floats("CRow"), a.floats("CGap")
		for i := range n {
			PREFETCHT0(Mem{Base: c})
			if nv > 1 {
				PREFETCHT0(m.vectorOf(c, gap, nv-1))
			}
			if i < n-1 {
				ADDQ(cRow, c)
			}
		}
	}
	fetch(a.load("C"))

	Label("block")
	for i := range acc {
		for _, v := range acc[i] {
			m.clear(v)
		}
	}
	c := a.floats("CBlk")
	ADDQ(a.mem("cCur"), c)
	fetch(c)
	// The first blocks fetch what is needed next, some lines of each of its rows.
	aheadRow := a.floats("AheadRow")
	MOVQ(a.mem("aheadCur"), ahead)
	if panels {
		ADDQ(U32(64*panelLines), a.mem("aheadCur"))
	} else {
		ADDQ(U8(64), a.mem("aheadCur"))
	}
	DECQ(a.mem("lines"))
	JGE(LabelRef("fetch"))
	MOVQ(a.mem("B"), ahead)
	XORQ(aheadRow, aheadRow)
	Label("fetch")
	if panels {
		m.panelSegments(a, acc, bVec, ahead, aheadRow)
		m.nextBlock(a, acc)
		return
	}
	a.store(a.load("aCur"), "aSeg")
	a.store(a.load("Segs"), "segs")
	b, k := a.load("B"), GP64()

	Label("segment")
	rowsA.from(a.mem("aSeg"))
	next := a.floats("Seg")
	ADDQ(next, a.mem("aSeg"))
	ADDQ(rowsA.p[0], next)
	for i := 0; i < n; i += 64 / m.bytes() { // rows of panels lie side by side
		PREFETCHT0(rowsA.near(next, i))
	}
	MOVQ(a.mem("K"), k)
	Label("k")
	bv := make([]vec, nv)
	for j := range bv {
		bv[j] = m.vec()
		at := Mem{Base: b}
		if j > 0 {
			at.Index, at.Scale = bVec, 1
		}
		VMOVUPS(at, bv[j])
	}
	ADDQ(U8(m.bytes()), b)
	PREFETCHT1(Mem{Base: ahead})
	ADDQ(aheadRow, ahead)
	for i := range n {
		if nv == 1 && m.wide && !m.halves {
			VFMADD231PS_BCST(rowsA.at(i), bv[0], acc[i][0])
			continue
		}
		x := m.vec()
		VBROADCASTSS(rowsA.at(i), x)
		for j := range nv {
			m.multiplyAdd(bv[j], x, acc[i][j])
		}
	}
	rowsA.step(col)
	DECQ(k)
	JNZ(LabelRef("k"))
	DECQ(a.mem("segs"))
	JNZ(LabelRef("segment"))
	m.nextBlock(a, acc)
}

// panelSegments is the sum of a tile over the segments of A, the rows of which are vectors side by side.
func (m *machine) panelSegments(a block, acc [][]vec, bVec, ahead, aheadRow gp) {
	const near = 128 // bytes of a segment that lie before where a register points: all else is within reach of a short instruction
	p, b, seg, segs := a.load("aCur"), a.load("B"), a.floats("Seg"), a.load("Segs")
	ADDQ(U8(near), p)
	Label("segment")
	next, soon := GP64(), GP64()
	LEAQ(Mem{Base: p, Index: seg, Scale: 1}, next)
	LEAQ(Mem{Base: next, Disp: -near}, soon)
	block := a.floats("ABlk") // after the last segment comes the first of the next block
	ADDQ(a.mem("aCur"), block)
	CMPQ(segs, U8(1))
	CMOVQEQ(block, soon)
	for i := 0; i < len(acc); i += 64 / m.bytes() {
		PREFETCHT0(Mem{Base: soon, Disp: i * m.bytes()})
	}
	for k := range m.lanes {
		if per := m.lanes / panelLines; k%per == per/2 {
			PREFETCHT1(Mem{Base: ahead, Disp: 64 * (k / per)})
		}
		bv := make([]vec, len(acc[0]))
		for j := range bv {
			bv[j] = m.vec()
			VMOVUPS(m.besides(b, bVec, j, k*m.bytes()), bv[j])
		}
		for i := range acc {
			x := m.vec()
			VBROADCASTSS(Mem{Base: p, Disp: i*m.bytes() + 4*k - near}, x)
			for j := range bv {
				m.multiplyAdd(bv[j], x, acc[i][j])
			}
		}
	}
	MOVQ(next, p)
	ADDQ(U32(uint32(m.lanes*m.bytes())), b)
	ADDQ(aheadRow, ahead)
	DECQ(segs)
	JNZ(LabelRef("segment"))
}

// besides is a vector of B, or the one besides it.
func (m *machine) besides(b, bVec gp, j, disp int) Mem {
	at := Mem{Base: b, Disp: disp}
	if j > 0 {
		at.Index, at.Scale = bVec, 1
	}
	return at
}

// nextBlock ends a block of rows, and goes on to the next.
func (m *machine) nextBlock(a block, acc [][]vec) {
	m.tileEnd(a, acc)

	ADDQ(a.floats("ABlk"), a.mem("aCur"))
	ADDQ(a.floats("CBlk"), a.mem("cCur"))
	ADDQ(a.floats("CBlk"), a.mem("oldCur"))
	ADDQ(a.floats("DBlk"), a.mem("dCur"))
	ADDQ(a.floats("BiasBlk"), a.mem("biasCur"))
	ADDQ(a.floats("SumsBlk"), a.mem("sumsCur"))
	DECQ(a.mem("blocks"))
	JNZ(LabelRef("block"))
	end()
}

// tileEnd finishes and stores the accumulators.
func (m *machine) tileEnd(a block, acc [][]vec) {
	flags := a.load("Flags")
	cols := a.load("Cols")
	in := make([]cond, len(acc[0]))
	for j := range in {
		in[j] = m.firstLanes(cols)
		if j < len(in)-1 {
			SUBQ(U8(m.lanes), cols)
		}
	}
	unless := func(flag int, label string) {
		TESTQ(U32(flag), flags)
		JZ(LabelRef(label))
	}

	unless(flagAddD, "noD")
	d, dRow := a.load("dCur"), a.floats("DRow")
	for i := range acc {
		for j, v := range acc[i] {
			old := m.vec()
			m.load(Mem{Base: d, Disp: j * m.bytes()}, in[j], old)
			VADDPS(old, v, v)
		}
		ADDQ(dRow, d)
	}
	Label("noD")
	unless(flagAddBias, "noBias")
	bias := a.load("biasCur")
	for i := range acc {
		x := m.vec()
		VBROADCASTSS(Mem{Base: bias, Disp: 4 * i}, x)
		for _, v := range acc[i] {
			VADDPS(x, v, v)
		}
	}
	Label("noBias")
	unless(flagReLU, "noReLU")
	zero := m.zero()
	for i := range acc {
		for _, v := range acc[i] {
			VMAXPS(v, zero, v) // NaN if v is
		}
	}
	Label("noReLU")
	c, cRow, gap := a.load("cCur"), a.floats("CRow"), a.floats("CGap")
	unless(flagMask, "noMask")
	o := a.load("oldCur")
	zero = m.zero()
	for i := range acc {
		for j, v := range acc[i] {
			old := m.vec()
			m.load(m.vectorOf(o, gap, j), in[j], old)
			m.keepPositive(old, zero, v)
		}
		ADDQ(cRow, o)
	}
	Label("noMask")
	unless(flagSumRows, "noSums")
	sums := a.load("sumsCur")
	for i := range acc {
		at := Mem{Base: sums, Disp: i * m.bytes()}
		sum := m.vec()
		VADDPS(at, acc[i][0], sum)
		for _, v := range acc[i][1:] {
			VADDPS(v, sum, sum)
		}
		VMOVUPS(sum, at)
	}
	Label("noSums")
	if !m.wide { // masked stores are slow on processors that have nothing better than AVX2
		CMPQ(a.mem("Cols"), U8(len(in)*m.lanes))
		JNE(LabelRef("partial"))
		whole := a.load("cCur")
		for i := range acc {
			for j, v := range acc[i] {
				VMOVUPS(v, m.vectorOf(whole, gap, j))
			}
			ADDQ(cRow, whole)
		}
		JMP(LabelRef("stored"))
		Label("partial")
		defer Label("stored")
	}
	for i := range acc {
		for j, v := range acc[i] {
			m.store(v, in[j], m.vectorOf(c, gap, j))
		}
		ADDQ(cRow, c)
	}
}

// vectorOf is vector j of a row, there being at most two, with a gap between them.
func (m *machine) vectorOf(row, gap gp, j int) Mem {
	if j == 0 {
		return Mem{Base: row}
	}
	return Mem{Base: row, Index: gap, Scale: 1, Disp: m.bytes()}
}

// keepPositive clears the lanes of v where old is not above 0.
func (m *machine) keepPositive(old, zero, v vec) {
	const greater = 0x1e // ordered, quiet
	if m.wide {
		k := K()
		VCMPPS(U8(greater), zero, old, k)
		VMOVAPS_Z(v, k, v)
		return
	}
	VCMPPS(U8(greater), zero, old, old)
	VANDPS(old, v, v)
}

// dots is C[i,j] += sum_k X[i,k] Y[j,k] for n rows of X and, group after group, four of Y. Every lane sums its own k.
func (m *machine) dots(n int) {
	m.function(fmt.Sprintf("dots%d", n), "(a *dotArgs)", fmt.Sprintf("does %d rows of X.", n))
	a := args("X[]", "XRow", "Y[]", "YRow", "C[]", "CRow", "Steps", "Groups", "Ahead0[]", "At0", "Row0", "Rows0",
		"Ahead1[]", "At1", "Row1", "Rows1", "yCur", "cCur", "groups", "cur0", "cur1", "left0", "left1")
	x, y := newRows(n, a.floats("XRow")), newRows(4, a.floats("YRow"))
	for _, v := range [][2]string{{"Y", "yCur"}, {"C", "cCur"}, {"Groups", "groups"}} {
		a.store(a.load(v[0]), v[1])
	}
	var ahead [2]gp
	for i := range ahead {
		id := string(rune('0' + i))
		ahead[i] = a.floats("At" + id)
		ADDQ(a.mem("Ahead"+id), ahead[i])
		a.store(ahead[i], "cur"+id)
		a.store(a.load("Rows"+id), "left"+id)
	}
	acc := make([][4]vec, n)
	for i := range acc {
		for j := range 4 {
			acc[i][j] = m.vec()
		}
	}

	Label("group")
	for i := range acc {
		for j := range 4 {
			m.clear(acc[i][j])
		}
	}
	x.from(a.mem("X"))
	y.from(a.mem("yCur"))
	for i := range ahead {
		id := string(rune('0' + i))
		MOVQ(a.mem("cur"+id), ahead[i])
		ADDQ(a.floats("Row"+id), a.mem("cur"+id))
		DECQ(a.mem("left" + id))
		JGE(LabelRef("fetch" + id))
		MOVQ(y.p[0], ahead[i]) // nothing left: fetch what is needed anyway
		Label("fetch" + id)
	}
	k := a.load("Steps")
	Label("k")
	// The shorter side stays in registers, the other passes through one.
	held, passing := make([]vec, n), m.vec()
	for i := range held {
		held[i] = m.vec()
		VMOVUPS(x.at(i), held[i])
	}
	for j := range 4 {
		VMOVUPS(y.at(j), passing)
		for i := range n {
			VFMADD231PS(passing, held[i], acc[i][j])
		}
	}
	for i := range ahead {
		PREFETCHT1(Mem{Base: ahead[i]})
		ADDQ(U8(m.bytes()), ahead[i])
	}
	x.step(U8(m.bytes()))
	y.step(U8(m.bytes()))
	DECQ(k)
	JNZ(LabelRef("k"))

	c, cRow := a.load("cCur"), a.floats("CRow")
	for i := range acc {
		s := m.sumFour(acc[i])
		VADDPS(Mem{Base: c}, s, s)
		VMOVUPS(s, Mem{Base: c})
		if i < n-1 {
			ADDQ(cRow, c)
		}
	}
	ADDQ(U8(16), a.mem("cCur"))
	next := a.floats("YRow")
	SHLQ(U8(2), next)
	ADDQ(next, a.mem("yCur"))
	DECQ(a.mem("groups"))
	JNZ(LabelRef("group"))
	end()
}

// sumFour gives the sums of the lanes of four registers, side by side.
func (m *machine) sumFour(v [4]vec) vec {
	// Within every 128 bits: [a0+a2 b0+b2 a1+a3 b1+b3], then [a b c d].
	pair := func(a, b vec) vec {
		lo, hi := m.vec(), m.vec()
		VUNPCKLPS(b, a, lo)
		VUNPCKHPS(b, a, hi)
		VADDPS(hi, lo, lo)
		return lo
	}
	ab, cd := pair(v[0], v[1]), pair(v[2], v[3])
	lo, hi := m.vec(), m.vec()
	VUNPCKLPD(cd, ab, lo)
	VUNPCKHPD(cd, ab, hi)
	VADDPS(hi, lo, lo)
	return m.sumQuarters(lo)
}

// sumQuarters adds the 128-bit parts of a register.
func (m *machine) sumQuarters(v vec) vec {
	h, x := YMM(), XMM()
	if m.wide {
		VEXTRACTF32X8(U8(1), v, h)
		VADDPS(h, v.AsY(), v.AsY())
		VEXTRACTF32X4(U8(1), v.AsY(), x)
	} else {
		VEXTRACTF128(U8(1), v, x)
	}
	VADDPS(v.AsX(), x, x)
	return x
}

// peak is n times 24 multiply-adds of registers: as fast as the machine can be.
func (m *machine) peak() {
	m.function("peak", "(n int)", "does n times 24 vectors of multiply-adds, in registers.")
	n := GP64()
	Load(Param("n"), n)
	var acc []vec
	for range 12 {
		acc = append(acc, m.zero())
	}
	x, y := m.zero(), m.zero()
	Label("loop")
	for range 2 {
		for _, v := range acc {
			m.multiplyAdd(x, y, v)
		}
	}
	DECQ(n)
	JNZ(LabelRef("loop"))
	end()
}
