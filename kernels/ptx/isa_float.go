package ptx

import "math"

// floatForms are the manual's section Floating Point Instructions.
//
// Instructions that IEEE defines are exact. The approximations (.approx) are computed in float64 and rounded, which is more
// accurate than hardware: ex2, lg2, rcp, rsqrt, sin and cos are within 1 to 4 ulp or 2^-20 there. The payload of a NaN is
// unspecified.
var floatForms = []form{
	{syntax: `add{.rnd}{.ftz}{.sat}.f32 d, a, b;  .rnd = { .rn, .rz, .rm, .rp };`, build: float2(sum)},
	{syntax: `sub{.rnd}{.ftz}{.sat}.f32 d, a, b;  .rnd = { .rn, .rz, .rm, .rp };`, build: float2(func(a, b float64) exact { return sum(a, -b) })},
	{syntax: `mul{.rnd}{.ftz}{.sat}.f32 d, a, b;  .rnd = { .rn, .rz, .rm, .rp };`, build: float2(func(a, b float64) exact { return exact{near: a * b} })},
	{syntax: `fma.rnd{.ftz}{.sat}.f32 d, a, b, c;  .rnd = { .rn, .rz, .rm, .rp };`, build: fma},
	{syntax: `mad.rnd{.ftz}{.sat}.f32 d, a, b, c;  .rnd = { .rn, .rz, .rm, .rp };`, build: fma},
	{syntax: `div.rnd{.ftz}.f32 d, a, b;  .rnd = { .rn, .rz, .rm, .rp };`, build: float2(quotient)},
	{syntax: `div.kind{.ftz}.f32 d, a, b;  .kind = { .approx, .full };`, build: float2(func(a, b float64) exact { return exact{near: a / b} })},
	{syntax: `rcp.rnd{.ftz}.f32 d, a;  .rnd = { .rn, .rz, .rm, .rp };`, build: float1(func(a float64) exact { return quotient(1, a) })},
	{syntax: `sqrt.rnd{.ftz}.f32 d, a;  .rnd = { .rn, .rz, .rm, .rp };`, build: float1(root)},

	{syntax: `rcp.approx{.ftz}.f32 d, a;`, build: approx(func(a float64) float64 { return 1 / a })},
	{syntax: `sqrt.approx{.ftz}.f32 d, a;`, build: approx(math.Sqrt)},
	{syntax: `rsqrt.approx{.ftz}.f32 d, a;`, build: approx(func(a float64) float64 { return 1 / math.Sqrt(a) })},
	{syntax: `ex2.approx{.ftz}.f32 d, a;`, build: approx(math.Exp2)},
	{syntax: `lg2.approx{.ftz}.f32 d, a;`, build: approx(math.Log2)},
	{syntax: `sin.approx{.ftz}.f32 d, a;`, build: approx(math.Sin)},
	{syntax: `cos.approx{.ftz}.f32 d, a;`, build: approx(math.Cos)},
	{syntax: `tanh.approx.f32 d, a;`, build: approx(math.Tanh)},

	{syntax: `abs{.ftz}.f32 d, a;`, build: approx(math.Abs)},
	{syntax: `neg{.ftz}.f32 d, a;`, build: approx(func(a float64) float64 { return -a })},
	{syntax: `min{.ftz}{.NaN}.f32 d, a, b;`, build: extreme(func(a, b float64) float64 { return min(a, b) })},
	{syntax: `max{.ftz}{.NaN}.f32 d, a, b;`, build: extreme(func(a, b float64) float64 { return max(a, b) })},
	{syntax: `copysign.type d, a, b;  .type = { .f32, .f64 };`, build: copysign},
	{syntax: `testp.op.type p, a;  .op = { .finite, .infinite, .number, .notanumber, .normal, .subnormal };  .type = { .f32, .f64 };`, build: testp},

	{syntax: `add{.rn}.f64 d, a, b;`, build: double2(func(a, b float64) float64 { return a + b })},
	{syntax: `sub{.rn}.f64 d, a, b;`, build: double2(func(a, b float64) float64 { return a - b })},
	{syntax: `mul{.rn}.f64 d, a, b;`, build: double2(func(a, b float64) float64 { return a * b })},
	{syntax: `div.rn.f64 d, a, b;`, build: double2(func(a, b float64) float64 { return a / b })},
	{syntax: `min.f64 d, a, b;`, build: double2(func(a, b float64) float64 { return number(a, b, min(a, b)) })},
	{syntax: `max.f64 d, a, b;`, build: double2(func(a, b float64) float64 { return number(a, b, max(a, b)) })},
	{syntax: `fma.rn.f64 d, a, b, c;`, build: fma64},
	{syntax: `mad.rn.f64 d, a, b, c;`, build: fma64},
	{syntax: `rcp.rn.f64 d, a;`, build: double1(func(a float64) float64 { return 1 / a })},
	{syntax: `rcp.approx.ftz.f64 d, a;`, build: double1(coarse(func(a float64) float64 { return 1 / a }))},
	{syntax: `rsqrt.approx.ftz.f64 d, a;`, build: double1(coarse(func(a float64) float64 { return 1 / math.Sqrt(a) }))},
	{syntax: `sqrt.rn.f64 d, a;`, build: double1(math.Sqrt)},
	{syntax: `abs.f64 d, a;`, build: double1(math.Abs)},
	{syntax: `neg.f64 d, a;`, build: double1(func(a float64) float64 { return -a })},
}

