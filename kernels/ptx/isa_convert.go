package ptx

import (
	"math"
	"math/bits"
)

// convertForms are cvt. The rounding modes with an i round to an integral value.
var convertForms = []form{
	{syntax: `cvt{.sat}.dtype.atype d, a;` + integers + `.atype = { .u8, .u16, .u32, .u64, .s8, .s16, .s32, .s64 };`, build: intToInt},
	{syntax: `cvt.rnd{.ftz}{.sat}.dtype.atype d, a;  .rnd = { .rni, .rzi, .rmi, .rpi };` + integers + `.atype = { .f16, .bf16, .f32, .f64 };`, build: floatToInt},
	{syntax: `cvt.rnd{.sat}.dtype.atype d, a;  .rnd = { .rn, .rz, .rm, .rp };
		.dtype = { .f16, .f32, .f64 };  .atype = { .u8, .u16, .u32, .u64, .s8, .s16, .s32, .s64 };`, build: intToFloat},
	{syntax: `cvt{.rnd}{.ftz}{.sat}.dtype.atype d, a;  .rnd = { .rn, .rz, .rm, .rp, .rni, .rzi, .rmi, .rpi };
		.dtype = { .f16, .f32, .f64 };  .atype = { .f16, .bf16, .f32, .f64 };`, build: floatToFloat},
	{syntax: `cvt.rnd{.relu}.dtype.f32 d, a;  .rnd = { .rn, .rz };  .dtype = { .bf16, .f16 };`, build: toShort},
	{syntax: `cvt.rnd{.relu}.bf16x2.f32 d, a, b;  .rnd = { .rn, .rz };`, build: toPair},
	{syntax: `cvt.rna.tf32.f32 d, a;`, build: toTF32},
}

const integers = `  .dtype = { .u8, .u16, .u32, .u64, .s8, .s16, .s32, .s64 };  `

// intToInt extends a by its own sign and cuts it to the result; a wider destination register is filled by the result's sign.
func intToInt(x *call) exec {
	to, from := x.typ("dtype"), x.typ("atype")
	sat := x.has("sat")
	return lanes1(x.dstWide("d", to), x.srcWide("a", from), func(a uint64) uint64 {
		if sat {
			a = clampInt(a, from.kind == 's', to)
		}
		return to.extend(a)
	})
}

// clampInt limits an extended integer to the range of a type.
func clampInt(a uint64, signed bool, to typ) uint64 {
	if signed && int64(a) < 0 {
		if to.kind == 'u' {
			return 0
		}
		return uint64(max(int64(a), -1<<(to.bits-1)))
	}
	if to.kind == 'u' {
		return min(a, to.mask())
	}
	return min(a, to.mask()>>1)
}

// real reads a float of any format.
func real(v uint64, t typ) float64 {
	switch {
	case t.kind == 'h':
		return float64(brain32(v))
	case t.bits == 16:
		return halfToFloat(v)
	}
	return floating(v, t)
}

// floatToInt limits the result to the type's range, whether .sat is there or not. NaN becomes 0.
func floatToInt(x *call) exec {
	to, from := x.typ("dtype"), x.typ("atype")
	how, ftz := roundingOf[x.mods["rnd"]], x.has("ftz")
	if ftz && from != typeOf["f32"] {
		x.fail("%s: .ftz needs an .f32", x.st.opcode)
	}
	return lanes1(x.dstWide("d", to), x.srcWide("a", from), func(a uint64) uint64 {
		v := real(a, from)
		if ftz {
			v = float64(flush(float32(v)))
		}
		return to.extend(toInteger(integral(v, how), to))
	})
}

func toInteger(v float64, to typ) uint64 {
	lo, hi := 0.0, math.Ldexp(1, to.bits)
	if to.kind == 's' {
		lo, hi = -math.Ldexp(1, to.bits-1), math.Ldexp(1, to.bits-1)
	}
	switch {
	case math.IsNaN(v):
		return 0
	case v >= hi:
		return to.mask() >> truth(to.kind == 's')
	case v <= lo:
		return uint64(int64(lo))
	case v < 0:
		return uint64(int64(v))
	}
	return uint64(v)
}

// fromInteger is an integer as a float64, rounded to odd where it has more than 53 bits.
func fromInteger(a uint64, signed bool) float64 {
	negative := signed && int64(a) < 0
	if negative {
		a = -a
	}
	drop := max(0, bits.Len64(a)-53)
	top := a >> drop
	if top<<drop != a {
		top |= 1
	}
	v := math.Ldexp(float64(top), drop)
	if negative {
		return -v
	}
	return v
}

