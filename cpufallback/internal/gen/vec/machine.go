package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A vec is one vector register.
type vec = reg.VecVirtual

// A cond says for every lane whether something holds: an opmask on AVX-512, on AVX2 the sign bits of a register, or of memory
// where registers are too few.
type cond struct {
	mask reg.OpmaskVirtual
	vec  vec
	slot *Mem
}

// bits are those of AVX2 in a register.
func (c *cond) bits() vec {
	if c.slot == nil {
		return c.vec
	}
	v := YMM()
	VMOVUPS(*c.slot, v)
	return v
}

// machine is what the two instruction sets differ in. Its methods emit code.
type machine struct {
	suffix  string
	lanes   int            // float32s in a register
	wide    bool           // AVX-512: 32 registers, opmasks, VSCALEFPS
	arm     bool           // what is written for AVX2, compiled for arm64 by package neon
	hoisted map[string]vec // constants that this function keeps in registers
	tables  map[string]Mem // constants in memory, one register wide
}

var machines = map[string]*machine{
	"avx2":   {suffix: "AVX2", lanes: 8, tables: map[string]Mem{}},
	"neon":   {suffix: "NEON", lanes: 8, arm: true, tables: map[string]Mem{}},
	"avx512": {suffix: "AVX512", lanes: 16, wide: true, tables: map[string]Mem{}},
}

// arch is the architecture that the code is for.
func (m *machine) arch() string {
	if m.arm {
		return "arm64"
	}
	return "amd64"
}

func (m *machine) vec() vec {
	if m.wide {
		return ZMM()
	}
	return YMM()
}

func (m *machine) zero() vec {
	v := m.vec()
	VXORPS(v, v, v)
	return v
}

// function begins an assembly function: its name, to which the instruction set is added, and its arguments and doc as in
// the Go declaration.
func (m *machine) function(name, args, doc string) {
	m.hoisted = map[string]vec{}
	TEXT(name+m.suffix, NOSPLIT, "func"+args)
	Pragma("noescape")
	Doc(name + m.suffix + doc)
}

func end() {
	VZEROUPPER()
	RET()
}

// arg broadcasts a float32 or uint32 argument.
func (m *machine) arg(name string) vec {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := m.vec()
	VBROADCASTSS(p.Addr, v)
	return v
}

func base(name string) reg.Register   { return Load(Param(name).Base(), GP64()) }
func length(name string) reg.Register { return Load(Param(name).Len(), GP64()) }

// data is a table in memory, made when it is first asked for.
func (m *machine) data(name string, n int, bits func(i int) uint32) Mem {
	t, ok := m.tables[name]
	if !ok {
		t = GLOBL(name, RODATA|NOPTR)
		for i := range n {
			DATA(4*i, U32(bits(i)))
		}
		m.tables[name] = t
	}
	return t
}

// table is a constant in memory, in all lanes.
func (m *machine) table(name string) Mem {
	bits, ok := constants[name]
	if !ok {
		panic("no constant " + name)
	}
	return m.data(name, m.lanes, func(int) uint32 { return bits })
}

// keep loads constants into registers for the whole function, where there are registers enough: AVX-512 has 32.
func (m *machine) keep(names ...string) {
	for _, name := range names {
		if m.wide {
			m.hoisted[name] = m.load(name)
		}
	}
}

func (m *machine) load(name string) vec {
	v := m.vec()
	VMOVUPS(m.table(name), v)
	return v
}

// c is a constant as the first (in Intel's order the last) operand of an instruction, which may be in memory.
func (m *machine) c(name string) Op {
	if v, ok := m.hoisted[name]; ok {
		return v
	}
	return m.table(name)
}

// reg is a constant in a register that must not be changed.
func (m *machine) reg(name string) vec {
	if v, ok := m.hoisted[name]; ok {
		return v
	}
	return m.load(name)
}

// at is one position in a loop over slices: a register's worth of elements, of which only some exist in the tail.
type at struct {
	m    *machine
	i    reg.Register // index of element 0 of the loop's round; nil where array points there
	disp int          // bytes on from there
	only *cond        // nil: all
	unit int          // number of the position within the round, 0 in the tail
}

func (p at) mem(array reg.Register) Mem {
	if p.i == nil {
		return Mem{Base: array, Disp: p.disp}
	}
	return Mem{Base: array, Index: p.i, Scale: 4, Disp: p.disp}
}

// load is 0 in lanes beyond the end.
func (p at) load(array reg.Register) vec {
	v := p.m.vec()
	switch {
	case p.only == nil:
		VMOVUPS(p.mem(array), v)
	case p.m.wide:
		VMOVUPS_Z(p.mem(array), p.only.mask, v)
	default:
		VMASKMOVPS(p.mem(array), p.only.bits(), v)
	}
	return v
}

func (p at) store(v vec, array reg.Register) {
	switch {
	case p.only == nil:
		VMOVUPS(v, p.mem(array))
	case p.m.wide:
		VMOVUPS(v, p.only.mask, p.mem(array))
	default:
		VMASKMOVPS(v, p.only.bits(), p.mem(array))
	}
}

