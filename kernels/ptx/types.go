package ptx

// typ is a PTX fundamental type: what kind of value a register or an instruction's operand holds, and its width.
type typ struct {
	kind byte // 'b' untyped bits, 'u' unsigned, 's' signed, 'f' IEEE float, 'h' bfloat16, 't' TF32, 'p' predicate
	bits int
}

// typeOf names the types that this package knows, without the leading dot.
var typeOf = map[string]typ{
	"pred": {'p', 1},
	"b8":   {'b', 8}, "b16": {'b', 16}, "b32": {'b', 32}, "b64": {'b', 64},
	"u8": {'u', 8}, "u16": {'u', 16}, "u32": {'u', 32}, "u64": {'u', 64},
	"s8": {'s', 8}, "s16": {'s', 16}, "s32": {'s', 32}, "s64": {'s', 64},
	"f16": {'f', 16}, "f32": {'f', 32}, "f64": {'f', 64},
	"bf16": {'h', 16}, "bf16x2": {'h', 32}, "tf32": {'t', 32},
}

func (t typ) size() int  { return t.bits / 8 }
func (t typ) wide() bool { return t.bits == 64 }

// mask has the type's bits set.
func (t typ) mask() uint64 { return ^uint64(0) >> (64 - t.bits) }

// extend widens the low bits of v to 64: by the sign for a signed type, by zeros for all others.
func (t typ) extend(v uint64) uint64 {
	s := 64 - t.bits
	if t.kind == 's' {
		return uint64(int64(v<<s) >> s)
	}
	return v << s >> s
}

// double is the type of twice the width, the result of mul.wide.
func (t typ) double() typ { return typ{t.kind, 2 * t.bits} }
