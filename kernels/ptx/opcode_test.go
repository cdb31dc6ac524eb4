package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
)

// opCase is an instruction and what it has to compute. The instruction is written with its operands d, a, b, c, e; the
// model says the same in plain Go or in math/big, on the bits of the operands.
type opCase struct {
	code  string
	out   typ
	in    []typ
	model func(in []uint64) uint64
}

type scalar interface {
	uint8 | int8 | uint16 | int16 | uint32 | int32 | uint64 | int64 | float32 | float64 | bool
}

func from[T scalar](v uint64) T {
	var out any
	switch any(*new(T)).(type) {
	case uint8:
		out = uint8(v)
	case int8:
		out = int8(v)
	case uint16:
		out = uint16(v)
	case int16:
		out = int16(v)
	case uint32:
		out = uint32(v)
	case int32:
		out = int32(v)
	case uint64:
		out = v
	case int64:
		out = int64(v)
	case float32:
		out = math.Float32frombits(uint32(v))
	case float64:
		out = math.Float64frombits(v)
	case bool:
		out = v != 0
	}
	return out.(T)
}

func into[T scalar](v T) uint64 {
	switch v := any(v).(type) {
	case uint8:
		return uint64(v)
	case int8:
		return uint64(uint8(v))
	case uint16:
		return uint64(v)
	case int16:
		return uint64(uint16(v))
	case uint32:
		return uint64(v)
	case int32:
		return uint64(uint32(v))
	case uint64:
		return v
	case int64:
		return uint64(v)
	case float32:
		return uint64(math.Float32bits(v))
	case float64:
		return math.Float64bits(v)
	case bool:
		if v {
			return 1
		}
		return 0
	}
	panic("type")
}

func typFor[T scalar]() typ {
	switch any(*new(T)).(type) {
	case uint8:
		return typeOf["u8"]
	case int8:
		return typeOf["s8"]
	case uint16:
		return typeOf["u16"]
	case int16:
		return typeOf["s16"]
	case uint32:
		return typeOf["u32"]
	case int32:
		return typeOf["s32"]
	case uint64:
		return typeOf["u64"]
	case int64:
		return typeOf["s64"]
	case float32:
		return typeOf["f32"]
	case float64:
		return typeOf["f64"]
	}
	return typeOf["pred"]
}

func op1[D, A scalar](code string, f func(a A) D) opCase {
	return opCase{code, typFor[D](), []typ{typFor[A]()}, func(in []uint64) uint64 { return into(f(from[A](in[0]))) }}
}

func op2[D, A, B scalar](code string, f func(a A, b B) D) opCase {
	return opCase{code, typFor[D](), []typ{typFor[A](), typFor[B]()},
		func(in []uint64) uint64 { return into(f(from[A](in[0]), from[B](in[1]))) }}
}

func op3[D, A, B, C scalar](code string, f func(a A, b B, c C) D) opCase {
	return opCase{code, typFor[D](), []typ{typFor[A](), typFor[B](), typFor[C]()},
		func(in []uint64) uint64 { return into(f(from[A](in[0]), from[B](in[1]), from[C](in[2]))) }}
}

func op4[D, A, B, C, E scalar](code string, f func(a A, b B, c C, e E) D) opCase {
	return opCase{code, typFor[D](), []typ{typFor[A](), typFor[B](), typFor[C](), typFor[E]()},
		func(in []uint64) uint64 {
			return into(f(from[A](in[0]), from[B](in[1]), from[C](in[2]), from[E](in[3])))
		}}
}

// declare gives a register of a type, for each as wide as registers are.
func declare(t typ, name string) string {
	if t.kind == 'p' {
		return ".reg .pred " + name + ";"
	}
	return fmt.Sprintf(".reg .b%d %s;", max(t.bits, 16), name)
}

// program writes a kernel that applies the case to element i of its inputs in thread i.
func (c opCase) program() string {
	var s strings.Builder
	s.WriteString(".version 8.1\n.target sm_80\n.address_size 64\n.visible .entry test(.param .u64 out, .param .u64 in) {\n" +
		".reg .b64 %i; .reg .b64 %o; .reg .b32 %t; .reg .b32 %w; .reg .b64 %x;\n")
	s.WriteString(declare(c.out, "d") + "\n")
	for i, t := range c.in {
		s.WriteString(declare(t, "abce"[i:i+1]) + "\n")
	}
	s.WriteString("mov.u32 %t, %ctaid.x; mov.u32 %w, %ntid.x; mul.lo.u32 %t, %t, %w; mov.u32 %w, %tid.x; add.u32 %t, %t, %w;\n")
	fmt.Fprintf(&s, "ld.param.u64 %%i, [in]; mad.wide.u32 %%i, %%t, %d, %%i;\n", 8*len(c.in))
	s.WriteString("ld.param.u64 %o, [out]; mad.wide.u32 %o, %t, 8, %o;\n")
	for i, t := range c.in {
		name := "abce"[i : i+1]
		switch {
		case t.kind == 'p':
			fmt.Fprintf(&s, "ld.global.u32 %%w, [%%i+%d]; setp.ne.u32 %s, %%w, 0;\n", 8*i, name)
		default:
			fmt.Fprintf(&s, "ld.global.b%d %s, [%%i+%d];\n", t.bits, name, 8*i)
		}
	}
	s.WriteString(c.code)
	if !strings.HasPrefix(c.code, "{") { // a block of several instructions ends itself
		s.WriteString(";")
	}
	s.WriteString("\nmov.u64 %x, 0;\n")
	switch {
	case c.out.kind == 'p':
		s.WriteString("selp.u64 %x, 1, 0, d;\n")
	case c.out.bits == 64:
		s.WriteString("mov.b64 %x, d;\n")
	default:
		fmt.Fprintf(&s, "cvt.u64.u%d %%x, d;\n", max(c.out.bits, 16))
	}
	s.WriteString("st.global.u64 [%o], %x;\nret;\n}\n")
	return s.String()
}

