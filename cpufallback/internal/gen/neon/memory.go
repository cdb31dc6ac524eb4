package neon

import (
	"fmt"
	"math/bits"

	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// place is an address: a register, and bytes on from there.
type place struct {
	base register
	off  int
}

func (p place) plus(n int) place { return place{p.base, p.off + n} }

// sum is an address that was computed already, valid until the next label or until one of its registers changes.
type sum struct {
	base, index register
	scale       uint8
}

// place is where m is.
func (x *translation) place(m operand.Mem) place {
	if m.Base == reg.StaticBase && m.Index == nil {
		return place{x.constants(), x.data.of(m.Symbol.Name) + m.Disp}
	}
	if m.Base == reg.FramePointer || m.Base == reg.StaticBase {
		panic(unknown("the address " + m.Asm()))
	}
	base := x.general(m.Base)
	if m.Index == nil {
		return place{base, m.Disp}
	}
	key := sum{base, x.general(m.Index), m.Scale}
	d, ok := x.sums[key]
	if !ok {
		d = x.fresh(general)
		x.addShifted(d, base, key.index, m.Scale)
		x.sums[key] = d
	}
	return place{d, m.Disp}
}

// addShifted is d = base + index*scale.
func (x *translation) addShifted(d, base, index register, scale uint8) {
	text := "ADD R@2, R@1, R@0"
	if scale > 1 {
		text = fmt.Sprintf("ADD R@2<<%d, R@1, R@0", bits.TrailingZeros8(scale))
	}
	x.emit(instruction{text: text, args: []arg{out(d, 0), in(base, 0), in(index, 0)}})
}

// constants is the register that points at the pool, loaded where the function begins.
func (x *translation) constants() register {
	if x.pool < 0 {
		x.pool = x.fresh(general)
	}
	return x.pool
}

// reach makes p an address that an instruction with an offset of such a size can have.
func (x *translation) reach(p place, fits bool) place {
	if fits {
		return p
	}
	d := x.fresh(general)
	x.emit(instruction{text: fmt.Sprintf("ADD $%d, R@1, R@0", p.off), args: []arg{out(d, 0), in(p.base, 0)}})
	return place{d, 0}
}

// transfer loads or stores the lower bytes (4, 8 or 16) of v.
func (x *translation) transfer(v register, load bool, bytes int, p place) {
	p = x.reach(p, p.off >= -256 && p.off < 256 || p.off >= 0 && p.off%bytes == 0 && p.off/bytes < 4096)
	letter := map[int]string{4: "s", 8: "d", 16: "q"}[bytes]
	scaled := map[int]uint32{4: 0xbd000000, 8: 0xfd000000, 16: 0x3d800000}[bytes]
	i := instruction{args: []arg{in(v, 0), in(p.base, 5)}, keeps: !load, constant: load && p.base == x.pool}
	op := "str"
	if load {
		i.args[0].role, op = writes, "ldr"
		scaled |= 1 << 22
	}
	if p.off >= 0 && p.off%bytes == 0 {
		i.word = scaled | uint32(p.off/bytes)<<10
	} else {
		i.word = scaled&^(1<<24) | uint32(p.off&0x1ff)<<12
		op = op[:2] + "u" + op[2:]
	}
	i.text = fmt.Sprintf("%s %s@0, [x@1, #%d]", op, letter, p.off)
	x.emit(i)
}

// transfer2 loads or stores two registers that follow each other in memory.
func (x *translation) transfer2(v pair, load bool, p place) {
	if p.off%16 != 0 || p.off < -1024 || p.off > 1008 {
		x.transfer(v[0], load, 16, p)
		x.transfer(v[1], load, 16, p.plus(16))
		return
	}
	i := instruction{args: []arg{in(v[0], 0), in(v[1], 10), in(p.base, 5)}, keeps: !load}
	op, word := "stp", uint32(0xad000000)
	if load {
		i.args[0].role, i.args[1].role, op, word = writes, writes, "ldp", 0xad400000
	}
	i.word = word | uint32(p.off/16&0x7f)<<15
	i.text = fmt.Sprintf("%s q@0, q@1, [x@2, #%d]", op, p.off)
	x.emit(i)
}

// scalar loads one float32 from m, where an index costs nothing; the other lanes become 0.
func (x *translation) scalar(d register, m operand.Mem) {
	if m.Index == nil || m.Disp != 0 || m.Scale != 1 && m.Scale != 4 {
		x.transfer(d, true, 4, x.place(m))
		return
	}
	i := instruction{text: "ldr s@0, [x@1, x@2]", word: 0xbc606800, args: []arg{out(d, 0), in(x.general(m.Base), 5), in(x.general(m.Index), 16)}}
	if m.Scale == 4 {
		i.text, i.word = "ldr s@0, [x@1, x@2, lsl #2]", 0xbc607800
	}
	x.emit(i)
}

// repeat loads one float32, or one byte, into all lanes.
func (x *translation) repeat(d register, bytes int, p place) {
	p = x.reach(p, p.off == 0)
	i := instruction{text: "ld1r {v@0.4s}, [x@1]", word: 0x4d40c800, args: []arg{out(d, 0), in(p.base, 5)}}
	if bytes == 1 {
		i.text, i.word = "ld1r {v@0.16b}, [x@1]", 0x4d40c000
	}
	x.emit(i)
}

// masked loads the lanes of v, one or two registers, that the mask has, and makes the others 0; or stores them. What the mask
// leaves out is not touched in memory. mask is a byte per lane, all ones or 0.
func (x *translation) masked(v []register, load bool, mask register, p place) {
	id := x.label()
	all, done := id+"all", id+"done"
	x.jumpIfOnes(mask, 32*len(v), all)
	for h, r := range v {
		bits, q, next := mask, p.plus(16*h), fmt.Sprintf("%snext%d", id, h)
		if h == 1 {
			bits = x.fresh(general)
			x.emit(instruction{text: "LSR $32, R@1, R@0", args: []arg{out(bits, 0), in(mask, 0)}})
		}
		some := fmt.Sprintf("%ssome%d", id, h)
		if len(v) == 2 {
			x.jumpIfNotOnes(bits, some)
			x.transfer(r, load, 16, q)
			x.jump(next)
			x.mark(some)
		}
		if load {
			x.clear(r)
		}
		x.emit(instruction{text: "CBZW R@0, " + next, args: []arg{in(bits, 0)}, to: next})
		for lane := range 4 {
			skip := fmt.Sprintf("%sskip%d", id, 4*h+lane)
			if lane == 3 {
				skip = next
			}
			x.emit(instruction{text: fmt.Sprintf("TBZ $%d, R@0, %s", 8*lane, skip), args: []arg{in(bits, 0)}, to: skip})
			t := x.fresh(vector)
			if load {
				x.transfer(t, true, 4, q.plus(4*lane))
				x.insert(r, lane, t, 0)
			} else {
				x.spread(t, r, lane)
				x.transfer(t, false, 4, q.plus(4*lane))
			}
			if skip != next {
				x.mark(skip)
			}
		}
		x.mark(next)
	}
	x.jump(done)
	x.mark(all)
	if len(v) == 2 {
		x.transfer2(pair{v[0], v[1]}, load, p)
	} else {
		x.transfer(v[0], load, 16, p)
	}
	x.mark(done)
}

// jumpIfOnes jumps if so many lower bits of a register are ones, without touching the flags.
func (x *translation) jumpIfOnes(mask register, bits int, to string) {
	x.onesBranch("CBZ", mask, bits, to)
}

func (x *translation) jumpIfNotOnes(mask register, to string) { x.onesBranch("CBNZ", mask, 32, to) }

func (x *translation) onesBranch(op string, mask register, bits int, to string) {
	w := ""
	if bits == 32 {
		w = "W"
	}
	t := x.fresh(general)
	x.emit(instruction{text: "ADD" + w + " $1, R@1, R@0", args: []arg{out(t, 0), in(mask, 0)}})
	x.emit(instruction{text: fmt.Sprintf("%s%s R@0, %s", op, w, to), args: []arg{in(t, 0)}, to: to})
}

func (x *translation) jump(to string) { x.emit(instruction{text: "JMP " + to, to: to, ends: true}) }

func (x *translation) mark(label string) { x.emit(instruction{label: label}) }

// label is the beginning of labels that no other has.
func (x *translation) label() string {
	x.labels++
	return fmt.Sprintf("m%d", x.labels)
}