// single gives the reader of .f32 operands, which flushes under .ftz, and the writer of results, which rounds, flushes and
// saturates as the modifiers say.
func (x *call) single() (in func(v uint64) float64, out func(e exact) uint64) {
	how, ftz, sat := roundingOf[x.mods["rnd"]], x.has("ftz"), x.has("sat")
	in = func(v uint64) float64 {
		if ftz {
			return float64(flush(f32(v)))
		}
		return float64(f32(v))
	}
	out = func(e exact) uint64 {
		v := e.float32(how)
		if ftz {
			v = flush(v)
		}
		if sat {
			v = saturate(v)
		}
		return bits32(v)
	}
	return in, out
}

func float1(f func(a float64) exact) func(x *call) exec {
	return func(x *call) exec {
		t := typeOf["f32"]
		in, out := x.single()
		return lanes1(x.dst("d", t), x.src("a", t), func(a uint64) uint64 { return out(f(in(a))) })
	}
}

func float2(f func(a, b float64) exact) func(x *call) exec {
	return func(x *call) exec {
		t := typeOf["f32"]
		in, out := x.single()
		return lanes2(x.dst("d", t), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 { return out(f(in(a), in(b))) })
	}
}

func fma(x *call) exec {
	t := typeOf["f32"]
	in, out := x.single()
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t), func(a, b, c uint64) uint64 {
		return out(sum(in(a)*in(b), in(c)))
	})
}

func approx(f func(a float64) float64) func(x *call) exec {
	return float1(func(a float64) exact { return exact{near: f(a)} })
}

// number is the result of min and max: the other operand where one is NaN.
func number(a, b, r float64) float64 {
	switch {
	case math.IsNaN(a):
		return b
	case math.IsNaN(b):
		return a
	}
	return r
}

func extreme(f func(a, b float64) float64) func(x *call) exec {
	return func(x *call) exec {
		nan := x.has("NaN")
		return float2(func(a, b float64) exact {
			if nan {
				return exact{near: f(a, b)}
			}
			return exact{near: number(a, b, f(a, b))}
		})(x)
	}
}

func double1(f func(a float64) float64) func(x *call) exec {
	return func(x *call) exec {
		t := typeOf["f64"]
		return lanes1(x.dst("d", t), x.src("a", t), func(a uint64) uint64 { return math.Float64bits(f(f64(a))) })
	}
}

// coarse is f of and to the upper half of a float64: 20 bits of mantissa, subnormal numbers flushed to zero.
func coarse(f func(a float64) float64) func(a float64) float64 {
	upper := func(v float64) float64 {
		bits := math.Float64bits(v)
		switch {
		case v != v:
			return v
		case bits&0x7ff0000000000000 == 0:
			return math.Float64frombits(bits & (1 << 63))
		}
		return math.Float64frombits(bits &^ 0xffffffff)
	}
	return func(a float64) float64 { return upper(f(upper(a))) }
}

func double2(f func(a, b float64) float64) func(x *call) exec {
	return func(x *call) exec {
		t := typeOf["f64"]
		return lanes2(x.dst("d", t), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 { return math.Float64bits(f(f64(a), f64(b))) })
	}
}

func fma64(x *call) exec {
	t := typeOf["f64"]
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t), func(a, b, c uint64) uint64 {
		return math.Float64bits(math.FMA(f64(a), f64(b), f64(c)))
	})
}

// copysign gives b the sign of a.
func copysign(x *call) exec {
	t := x.typ("type")
	sign := uint64(1) << (t.bits - 1)
	return lanes2(x.dst("d", t), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 { return b&^sign | a&sign })
}

func testp(x *call) exec {
	t := x.typ("type")
	d, a := x.predDst(x.arg("p")), x.src("a", t)
	smallest := 0x1p-126
	if t.bits == 64 {
		smallest = 0x1p-1022
	}
	test := map[string]func(v float64) bool{
		"finite":     func(v float64) bool { return !math.IsInf(v, 0) && !math.IsNaN(v) },
		"infinite":   func(v float64) bool { return math.IsInf(v, 0) },
		"number":     func(v float64) bool { return !math.IsNaN(v) },
		"notanumber": math.IsNaN,
		"normal":     func(v float64) bool { return math.Abs(v) >= smallest && !math.IsInf(v, 0) },
		"subnormal":  func(v float64) bool { return v != 0 && math.Abs(v) < smallest },
	}[x.mods["op"]]
	return func(w *warp, m uint32) {
		w.setPred(d, m, lanesOf(m, func(l int) bool { return test(floating(a.at(w, l), t)) }))
	}
}

// floating reads the bits of an .f32 or .f64.
func floating(v uint64, t typ) float64 {
	if t.bits == 32 {
		return float64(f32(v))
	}
	return f64(v)
}