// corners are values where arithmetic goes wrong.
func corners(t typ) []uint64 {
	if t.kind == 'p' {
		return []uint64{0, 1}
	}
	if t.kind == 'f' {
		var out []uint64
		for _, v := range []float64{0, 1, 1.5, 2.5, 0.5, 3, 1e-3, 1 << 24, 1<<24 + 2, 1 << 31, 1 << 33, 3.4e38, 1e-38, 1e-45, 65504, 65520, 6e-8, 0x1.fffffep-127,
			math.Pi, math.Inf(1)} {
			for _, s := range []float64{v, -v} {
				if t.bits == 32 {
					out = append(out, into(float32(s)))
				} else {
					out = append(out, into(s))
				}
			}
		}
		if t.bits == 32 {
			return append(out, 0x7fffffff, 0x3f800001, 0x3f808000, 0x3f818000, 0x3f801000, 1, 0x7fffff, 0x400001, 0x7f7fffff)
		}
		return append(out, into(math.NaN()), into(1+0x1p-24), into(1+0x1p-24+0x1p-50), into(0x1p-1074))
	}
	out := []uint64{0, 1, 2, 3, 7, 31, 32, 33, 64, 0x55, 0x100, 0x1234567890abcdef, 0x8000, 0x7fff, 0x80000000, 0x7fffffff,
		1 << 53, 1<<53 + 1, 1<<63 - 1, 1 << 63, ^uint64(0), ^uint64(1), ^uint64(6)}
	for i := range out {
		out[i] &= t.mask()
	}
	return out
}

// inputs mixes corners with random bits; of floats, half are of ordinary size.
func inputs(r *rand.Rand, in []typ, n int) [][]uint64 {
	out := make([][]uint64, n)
	for i := range out {
		for _, t := range in {
			v := r.Uint64() & t.mask()
			c := corners(t)
			switch {
			case len(in) == 1 && i < len(c):
				v = c[i]
			case r.IntN(3) > 0:
				v = c[r.IntN(len(c))]
			case t == typeOf["f32"] && r.IntN(2) == 0:
				v = into(float32(r.NormFloat64() * 10))
			case t == typeOf["f64"] && r.IntN(2) == 0:
				v = into(r.NormFloat64() * 10)
			case t.kind != 'f' && r.IntN(2) == 0:
				v = r.Uint64N(70) & t.mask()
			}
			out[i] = append(out[i], v)
		}
	}
	return out
}

func (c opCase) run(t *testing.T, plain bool, in [][]uint64) []uint64 {
	m, err := parse("test.ptx", c.program(), plain)
	if err != nil {
		t.Fatalf("%s: %v\n%s", c.code, err, c.program())
	}
	mem := NewMemory(1<<24, true)
	var raw []byte
	for _, row := range in {
		for _, v := range row {
			raw = binary.LittleEndian.AppendUint64(raw, v)
		}
	}
	pin, pout := room(t, mem, len(raw)), room(t, mem, 8*len(in))
	if err := mem.CopyIn(pin, raw); err != nil {
		t.Fatal(err)
	}
	const threads = 96
	l := Launch{Grid: [3]int{len(in) / threads, 1, 1}, Block: [3]int{threads, 1, 1}, Args: []uint64{pout, pin}}
	if err := kernel(t, m, "test").Run(mem, l, Options{Check: true, Workers: 1}); err != nil {
		t.Fatalf("%s: %v", c.code, err)
	}
	res := make([]byte, 8*len(in))
	if err := mem.CopyOut(res, pout); err != nil {
		t.Fatal(err)
	}
	out := make([]uint64, len(in))
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(res[8*i:])
	}
	return out
}

// same compares bits, and takes any NaN for any other.
func same(a, b uint64, t typ) bool {
	nan := func(v uint64) bool {
		return t == typeOf["f32"] && f32(v) != f32(v) || t == typeOf["f64"] && f64(v) != f64(v)
	}
	return a == b || nan(a) && nan(b)
}

func TestOpcodes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 11))
	for _, c := range opCases() {
		in := inputs(r, c.in, 960)
		for _, plain := range []bool{true, false} {
			for i, got := range c.run(t, plain, in) {
				if want := c.model(in[i]); !same(got, want, c.out) {
					t.Errorf("%s (fast forms: %v) of %x = %#x, want %#x", c.code, !plain, in[i], got, want)
					break
				}
			}
		}
	}
}

type signed interface{ int16 | int32 | int64 }
type unsigned interface{ uint16 | uint32 | uint64 }

