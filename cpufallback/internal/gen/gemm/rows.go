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

// turn transposes squares of as many rows as a register has lanes.
func (m *machine) turn() {
	m.function("turn", "(dst, src []float32, stride, n int)", "transposes n squares of a vector's width.")
	dst, src, stride, n := GP64(), GP64(), GP64(), GP64()
	Load(Param("dst").Base(), dst)
	Load(Param("src").Base(), src)
	Load(Param("stride"), stride)
	Load(Param("n"), n)
	SHLQ(U8(2), stride)
	const ahead = 8 << 10 // bytes: as much as is transposed while the memory answers
	parts := m.partMasks()
	Label("square")
	for at := 0; at < m.lanes*m.bytes(); at += 64 {
		PREFETCHT0(Mem{Base: src, Disp: ahead + at})
	}
	m.transpose(src, dst, parts)
	ADDQ(U32(uint32(m.lanes*m.bytes())), src)
	ADDQ(stride, dst)
	DECQ(n)
	JNZ(LabelRef("square"))
	end()
}

// partMasks are those of the second, third and fourth 128 bits of a register.
func (m *machine) partMasks() (masks []reg.OpmaskVirtual) {
	if !m.wide {
		return nil
	}
	for part := 1; part < 4; part++ {
		bits, k := GP32(), K()
		MOVL(U32(0xf<<(4*part)), bits)
		KMOVW(bits, k)
		masks = append(masks, k)
	}
	return masks
}

// transpose stores the columns of a square. Four columns of rows i, 4+i, 8+i, .. are loaded to the parts of a register,
// and four such, i = 0 .. 3, are transposed part by part: that takes half the shuffles of a square loaded by rows.
func (m *machine) transpose(square, dst gp, parts []reg.OpmaskVirtual) {
	for q := 0; q < m.lanes; q += 4 {
		rows := make([]vec, 4)
		for i := range rows {
			rows[i] = m.vec()
			at := func(part int) Mem { return Mem{Base: square, Disp: (4*part+i)*m.bytes() + 4*q} }
			VMOVUPS(at(0), rows[i].AsX())
			if !m.wide {
				VINSERTF128(U8(1), at(1), rows[i], rows[i])
				continue
			}
			for part, k := range parts {
				VBROADCASTF32X4(at(part+1), k, rows[i])
			}
		}
		pair := func(a, b vec) (lo, hi vec) {
			lo, hi = m.vec(), m.vec()
			VUNPCKLPS(b, a, lo)
			VUNPCKHPS(b, a, hi)
			return lo, hi
		}
		l0, h0 := pair(rows[0], rows[1])
		l1, h1 := pair(rows[2], rows[3])
		for j, two := range [][2]vec{{l0, l1}, {h0, h1}} {
			lo, hi := m.vec(), m.vec()
			VUNPCKLPD(two[1], two[0], lo)
			VUNPCKHPD(two[1], two[0], hi)
			VMOVUPS(lo, Mem{Base: dst, Disp: (q + 2*j) * m.bytes()})
			VMOVUPS(hi, Mem{Base: dst, Disp: (q + 2*j + 1) * m.bytes()})
		}
	}
}
