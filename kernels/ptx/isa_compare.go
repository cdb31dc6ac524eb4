package ptx

import "math"

// compareForms are the manual's section Comparison and Selection Instructions.
var compareForms = []form{
	{syntax: `setp.cmp{.ftz}.type p, a, b;` + comparisons, build: setp},
	{syntax: `setp.cmp.bool{.ftz}.type p, a, b, c;  .bool = { .and, .or, .xor };` + comparisons, build: setp},
	{syntax: `set.cmp{.ftz}.dtype.type d, a, b;  .dtype = { .u32, .s32, .f32 };` + comparisons, build: set},
	{syntax: `selp.type d, a, b, c;  .type = { .b16, .b32, .b64, .u16, .u32, .u64, .s16, .s32, .s64, .f32, .f64 };`, build: selp},
	{syntax: `slct{.ftz}.dtype.type d, a, b, c;
		.dtype = { .b16, .b32, .b64, .u16, .u32, .u64, .s16, .s32, .s64, .f32, .f64 };  .type = { .s32, .f32 };`, build: slct},
}

const comparisons = `
	.cmp = { .eq, .ne, .lt, .le, .gt, .ge, .lo, .ls, .hi, .hs, .equ, .neu, .ltu, .leu, .gtu, .geu, .num, .nan };
	.type = { .b16, .b32, .b64, .u16, .u32, .u64, .s16, .s32, .s64, .f32, .f64 };`

// relation is what a comparison says of a < b, a == b, a > b, and of operands that have no order because one is a NaN.
type relation struct{ less, equal, greater, unordered bool }

var relations = map[string]relation{
	"eq": {equal: true}, "ne": {less: true, greater: true},
	"lt": {less: true}, "le": {less: true, equal: true}, "gt": {greater: true}, "ge": {greater: true, equal: true},
	"lo": {less: true}, "ls": {less: true, equal: true}, "hi": {greater: true}, "hs": {greater: true, equal: true},
	"equ": {equal: true, unordered: true}, "neu": {less: true, greater: true, unordered: true},
	"ltu": {less: true, unordered: true}, "leu": {less: true, equal: true, unordered: true},
	"gtu": {greater: true, unordered: true}, "geu": {greater: true, equal: true, unordered: true},
	"num": {less: true, equal: true, greater: true}, "nan": {unordered: true},
}

// compares tells whether a type has a comparison.
func compares(cmp string, t typ) bool {
	switch cmp {
	case "eq", "ne":
		return true
	case "lo", "ls", "hi", "hs":
		return t.kind == 'u'
	case "lt", "le", "gt", "ge":
		return t.kind != 'b'
	}
	return t.kind == 'f'
}

// comparison decodes .cmp and .type into a test of two extended operands.
func (x *call) comparison() func(a, b uint64) bool {
	t, r := x.typ("type"), relations[x.mods["cmp"]]
	switch {
	case !compares(x.mods["cmp"], t) || x.has("ftz") && t != typeOf["f32"]:
		x.fail("%s: no such comparison of this type", x.st.opcode)
	case t.kind == 'f':
		ftz := x.has("ftz")
		return func(a, b uint64) bool {
			u, v := floating(a, t), floating(b, t)
			if ftz {
				u, v = float64(flush(float32(u))), float64(flush(float32(v)))
			}
			return u < v && r.less || u == v && r.equal || u > v && r.greater || (math.IsNaN(u) || math.IsNaN(v)) && r.unordered
		}
	case t.kind == 's':
		return func(a, b uint64) bool {
			return int64(a) < int64(b) && r.less || a == b && r.equal || int64(a) > int64(b) && r.greater
		}
	}
	return func(a, b uint64) bool { return a < b && r.less || a == b && r.equal || a > b && r.greater }
}

// setp writes p, and the opposite to q of p|q; with .bool, either is combined with c.
func setp(x *call) exec {
	t, test := x.typ("type"), x.comparison()
	to := x.arg("p")
	p, q := -1, -1
	if to.kind == opPair {
		p, q = x.predDst(&to.parts[0]), x.predDst(&to.parts[1])
	} else {
		p = x.predDst(to)
	}
	a, b := x.src("a", t), x.src("b", t)
	combine := map[string]func(v, c uint32) uint32{
		"and": func(v, c uint32) uint32 { return v & c },
		"or":  func(v, c uint32) uint32 { return v | c },
		"xor": func(v, c uint32) uint32 { return v ^ c },
	}[x.mods["bool"]]
	var c predicate
	if combine != nil {
		c = x.pred("c")
	}
	return func(w *warp, m uint32) {
		v := lanesOf(m, func(l int) bool { return test(a.extended(w, l), b.extended(w, l)) })
		yes, no := v, ^v
		if combine != nil {
			yes, no = combine(v, c.lanes(w)), combine(^v, c.lanes(w))
		}
		w.setPred(p, m, yes)
		if q >= 0 {
			w.setPred(q, m, no)
		}
	}
}

// set writes all ones, or 1.0 for .f32, where the comparison holds, and 0 where not.
func set(x *call) exec {
	t, to, test := x.typ("type"), x.typ("dtype"), x.comparison()
	yes := uint64(0xffffffff)
	if to.kind == 'f' {
		yes = bits32(1)
	}
	return lanes2(x.dst("d", to), x.src("a", t), x.src("b", t), func(a, b uint64) uint64 {
		if test(a, b) {
			return yes
		}
		return 0
	})
}

func selp(x *call) exec {
	t := x.typ("type")
	d, a, b, c := x.dst("d", t), x.src("a", t), x.src("b", t), x.pred("c")
	return func(w *warp, m uint32) {
		yes := c.lanes(w)
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			if yes>>l&1 != 0 {
				d.put(w, l, a.at(w, l))
			} else {
				d.put(w, l, b.at(w, l))
			}
		}
	}
}

// slct selects a where c is not negative.
func slct(x *call) exec {
	t, ct := x.typ("dtype"), x.typ("type")
	if x.has("ftz") && ct.kind != 'f' {
		x.fail("slct.ftz needs an .f32 to compare")
	}
	return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", ct), func(a, b, c uint64) uint64 {
		if ct.kind == 's' && int64(c) >= 0 || ct.kind == 'f' && f32(c) >= 0 {
			return a
		}
		return b
	})
}