func integerCases[T signed | unsigned]() []opCase {
	t := typFor[T]()
	name := fmt.Sprintf("%c%d", t.kind, t.bits)
	w := t.bits
	toBig := func(a T) *big.Int {
		if t.kind == 's' {
			return big.NewInt(int64(a))
		}
		return new(big.Int).SetUint64(uint64(a))
	}
	hi := func(a, b T) T {
		p := new(big.Int).Mul(toBig(a), toBig(b))
		return from[T](new(big.Int).And(p.Rsh(p, uint(w)), new(big.Int).SetUint64(t.mask())).Uint64())
	}
	out := []opCase{
		op2("add."+name+" d, a, b", func(a, b T) T { return a + b }),
		op2("sub."+name+" d, a, b", func(a, b T) T { return a - b }),
		op2("mul.lo."+name+" d, a, b", func(a, b T) T { return a * b }),
		op2("mul.hi."+name+" d, a, b", hi),
		op3("mad.lo."+name+" d, a, b, c", func(a, b, c T) T { return a*b + c }),
		op3("mad.hi."+name+" d, a, b, c", func(a, b, c T) T { return hi(a, b) + c }),
		op2("div."+name+" d, a, b", func(a, b T) T {
			if b == 0 {
				return ^T(0)
			}
			return a / b
		}),
		op2("rem."+name+" d, a, b", func(a, b T) T {
			if b == 0 {
				return a
			}
			return a % b
		}),
		op2("min."+name+" d, a, b", func(a, b T) T { return min(a, b) }),
		op2("max."+name+" d, a, b", func(a, b T) T { return max(a, b) }),
		op2("shr."+name+" d, a, b", func(a T, b uint32) T { return a >> b }),
		op3("selp."+name+" d, a, b, c", func(a, b T, c bool) T {
			if c {
				return a
			}
			return b
		}),
		op1("mov."+name+" d, a", func(a T) T { return a }),
	}
	for op, f := range map[string]func(a, b T) bool{"eq": func(a, b T) bool { return a == b }, "ne": func(a, b T) bool { return a != b },
		"lt": func(a, b T) bool { return a < b }, "le": func(a, b T) bool { return a <= b },
		"gt": func(a, b T) bool { return a > b }, "ge": func(a, b T) bool { return a >= b }} {
		out = append(out, op2("setp."+op+"."+name+" d, a, b", f))
		if t.kind == 'u' && op != "eq" && op != "ne" {
			other := map[string]string{"lt": "lo", "le": "ls", "gt": "hi", "ge": "hs"}[op]
			out = append(out, op2("setp."+other+"."+name+" d, a, b", f))
		}
	}
	if t.kind == 's' {
		out = append(out, op1("neg."+name+" d, a", func(a T) T { return -a }),
			op1("abs."+name+" d, a", func(a T) T {
				if a < 0 {
					return -a
				}
				return a
			}))
	}
	return out
}

func logicCases[T unsigned]() []opCase {
	t := typFor[T]()
	name := fmt.Sprintf("b%d", t.bits)
	return []opCase{
		op2("and."+name+" d, a, b", func(a, b T) T { return a & b }),
		op2("or."+name+" d, a, b", func(a, b T) T { return a | b }),
		op2("xor."+name+" d, a, b", func(a, b T) T { return a ^ b }),
		op1("not."+name+" d, a", func(a T) T { return ^a }),
		op1("cnot."+name+" d, a", func(a T) T {
			if a == 0 {
				return 1
			}
			return 0
		}),
		op2("shl."+name+" d, a, b", func(a T, b uint32) T { return a << b }),
		op2("shr."+name+" d, a, b", func(a T, b uint32) T { return a >> b }),
		op1("mov."+name+" d, a", func(a T) T { return a }),
		op2("setp.ne."+name+" d, a, b", func(a, b T) bool { return a != b }),
		op2("setp.eq."+name+" d, a, b", func(a, b T) bool { return a == b }),
		op3("selp."+name+" d, a, b, !c", func(a, b T, c bool) T {
			if c {
				return b
			}
			return a
		}),
	}
}

// wideBits are the counting instructions and bit fields, which exist for 32 and 64 bits.
func wideBits[U uint32 | uint64, S int32 | int64]() []opCase {
	w := typFor[U]().bits
	b, u, s := fmt.Sprintf("b%d", w), fmt.Sprintf("u%d", w), fmt.Sprintf("s%d", w)
	extract := func(a uint64, signed bool, pos, n int) uint64 { // the manual's own loop
		bit := func(i int) uint64 { return a >> i & 1 }
		sign := uint64(0)
		if signed && n > 0 {
			sign = bit(min(pos+n-1, w-1))
		}
		d := uint64(0)
		for i := range w {
			v := sign
			if i < n && pos+i < w {
				v = bit(pos + i)
			}
			d |= v << i
		}
		return d
	}
	find := func(a U) uint32 {
		for i := w - 1; i >= 0; i-- {
			if a>>i&1 != 0 {
				return uint32(i)
			}
		}
		return 0xffffffff
	}
	findS := func(a S) uint32 {
		if a < 0 {
			a = ^a
		}
		return find(U(a))
	}
	amount := func(p uint32) uint32 {
		if p != 0xffffffff {
			p = uint32(w) - 1 - p
		}
		return p
	}
	return []opCase{
		op1("popc."+b+" d, a", func(a U) uint32 {
			n := uint32(0)
			for ; a != 0; a >>= 1 {
				n += uint32(a & 1)
			}
			return n
		}),
		op1("clz."+b+" d, a", func(a U) uint32 { return uint32(w) - (find(a) + 1) }),
		op1("bfind."+u+" d, a", find),
		op1("bfind."+s+" d, a", findS),
		op1("bfind.shiftamt."+u+" d, a", func(a U) uint32 { return amount(find(a)) }),
		op1("bfind.shiftamt."+s+" d, a", func(a S) uint32 { return amount(findS(a)) }),
		op1("brev."+b+" d, a", func(a U) U {
			d := U(0)
			for i := range w {
				d |= a >> i & 1 << (w - 1 - i)
			}
			return d
		}),
		op3("bfe."+u+" d, a, b, c", func(a U, p, n uint32) U { return U(extract(uint64(a), false, int(p&255), int(n&255))) }),
		op3("bfe."+s+" d, a, b, c", func(a S, p, n uint32) S { return S(extract(uint64(a), true, int(p&255), int(n&255))) }),
		op4("bfi."+b+" d, a, b, c, e", func(a, to U, p, n uint32) U {
			for i := 0; i < int(n&255) && int(p&255)+i < w; i++ {
				at := int(p&255) + i
				to = to&^(1<<at) | a>>i&1<<at
			}
			return to
		}),
	}
}

