package ptx

import "math/bits"

// integerForms are the PTX manual's sections Integer Arithmetic Instructions and Extended-Precision Integer Arithmetic.
var integerForms = []form{
	{syntax: `add.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`,
		build: int2(func(a, b uint64) uint64 { return a + b }, func(a, b int64) int64 { return a + b })},
	{syntax: `sub.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`,
		build: int2(func(a, b uint64) uint64 { return a - b }, func(a, b int64) int64 { return a - b })},
	{syntax: `add.sat.type d, a, b;  .type = { .s32 };`,
		build: int2(nil, func(a, b int64) int64 { return clampS32(a + b) })},
	{syntax: `sub.sat.type d, a, b;  .type = { .s32 };`,
		build: int2(nil, func(a, b int64) int64 { return clampS32(a - b) })},

	{syntax: `mul.lo.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`,
		build: int2(func(a, b uint64) uint64 { return a * b }, func(a, b int64) int64 { return a * b })},
	{syntax: `mul.hi.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`, build: mulHi},
	{syntax: `mul.wide.type d, a, b;  .type = { .u16, .u32, .s16, .s32 };`, build: mulWide},
	{syntax: `mad.lo.type d, a, b, c;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`,
		build: int3(func(a, b, c uint64) uint64 { return a*b + c })},
	{syntax: `mad.hi.type d, a, b, c;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`, build: madHi},
	{syntax: `mad.wide.type d, a, b, c;  .type = { .u16, .u32, .s16, .s32 };`, build: madWide},

	{syntax: `div.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`, build: int2(divU, divS)},
	{syntax: `rem.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`, build: int2(remU, remS)},
	{syntax: `abs.type d, a;  .type = { .s16, .s32, .s64 };`, build: int1(nil, func(a int64) int64 { return max(a, -a) })},
	{syntax: `neg.type d, a;  .type = { .s16, .s32, .s64 };`, build: int1(nil, func(a int64) int64 { return -a })},
	{syntax: `min.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`,
		build: int2(func(a, b uint64) uint64 { return min(a, b) }, func(a, b int64) int64 { return min(a, b) })},
	{syntax: `max.type d, a, b;  .type = { .u16, .u32, .u64, .s16, .s32, .s64 };`,
		build: int2(func(a, b uint64) uint64 { return max(a, b) }, func(a, b int64) int64 { return max(a, b) })},

	{syntax: `popc.type d, a;  .type = { .b32, .b64 };`,
		build: count1(func(a uint64, t typ) uint64 { return uint64(bits.OnesCount64(a)) })},
	{syntax: `clz.type d, a;  .type = { .b32, .b64 };`,
		build: count1(func(a uint64, t typ) uint64 { return uint64(t.bits - bits.Len64(a)) })},
	{syntax: `bfind.type d, a;  .type = { .u32, .u64, .s32, .s64 };`, build: count1(bfind)},
	{syntax: `bfind.shiftamt.type d, a;  .type = { .u32, .u64, .s32, .s64 };`,
		build: count1(func(a uint64, t typ) uint64 {
			if p := bfind(a, t); p != 0xffffffff {
				return uint64(t.bits-1) - p
			}
			return 0xffffffff
		})},
	{syntax: `brev.type d, a;  .type = { .b32, .b64 };`,
		build: func(x *call) exec {
			t := x.typ("type")
			return lanes1(x.dst("d", t), x.src("a", t), func(a uint64) uint64 { return bits.Reverse64(a) >> (64 - t.bits) })
		}},
	{syntax: `bfe.type d, a, b, c;  .type = { .u32, .u64, .s32, .s64 };`, build: bfe},
	{syntax: `bfi.type f, a, b, c, d;  .type = { .b32, .b64 };`, build: bfi},

	{syntax: `add.cc.type d, a, b;  .type = { .u32, .s32, .u64, .s64 };`, build: addCarry(false, false)},
	{syntax: `addc{.cc}.type d, a, b;  .type = { .u32, .s32, .u64, .s64 };`, build: addCarry(true, false)},
	{syntax: `sub.cc.type d, a, b;  .type = { .u32, .s32, .u64, .s64 };`, build: addCarry(false, true)},
	{syntax: `subc{.cc}.type d, a, b;  .type = { .u32, .s32, .u64, .s64 };`, build: addCarry(true, true)},
	{syntax: `mad.half.cc.type d, a, b, c;  .half = { .lo, .hi };  .type = { .u32, .s32, .u64, .s64 };`, build: madCarry(false)},
	{syntax: `madc.half{.cc}.type d, a, b, c;  .half = { .lo, .hi };  .type = { .u32, .s32, .u64, .s64 };`, build: madCarry(true)},
}

func clampS32(v int64) int64 { return min(max(v, -1<<31), 1<<31-1) }

// The manual leaves division by zero open; here the quotient has all bits set and the remainder is the dividend.
func divU(a, b uint64) uint64 {
	if b == 0 {
		return ^uint64(0)
	}
	return a / b
}

