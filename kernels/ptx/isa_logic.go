package ptx

import "math/bits"

// logicForms are the manual's section Logic and Shift Instructions, with prmt, which works on bytes.
var logicForms = []form{
	{syntax: `and.type d, a, b;  .type = { .b16, .b32, .b64 };`, build: int2(func(a, b uint64) uint64 { return a & b }, nil)},
	{syntax: `or.type d, a, b;  .type = { .b16, .b32, .b64 };`, build: int2(func(a, b uint64) uint64 { return a | b }, nil)},
	{syntax: `xor.type d, a, b;  .type = { .b16, .b32, .b64 };`, build: int2(func(a, b uint64) uint64 { return a ^ b }, nil)},
	{syntax: `not.type d, a;  .type = { .b16, .b32, .b64 };`, build: int1(func(a uint64) uint64 { return ^a }, nil)},
	{syntax: `cnot.type d, a;  .type = { .b16, .b32, .b64 };`, build: int1(func(a uint64) uint64 { return truth(a == 0) }, nil)},

	{syntax: `and.pred d, a, b;`, build: pred2(func(a, b uint32) uint32 { return a & b })},
	{syntax: `or.pred d, a, b;`, build: pred2(func(a, b uint32) uint32 { return a | b })},
	{syntax: `xor.pred d, a, b;`, build: pred2(func(a, b uint32) uint32 { return a ^ b })},
	{syntax: `not.pred d, a;`, build: func(x *call) exec {
		d, a := x.predDst(x.arg("d")), x.pred("a")
		return func(w *warp, m uint32) { w.setPred(d, m, ^a.lanes(w)) }
	}},

	{syntax: `shl.type d, a, b;  .type = { .b16, .b32, .b64 };`,
		build: shift(func(a uint64, n int) uint64 { return a << n })},
	{syntax: `shr.type d, a, b;  .type = { .b16, .b32, .b64, .u16, .u32, .u64, .s16, .s32, .s64 };`, build: shr},
	{syntax: `shf.dir.mode.b32 d, a, b, c;  .dir = { .l, .r };  .mode = { .clamp, .wrap };`, build: shf},
	{syntax: `lop3.b32 d, a, b, c, immLut;`, build: lop3},
	{syntax: `prmt.b32 d, a, b, c;`, build: prmt},
}

func truth(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// setPred writes a predicate for the lanes in m.
func (w *warp) setPred(row int, m, v uint32) { w.preds[row] = w.preds[row]&^m | v&m }

func pred2(f func(a, b uint32) uint32) func(x *call) exec {
	return func(x *call) exec {
		d, a, b := x.predDst(x.arg("d")), x.pred("a"), x.pred("b")
		return func(w *warp, m uint32) { w.setPred(d, m, f(a.lanes(w), b.lanes(w))) }
	}
}

// shift reads its count as .u32; a count of the width or more gives what the widest shift gives.
func shift(f func(a uint64, n int) uint64) func(x *call) exec {
	return func(x *call) exec {
		t := x.typ("type")
		return lanes2(x.dst("d", t), x.src("a", t), x.src("b", typeOf["u32"]), func(a, b uint64) uint64 { return f(a, int(min(b, 64))) })
	}
}

func shr(x *call) exec {
	if x.typ("type").kind == 's' {
		return shift(func(a uint64, n int) uint64 { return uint64(int64(a) >> n) })(x)
	}
	return shift(func(a uint64, n int) uint64 { return a >> n })(x)
}

// shf shifts the 64 bits b:a and keeps the upper half for .l and the lower for .r.
func shf(x *call) exec {
	t := typeOf["b32"]
	left, wrap := x.mods["dir"] == "l", x.mods["mode"] == "wrap"
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", typeOf["u32"]), func(a, b, c uint64) uint64 {
		n := min(c, 32)
		if wrap {
			n = c & 31
		}
		if left {
			return (b<<32 | a) << n >> 32
		}
		return (b<<32 | a) >> n
	})
}

// lop3 looks each bit of the result up in immLut, by the three bits of the operands.
func lop3(x *call) exec {
	t := typeOf["b32"]
	o := x.arg("immLut")
	lut, ok := o.value(typeOf["u32"])
	if !ok || lut > 255 {
		x.fail("lop3 needs a table from 0 to 255")
	}
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t), func(a, b, c uint64) (r uint64) {
		for i := range uint64(8) {
			if lut>>i&1 != 0 {
				r |= (a ^ (i>>2&1 - 1)) & (b ^ (i>>1&1 - 1)) & (c ^ (i&1 - 1))
			}
		}
		return r
	})
}

// prmt picks four of the eight bytes of b:a by the nibbles of c; a nibble's high bit asks for the byte's sign in its place.
func prmt(x *call) exec {
	t := typeOf["b32"]
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t), func(a, b, c uint64) (r uint64) {
		all := b<<32 | a
		for i := range 4 {
			sel := c >> (4 * i) & 15
			v := all >> (8 * (sel & 7)) & 255
			if sel&8 != 0 {
				v = uint64(uint8(int8(v) >> 7))
			}
			r |= v << (8 * i)
		}
		return r
	})
}

// lanesOf builds a mask of those lanes of m for which f holds.
func lanesOf(m uint32, f func(l int) bool) (out uint32) {
	for ; m != 0; m &= m - 1 {
		if l := bits.TrailingZeros32(m); f(l) {
			out |= 1 << l
		}
	}
	return out
}