// carryCases read the flag by a second instruction that adds it to zero.
func carryCases() []opCase {
	var out []opCase
	carry := func(b bool) uint32 { return uint32(into(b)) }
	out = append(out,
		op2("{ .reg .u32 x; add.cc.u32 x, a, b; addc.u32 d, 0, 0; }", func(a, b uint32) uint32 { return carry(a+b < a) }),
		op2("{ .reg .u64 x; add.cc.u64 x, a, b; addc.u32 d, 0, 0; }", func(a, b uint64) uint32 { return carry(a+b < a) }),
		op2("{ .reg .u32 x; sub.cc.u32 x, a, b; subc.u32 d, 0, 0; }", func(a, b uint32) uint32 { return -carry(a < b) }),
		op3("{ .reg .u32 x; add.cc.u32 x, a, b; addc.cc.s32 d, b, c; }", func(a, b, c uint32) uint32 { return b + c + carry(a+b < a) }),
		op3("{ .reg .u64 x; sub.cc.s64 x, a, b; subc.cc.u64 d, b, c; }", func(a, b, c uint64) uint64 { return b - c - uint64(carry(a < b)) }),
	)
	wide := func(a, b, c uint32) (lo uint32, cc uint32) {
		p := uint64(a*b) + uint64(c)
		return uint32(p), uint32(p >> 32)
	}
	return append(out,
		op3("mad.lo.cc.u32 d, a, b, c", func(a, b, c uint32) uint32 { v, _ := wide(a, b, c); return v }),
		op3("{ .reg .u32 x; mad.lo.cc.u32 x, a, b, c; madc.hi.u32 d, a, b, c; }", func(a, b, c uint32) uint32 {
			_, cc := wide(a, b, c)
			h, _ := bits.Mul32(a, b)
			return h + c + cc
		}),
		op3("{ .reg .u32 x; mad.hi.cc.u32 x, a, b, c; madc.lo.cc.u32 d, a, b, c; }", func(a, b, c uint32) uint32 {
			h, l := bits.Mul32(a, b)
			return l + c + carry(h+c < h)
		}))
}

// exactly rounds a number held exactly to float32.
func exactly(v *big.Float, mode big.RoundingMode) float32 {
	f, _ := v.Float32()
	c := new(big.Float).SetFloat64(float64(f)).Cmp(v)
	if math.IsInf(float64(f), 0) { // over the top: the largest number is as near as some modes go
		c = 1
		if f < 0 {
			c = -1
		}
	}
	toward := func(to float64) float32 { return math.Nextafter32(f, float32(to)) }
	switch {
	case mode == big.ToNegativeInf && c > 0, mode == big.ToZero && c > 0 && f > 0:
		return toward(math.Inf(-1))
	case mode == big.ToPositiveInf && c < 0, mode == big.ToZero && c < 0 && f < 0:
		return toward(math.Inf(1))
	}
	if f == 0 && v.Sign() != 0 && c != 0 { // rounded to zero away from the mode's direction
		if mode == big.ToPositiveInf && v.Sign() > 0 || mode == big.ToNegativeInf && v.Sign() < 0 {
			return toward(math.Inf(v.Sign()))
		}
	}
	return f
}

// total is the sum of a and b, given exactly, rounded. IEEE has a rule for the sign of 0 - 0 that math/big has not.
func total(a, b float64, v *big.Float, mode big.RoundingMode) float32 {
	if a == 0 && b == 0 && math.Signbit(a) != math.Signbit(b) {
		return float32(math.Copysign(0, zeroSign(mode)))
	}
	return exactly(v, mode)
}

// zeroSign has the sign that a zero of opposite terms has.
func zeroSign(mode big.RoundingMode) float64 {
	if mode == big.ToNegativeInf {
		return -1
	}
	return 1
}

func finite(v ...float32) bool {
	for _, x := range v {
		if x-x != 0 {
			return false
		}
	}
	return true
}

func precise(mode big.RoundingMode) *big.Float { return new(big.Float).SetPrec(800).SetMode(mode) }

func bigOf(v float32) *big.Float { return new(big.Float).SetPrec(800).SetFloat64(float64(v)) }

func multiplyAdd(mode big.RoundingMode) func(a, b, c float32) float32 {
	return func(a, b, c float32) float32 {
		if !finite(a, b, c) {
			if p := float64(a) * float64(b); p-p == 0 { // finite as a real number, so c decides
				return float32(p + float64(c))
			}
			return a*b + c
		}
		return total(float64(a)*float64(b), float64(c), precise(mode).Add(precise(mode).Mul(bigOf(a), bigOf(b)), bigOf(c)), mode)
	}
}

