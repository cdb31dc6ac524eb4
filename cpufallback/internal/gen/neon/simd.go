package neon

import (
	"fmt"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// operators is dst = second op first, lane by lane.
var operators = map[string]string{
	"VADDPS": "fadd", "VSUBPS": "fsub", "VMULPS": "fmul", "VDIVPS": "fdiv", "VMAXPS": "fmax", "VMINPS": "fmin",
	"VPADDD": "add", "VPSUBD": "sub", "VPMULLD": "mul", "VPMAXSD": "smax", "VPMINSD": "smin", "VPADDQ": "add64",
	"VPCMPEQD": "cmeq", "VPCMPGTD": "cmgt",
	"VANDPS": "and", "VPAND": "and", "VORPS": "orr", "VPOR": "orr", "VXORPS": "eor", "VPXOR": "eor",
	"VUNPCKLPS": "zip1", "VUNPCKHPS": "zip2", "VUNPCKLPD": "zip1d", "VUNPCKHPD": "zip2d", "VHADDPS": "faddp",
}

// firstOnly is operators of the first lane.
var firstOnly = map[string]string{
	"VADDSS": "fadd", "VSUBSS": "fsub", "VMULSS": "fmul", "VDIVSS": "fdiv", "VMAXSS": "fmax", "VMINSS": "fmin",
}

var unary = map[string]string{"VSQRTPS": "fsqrt", "VCVTPS2DQ": "fcvtns", "VCVTTPS2DQ": "fcvtzs", "VCVTDQ2PS": "scvtf"}

// rounding is VROUNDPS by its mode; 8 has no exceptions.
var rounding = map[int64]string{0: "frintn", 1: "frintm", 2: "frintp", 3: "frintz"}

var moves = map[string]bool{"VMOVUPS": true, "VMOVAPS": true, "VMOVDQU": true, "VMOVDQA": true, "VMOVUPD": true, "VMOVAPD": true}

var shiftings = map[string]struct {
	op   string
	bits int
}{
	"VPSLLD": {"shl", 32}, "VPSRLD": {"ushr", 32}, "VPSRAD": {"sshr", 32}, "VPSLLQ": {"shl", 64}, "VPSRLQ": {"ushr", 64},
}

// fused is multiply-adds, a*b + c, by the numbers of Intel's order: what is written is 0, in Go's order the last.
var fused = map[string]struct {
	a, b, c         int
	minusAB, minusC bool // of the product, of what is added
}{
	"VFMADD231PS": {1, 2, 0, false, false}, "VFMADD213PS": {1, 0, 2, false, false}, "VFMADD132PS": {0, 2, 1, false, false},
	"VFMSUB231PS": {1, 2, 0, false, true}, "VFMSUB213PS": {1, 0, 2, false, true}, "VFMSUB132PS": {0, 2, 1, false, true},
	"VFNMADD231PS": {1, 2, 0, true, false}, "VFNMADD213PS": {1, 0, 2, true, false}, "VFNMADD132PS": {0, 2, 1, true, false},
	"VFNMSUB231PS": {1, 2, 0, true, true}, "VFNMSUB213PS": {1, 0, 2, true, true}, "VFNMSUB132PS": {0, 2, 1, true, true},
}

// lanewise is the instructions that give equal lanes where their operands have them.
var lanewise = func() map[string]bool {
	is := map[string]bool{"VROUNDPS": true, "VCMPPS": true, "VBLENDVPS": true, "VANDNPS": true, "VPANDN": true}
	for op := range operators {
		is[op] = op[:4] != "VUNP" && op != "VHADDPS"
	}
	for op := range unary {
		is[op] = true
	}
	for op := range moves {
		is[op] = true
	}
	for op, s := range shiftings {
		is[op] = s.bits == 32
	}
	for op := range fused {
		is[op] = true
	}
	delete(is, "VPADDQ")
	return is
}()

// vectorInstruction translates instructions on vectors.
func (x *translation) vectorInstruction(i *ir.Instruction) {
	ops := i.Operands
	last := ops[len(ops)-1]
	if m, ok := last.(operand.Mem); ok {
		x.storeVector(i, m)
		return
	}
	r, ok := last.(reg.Register)
	if !ok {
		panic(unknown(i.Opcode))
	}
	if r.Kind() != reg.KindVector {
		x.fromVector(i, r)
		return
	}
	if cancels(i) {
		d := x.vector(r)
		for h := range x.halves(r) {
			x.clear(d[h])
		}
		return
	}
	if !x.lanewise(i, r) && !x.crosswise(i, r) {
		panic(unknown(fmt.Sprintf("%s with operands %v", i.Opcode, describe(ops))))
	}
}

func describe(ops []operand.Op) (s []string) {
	for _, op := range ops {
		s = append(s, op.Asm())
	}
	return s
}

// lanewise translates what does the same to every lane, half by half; false if i does not.
func (x *translation) lanewise(i *ir.Instruction, r reg.Register) bool {
	ops := i.Operands
	d, n := x.vector(r), x.halves(r)
	src := func(k int) pair { return x.source(ops[k], n) }
	if moves[i.Opcode] {
		if m, ok := ops[0].(operand.Mem); ok && n == 2 && !x.uniformMem(m) {
			x.transfer2(d, true, x.place(m))
			return true
		}
		s := src(0)
		for h := range n {
			x.move(d[h], s[h])
		}
		return true
	}
	if op, ok := operators[i.Opcode]; ok {
		b, a := src(0), src(1)
		for h := range n {
			x.v3(op, d[h], a[h], b[h])
		}
		return true
	}
	if op, ok := firstOnly[i.Opcode]; ok {
		b := pair{x.fresh(vector)}
		if m, ok := ops[0].(operand.Mem); ok {
			x.transfer(b[0], true, 4, x.place(m))
		} else {
			b = src(0)
		}
		x.v31(op, d[0], src(1)[0], b[0])
		return true
	}
	if op, ok := unary[i.Opcode]; ok {
		a := src(0)
		for h := range n {
			x.v2(op, d[h], a[h])
		}
		return true
	}
	if s, ok := shiftings[i.Opcode]; ok {
		by, ok := ops[0].(operand.Constant)
		if !ok {
			return false
		}
		a := src(1)
		for h := range n {
			x.shift(s.op, s.bits, int(immediate(by)), d[h], a[h])
		}
		return true
	}
	if _, ok := fused[i.Opcode]; ok {
		x.multiplyAdd(i, d, n)
		return true
	}
	switch i.Opcode {
	case "VROUNDPS":
		op, ok := rounding[immediate(ops[0].(operand.Constant))&^8]
		if !ok {
			return false
		}
		a := src(1)
		for h := range n {
			x.v2(op, d[h], a[h])
		}
	case "VCMPPS":
		b, a := src(1), src(2)
		for h := range n {
			x.relation(immediate(ops[0].(operand.Constant)), d[h], a[h], b[h])
		}
	case "VANDNPS", "VPANDN": // first & ^second
		b, a := src(0), src(1)
		for h := range n {
			x.v3("bic", d[h], b[h], a[h])
		}
	case "VBLENDVPS":
		mask, yes, no := src(0), src(1), src(2)
		is := x.bools[ops[0].(reg.Register).ID()]
		for h := range n {
			t := x.fresh(vector)
			if is {
				x.move(t, mask[h])
			} else {
				x.below0(t, mask[h])
			}
			x.v3d("bsl", t, yes[h], no[h])
			x.move(d[h], t)
		}
	default:
		return false
	}
	return true
}

// multiplyAdd goes through a register of its own where what is added must stay: NEON has no other form than c += a*b.
func (x *translation) multiplyAdd(i *ir.Instruction, d pair, n int) {
	f, op := fused[i.Opcode], "fmla"
	if f.minusAB {
		op = "fmls"
	}
	opA, opB, opC := i.Operands[2-f.a], i.Operands[2-f.b], i.Operands[2-f.c]
	isFirst := func(op operand.Op) bool { r, ok := op.(reg.Register); return ok && x.first[r.ID()] }
	a, b := x.source(opA, n), x.source(opB, n)
	for h := range n {
		sum := d[h]
		if f.c != 0 || f.minusC {
			sum = x.fresh(vector)
			x.start(sum, opC, h, f.minusC)
		}
		switch {
		case isFirst(opB):
			x.fmlaFirst(op, sum, a[h], b[h])
		case isFirst(opA):
			x.fmlaFirst(op, sum, b[h], a[h])
		default:
			x.v3d(op, sum, a[h], b[h])
		}
		if sum != d[h] {
			x.move(d[h], sum)
		}
	}
}

// start is sum = half h of op, or minus that.
func (x *translation) start(sum register, op operand.Op, h int, minus bool) {
	switch op := op.(type) {
	case operand.Mem:
		p := x.place(op)
		if !x.uniformMem(op) {
			p = p.plus(16 * h)
		}
		x.transfer(sum, true, 16, p)
		if minus {
			x.v2("fneg", sum, sum)
		}
	case reg.Register:
		if minus {
			x.v2("fneg", sum, x.vector(op)[h])
		} else {
			x.move(sum, x.vector(op)[h])
		}
	}
}

// relation is a comparison by VCMPPS's number, all ones where it holds.
func (x *translation) relation(number int64, d, a, b register) {
	not := false
	t := x.fresh(vector)
	switch number & 15 { // the fifth bit is about exceptions
	case 0: // equal
		x.v3("fcmeq", t, a, b)
	case 1: // less
		x.v3("fcmgt", t, b, a)
	case 2: // at most
		x.v3("fcmge", t, b, a)
	case 3, 7: // one is NaN, none is
		u := x.fresh(vector)
		x.v3("fcmeq", t, a, a)
		x.v3("fcmeq", u, b, b)
		x.v3("and", t, t, u)
		not = number&15 == 3
	case 4: // not equal
		x.v3("fcmeq", t, a, b)
		not = true
	case 5: // not less
		x.v3("fcmgt", t, b, a)
		not = true
	case 6: // not at most
		x.v3("fcmge", t, b, a)
		not = true
	case 13: // at least
		x.v3("fcmge", t, a, b)
	case 14: // greater
		x.v3("fcmgt", t, a, b)
	default:
		panic(unknown(fmt.Sprintf("comparison %d", number)))
	}
	if not {
		x.v2("mvn", t, t)
	}
	x.move(d, t)
}

// crosswise translates what moves lanes; false if i does not.
func (x *translation) crosswise(i *ir.Instruction, r reg.Register) bool {
	ops := i.Operands
	d, n := x.vector(r), x.halves(r)
	number := func() int { return int(immediate(ops[0].(operand.Constant))) }
	switch i.Opcode {
	case "VBROADCASTSS":
		switch op := ops[0].(type) {
		case reg.Register:
			x.spread(d[0], x.vector(op)[0], 0)
		case operand.Mem:
			switch {
			case op.Base == reg.FramePointer:
				t := x.fresh(vector)
				x.emit(instruction{text: "FMOVS " + op.Asm() + ", F@0", args: []arg{out(t, 0)}})
				x.spread(d[0], t, 0)
			case x.first[r.ID()]:
				x.scalar(d[0], op)
			default:
				x.repeat(d[0], 4, x.place(op))
			}
		}
		if n == 2 {
			x.move(d[1], d[0])
		}
	case "VPBROADCASTB":
		m, ok := ops[0].(operand.Mem)
		if !ok {
			return false
		}
		x.repeat(d[0], 1, x.place(m))
		if n == 2 {
			x.move(d[1], d[0])
		}
	case "VMASKMOVPS", "VPMASKMOVD":
		m := ops[0].(operand.Mem)
		x.masked(d[:n], true, x.bits[ops[1].(reg.Register).ID()], x.place(m))
	case "VMOVSS":
		if m, ok := ops[0].(operand.Mem); ok {
			if m.Base == reg.FramePointer {
				x.emit(instruction{text: "FMOVS " + m.Asm() + ", F@0", args: []arg{out(d[0], 0)}})
			} else {
				x.transfer(d[0], true, 4, x.place(m))
			}
			break
		}
		return false
	case "VMOVD", "VMOVQ", "MOVQ", "MOVD":
		s, ok := ops[0].(reg.Register)
		if !ok || s.Kind() != reg.KindGP {
			return false
		}
		x.fromGeneral(d[0], x.general(s), map[string]int{"VMOVD": 32, "MOVD": 32}[i.Opcode])
	case "VEXTRACTF128", "VEXTRACTI128":
		x.move(d[0], x.vector(ops[1].(reg.Register))[number()])
	case "VINSERTF128", "VINSERTI128":
		part, whole := x.source(ops[1], 1), x.source(ops[2], 2)
		t := x.fresh(vector)
		x.move(t, part[0])
		x.move(d[1-number()], whole[1-number()])
		x.move(d[number()], t)
	case "VPERM2F128", "VPERM2I128":
		b, a := x.source(ops[1], 2), x.source(ops[2], 2)
		all := [4]register{a[0], a[1], b[0], b[1]}
		x.assign(d, all[number()&3], all[number()>>4&3])
	case "VPERMPD", "VPERMQ":
		s := x.source(ops[1], 2)
		var t pair
		for h := range t {
			t[h] = x.quarters(s, number()>>(4*h)&3, number()>>(4*h+2)&3)
		}
		x.assign(d, t[0], t[1])
	case "VPSHUFD", "VPERMILPS":
		if _, ok := ops[0].(operand.Constant); !ok {
			return false
		}
		s := x.source(ops[1], n)
		for h := range n {
			x.shuffle(number(), d[h], s[h], s[h])
		}
	case "VSHUFPS":
		b, a := x.source(ops[1], n), x.source(ops[2], n)
		for h := range n {
			x.shuffle(number(), d[h], a[h], b[h])
		}
	case "VPBLENDD", "VBLENDPS":
		b, a := x.source(ops[1], n), x.source(ops[2], n)
		for h := range n {
			x.blend(number()>>(4*h), d[h], a[h], b[h])
		}
	case "VPMULUDQ":
		b, a := x.source(ops[0], n), x.source(ops[1], n)
		for h := range n {
			p, q := x.fresh(vector), x.fresh(vector)
			x.narrow(64, p, a[h])
			x.narrow(64, q, b[h])
			x.products(d[h], p, q)
		}
	default:
		return false
	}
	return true
}

// assign is d = a, b at once.
func (x *translation) assign(d pair, a, b register) {
	t, u := x.fresh(vector), x.fresh(vector)
	x.move(t, a)
	x.move(u, b)
	x.move(d[0], t)
	x.move(d[1], u)
}

// quarters is 64-bit parts i and j, 0 .. 3, of s.
func (x *translation) quarters(s pair, i, j int) register {
	t, a, b := x.fresh(vector), s[i/2], s[j/2]
	switch {
	case i%2 == 0 && j%2 == 0:
		x.v3("zip1d", t, a, b)
	case i%2 == 1 && j%2 == 1:
		x.v3("zip2d", t, a, b)
	case i%2 == 1:
		x.extract(t, a, b, 8)
	default:
		x.move(t, a)
		x.insert64(t, 1, b, 1)
	}
	return t
}

// shuffle is two lanes of a and then two of b, by the number of VSHUFPS.
func (x *translation) shuffle(number int, d, a, b register) {
	t := x.fresh(vector)
	switch number {
	case 0x88:
		x.v3("uzp1", t, a, b)
	case 0xdd:
		x.v3("uzp2", t, a, b)
	case 0x4e:
		x.extract(t, a, b, 8)
	default:
		if number == 0xb1 && a == b {
			x.v2("rev64", t, a)
			break
		}
		x.spread(t, a, number&3)
		for lane := 1; lane < 4; lane++ {
			from := a
			if lane > 1 {
				from = b
			}
			x.insert(t, lane, from, number>>(2*lane)&3)
		}
	}
	x.move(d, t)
}

// blend is b in the lanes that the lower four bits of number have, else a.
func (x *translation) blend(number int, d, a, b register) {
	var lanes [4]uint32
	for i := range lanes {
		if number>>i&1 != 0 {
			lanes[i] = 1<<32 - 1
		}
	}
	mask, t := x.fresh(vector), x.fresh(vector)
	x.transfer(mask, true, 16, place{x.constants(), x.data.words(lanes[:]...)})
	x.move(t, a)
	x.v3d("bit", t, b, mask)
	x.move(d, t)
}

// storeVector translates what ends in memory.
func (x *translation) storeVector(i *ir.Instruction, m operand.Mem) {
	src, ok := i.Operands[0].(reg.Register)
	switch {
	case i.Opcode == "VMASKMOVPS" || i.Opcode == "VPMASKMOVD":
		v := x.vector(src)
		x.masked(v[:src.Size()/16], false, x.bits[i.Operands[1].(reg.Register).ID()], x.place(m))
	case ok && moves[i.Opcode]:
		v := x.vector(src)
		if src.Size() == 32 {
			x.transfer2(v, false, x.place(m))
		} else {
			x.transfer(v[0], false, 16, x.place(m))
		}
	case ok && (i.Opcode == "VMOVSS" || i.Opcode == "MOVSS"):
		v := x.vector(src)[0]
		if m.Base == reg.FramePointer {
			x.emit(instruction{text: "FMOVS F@0, " + m.Asm(), args: []arg{in(v, 0)}, keeps: true})
		} else {
			x.transfer(v, false, 4, x.place(m))
		}
	case i.Opcode == "VEXTRACTF128" || i.Opcode == "VEXTRACTI128":
		v := x.vector(i.Operands[1].(reg.Register))
		x.transfer(v[immediate(i.Operands[0].(operand.Constant))], false, 16, x.place(m))
	default:
		panic(unknown(fmt.Sprintf("%s with operands %v", i.Opcode, describe(i.Operands))))
	}
}

// fromVector translates what moves from vectors to general registers.
func (x *translation) fromVector(i *ir.Instruction, d reg.Register) {
	src, ok := i.Operands[0].(reg.Register)
	switch {
	case ok && src.Kind() == reg.KindVector && (i.Opcode == "VMOVQ" || i.Opcode == "MOVQ"):
		x.toGeneral(x.general(d), x.vector(src)[0])
	default:
		panic(unknown(fmt.Sprintf("%s with operands %v", i.Opcode, describe(i.Operands))))
	}
}
