package ptx

import (
	"math"
	"math/bits"
)

// atomicForms are atom and red, and the fences.
var atomicForms = []form{
	{syntax: `atom{.order}{.scope}{.space}.op.type d, [a], b;  .op = { .add, .min, .max, .and, .or, .xor, .exch, .inc, .dec };` + atomics, build: atom},
	{syntax: `atom{.order}{.scope}{.space}.cas.type d, [a], b, c;` + atomics, build: atom},
	{syntax: `red{.order}{.scope}{.space}.op.type [a], b;  .op = { .add, .min, .max, .and, .or, .xor, .inc, .dec };` + atomics, build: atom},
	{syntax: `membar.level;  .level = { .cta, .gl, .sys };`, build: fence},
	{syntax: `fence{.order}.level;  .order = { .sc, .acq_rel };  .level = { .cta, .gpu, .sys };`, build: fence},
}

const atomics = `
	.order = { .relaxed, .acquire, .release, .acq_rel };  .scope = { .cta, .gpu, .sys };  .space = { .global, .shared, .shared::cta };
	.type = { .b32, .b64, .u32, .u64, .s32, .s64, .f32, .f64 };`

// modify gives what an atomic operation leaves in memory that held old: its operands are b, and c for cas.
func modify(op string, t typ) func(old, b, c uint64) uint64 {
	signed, float := t.kind == 's', t.kind == 'f'
	switch {
	case op == "exch" && t.kind == 'b':
		return func(old, b, c uint64) uint64 { return b }
	case op == "cas" && t.kind == 'b':
		return func(old, b, c uint64) uint64 {
			if old == b {
				return c
			}
			return old
		}
	case op == "add" && t == typeOf["f32"]:
		return func(old, b, c uint64) uint64 { return bits32(f32(old) + f32(b)) }
	case op == "add" && t == typeOf["f64"]:
		return func(old, b, c uint64) uint64 { return math.Float64bits(f64(old) + f64(b)) }
	case op == "add" && !float && t.kind != 'b' && t != typeOf["s64"]:
		return func(old, b, c uint64) uint64 { return old + b }
	case op == "and" && t.kind == 'b':
		return func(old, b, c uint64) uint64 { return old & b }
	case op == "or" && t.kind == 'b':
		return func(old, b, c uint64) uint64 { return old | b }
	case op == "xor" && t.kind == 'b':
		return func(old, b, c uint64) uint64 { return old ^ b }
	case op == "inc" && t == typeOf["u32"]:
		return func(old, b, c uint64) uint64 {
			if old >= b {
				return 0
			}
			return old + 1
		}
	case op == "dec" && t == typeOf["u32"]:
		return func(old, b, c uint64) uint64 {
			if old == 0 || old > b {
				return b
			}
			return old - 1
		}
	case op == "min" && signed:
		return func(old, b, c uint64) uint64 { return uint64(min(int64(old), int64(b))) }
	case op == "max" && signed:
		return func(old, b, c uint64) uint64 { return uint64(max(int64(old), int64(b))) }
	case op == "min" && t.kind == 'u':
		return func(old, b, c uint64) uint64 { return min(old, b) }
	case op == "max" && t.kind == 'u':
		return func(old, b, c uint64) uint64 { return max(old, b) }
	}
	return nil
}

// atom does the operation lane after lane, in order, and each as a whole against all other blocks.
func atom(x *call) exec {
	t, op := x.typ("type"), x.mods["op"]
	if x.has("cas") {
		op = "cas"
	}
	s, a := x.where("[a]")
	f := modify(op, t)
	if f == nil {
		x.fail("%s: no such atomic operation", x.st.opcode)
	}
	b := x.src("b", t)
	c, d := b, dst{-1, false, t}
	if op == "cas" {
		c = x.src("c", t)
	}
	if x.form.base == "atom" {
		d = x.dst("d", t)
	}
	release := x.mods["order"] == "release" || x.mods["order"] == "acq_rel"
	return func(w *warp, m uint32) {
		w.count(s, a, m, t.size())
		if release {
			w.b.order.unfenced = false
		}
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			addr := a.at(w, l)
			lock := w.b.mem.lock(addr)
			at := w.reach(l, s, addr, t.size(), atomicUse)
			lock.Lock()
			old := getBytes(at, t.size())
			putBytes(at, t.size(), f(t.extend(old), b.extended(w, l), c.extended(w, l)))
			lock.Unlock()
			if d.row >= 0 {
				d.put(w, l, old)
			}
		}
	}
}

// fence orders the block's writes before what it does next, for other blocks to see. Memory here is always in order, so
// only the check for races between blocks takes note.
func fence(x *call) exec {
	if x.mods["level"] == "cta" {
		return func(*warp, uint32) {}
	}
	return func(w *warp, m uint32) { w.b.order.unfenced = false }
}