func roundedCases() []opCase {
	var out []opCase
	for rnd, mode := range map[string]big.RoundingMode{"": big.ToNearestEven, ".rn": big.ToNearestEven, ".rz": big.ToZero,
		".rm": big.ToNegativeInf, ".rp": big.ToPositiveInf} {
		plus := func(a, b float32) float32 {
			if !finite(a, b) {
				return a + b
			}
			return total(float64(a), float64(b), precise(mode).Add(bigOf(a), bigOf(b)), mode)
		}
		out = append(out,
			op2("add"+rnd+".f32 d, a, b", plus),
			op2("sub"+rnd+".f32 d, a, b", func(a, b float32) float32 { return plus(a, -b) }),
			op2("mul"+rnd+".f32 d, a, b", func(a, b float32) float32 {
				if !finite(a, b) {
					return a * b
				}
				return exactly(precise(mode).Mul(bigOf(a), bigOf(b)), mode)
			}))
		if rnd == "" {
			continue
		}
		over := func(a, b float32) float32 {
			if !finite(a, b) || b == 0 {
				return a / b
			}
			if a == 0 {
				return a / b
			}
			return exactly(precise(mode).Quo(bigOf(a), bigOf(b)), mode)
		}
		out = append(out,
			op3("fma"+rnd+".f32 d, a, b, c", multiplyAdd(mode)), op3("mad"+rnd+".f32 d, a, b, c", multiplyAdd(mode)),
			op2("div"+rnd+".f32 d, a, b", over),
			op1("rcp"+rnd+".f32 d, a", func(a float32) float32 { return over(1, a) }),
			op1("sqrt"+rnd+".f32 d, a", func(a float32) float32 {
				if !finite(a) || a <= 0 {
					return float32(math.Sqrt(float64(a)))
				}
				return exactly(precise(mode).Sqrt(bigOf(a)), mode)
			}),
			op1("cvt"+rnd+".f32.u64 d, a", func(a uint64) float32 { return exactly(precise(mode).SetUint64(a), mode) }),
			op1("cvt"+rnd+".f32.s64 d, a", func(a int64) float32 { return exactly(precise(mode).SetInt64(a), mode) }),
			op1("cvt"+rnd+".f32.u32 d, a", func(a uint32) float32 { return exactly(precise(mode).SetUint64(uint64(a)), mode) }),
			op1("cvt"+rnd+".f64.u64 d, a", func(a uint64) float64 {
				v, _ := new(big.Float).SetPrec(53).SetMode(mode).SetUint64(a).Float64()
				return v
			}),
			op1("cvt"+rnd+".f64.s64 d, a", func(a int64) float64 {
				v, _ := new(big.Float).SetPrec(53).SetMode(mode).SetInt64(a).Float64()
				return v
			}),
			op1("cvt"+rnd+".f32.f64 d, a", func(a float64) float32 {
				if a-a != 0 {
					return float32(a)
				}
				return exactly(precise(mode).SetFloat64(a), mode)
			}))
	}
	return out
}

func flushed(v float32) float32 {
	if math.Float32bits(v)&0x7f800000 == 0 {
		return math.Float32frombits(math.Float32bits(v) & 0x80000000)
	}
	return v
}

// top keeps the sign, the exponent and 20 bits of the mantissa, and no subnormal number.
func top(v float64) float64 {
	if math.Abs(v) < 0x1p-1022 {
		return math.Copysign(0, v)
	}
	if v-v != 0 {
		return v
	}
	frac, exp := math.Frexp(v)
	return math.Ldexp(math.Trunc(frac*(1<<21)), exp-21)
}

func clip(v float32) float32 {
	if v >= 1 {
		return 1
	}
	if v > 0 {
		return v
	}
	return 0
}

