package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pack copies rows through the masks of their taps.
func (m *machine) pack() {
	m.function("pack", "(a *packArgs)", "copies rows through masks.")
	a := args("Src[]", "At", "Chan", "Chans", "Taps", "Off[]", "Mask[]", "MaskTap", "Vecs", "Tail", "Dst[]", "DstVec", "DstRow",
		"src", "dst", "chans")
	src := a.floats("At")
	ADDQ(a.mem("Src"), src)
	a.store(src, "src")
	a.store(a.load("Chans"), "chans")
	tail := m.firstLanes(a.load("Tail"))
	bits := m.tableIfNarrow()
	dst, dstVec, dstRow := a.load("Dst"), a.floats("DstVec"), a.floats("DstRow")

	Label("channel")
	taps, offs, mask := a.load("Taps"), a.load("Off"), a.load("Mask")
	// While one channel is copied nine times, the one four further on comes, and two vectors more for the taps below: far apart as channels
	// are, no processor expects it.
	CMPQ(taps, U8(1))
	JEQ(LabelRef("tap"))
	ahead, lines := a.floats("Chan"), a.load("Vecs")
	SHLQ(U8(2), ahead)
	ADDQ(a.mem("src"), ahead)
	ADDQ(U8(2), lines)
	Label("fetch")
	PREFETCHT0(Mem{Base: ahead})
	ADDQ(U8(m.bytes()), ahead)
	DECQ(lines)
	JNZ(LabelRef("fetch"))
	Label("tap")
	s, d, mk, n := GP64(), GP64(), GP64(), GP64()
	MOVQ(Mem{Base: offs}, s)
	SHLQ(U8(2), s)
	ADDQ(a.mem("src"), s)
	MOVQ(dst, d)
	MOVQ(mask, mk)
	MOVQ(a.mem("Vecs"), n)
	v := m.vec()
	DECQ(n)
	JZ(LabelRef("last"))
	Label("vector")
	c := m.bitMask(Mem{Base: mk}, bits)
	m.load(Mem{Base: s}, c, v)
	VMOVUPS(v, Mem{Base: d})
	ADDQ(U8(m.bytes()), s)
	ADDQ(U8(m.lanes/8), mk)
	ADDQ(dstVec, d)
	DECQ(n)
	JNZ(LabelRef("vector"))
	Label("last")
	c = m.bitMask(Mem{Base: mk}, bits)
	m.both(c, tail)
	m.load(Mem{Base: s}, c, v)
	VMOVUPS(v, Mem{Base: d})
	ADDQ(dstRow, dst)
	ADDQ(U8(8), offs)
	ADDQ(a.mem("MaskTap"), mask)
	DECQ(taps)
	JNZ(LabelRef("tap"))
	ADDQ(a.floats("Chan"), a.mem("src"))
	DECQ(a.mem("chans"))
	JNZ(LabelRef("channel"))
	end()
}

// tableIfNarrow is the table that bitMask needs.
func (m *machine) tableIfNarrow() vec {
	if m.wide {
		return nil
	}
	v := YMM()
	VMOVUPS(m.bitTable(), v)
	return v
}

// fold adds nine shifted rows of T.
func (m *machine) fold() {
	m.function("fold", "(a *foldArgs)", "adds shifted rows.")
	a := args("T[]", "TRow", "Off[9]", "Mask[]", "MaskTap", "Vecs", "Tail", "Y[]", "YRow", "Chans", "Bias[]", "Flags",
		"y", "left", "chans")
	flags := a.load("Flags")
	t := a.load("T")
	a.store(a.load("Y"), "y")
	a.store(a.load("Chans"), "chans")
	bits := m.tableIfNarrow()
	zero := m.zero()
	bias := a.load("Bias")
	mt := newRows(9, a.load("MaskTap")) // mask of tap i

	Label("channel")
	y, s := a.load("y"), GP64()
	MOVQ(t, s)
	mt.from(a.mem("Mask"))
	a.store(a.load("Vecs"), "left")
	start := m.zero()
	TESTQ(U32(flagAddBias), flags)
	JZ(LabelRef("noBias"))
	VBROADCASTSS(Mem{Base: bias}, start)
	ADDQ(U8(4), bias)
	Label("noBias")

	Label("vector")
	in := GP64()
	MOVQ(U32(uint32(m.lanes)), in)
	CMPQ(a.mem("left"), U8(1))
	JNE(LabelRef("whole"))
	MOVQ(a.mem("Tail"), in)
	Label("whole")
	exists := m.firstLanes(in)
	sum := m.vec()
	VMOVAPS(start, sum)
	old := m.vec()
	TESTQ(U32(flagAddD|flagMask), flags)
	JZ(LabelRef("noOld"))
	m.load(Mem{Base: y}, exists, old)
	TESTQ(U32(flagAddD), flags)
	JZ(LabelRef("noOld"))
	VADDPS(old, sum, sum)
	Label("noOld")
	for tap := range 9 {
		c := m.bitMask(mt.at(tap), bits)
		off := GP64()
		MOVQ(Mem{Base: a.p, Disp: a.at["Off"] + 8*tap}, off)
		at := Mem{Base: s, Index: off, Scale: 4}
		if m.wide {
			VADDPS(at, sum, c.k, sum)
		} else {
			v := YMM()
			m.load(at, c, v)
			VADDPS(v, sum, sum)
		}
	}
	TESTQ(U32(flagReLU), flags)
	JZ(LabelRef("noReLU"))
	VMAXPS(sum, zero, sum)
	Label("noReLU")
	TESTQ(U32(flagMask), flags)
	JZ(LabelRef("noMask"))
	m.keepPositive(old, zero, sum)
	Label("noMask")
	m.store(sum, exists, Mem{Base: y})
	ADDQ(U8(m.bytes()), y)
	ADDQ(U8(m.bytes()), s)
	mt.step(U8(m.lanes / 8))
	DECQ(a.mem("left"))
	JNZ(LabelRef("vector"))

	next := a.floats("TRow")
	LEAQ(Mem{Base: next, Index: next, Scale: 8}, next)
	ADDQ(next, t)
	ADDQ(a.floats("YRow"), a.mem("y"))
	DECQ(a.mem("chans"))
	JNZ(LabelRef("channel"))
	end()
}