// strips are neighbouring places that a round of a loop takes side by side.
type strips []at

func (p strips) load(array reg.Register) vecs {
	v := make(vecs, len(p))
	for u := range p {
		v[u] = p[u].load(array)
	}
	return v
}

func (p strips) store(v vecs, array reg.Register) {
	for u := range p {
		p[u].store(v[u], array)
	}
}

// loop goes over elements 0 .. n-1: rounds of unroll registers, rounds of one, then the tail. Loops of one function have
// different labels.
func (m *machine) loop(label string, n reg.Register, unroll int, body func(at)) {
	m.abreast(label, n, unroll, func(p strips) {
		for _, p := range p {
			body(p)
		}
	})
}

// abreast is loop for a body that takes a round's registers side by side.
func (m *machine) abreast(label string, n reg.Register, most int, body func(strips)) {
	i := GP64()
	XORQ(i, i)
	if most > 1 {
		m.rounds(label+"Unrolled", i, n, most, body)
	}
	m.rounds(label, i, n, 1, body)
	rest := GP64()
	MOVQ(n, rest)
	SUBQ(i, rest)
	JZ(LabelRef(label + "Done"))
	body(strips{{m: m, i: i, only: m.first(rest)}})
	Label(label + "Done")
}

// most is how many registers to take side by side: AVX-512 has more.
func (m *machine) most(wide, narrow int) int {
	if m.wide {
		return wide
	}
	return narrow
}

// rounds goes on from i as long as there are most registers' worth of elements.
func (m *machine) rounds(label string, i, n reg.Register, most int, body func(strips)) {
	last := GP64()
	MOVQ(n, last)
	SUBQ(Imm(uint64(most*m.lanes)), last)
	JMP(LabelRef(label + "Test"))
	Label(label)
	var p strips
	for u := range most {
		p = append(p, at{m: m, i: i, disp: 4 * u * m.lanes, unit: u})
	}
	body(p)
	ADDQ(Imm(uint64(most*m.lanes)), i)
	Label(label + "Test")
	CMPQ(i, last)
	JLE(LabelRef(label))
}

// first is the mask of the first n lanes, n less than all.
func (m *machine) first(n reg.Register) *cond {
	if m.wide {
		bits, k := GP32(), K()
		MOVQ(n, reg.RCX)
		MOVL(U32(1), bits)
		SHLL(reg.CL, bits)
		DECL(bits)
		KMOVW(bits, k)
		return &cond{mask: k}
	}
	edge := m.data("edge", 2*m.lanes, func(i int) uint32 { return uint32(i/m.lanes) - 1 }) // ones, then zeros
	p, v := GP64(), m.vec()
	LEAQ(edge, p)
	back := GP64()
	MOVQ(n, back)
	NEGQ(back)
	VMOVDQU(Mem{Base: p, Index: back, Scale: 4, Disp: 4 * m.lanes}, v)
	return &cond{vec: v}
}

// above is where a > b.
func (m *machine) above(a vec, b Op) cond {
	const greaterQuiet = 30
	if m.wide {
		k := K()
		VCMPPS(Imm(greaterQuiet), b, a, k)
		return cond{mask: k}
	}
	v := m.vec()
	VCMPPS(Imm(greaterQuiet), b, a, v)
	return cond{vec: v}
}

// negative is where the sign bit is set. On AVX2 only pick can take it: the other bits are the number's.
func (m *machine) negative(a vec) cond {
	if m.wide {
		k := K()
		VPMOVD2M(a, k)
		return cond{mask: k}
	}
	return cond{vec: a}
}

// addWhere adds a constant where the condition, a comparison, holds.
func (m *machine) addWhere(is cond, name string, v vec) {
	if m.wide {
		VADDPS(m.c(name), v, is.mask, v)
		return
	}
	c := m.vec()
	VANDPS(m.c(name), is.vec, c)
	VADDPS(c, v, v)
}

// pick is yes where the condition holds, else no.
func (m *machine) pick(is cond, yes, no vec) vec {
	v := m.vec()
	if m.wide {
		VMOVAPS(no, v) // avo believes that VBLENDMPS reads its destination
		VMOVAPS(yes, is.mask, v)
	} else {
		VBLENDVPS(is.vec, yes, no, v)
	}
	return v
}

// reduce combines the lanes of v, in an order that never changes, into lane 0.
func (m *machine) reduce(v vec, op func(a, b, dst Op)) reg.VecVirtual {
	y := v
	if m.wide {
		h := YMM()
		y = YMM()
		VEXTRACTF64X4(Imm(1), v, h)
		op(h, v.AsY(), y)
	}
	h, s := XMM(), XMM()
	VEXTRACTF128(Imm(1), y, h)
	op(h, y.AsX(), s)
	for _, order := range []uint64{0x4e, 0xb1} { // swap halves, then neighbours
		h, t := XMM(), XMM()
		VPSHUFD(Imm(order), s, h)
		op(h, s, t)
		s = t
	}
	return s
}

func add(a, b, dst Op)  { VADDPS(a, b, dst) }
func most(a, b, dst Op) { VPMAXSD(a, b, dst) }
