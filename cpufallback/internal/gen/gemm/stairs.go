package main

import (
	"bytes"
	"fmt"
	"go/format"
	"log"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// panel is how many columns of all rows lie together: see panelColumns of package gemm.
const panel = 32

// flagBegun, of stairArgs beside those of tileArgs: sums begin with S.
const flagBegun = 1 << 4

// stairRows is how many rows of two vectors a stair's kernel takes: accumulators, two registers for B and one for A must fit.
func (m *machine) stairRows() int {
	if m.wide {
		return 12
	}
	return 6
}

// stairFamily writes the kernels of staircases.
func (m *machine) stairFamily() {
	for n := 1; n <= m.stairRows(); n++ {
		m.stair(n)
	}
	for n := 1; n <= m.dotRows; n++ {
		m.stairDots(n)
	}
	m.stairSums()
	m.stairColumns()
}

// stair is C = act(bias + D + (S + A B)) for n rows of a panel. The accumulators stay in registers over the whole sum.
func (m *machine) stair(n int) {
	m.function(fmt.Sprintf("stair%d", n), "(a *stairArgs)", fmt.Sprintf("does %d rows of a panel.", n))
	a := args("A[]", "Row", "Col", "K", "B[]", "C[]", "D[]", "M[]", "Bias[]", "S[]", "Flags", "at", "turns")
	rowsA := newRows(n, a.floats("Row"))
	col, at := a.floats("Col"), GP64()
	turns := panel / (2 * m.lanes)
	XORQ(at, at)
	if turns > 1 {
		left := GP64()
		MOVQ(U32(uint32(turns)), left)
		a.store(left, "turns")
		Label("turn")
		a.store(at, "at")
	}
	var acc [][2]vec
	for range n {
		acc = append(acc, [2]vec{m.zero(), m.zero()})
	}
	// elements is where a row's two vectors of C, D or M lie.
	elements := func(p gp, row, j int) Mem {
		return Mem{Base: p, Index: at, Scale: 1, Disp: 4*panel*row + j*m.bytes()}
	}
	c := a.load("C")
	for i := range n { // the rows of C are wanted at the end
		for off := 0; off < 2*m.bytes(); off += 64 {
			PREFETCHT0(Mem{Base: c, Index: at, Scale: 1, Disp: 4*panel*i + off})
		}
	}
	begun := a.load("Flags")
	TESTQ(U32(flagBegun), begun)
	JZ(LabelRef("none"))
	start := a.load("S")
	for i := range acc {
		for j, v := range acc[i] {
			VMOVUPS(elements(start, i, j), v)
		}
	}
	Label("none")
	b, k := a.load("B"), a.load("K")
	ADDQ(at, b)
	TESTQ(k, k)
	JZ(LabelRef("summed"))
	rowsA.from(a.mem("A"))
	Label("k")
	b0, b1 := m.vec(), m.vec()
	VMOVUPS(Mem{Base: b}, b0)
	VMOVUPS(Mem{Base: b, Disp: m.bytes()}, b1)
	ADDQ(U32(4*panel), b)
	for i := range n {
		x := m.vec()
		VBROADCASTSS(rowsA.at(i), x)
		VFMADD231PS(b0, x, acc[i][0])
		VFMADD231PS(b1, x, acc[i][1])
	}
	rowsA.step(col)
	DECQ(k)
	JNZ(LabelRef("k"))
	Label("summed")

	flags := a.load("Flags")
	unless := func(flag int, label string) {
		TESTQ(U32(uint32(flag)), flags)
		JZ(LabelRef(label))
	}
	unless(flagAddD, "noD")
	d := a.load("D")
	for i := range acc {
		for j, v := range acc[i] {
			VADDPS(elements(d, i, j), v, v)
		}
	}
	Label("noD")
	unless(flagAddBias, "noBias")
	bias := a.load("Bias")
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
	unless(flagMask, "noMask")
	gate := a.load("M")
	zero = m.zero()
	for i := range acc {
		for j, v := range acc[i] {
			old := m.vec()
			VMOVUPS(elements(gate, i, j), old)
			m.keepPositive(old, zero, v)
		}
	}
	Label("noMask")
	c = a.load("C")
	for i := range acc {
		for j, v := range acc[i] {
			VMOVUPS(v, elements(c, i, j))
		}
	}
	if turns > 1 {
		ADDQ(U32(uint32(2*m.bytes())), at)
		DECQ(a.mem("turns"))
		JNZ(LabelRef("turn"))
	}
	end()
}

// stairDots is C[i,j] += sum over the columns of all panels of X[i] Y[j], for n rows of X and, group after group, four of Y.
func (m *machine) stairDots(n int) {
	m.function(fmt.Sprintf("stairDots%d", n), "(a *stairDotsArgs)", fmt.Sprintf("does %d rows of X.", n))
	a := args("X[]", "XPanel", "Y[]", "YPanel", "Panels", "C[]", "CRow", "Groups")
	ahead := a.load("X")
	ADDQ(U32(uint32(4*panel*n)), ahead)
	xPanel, yPanel, cRow := a.floats("XPanel"), a.floats("YPanel"), a.floats("CRow")
	yCur, cCur, groups := a.load("Y"), a.load("C"), a.load("Groups")
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
	for off := 0; off < 4*panel*n; off += 64 { // the rows of X that come next, a panel at a time
		PREFETCHT1(Mem{Base: ahead, Disp: off})
	}
	ADDQ(xPanel, ahead)
	x, y, left := a.load("X"), GP64(), a.load("Panels")
	MOVQ(yCur, y)
	Label("panel")
	for off := 0; off < 4*4*panel; off += 64 { // the next group is wanted next, and panels are far apart
		PREFETCHT0(Mem{Base: y, Disp: 4*4*panel + off})
	}
	for off := 0; off < 4*panel; off += m.bytes() {
		// The shorter side stays in registers, the other passes through one.
		held, passing := make([]vec, n), m.vec()
		for i := range held {
			held[i] = m.vec()
			VMOVUPS(Mem{Base: x, Disp: 4*panel*i + off}, held[i])
		}
		for j := range 4 {
			VMOVUPS(Mem{Base: y, Disp: 4*panel*j + off}, passing)
			for i := range n {
				VFMADD231PS(passing, held[i], acc[i][j])
			}
		}
	}
	ADDQ(xPanel, x)
	ADDQ(yPanel, y)
	DECQ(left)
	JNZ(LabelRef("panel"))
	c := GP64()
	MOVQ(cCur, c)
	for i := range acc {
		s := m.sumFour(acc[i])
		VADDPS(Mem{Base: c}, s, s)
		VMOVUPS(s, Mem{Base: c})
		if i < n-1 {
			ADDQ(cRow, c)
		}
	}
	ADDQ(U8(16), cCur)
	ADDQ(U32(4*4*panel), yCur)
	DECQ(groups)
	JNZ(LabelRef("group"))
	end()
}

// stairSums adds to dst[i] the sum over the columns of all panels of row i.
func (m *machine) stairSums() {
	m.function("stairSums", "(dst, src []float32, panels, stride int)", "adds to dst[i] the sum of row i of all panels.")
	dst, n := Load(Param("dst").Base(), GP64()), Load(Param("dst").Len(), GP64())
	src := Load(Param("src").Base(), GP64())
	panels, stride := Load(Param("panels"), GP64()), Load(Param("stride"), GP64())
	SHLQ(U8(2), stride)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("row")
	sum, at, left := m.zero(), GP64(), GP64()
	MOVQ(src, at)
	MOVQ(panels, left)
	Label("panel")
	for off := 0; off < 4*panel; off += m.bytes() {
		VADDPS(Mem{Base: at, Disp: off}, sum, sum)
	}
	ADDQ(stride, at)
	DECQ(left)
	JNZ(LabelRef("panel"))
	rest := m.zero()
	total := m.sumFour([4]vec{sum, rest, rest, rest})
	VADDSS(Mem{Base: dst}, total.AsX(), total.AsX())
	VMOVSS(total.AsX(), Mem{Base: dst})
	ADDQ(U8(4), dst)
	ADDQ(U32(4*panel), src)
	DECQ(n)
	JNZ(LabelRef("row"))
	Label("done")
	end()
}

// stairColumns gathers n columns of a matrix, row by row.
func (m *machine) stairColumns() {
	m.function("stairColumns", "(dst, src []float32, n, stride, rows int)", "is dst[k*n+i] = src[k*stride+i], i < n, k < rows.")
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	n, stride, rows := GP64(), Load(Param("stride"), GP64()), Load(Param("rows"), GP64())
	Load(Param("n"), n)
	some := m.firstLanes(n)
	SHLQ(U8(2), n)
	SHLQ(U8(2), stride)
	JMP(LabelRef("test"))
	Label("row")
	v := m.vec()
	m.load(Mem{Base: src}, some, v)
	m.store(v, some, Mem{Base: dst})
	ADDQ(stride, src)
	ADDQ(n, dst)
	Label("test")
	DECQ(rows)
	JGE(LabelRef("row"))
	end()
}

// stairFile declares the functions of staircases, and makes StairKernels of them.
func (m *machine) stairFile() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "// Code generated by command: gemm -family stairs -isa %s. DO NOT EDIT.\n\n//go:build %s && !noasm\n\npackage gemm\n\n", *isa, m.arch())
	fmt.Fprintf(&b, "func %sStairs() *StairKernels {\nk := &StairKernels{rows: %d, dotRows: %d, sums: stairSums%s, columns: stairColumns%s}\n", *isa, m.stairRows(), m.dotRows, m.suffix, m.suffix)
	for n := 1; n <= m.stairRows(); n++ {
		fmt.Fprintf(&b, "k.tile[%d] = stair%d%s\n", n, n, m.suffix)
	}
	for n := 1; n <= m.dotRows; n++ {
		fmt.Fprintf(&b, "k.dots[%d] = stairDots%d%s\n", n, n, m.suffix)
	}
	fmt.Fprintln(&b, "return k\n}")
	for _, s := range m.stubs {
		fmt.Fprintln(&b, "\n"+s)
	}
	text, err := format.Source(b.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	return text
}