// sums adds up rows.
func (m *machine) sums() {
	m.function("sums", "(dst, src []float32, stride, n int)", "is dst[i] += sum of src[i*stride : i*stride+n].")
	dst, rows, src, stride := GP64(), GP64(), GP64(), GP64()
	Load(Param("dst").Base(), dst)
	Load(Param("dst").Len(), rows)
	Load(Param("src").Base(), src)
	Load(Param("stride"), stride)
	SHLQ(U8(2), stride)
	TESTQ(rows, rows)
	JZ(LabelRef("done"))
	Label("row")
	s, n := GP64(), GP64()
	MOVQ(src, s)
	Load(Param("n"), n)
	var acc [4]vec
	for i := range acc {
		acc[i] = m.zero()
	}
	SUBQ(U8(4*m.lanes), n)
	JLT(LabelRef("rest"))
	Label("four")
	for i := range acc {
		VADDPS(Mem{Base: s, Disp: i * m.bytes()}, acc[i], acc[i])
	}
	ADDQ(U32(uint32(4*m.bytes())), s)
	SUBQ(U8(4*m.lanes), n)
	JGE(LabelRef("four"))
	Label("rest")
	ADDQ(U8(4*m.lanes), n)
	JZ(LabelRef("total"))
	Label("one")
	VADDPS(Mem{Base: s}, acc[0], acc[0])
	ADDQ(U8(m.bytes()), s)
	SUBQ(U8(m.lanes), n)
	JNZ(LabelRef("one"))
	Label("total")
	VADDPS(acc[1], acc[0], acc[0])
	VADDPS(acc[3], acc[2], acc[2])
	VADDPS(acc[2], acc[0], acc[0])
	x := m.sumQuarters(acc[0])
	VHADDPS(x, x, x)
	VHADDPS(x, x, x)
	VADDSS(Mem{Base: dst}, x, x)
	VMOVSS(x, Mem{Base: dst})
	ADDQ(U8(4), dst)
	ADDQ(stride, src)
	DECQ(rows)
	JNZ(LabelRef("row"))
	Label("done")
	end()
}

// adds adds vectors to one.
func (m *machine) adds() {
	m.function("adds", "(dst, src []float32, stride, parts int)", "is dst[i] += src[i] + src[stride+i] + .., parts terms.")
	dst, n, src, stride := GP64(), GP64(), GP64(), GP64()
	Load(Param("dst").Base(), dst)
	Load(Param("dst").Len(), n)
	Load(Param("src").Base(), src)
	Load(Param("stride"), stride)
	SHLQ(U8(2), stride)
	TESTQ(n, n)
	JZ(LabelRef("done"))
	Label("vector")
	in := m.firstLanes(n)
	sum, v := m.vec(), m.vec()
	m.load(Mem{Base: dst}, in, sum)
	s, parts := GP64(), GP64()
	MOVQ(src, s)
	Load(Param("parts"), parts)
	Label("part")
	m.load(Mem{Base: s}, in, v)
	VADDPS(v, sum, sum)
	ADDQ(stride, s)
	DECQ(parts)
	JNZ(LabelRef("part"))
	m.store(sum, in, Mem{Base: dst})
	ADDQ(U8(m.bytes()), dst)
	ADDQ(U8(m.bytes()), src)
	SUBQ(U8(m.lanes), n)
	JG(LabelRef("vector"))
	Label("done")
	end()
}