func floatCases() []opCase {
	near := func(name string, f func(float64) float64) []opCase {
		return []opCase{
			op1(name+".approx.f32 d, a", func(a float32) float32 { return float32(f(float64(a))) }),
			op1(name+".approx.ftz.f32 d, a", func(a float32) float32 { return flushed(float32(f(float64(flushed(a))))) }),
		}
	}
	var out []opCase
	for name, f := range map[string]func(float64) float64{"ex2": math.Exp2, "lg2": math.Log2, "sin": math.Sin, "cos": math.Cos, "sqrt": math.Sqrt,
		"rsqrt": func(a float64) float64 { return 1 / math.Sqrt(a) }, "rcp": func(a float64) float64 { return 1 / a }} {
		out = append(out, near(name, f)...)
	}
	least := func(a, b float32) float32 {
		switch {
		case a != a:
			return b
		case b != b:
			return a
		}
		return min(a, b)
	}
	most := func(a, b float32) float32 { return -least(-a, -b) }
	out = append(out,
		op1("tanh.approx.f32 d, a", func(a float32) float32 { return float32(math.Tanh(float64(a))) }),
		op2("div.approx.f32 d, a, b", func(a, b float32) float32 { return a / b }),
		op2("div.full.f32 d, a, b", func(a, b float32) float32 { return a / b }),
		op2("add.ftz.f32 d, a, b", func(a, b float32) float32 { return flushed(flushed(a) + flushed(b)) }),
		op2("mul.sat.f32 d, a, b", func(a, b float32) float32 { return clip(a * b) }),
		op3("fma.rn.ftz.sat.f32 d, a, b, c", func(a, b, c float32) float32 {
			return clip(flushed(multiplyAdd(big.ToNearestEven)(flushed(a), flushed(b), flushed(c))))
		}),
		op1("abs.f32 d, a", func(a float32) float32 { return math.Float32frombits(math.Float32bits(a) &^ (1 << 31)) }),
		op1("neg.f32 d, a", func(a float32) float32 { return -a }),
		op2("min.f32 d, a, b", least), op2("max.f32 d, a, b", most),
		op2("min.NaN.f32 d, a, b", func(a, b float32) float32 { return min(a, b) }),
		op2("max.ftz.NaN.f32 d, a, b", func(a, b float32) float32 { return max(flushed(a), flushed(b)) }),
		// added to the subnormal 0x400001, this product lies just below half a unit, which float64 cannot tell from half
		op1("fma.rn.f32 d, 0f2B800001, 0f087FFFFE, a", func(a float32) float32 {
			return multiplyAdd(big.ToNearestEven)(math.Float32frombits(0x2b800001), math.Float32frombits(0x087ffffe), a)
		}),
		op2("copysign.f32 d, a, b", func(a, b float32) float32 { return float32(math.Copysign(float64(b), float64(a))) }),
		op2("copysign.f64 d, a, b", func(a, b float64) float64 { return math.Copysign(b, a) }),

		op2("add.f64 d, a, b", func(a, b float64) float64 { return a + b }),
		op2("sub.rn.f64 d, a, b", func(a, b float64) float64 { return a - b }),
		op2("mul.f64 d, a, b", func(a, b float64) float64 { return a * b }),
		op2("div.rn.f64 d, a, b", func(a, b float64) float64 { return a / b }),
		op2("min.f64 d, a, b", func(a, b float64) float64 {
			if a != a || a > b {
				return b
			}
			if a == b {
				return min(a, b)
			}
			return a
		}),
		op2("max.f64 d, a, b", func(a, b float64) float64 {
			if a != a || a < b {
				return b
			}
			if a == b {
				return max(a, b)
			}
			return a
		}),
		op3("fma.rn.f64 d, a, b, c", math.FMA), op3("mad.rn.f64 d, a, b, c", math.FMA),
		op1("rcp.approx.ftz.f64 d, a", func(a float64) float64 { return top(1 / top(a)) }),
		op1("rsqrt.approx.ftz.f64 d, a", func(a float64) float64 { return top(1 / math.Sqrt(top(a))) }),
		op1("rcp.rn.f64 d, a", func(a float64) float64 { return 1 / a }), op1("sqrt.rn.f64 d, a", math.Sqrt),
		op1("abs.f64 d, a", math.Abs), op1("neg.f64 d, a", func(a float64) float64 { return -a }),
		op1("mov.f32 d, a", func(a float32) float32 { return a }), op1("mov.f64 d, a", func(a float64) float64 { return a }),
		op3("selp.f32 d, a, b, c", func(a, b float32, c bool) float32 {
			if c {
				return a
			}
			return b
		}),
	)
	for op, f := range map[string]func(a float64) bool{
		"finite": func(a float64) bool { return a-a == 0 }, "infinite": func(a float64) bool { return a > 3.5e38 || a < -3.5e38 },
		"number": func(a float64) bool { return a == a }, "notanumber": func(a float64) bool { return a != a },
		"normal":    func(a float64) bool { return a-a == 0 && math.Abs(a) >= 0x1p-126 },
		"subnormal": func(a float64) bool { return a != 0 && math.Abs(a) < 0x1p-126 }} {
		out = append(out, op1("testp."+op+".f32 d, a", func(a float32) bool { return f(float64(a)) }))
	}
	for op, f := range map[string]func(a, b float64) bool{
		"eq": func(a, b float64) bool { return a == b }, "ne": func(a, b float64) bool { return a < b || a > b },
		"lt": func(a, b float64) bool { return a < b }, "le": func(a, b float64) bool { return a <= b },
		"gt": func(a, b float64) bool { return a > b }, "ge": func(a, b float64) bool { return a >= b },
		"equ": func(a, b float64) bool { return !(a < b || a > b) }, "neu": func(a, b float64) bool { return a != b },
		"ltu": func(a, b float64) bool { return !(a >= b) }, "leu": func(a, b float64) bool { return !(a > b) },
		"gtu": func(a, b float64) bool { return !(a <= b) }, "geu": func(a, b float64) bool { return !(a < b) },
		"num": func(a, b float64) bool { return a == a && b == b }, "nan": func(a, b float64) bool { return a != a || b != b }} {
		single := func(a, b float32) bool { return f(float64(a), float64(b)) }
		out = append(out, op2("setp."+op+".f32 d, a, b", single), op2("setp."+op+".f64 d, a, b", f),
			op2("setp."+op+".ftz.f32 d, a, b", func(a, b float32) bool { return single(flushed(a), flushed(b)) }),
			op3("setp."+op+".and.f32 d, a, b, c", func(a, b float32, c bool) bool { return single(a, b) && c }),
			op3("setp."+op+".or.f32 d|_, a, b, !c", func(a, b float32, c bool) bool { return single(a, b) || !c }),
			op3("setp."+op+".xor.f32 _|d, a, b, c", func(a, b float32, c bool) bool { return !single(a, b) != c }),
			op2("setp."+op+".f32 _|d, a, b", func(a, b float32) bool { return !single(a, b) }))
	}
	return out
}

// halves are all finite values of the format in ascending order, with their bits.
var halves = func() (out []struct {
	value float64
	bits  uint16
}) {
	for b := range 1 << 16 {
		e, m := b>>10&31, float64(b&1023)
		if e == 31 {
			continue
		}
		v := math.Ldexp(1024+m, e-25)
		if e == 0 {
			v = math.Ldexp(m, -24)
		}
		if b>>15 != 0 {
			v = -v
		}
		if b != 1<<15 {
			out = append(out, struct {
				value float64
				bits  uint16
			}{v, uint16(b)})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].value < out[j].value })
	return out
}()

func toHalf(v float64) uint16 {
	switch {
	case v != v:
		return 0x7fff
	case v == 0 || math.Abs(v) <= 0x1p-25:
		return uint16(into(float32(v)) >> 16 & 0x8000)
	case math.Abs(v) >= 65520:
		return 0x7c00 | uint16(into(math.Signbit(v)))<<15
	}
	i := sort.Search(len(halves), func(i int) bool { return halves[i].value >= v })
	if i == len(halves) {
		return halves[i-1].bits
	}
	if i == 0 {
		return halves[0].bits
	}
	lo, hi := halves[i-1], halves[i]
	switch dl, dh := v-lo.value, hi.value-v; {
	case dl < dh || dl == dh && lo.bits&1 == 0:
		return lo.bits
	}
	return hi.bits
}

func toBrain(v float32) uint16 {
	u := math.Float32bits(v)
	if v != v {
		return 0x7fff
	}
	return uint16((u + 0x7fff + u>>16&1) >> 16)
}

func rectified(v float32) float32 {
	if v < 0 {
		return 0
	}
	return v
}