func intToFloat(x *call) exec {
	to, from := x.typ("dtype"), x.typ("atype")
	how, sat := roundingOf[x.mods["rnd"]], x.has("sat")
	return lanes1(x.dstWide("d", to), x.srcWide("a", from), func(a uint64) uint64 {
		if to.bits == 64 {
			return math.Float64bits(doubleFromInteger(a, from.kind == 's', how))
		}
		return pack32(fromInteger(a, from.kind == 's'), to, how, sat)
	})
}

// doubleFromInteger rounds an integer to .f64, which takes more care than fromInteger can give.
func doubleFromInteger(a uint64, signed bool, how rounding) float64 {
	negative := signed && int64(a) < 0
	if negative {
		a = -a
		how = map[rounding]rounding{nearest: nearest, toZero: toZero, down: up, up: down}[how]
	}
	v := float64(a)
	switch {
	case v == 0x1p64:
		if how == toZero || how == down {
			v = math.Nextafter(v, 0)
		}
	case uint64(v) > a && (how == toZero || how == down):
		v = math.Nextafter(v, 0)
	case uint64(v) < a && how == up:
		v = math.Nextafter(v, math.Inf(1))
	}
	if negative {
		return -v
	}
	return v
}

// pack32 rounds to .f32 or .f16 and gives the bits.
func pack32(v float64, to typ, how rounding, sat bool) uint64 {
	f := single
	if to.bits == 16 {
		f = half
	}
	v = f.round(v, how)
	if sat {
		v = float64(saturate(float32(v)))
	}
	if to.bits == 16 {
		return halfBits(v)
	}
	return bits32(float32(v))
}

// floatToFloat rounds to a narrower format, widens to a wider, or, with an i mode, makes integral within one.
func floatToFloat(x *call) exec {
	to, from := x.typ("dtype"), x.typ("atype")
	rnd := x.mods["rnd"]
	how, whole, ftz, sat := roundingOf[rnd], len(rnd) == 3, x.has("ftz"), x.has("sat")
	if !whole && (rnd == "") != (from.bits <= to.bits) {
		x.fail("%s: a rounding mode where nothing is rounded, or none where something is", x.st.opcode)
	}
	if whole && to != from {
		x.fail("%s: rounding to an integral value changes no type", x.st.opcode)
	}
	return lanes1(x.dstWide("d", to), x.srcWide("a", from), func(a uint64) uint64 {
		v := real(a, from)
		if ftz && from == typeOf["f32"] {
			v = float64(flush(float32(v)))
		}
		if whole {
			v = math.Copysign(integral(v, how), v)
		}
		if to.bits == 64 {
			if sat {
				v = min(max(number(v, 0, v), 0), 1)
			}
			return math.Float64bits(v)
		}
		r := pack32(v, to, how, sat)
		if ftz && to.bits == 32 {
			r = bits32(flush(f32(r)))
		}
		return r
	})
}

// short rounds an .f32 to .bf16 or .f16.
func short(v float32, to typ, how rounding, relu bool) uint64 {
	if relu && v < 0 {
		v = 0
	}
	if v != v {
		return 0x7fff
	}
	if to.kind == 'h' {
		return bits32(float32(brain.round(float64(v), how))) >> 16
	}
	return halfBits(half.round(float64(v), how))
}

func toShort(x *call) exec {
	to, how, relu := x.typ("dtype"), roundingOf[x.mods["rnd"]], x.has("relu")
	return lanes1(x.dst("d", typeOf["b16"]), x.src("a", typeOf["f32"]), func(a uint64) uint64 { return short(f32(a), to, how, relu) })
}

// toPair packs a into the upper half and b into the lower.
func toPair(x *call) exec {
	t, to, how, relu := typeOf["f32"], typeOf["bf16"], roundingOf[x.mods["rnd"]], x.has("relu")
	return lanes2(x.dst("d", typeOf["b32"]), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 {
		return short(f32(a), to, how, relu)<<16 | short(f32(b), to, how, relu)
	})
}

// toTF32 rounds to ten stored bits of mantissa, ties away from zero.
func toTF32(x *call) exec {
	return lanes1(x.dst("d", typeOf["b32"]), x.src("a", typeOf["f32"]), func(a uint64) uint64 {
		return bits32(float32(tensor32.round(float64(f32(a)), away)))
	})
}