// turn transposes squares of as many rows as a register has lanes, n of them side by side in each of a number of panels.
func (m *machine) turn() {
	m.function("turn", "(dst, src []float32, stride, n, from, panels int)", "transposes n squares of a vector's width in each panel.")
	dst, src, stride, from, count := GP64(), GP64(), GP64(), GP64(), GP64()
	Load(Param("dst").Base(), dst)
	Load(Param("src").Base(), src)
	Load(Param("stride"), stride)
	SHLQ(U8(2), stride)
	Load(Param("from"), from)
	SHLQ(U8(2), from)
	Load(Param("panels"), count)
	upper := m.upperHalf()
	Label("panel")
	s, d, n, ahead := GP64(), GP64(), GP64(), GP64()
	MOVQ(src, s)
	MOVQ(dst, d)
	ADDQ(from, src)
	MOVQ(src, ahead)
	Load(Param("n"), n)
	Label("square")
	for at := 0; at < m.lanes*m.bytes(); at += 64 {
		PREFETCHT0(Mem{Base: ahead, Disp: at})
	}
	m.transpose(s, d, upper)
	ADDQ(U32(uint32(m.lanes*m.bytes())), s)
	ADDQ(U32(uint32(m.lanes*m.bytes())), ahead)
	ADDQ(stride, d)
	DECQ(n)
	JNZ(LabelRef("square"))
	ADDQ(U32(uint32(m.lanes*m.bytes())), dst)
	DECQ(count)
	JNZ(LabelRef("panel"))
	end()
}

// upperHalf is the mask of the upper half of a register, for transpose.
func (m *machine) upperHalf() (upper reg.OpmaskVirtual) {
	if !m.wide {
		return nil
	}
	bits := GP32()
	MOVL(U32(0xff00), bits)
	upper = K()
	KMOVW(bits, upper)
	return upper
}

// transpose stores the columns of a square. Some columns of several rows are loaded to the parts of a register each, so that fewer
// shuffles are left than a square needs that is loaded by rows, and no more loads than the processor does meanwhile.
func (m *machine) transpose(square, dst gp, upper reg.OpmaskVirtual) {
	at := func(row, column int) Mem { return Mem{Base: square, Disp: row*m.bytes() + 4*column} }
	store := func(v vec, column int) { VMOVUPS(v, Mem{Base: dst, Disp: column * m.bytes()}) }
	for q := 0; q < m.lanes; q += m.lanes / 2 {
		if !m.wide { // four columns of rows i and 4+i are a register, which is transposed part by part
			rows := make([]vec, 4)
			for i := range rows {
				rows[i] = m.vec()
				VMOVUPS(at(i, q), rows[i].AsX())
				VINSERTF128(U8(1), at(4+i, q), rows[i], rows[i])
			}
			for j, v := range m.transposeParts(rows) {
				store(v, q+j)
			}
			continue
		}
		// Eight columns of rows i and 4+i, or 8+i and 12+i, are a register: its parts are four columns of the one, the next four, and
		// those of the other. What is transposed part by part then holds halves of columns j and 4+j.
		var halves [2][]vec
		for h := range halves {
			rows := make([]vec, 4)
			for i := range rows {
				rows[i] = m.vec()
				VMOVUPS(at(8*h+i, q), rows[i].AsY())
				VBROADCASTF32X8(at(8*h+4+i, q), upper, rows[i])
			}
			halves[h] = m.transposeParts(rows)
		}
		for j := range 4 {
			for part, pick := range []uint8{0x88, 0xdd} { // parts 0 and 2 of both, then 1 and 3
				v := m.vec()
				VSHUFF32X4(U8(pick), halves[1][j], halves[0][j], v)
				store(v, q+4*part+j)
			}
		}
	}
}

// transposeParts transposes the squares of four that 128 bits of each of four registers are.
func (m *machine) transposeParts(rows []vec) (columns []vec) {
	pair := func(a, b vec) (lo, hi vec) {
		lo, hi = m.vec(), m.vec()
		VUNPCKLPS(b, a, lo)
		VUNPCKHPS(b, a, hi)
		return lo, hi
	}
	l0, h0 := pair(rows[0], rows[1])
	l1, h1 := pair(rows[2], rows[3])
	for _, two := range [][2]vec{{l0, l1}, {h0, h1}} {
		lo, hi := m.vec(), m.vec()
		VUNPCKLPD(two[1], two[0], lo)
		VUNPCKHPD(two[1], two[0], hi)
		columns = append(columns, lo, hi)
	}
	return columns
}
