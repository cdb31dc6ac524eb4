package main

import (
	"fmt"
	"regexp"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

type (
	vec = reg.VecVirtual
	gp  = reg.GPVirtual
)

// machine is what the two instruction sets differ in. Its methods emit code.
type machine struct {
	suffix   string
	lanes    int   // float32s in a register
	wide     bool  // AVX-512: 32 registers, opmasks
	arm      bool  // what is written for AVX2, compiled for arm64 by package neon
	halves   bool  // the factors of products are pairs of BF16
	tileRows int   // of two vectors: accumulators, two registers for B and one or two for A must fit
	dotRows  int   // of four sums
	mixes    []int // channels, where all of a column and some sums fit
	window   Mem   // see windowTable
	bits     Mem   // see bitTable
	stubs    []string
}

var machines = map[string]*machine{
	"avx2":   {suffix: "AVX2", lanes: 8, tileRows: 6, dotRows: 3, mixes: []int{2, 4, 6, 8}},
	"neon":   {suffix: "NEON", lanes: 8, tileRows: 6, dotRows: 3, mixes: []int{2, 4, 6, 8}, arm: true},
	"avx512": {suffix: "AVX512", lanes: 16, wide: true, tileRows: 9, dotRows: 6, mixes: []int{2, 4, 6, 8, 12, 16}},
}

// arch is the architecture that the code is for.
func (m *machine) arch() string {
	if m.arm {
		return "arm64"
	}
	return "amd64"
}

// bytes is the size of a register.
func (m *machine) bytes() int { return 4 * m.lanes }

func (m *machine) vec() vec {
	if m.wide {
		return ZMM()
	}
	return YMM()
}

func (m *machine) clear(v vec) { VXORPS(v, v, v) }

func (m *machine) zero() vec {
	v := m.vec()
	m.clear(v)
	return v
}

// function begins a function. Its stub reads like "func tile(a *tileArgs)".
func (m *machine) function(name, args, doc string) {
	name += m.suffix
	m.stubs = append(m.stubs, fmt.Sprintf("// %s %s\n//\n//go:noescape\nfunc %s%s\n", name, doc, name, args))
	// The assembler knows nothing of the package's types.
	TEXT(name, NOSPLIT, "func"+structs.ReplaceAllString(args, "*byte"))
}

var structs = regexp.MustCompile(`\*\w+Args`)

func end() {
	VZEROUPPER()
	RET()
}

// fields are the offsets of a struct's fields: "name" is a word, "name[]" a slice, "name[9]" nine words.
func fields(names ...string) map[string]int {
	at, off := map[string]int{}, 0
	for _, n := range names {
		var words int
		switch {
		case n[len(n)-1] != ']':
			words = 1
		case n[len(n)-2] == '[':
			n, words = n[:len(n)-2], 3
		default:
			n, words = n[:len(n)-3], int(n[len(n)-2]-'0')
		}
		at[n] = off
		off += 8 * words
	}
	return at
}

// block is a struct of arguments that a register points at.
type block struct {
	p  gp
	at map[string]int
}

// args loads the function's only argument, a pointer to a struct with these fields.
func args(names ...string) block {
	p := GP64()
	Load(Param("a"), p)
	return block{p, fields(names...)}
}

// mem is a field, or the pointer of a slice.
func (b block) mem(name string) Mem {
	off, ok := b.at[name]
	if !ok {
		panic("no field " + name)
	}
	return Mem{Base: b.p, Disp: off}
}

func (b block) load(name string) gp {
	r := GP64()
	MOVQ(b.mem(name), r)
	return r
}

// floats loads a count of float32s as bytes.
func (b block) floats(name string) gp {
	r := b.load(name)
	SHLQ(U8(2), r)
	return r
}

func (b block) store(r gp, name string) { MOVQ(r, b.mem(name)) }

// rows addresses row i of a matrix from a pointer to row 0 and, for more than eight rows, one to row 8.
type rows struct {
	p              []gp
	r1, r3, r5, r7 gp // the stride and its multiples
}

func newRows(n int, stride gp) (r rows) {
	r.r1 = stride
	if n > 3 {
		r.r3 = GP64()
		LEAQ(Mem{Base: r.r1, Index: r.r1, Scale: 2}, r.r3)
	}
	if n > 5 {
		r.r5 = GP64()
		LEAQ(Mem{Base: r.r1, Index: r.r1, Scale: 4}, r.r5)
	}
	if n > 7 {
		r.r7 = GP64()
		LEAQ(Mem{Base: r.r3, Index: r.r1, Scale: 4}, r.r7)
	}
	for i := 0; i < n; i += 8 {
		r.p = append(r.p, GP64())
	}
	return r
}

// from points at row 0, which starts at the address in memory.
func (r rows) from(first Mem) {
	MOVQ(first, r.p[0])
	for i := 1; i < len(r.p); i++ {
		LEAQ(Mem{Base: r.p[i-1], Index: r.r1, Scale: 8}, r.p[i])
	}
}

func (r rows) at(i int) Mem { return r.near(r.p[i/8], i%8) }

// near is row i, at most 8, of a matrix with the same stride whose row 0 is at p.
func (r rows) near(p gp, i int) Mem {
	switch i {
	case 8:
		return Mem{Base: p, Index: r.r1, Scale: 8}
	case 0:
		return Mem{Base: p}
	case 1:
		return Mem{Base: p, Index: r.r1, Scale: 1}
	case 2:
		return Mem{Base: p, Index: r.r1, Scale: 2}
	case 3:
		return Mem{Base: p, Index: r.r3, Scale: 1}
	case 4:
		return Mem{Base: p, Index: r.r1, Scale: 4}
	case 5:
		return Mem{Base: p, Index: r.r5, Scale: 1}
	case 6:
		return Mem{Base: p, Index: r.r3, Scale: 2}
	}
	return Mem{Base: p, Index: r.r7, Scale: 1}
}

// step moves all rows on.
func (r rows) step(bytes Op) {
	for _, p := range r.p {
		ADDQ(bytes, p)
	}
}

// A cond is a mask: an opmask, or a vector of ones and zeros.
type cond struct {
	k reg.OpmaskVirtual
	y vec
}

// firstLanes is the mask of the first n lanes of a register, n in a register; all of them if n is larger.
func (m *machine) firstLanes(n gp) cond {
	lanes := GP64()
	MOVQ(U32(uint32(m.lanes)), lanes)
	CMPQ(n, lanes)
	CMOVQLT(n, lanes)
	if m.wide {
		ones := GP64()
		MOVQ(I32(-1), ones)
		BZHIQ(lanes, ones, ones)
		k := K()
		KMOVW(ones.As32(), k)
		return cond{k: k}
	}
	at := GP64()
	LEAQ(m.windowTable(), at)
	NEGQ(lanes)
	y := YMM()
	VMOVUPS(Mem{Base: at, Index: lanes, Scale: 4, Disp: 4 * m.lanes}, y)
	return cond{y: y}
}

// windowTable is 8 lanes of ones, then 8 of zeros: a mask of n lanes begins n lanes before the zeros.
func (m *machine) windowTable() Mem {
	if m.window.Base == nil {
		m.window = GLOBL("window"+m.suffix, RODATA|NOPTR)
		for i := range 2 * m.lanes {
			DATA(4*i, I32(int32(i/m.lanes-1)))
		}
	}
	return m.window
}

// bitTable is 1 << i in lane i.
func (m *machine) bitTable() Mem {
	if m.bits.Base == nil {
		m.bits = GLOBL("bits"+m.suffix, RODATA|NOPTR)
		for i := range m.lanes {
			DATA(4*i, U32(1<<i))
		}
	}
	return m.bits
}

// bitMask reads the mask of a vector from a bit per lane in memory. bits is the table in a register, for AVX2.
func (m *machine) bitMask(src Mem, bits vec) cond {
	if m.wide {
		k := K()
		KMOVW(src, k)
		return cond{k: k}
	}
	y := YMM()
	VPBROADCASTB(src, y)
	VPAND(bits, y, y)
	VPCMPEQD(bits, y, y)
	return cond{y: y}
}

// both is the lanes in a and b, in a.
func (m *machine) both(a, b cond) {
	if m.wide {
		KANDW(b.k, a.k, a.k)
	} else {
		VPAND(b.y, a.y, a.y)
	}
}

// load reads the lanes that the mask has; the others become 0 and are not touched in memory.
func (m *machine) load(src Mem, c cond, dst vec) {
	if m.wide {
		VMOVUPS_Z(src, c.k, dst)
	} else {
		VMASKMOVPS(src, c.y, dst)
	}
}

// store writes the lanes that the mask has.
func (m *machine) store(src vec, c cond, dst Mem) {
	if m.wide {
		VMOVUPS(src, c.k, dst)
	} else {
		VMASKMOVPS(src, c.y, dst)
	}
}