// clipped converts a whole number to an integer type as cvt does.
func clipped[T signed | unsigned](v float64) T {
	t := typFor[T]()
	lo, hi := new(big.Int), new(big.Int).SetUint64(t.mask())
	if t.kind == 's' {
		hi.Rsh(hi, 1)
		lo.Not(hi)
	}
	if v != v {
		return 0
	}
	if math.IsInf(v, 1) {
		return from[T](hi.Uint64())
	}
	i := new(big.Int)
	if math.IsInf(v, -1) {
		i = lo
	} else {
		new(big.Float).SetFloat64(v).Int(i)
	}
	if i.Cmp(lo) < 0 {
		i = lo
	}
	if i.Cmp(hi) > 0 {
		i = hi
	}
	if i.Sign() < 0 {
		return from[T](uint64(i.Int64()))
	}
	return from[T](i.Uint64())
}

func convertCases() []opCase {
	out := []opCase{
		op1("cvt.u64.u32 d, a", func(a uint32) uint64 { return uint64(a) }), op1("cvt.s64.s32 d, a", func(a int32) int64 { return int64(a) }),
		op1("cvt.u32.u64 d, a", func(a uint64) uint32 { return uint32(a) }), op1("cvt.s32.s16 d, a", func(a int16) int32 { return int32(a) }),
		op1("cvt.u32.u16 d, a", func(a uint16) uint32 { return uint32(a) }), op1("cvt.u16.u32 d, a", func(a uint32) uint16 { return uint16(a) }),
		op1("cvt.s64.u32 d, a", func(a uint32) int64 { return int64(a) }), op1("cvt.u64.s32 d, a", func(a int32) uint64 { return uint64(a) }),
		op1("cvt.u32.s8 d, a", func(a int32) uint32 { return uint32(int8(a)) }), op1("cvt.s16.u8 d, a", func(a uint32) int16 { return int16(uint8(a)) }),
		op1("cvt.s8.s32 d, a", func(a int32) int32 { return int32(int8(a)) }), op1("cvt.u8.u32 d, a", func(a uint32) uint32 { return uint32(uint8(a)) }),
		op1("cvt.sat.u8.s32 d, a", func(a int32) uint32 { return uint32(min(max(a, 0), 255)) }),
		op1("cvt.sat.s16.s64 d, a", func(a int64) int16 { return int16(min(max(a, -1<<15), 1<<15-1)) }),
		op1("cvt.sat.s32.u64 d, a", func(a uint64) int32 { return int32(min(a, 1<<31-1)) }),
		op1("cvt.sat.u32.u64 d, a", func(a uint64) uint32 { return uint32(min(a, 1<<32-1)) }),
		op1("cvt.rn.f32.s8 d, a", func(a int32) float32 { return float32(int8(a)) }), op1("cvt.rn.f32.u8 d, a", func(a uint32) float32 { return float32(uint8(a)) }),
		op1("cvt.rn.sat.f32.s32 d, a", func(a int32) float32 { return float32(min(max(a, 0), 1)) }),
		op1("cvt.f64.f32 d, a", func(a float32) float64 { return float64(a) }),
		op1("cvt.sat.f32.f32 d, a", func(a float32) float32 { return clip(a) }),
		op1("cvt.ftz.f64.f32 d, a", func(a float32) float64 { return float64(flushed(a)) }),
		op1("cvt.rn.ftz.f32.f64 d, a", func(a float64) float32 { return flushed(float32(a)) }),
		op1("cvt.rn.f16.f32 d, a", func(a float32) uint16 { return toHalf(float64(a)) }),
		op1("cvt.rn.f16.s32 d, a", func(a int32) uint16 { return toHalf(float64(a)) }),
		op1("cvt.f32.bf16 d, a", func(a uint16) float32 { return math.Float32frombits(uint32(a) << 16) }),
		op1("cvt.f32.f16 d, a", func(a uint16) float32 {
			if a&0x7c00 == 0x7c00 {
				if a&0x3ff != 0 {
					return float32(math.NaN())
				}
				return float32(math.Inf(1 - 2*int(a>>15)))
			}
			if a == 0x8000 {
				return float32(math.Copysign(0, -1))
			}
			for _, h := range halves {
				if h.bits == a {
					return float32(h.value)
				}
			}
			panic("half")
		}),
		op1("cvt.rn.bf16.f32 d, a", toBrain), op1("cvt.rz.bf16.f32 d, a", func(a float32) uint16 {
			if a != a {
				return 0x7fff
			}
			return uint16(math.Float32bits(a) >> 16)
		}),
		op1("cvt.rn.relu.bf16.f32 d, a", func(a float32) uint16 { return toBrain(rectified(a)) }),
		op1("cvt.rn.relu.f16.f32 d, a", func(a float32) uint16 { return toHalf(float64(rectified(a))) }),
		op2("cvt.rn.bf16x2.f32 d, a, b", func(a, b float32) uint32 { return uint32(toBrain(a))<<16 | uint32(toBrain(b)) }),
		op2("cvt.rn.relu.bf16x2.f32 d, a, b", func(a, b float32) uint32 { return uint32(toBrain(rectified(a)))<<16 | uint32(toBrain(rectified(b))) }),
		op1("cvt.rna.tf32.f32 d, a", func(a float32) float32 {
			if a-a != 0 {
				return a
			}
			return math.Float32frombits((math.Float32bits(a) + 0x1000) &^ 0x1fff)
		}),
	}
	for rnd, f := range map[string]func(float64) float64{"rni": math.RoundToEven, "rzi": math.Trunc, "rmi": math.Floor, "rpi": math.Ceil} {
		out = append(out,
			op1("cvt."+rnd+".f32.f32 d, a", func(a float32) float32 { return float32(f(float64(a))) }),
			op1("cvt."+rnd+".f64.f64 d, a", f),
			op1("cvt."+rnd+".s32.f32 d, a", func(a float32) int32 { return clipped[int32](f(float64(a))) }),
			op1("cvt."+rnd+".u32.f32 d, a", func(a float32) uint32 { return clipped[uint32](f(float64(a))) }),
			op1("cvt."+rnd+".ftz.u32.f32 d, a", func(a float32) uint32 { return clipped[uint32](f(float64(flushed(a)))) }),
			op1("cvt."+rnd+".s64.f32 d, a", func(a float32) int64 { return clipped[int64](f(float64(a))) }),
			op1("cvt."+rnd+".u64.f64 d, a", func(a float64) uint64 { return clipped[uint64](f(a)) }),
			op1("cvt."+rnd+".s16.f64 d, a", func(a float64) int16 { return clipped[int16](f(a)) }))
	}
	return out
}

