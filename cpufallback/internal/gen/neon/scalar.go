package neon

import (
	"fmt"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// arithmetic is two-operand instructions on whole numbers, which set flags; with "S" the same does so here.
var arithmetic = map[string]string{
	"ADDQ": "ADD", "SUBQ": "SUB", "ANDQ": "AND", "ORQ": "ORR", "XORQ": "EOR", "CMPQ": "CMP", "TESTQ": "TST", "IMULQ": "MUL",
	"DECQ": "SUB", "INCQ": "ADD", "NEGQ": "NEG", "SHLQ": "LSL", "SHRQ": "LSR", "SARQ": "ASR",
}

// conditions are the names of what follows a comparison, without J or CMOVQ.
var conditions = map[string]string{
	"Z": "EQ", "E": "EQ", "EQ": "EQ", "NZ": "NE", "NE": "NE", "L": "LT", "LT": "LT", "GE": "GE", "G": "GT", "GT": "GT", "LE": "LE",
	"B": "LO", "LO": "LO", "CS": "LO", "AE": "HS", "CC": "HS", "HS": "HS", "A": "HI", "HI": "HI", "BE": "LS", "LS": "LS", "S": "MI", "MI": "MI", "NS": "PL", "PL": "PL",
}

// condition is what an instruction depends on, if on flags.
func condition(i *ir.Instruction) (c string, ok bool) {
	switch {
	case i.IsBranch && i.IsConditional:
		c, ok = conditions[i.Opcode[1:]]
	case len(i.Opcode) > 5 && i.Opcode[:5] == "CMOVQ":
		c, ok = conditions[i.Opcode[5:]]
	default:
		return "", false
	}
	if !ok {
		panic(unknown(i.Opcode))
	}
	return c, true
}

// flagsWanted says whether the flags that node at sets are read.
func (x *translation) flagsWanted(at int) bool {
	for _, n := range x.nodes[at+1:] {
		i, ok := n.(*ir.Instruction)
		if !ok {
			continue
		}
		if c, ok := condition(i); ok {
			switch op := x.nodes[at].(*ir.Instruction).Opcode; {
			case (c == "LO" || c == "HS" || c == "HI" || c == "LS") && op != "CMPQ" && op != "SUBQ":
				panic(unknown(op + " before " + i.Opcode)) // the carry of a sum means the opposite here
			}
			return true
		}
		if _, ok := arithmetic[i.Opcode]; ok || i.IsTerminal || i.IsBranch {
			return false
		}
	}
	return false
}

// scalarInstruction translates jumps and whole numbers; false if i is neither.
func (x *translation) scalarInstruction(i *ir.Instruction, at int) bool {
	ops := i.Operands
	if name, ok := arithmetic[i.Opcode]; ok {
		x.arithmetic(i, name, x.flagsWanted(at))
		return true
	}
	switch i.Opcode {
	case "RET":
		x.emit(instruction{text: "RET", ends: true, keeps: true})
	case "JMP":
		x.jump(ops[0].Asm())
	case "VZEROUPPER":
	case "PREFETCHT0", "PREFETCHT1":
		p := x.place(ops[0].(operand.Mem))
		level := map[string]string{"PREFETCHT0": "PLDL1KEEP", "PREFETCHT1": "PLDL2KEEP"}[i.Opcode]
		x.emit(instruction{text: fmt.Sprintf("PRFM %s, %s", p.asm(0), level), args: []arg{in(p.base, 0)}, keeps: true})
	case "LEAQ":
		x.address(x.general(ops[1].(reg.Register)), ops[0].(operand.Mem))
	case "MOVQ", "MOVL", "MOVBQZX", "MOVBLZX", "MOVWLZX", "MOVLQSX":
		return x.moveGeneral(i)
	default:
		c, ok := condition(i)
		if !ok {
			return false
		}
		if i.IsBranch {
			to := ops[0].Asm()
			x.emit(instruction{text: "B" + c + " " + to, to: to})
			break
		}
		src, dst := x.value(ops[0]), x.general(ops[1].(reg.Register))
		x.emit(instruction{text: "CSEL " + c + ", R@1, R@2, R@0", args: []arg{out(dst, 0), in(src, 0), in(dst, 0)}})
	}
	return true
}

// asm is p in Go's syntax, with its base as the register of the given number.
func (p place) asm(number int) string {
	if p.off == 0 {
		return fmt.Sprintf("(R@%d)", number)
	}
	return fmt.Sprintf("%d(R@%d)", p.off, number)
}

// loads and stores of general registers, by amd64's name.
var loads = map[string]string{"MOVQ": "MOVD", "MOVL": "MOVWU", "MOVBQZX": "MOVBU", "MOVBLZX": "MOVBU", "MOVWLZX": "MOVHU", "MOVLQSX": "MOVW"}

func (x *translation) moveGeneral(i *ir.Instruction) bool {
	src, dst := i.Operands[0], i.Operands[1]
	d, toRegister := dst.(reg.Register)
	if s, ok := src.(reg.Register); ok && s.Kind() != reg.KindGP || toRegister && d.Kind() != reg.KindGP {
		return false
	}
	if toRegister {
		if s, ok := src.(reg.Register); ok && i.Opcode == "MOVQ" {
			x.move(x.general(d), x.general(s))
			return true
		}
		x.value32(src, loads[i.Opcode], x.general(d))
		return true
	}
	store := map[string]string{"MOVQ": "MOVD", "MOVL": "MOVW"}[i.Opcode]
	v, m := x.value(src), dst.(operand.Mem)
	if m.Base == reg.FramePointer {
		x.emit(instruction{text: store + " R@0, " + m.Asm(), args: []arg{in(v, 0)}, keeps: true})
		return true
	}
	x.store(store, v, x.place(m))
	return true
}

func (x *translation) store(op string, v register, p place) {
	x.emit(instruction{text: op + " R@0, " + p.asm(1), args: []arg{in(v, 0), in(p.base, 0)}, keeps: true})
}

// value is an operand in a register.
func (x *translation) value(op operand.Op) register {
	if r, ok := op.(reg.Register); ok {
		return x.general(r)
	}
	d := x.fresh(general)
	x.value32(op, "MOVD", d)
	return d
}

// value32 brings an operand to d with the given load.
func (x *translation) value32(op operand.Op, load string, d register) {
	switch op := op.(type) {
	case operand.Constant:
		v := immediate(op)
		if load == "MOVWU" {
			v = int64(uint32(v))
		}
		x.emit(instruction{text: fmt.Sprintf("MOVD $%d, R@0", v), args: []arg{out(d, 0)}})
	case reg.Register:
		x.emit(instruction{text: load + " R@1, R@0", args: []arg{out(d, 0), in(x.general(op), 0)}})
	case operand.Mem:
		if op.Base == reg.FramePointer {
			x.emit(instruction{text: load + " " + op.Asm() + ", R@0", args: []arg{out(d, 0)}})
			return
		}
		p := x.place(op)
		x.emit(instruction{text: load + " " + p.asm(1) + ", R@0", args: []arg{out(d, 0), in(p.base, 0)}})
	default:
		panic(unknown("the operand " + op.Asm()))
	}
}

func (x *translation) address(d register, m operand.Mem) {
	p := x.place(m)
	if p.off == 0 {
		x.move(d, p.base)
		return
	}
	x.emit(instruction{text: fmt.Sprintf("ADD $%d, R@1, R@0", p.off), args: []arg{out(d, 0), in(p.base, 0)}})
}

// arithmetic is dst = dst op src, or op dst alone; dst may be in memory.
func (x *translation) arithmetic(i *ir.Instruction, op string, flags bool) {
	ops := i.Operands
	if op == "CMP" || op == "TST" {
		x.compare(op, ops[0], ops[1])
		return
	}
	s := ""
	if flags {
		if op != "ADD" && op != "SUB" && op != "AND" && op != "NEG" {
			panic(unknown("the flags of " + i.Opcode))
		}
		s = "S"
	}
	last := ops[len(ops)-1]
	m, inMemory := last.(operand.Mem)
	var d register
	var p place
	if inMemory {
		p, d = x.place(m), x.fresh(general)
		x.emit(instruction{text: "MOVD " + p.asm(1) + ", R@0", args: []arg{out(d, 0), in(p.base, 0)}})
	} else {
		d = x.general(last.(reg.Register))
	}
	switch {
	case i.Opcode == "NEGQ":
		x.emit(instruction{text: "NEG" + s + " R@1, R@0", args: []arg{out(d, 0), in(d, 0)}, keeps: flags})
	case len(ops) == 1: // one more, one less
		x.emit(instruction{text: op + s + " $1, R@1, R@0", args: []arg{out(d, 0), in(d, 0)}, keeps: flags})
	case i.Opcode == "XORQ" && ops[0] == ops[1]:
		x.emit(instruction{text: "MOVD $0, R@0", args: []arg{out(d, 0)}})
	default:
		if c, ok := ops[0].(operand.Constant); ok {
			x.emit(instruction{text: fmt.Sprintf("%s%s $%d, R@1, R@0", op, s, immediate(c)), args: []arg{out(d, 0), in(d, 0)}, keeps: flags})
			break
		}
		x.emit(instruction{text: op + s + " R@2, R@1, R@0", args: []arg{out(d, 0), in(d, 0), in(x.value(ops[0]), 0)}, keeps: flags})
	}
	if inMemory {
		x.store("MOVD", d, p)
	}
}

// compare is for the flags of a-b, or of a&b. Go's assembler has the operands the other way round.
func (x *translation) compare(op string, a, b operand.Op) {
	if op == "TST" {
		a, b = b, a
	}
	left := x.value(a)
	if c, ok := b.(operand.Constant); ok {
		x.emit(instruction{text: fmt.Sprintf("%s $%d, R@0", op, immediate(c)), args: []arg{in(left, 0)}, keeps: true})
		return
	}
	x.emit(instruction{text: op + " R@1, R@0", args: []arg{in(left, 0), in(x.value(b), 0)}, keeps: true})
}
