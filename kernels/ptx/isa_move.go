package ptx

import "math/bits"

// moveForms are mov and cvta of the manual's section Data Movement and Conversion Instructions.
var moveForms = []form{
	{syntax: `mov.pred d, a;`, build: movPred},
	{syntax: `mov.type d, a;  .type = { .b16, .b32, .b64, .u16, .u32, .u64, .s16, .s32, .s64, .f32, .f64 };`, build: mov},
	{syntax: `cvta.space.u64 d, a;  .space = { .global, .const, .shared, .shared::cta, .local };`, build: cvta(1)},
	{syntax: `cvta.to.space.u64 d, a;  .space = { .global, .const, .shared, .shared::cta, .local };`, build: cvta(-1)},
	{syntax: `isspacep.space p, a;  .space = { .global, .const, .shared, .shared::cta, .local };`, build: isspacep},
}

func movPred(x *call) exec {
	d := x.predDst(x.arg("d"))
	if o := x.arg("a"); o.kind == opNumber {
		v := -uint32(o.bits & 1)
		return func(w *warp, m uint32) { w.setPred(d, m, v) }
	}
	a := x.pred("a")
	return func(w *warp, m uint32) { w.setPred(d, m, a.lanes(w)) }
}

// mov copies, packs a vector into one register, lowest element in the low bits, or unpacks one.
func mov(x *call) exec {
	t := x.typ("type")
	to, from := x.arg("d"), x.arg("a")
	switch {
	case to.kind == opVector && from.kind == opVector:
		x.fail("mov from a vector to a vector")
	case from.kind == opVector:
		n := len(from.parts)
		return pack(x.dst("d", t), x.sources("a", n, x.element(t, n), false), t.bits/n)
	case to.kind == opVector:
		n := len(to.parts)
		return unpack(x.targets("d", n, x.element(t, n), false), x.src("a", t), t.bits/n)
	}
	return lanes1(x.dst("d", t), x.src("a", t), func(a uint64) uint64 { return a })
}

func (x *call) element(t typ, n int) typ {
	if t.kind != 'b' || n != 2 && n != 4 || t.bits/n < 8 {
		x.fail("%s of %d elements", x.st.opcode, n)
	}
	return typ{'b', t.bits / n}
}

func pack(d dst, a []src, width int) exec {
	return func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			v := uint64(0)
			for i, s := range a {
				v |= s.at(w, l) << (i * width)
			}
			d.put(w, l, v)
		}
	}
}

func unpack(d []dst, a src, width int) exec {
	mask := uint64(1)<<width - 1
	return func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			v := a.at(w, l)
			for i, t := range d {
				t.put(w, l, v>>(i*width)&mask)
			}
		}
	}
}

// windows are the generic addresses of address 0 of the spaces. Global and constant addresses are generic ones.
var windows = map[string]uint64{"global": 0, "const": 0, "shared": sharedWindow, "shared::cta": sharedWindow, "local": localWindow}

func cvta(sign int64) func(x *call) exec {
	return func(x *call) exec {
		t, base := typeOf["u64"], uint64(sign)*windows[x.mods["space"]]
		return lanes1(x.dst("d", t), x.src("a", t), func(a uint64) uint64 { return a + base })
	}
}

func isspacep(x *call) exec {
	d, a := x.predDst(x.arg("p")), x.src("a", typeOf["u64"])
	base, name := windows[x.mods["space"]], x.mods["space"]
	return func(w *warp, m uint32) {
		w.setPred(d, m, lanesOf(m, func(l int) bool {
			at := a.at(w, l) &^ (windowSize - 1)
			if base != 0 {
				return at == base
			}
			constant := false
			if off := a.at(w, l) - w.b.image; off < uint64(len(w.b.k.module.image)) {
				for _, r := range w.b.k.module.readOnly {
					constant = constant || off >= r.lo && off < r.hi
				}
			}
			return at != sharedWindow && at != localWindow && constant == (name == "const")
		}))
	}
}