func otherCases() []opCase {
	return []opCase{
		op2("add.sat.s32 d, a, b", func(a, b int32) int32 { return int32(min(max(int64(a)+int64(b), -1<<31), 1<<31-1)) }),
		op2("sub.sat.s32 d, a, b", func(a, b int32) int32 { return int32(min(max(int64(a)-int64(b), -1<<31), 1<<31-1)) }),
		op2("mul.wide.u16 d, a, b", func(a, b uint16) uint32 { return uint32(a) * uint32(b) }),
		op2("mul.wide.s16 d, a, b", func(a, b int16) int32 { return int32(a) * int32(b) }),
		op2("mul.wide.u32 d, a, b", func(a, b uint32) uint64 { return uint64(a) * uint64(b) }),
		op2("mul.wide.s32 d, a, b", func(a, b int32) int64 { return int64(a) * int64(b) }),
		op3("mad.wide.u16 d, a, b, c", func(a, b uint16, c uint32) uint32 { return uint32(a)*uint32(b) + c }),
		op3("mad.wide.s32 d, a, b, c", func(a, b int32, c int64) int64 { return int64(a)*int64(b) + c }),
		op2("and.pred d, a, b", func(a, b bool) bool { return a && b }), op2("or.pred d, a, !b", func(a, b bool) bool { return a || !b }),
		op2("xor.pred d, a, b", func(a, b bool) bool { return a != b }), op1("not.pred d, a", func(a bool) bool { return !a }),
		op1("mov.pred d, a", func(a bool) bool { return a }), op1("mov.pred d, 1", func(a bool) bool { return true }),
		op3("shf.l.wrap.b32 d, a, b, c", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) << (c & 31) >> 32) }),
		op3("shf.l.clamp.b32 d, a, b, c", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) << min(c, 32) >> 32) }),
		op3("shf.r.wrap.b32 d, a, b, c", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) >> (c & 31)) }),
		op3("shf.r.clamp.b32 d, a, b, c", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) >> min(c, 32)) }),
		op3("lop3.b32 d, a, b, c, 0x96", func(a, b, c uint32) uint32 { return a ^ b ^ c }),
		op3("lop3.b32 d, a, b, c, 0xE8", func(a, b, c uint32) uint32 { return a&b | a&c | b&c }),
		op3("lop3.b32 d, a, b, c, 0x0C", func(a, b, c uint32) uint32 { return ^a & b }),
		op3("prmt.b32 d, a, b, c", func(a, b, c uint32) uint32 {
			bytes := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, a), b)
			var d [4]byte
			for i := range d {
				d[i] = bytes[c>>(4*i)&7]
				if c>>(4*i+3)&1 != 0 {
					d[i] = byte(int8(d[i]) >> 7)
				}
			}
			return binary.LittleEndian.Uint32(d[:])
		}),
		op2("set.lt.u32.s32 d, a, b", func(a, b int32) uint32 { return -uint32(into(a < b)) }),
		op2("set.gtu.f32.f32 d, a, b", func(a, b float32) float32 { return float32(into(!(a <= b))) }),
		op3("slct.u32.s32 d, a, b, c", func(a, b uint32, c int32) uint32 {
			if c >= 0 {
				return a
			}
			return b
		}),
		op3("slct.f64.f32 d, a, b, c", func(a, b float64, c float32) float64 {
			if c >= 0 {
				return a
			}
			return b
		}),
		op2("mov.b64 d, {a, b}", func(a, b uint32) uint64 { return uint64(b)<<32 | uint64(a) }),
		op2("mov.b32 d, {a, b}", func(a, b uint16) uint32 { return uint32(b)<<16 | uint32(a) }),
		op1("mov.b64 {d, _}, a", func(a uint64) uint32 { return uint32(a) }), op1("mov.b64 {_, d}, a", func(a uint64) uint32 { return uint32(a >> 32) }),
		op1("mov.b32 {_, d}, a", func(a uint32) uint16 { return uint16(a >> 16) }),
		op1("mov.b64 {_, _, d, _}, a", func(a uint64) uint16 { return uint16(a >> 32) }),
		op1("add.f32 d, a, 0fBF800000", func(a float32) float32 { return a - 1 }), op1("mul.f32 d, a, 2.5", func(a float32) float32 { return a * 2.5 }),
		op1("add.f64 d, a, 0d3FF0000000000000", func(a float64) float64 { return a + 1 }), op1("add.s32 d, a, -7", func(a int32) int32 { return a - 7 }),
		op1("and.b32 d, a, 0b1011", func(a uint32) uint32 { return a & 11 }), op1("xor.b64 d, a, 0x8000000000000000U", func(a uint64) uint64 { return a ^ 1<<63 }),
	}
}

func opCases() []opCase {
	var out []opCase
	for _, l := range [][]opCase{integerCases[uint16](), integerCases[int16](), integerCases[uint32](), integerCases[int32](),
		integerCases[uint64](), integerCases[int64](), logicCases[uint16](), logicCases[uint32](), logicCases[uint64](),
		wideBits[uint32, int32](), wideBits[uint64, int64](), carryCases(), roundedCases(), floatCases(), convertCases(), otherCases()} {
		out = append(out, l...)
	}
	return out
}