func divS(a, b int64) int64 {
	if b == 0 {
		return -1
	}
	return a / b
}

func remU(a, b uint64) uint64 {
	if b == 0 {
		return a
	}
	return a % b
}

func remS(a, b int64) int64 {
	if b == 0 {
		return a
	}
	return a % b
}

// high is the upper half of the product of two extended values of type t.
func high(a, b uint64, t typ) uint64 {
	if t.bits < 64 {
		return uint64(int64(a*b) >> t.bits)
	}
	hi, _ := bits.Mul64(a, b)
	if t.kind == 's' {
		if int64(a) < 0 {
			hi -= b
		}
		if int64(b) < 0 {
			hi -= a
		}
	}
	return hi
}

func mulHi(x *call) exec {
	t := x.typ("type")
	return lanes2(x.dst("d", t), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 { return high(a, b, t) })
}

func madHi(x *call) exec {
	t := x.typ("type")
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t), func(a, b, c uint64) uint64 { return high(a, b, t) + c })
}

func mulWide(x *call) exec {
	t := x.typ("type")
	return lanes2(x.dst("d", t.double()), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 { return a * b })
}

func madWide(x *call) exec {
	t := x.typ("type")
	return lanes3(x.dst("d", t.double()), x.src("a", t), x.src("b", t), x.src("c", t.double()), func(a, b, c uint64) uint64 { return a*b + c })
}

// bfind is the place of the highest bit that is not a copy of the sign, or all ones.
func bfind(a uint64, t typ) uint64 {
	if t.kind == 's' && int64(a) < 0 {
		a = ^a
	}
	return uint64(uint32(bits.Len64(a) - 1))
}

// bfe extracts c bits of a from place b, extended by the field's sign for the signed types.
func bfe(x *call) exec {
	t, u := x.typ("type"), typeOf["u32"]
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", u), x.src("c", u), func(a, b, c uint64) uint64 {
		pos, n := int(b&0xff), int(c&0xff)
		if n == 0 {
			return 0
		}
		a &= t.mask()
		sign := uint64(0)
		if t.kind == 's' {
			sign = a >> min(pos+n-1, t.bits-1) & 1
		}
		n = max(0, min(n, t.bits-pos))
		v := a>>pos&(1<<n-1) | -sign<<n
		return v
	})
}

// bfi puts the low d bits of a into b at place c.
func bfi(x *call) exec {
	t, u := x.typ("type"), typeOf["u32"]
	to, a, b, c, d := x.dst("f", t), x.src("a", t), x.src("b", t), x.src("c", u), x.src("d", u)
	return func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			pos, n := c.at(w, l)&0xff, d.at(w, l)&0xff
			field := (uint64(1)<<n - 1) << pos
			to.put(w, l, b.at(w, l)&^field|a.at(w, l)<<pos&field)
		}
	}
}

// setCarry writes the carry flag of one lane.
func (w *warp) setCarry(l int, c uint64) { w.carry = w.carry&^(1<<l) | uint32(c)<<l }

// addCarry is add and sub with a carry out (.cc), and addc and subc with a carry in besides. The flag holds a borrow for sub.
func addCarry(in, subtract bool) func(x *call) exec {
	return func(x *call) exec {
		t, out := x.typ("type"), x.has("cc")
		d, a, b := x.dst("d", t), x.src("a", t), x.src("b", t)
		return func(w *warp, m uint32) {
			for ; m != 0; m &= m - 1 {
				l := bits.TrailingZeros32(m)
				c := uint64(0)
				if in {
					c = uint64(w.carry >> l & 1)
				}
				var r, carry uint64
				if subtract {
					r, carry = bits.Sub64(a.at(w, l), b.at(w, l), c)
				} else if r, carry = bits.Add64(a.at(w, l), b.at(w, l), c); t.bits == 32 {
					carry = r >> 32
				}
				d.put(w, l, r)
				if out {
					w.setCarry(l, carry)
				}
			}
		}
	}
}

// madCarry is mad with a carry out (.cc), and madc with a carry in besides.
func madCarry(in bool) func(x *call) exec {
	return func(x *call) exec {
		t, out, upper := x.typ("type"), x.has("cc"), x.mods["half"] == "hi"
		d, a, b, c := x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t)
		return func(w *warp, m uint32) {
			for ; m != 0; m &= m - 1 {
				l := bits.TrailingZeros32(m)
				p := a.extended(w, l) * b.extended(w, l)
				if upper {
					p = high(a.extended(w, l), b.extended(w, l), t)
				}
				cin := uint64(0)
				if in {
					cin = uint64(w.carry >> l & 1)
				}
				r, carry := bits.Add64(p&t.mask(), c.at(w, l), cin)
				if t.bits == 32 {
					carry = r >> 32
				}
				d.put(w, l, r)
				if out {
					w.setCarry(l, carry)
				}
			}
		}
	}
}
