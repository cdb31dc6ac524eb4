package ptx

import (
	"encoding/binary"
	"math/bits"
)

// memoryForms are loads and stores. Cache operators and eviction hints change nothing here.
var memoryForms = []form{
	{syntax: `ld{.weak}{.space}{.nc}{.cop}{.evict}{.prefetch}{.vec}.type d, [a];
		.space = { .const, .global, .local, .param, .shared, .shared::cta };  .cop = { .ca, .cg, .cs, .lu, .cv };` + hints + access, build: loads},
	{syntax: `ld.order{.scope}{.space}{.vec}.type d, [a];  .order = { .volatile, .relaxed, .acquire };
		.space = { .global, .local, .shared, .shared::cta };` + access, build: loads},
	{syntax: `ldu{.space}{.vec}.type d, [a];  .space = { .global };` + access, build: loads},
	{syntax: `st{.weak}{.space}{.cop}{.evict}{.vec}.type [a], b;
		.space = { .global, .local, .shared, .shared::cta };  .cop = { .wb, .cg, .cs, .wt };` + hints + access, build: stores},
	{syntax: `st.order{.scope}{.space}{.vec}.type [a], b;  .order = { .volatile, .relaxed, .release };
		.space = { .global, .local, .shared, .shared::cta };` + access, build: stores},
	{syntax: `prefetch{.global}.level [a];  .level = { .L1, .L2 };`, build: func(x *call) exec {
		x.address("[a]", "global")
		return func(*warp, uint32) {}
	}},
}

const (
	hints = `
	.evict = { .L1::evict_normal, .L1::evict_unchanged, .L1::evict_first, .L1::evict_last, .L1::no_allocate };
	.prefetch = { .L2::64B, .L2::128B, .L2::256B };`
	access = `
	.scope = { .cta, .gpu, .sys };  .vec = { .v2, .v4 };
	.type = { .b8, .b16, .b32, .b64, .u8, .u16, .u32, .u64, .s8, .s16, .s32, .s64, .f32, .f64 };`
)

var spaceOf = map[string]space{"": generic, "global": global, "shared": shared, "shared::cta": shared, "local": local,
	"const": constants, "param": parameter}

// where decodes the space and the address of a load or store.
func (x *call) where(operand string) (space, address) {
	name := x.mods["space"]
	if name == "shared::cta" {
		name = "shared"
	}
	return spaceOf[name], x.address(operand, name)
}

// shape decodes how many elements of which type an access moves.
func (x *call) shape() (int, typ) {
	n, t := map[string]int{"": 1, "v2": 2, "v4": 4}[x.mods["vec"]], x.typ("type")
	if n*t.size() > 16 {
		x.fail("%s: more than 16 bytes", x.st.opcode)
	}
	return n, t
}

func getBytes(b []byte, size int) uint64 {
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func putBytes(b []byte, size int, v uint64) {
	switch size {
	case 1:
		b[0] = byte(v)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(v))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(v))
	default:
		binary.LittleEndian.PutUint64(b, v)
	}
}

// loads extends each element to its register: by the sign for the signed types, by zeros for the others.
func loads(x *call) exec {
	n, t := x.shape()
	s, a := x.where("[a]")
	d := x.targets("d", n, t, true)
	size, total := t.size(), n*t.size()
	ordered := x.mods["order"] == "relaxed" || x.mods["order"] == "acquire" || x.mods["order"] == "volatile"
	careful := func(w *warp, m uint32) {
		w.count(s, a, m, total)
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			from := w.reach(l, s, a.at(w, l), total, load)
			if ordered {
				w.b.mem.lock(a.at(w, l)).Lock()
			}
			for i, e := range d {
				e.put(w, l, t.extend(getBytes(from[i*size:], size)))
			}
			if ordered {
				w.b.mem.lock(a.at(w, l)).Unlock()
			}
		}
	}
	if quick := fastLoad(s, a, d, t); quick != nil && !ordered && !x.plain {
		return func(w *warp, m uint32) {
			if w.b.careful {
				careful(w, m)
			} else {
				quick(w, m)
			}
		}
	}
	return careful
}

func stores(x *call) exec {
	n, t := x.shape()
	s, a := x.where("[a]")
	from := x.sources("b", n, t, true)
	size, total := t.size(), n*t.size()
	ordered := x.mods["order"] == "relaxed" || x.mods["order"] == "release" || x.mods["order"] == "volatile"
	careful := func(w *warp, m uint32) {
		w.count(s, a, m, total)
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			to := w.reach(l, s, a.at(w, l), total, store)
			if ordered {
				w.b.mem.lock(a.at(w, l)).Lock()
			}
			for i, e := range from {
				putBytes(to[i*size:], size, e.at(w, l))
			}
			if ordered {
				w.b.mem.lock(a.at(w, l)).Unlock()
			}
		}
	}
	if quick := fastStore(s, a, from, t); quick != nil && !ordered && !x.plain {
		return func(w *warp, m uint32) {
			if w.b.careful {
				careful(w, m)
			} else {
				quick(w, m)
			}
		}
	}
	return careful
}
