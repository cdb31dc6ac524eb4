package neon

import (
	"fmt"
	"strings"

	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
)

// A register of the code being made: a number into translation.classes.
type register int

// class is the file that a register is in.
type class uint8

const (
	general class = iota
	vector
)

// role is what an instruction does with a register.
type role uint8

const (
	reads role = 1 << iota
	writes
)

// arg is a register of an instruction. In words its number goes to the given bit.
type arg struct {
	r    register
	role role
	bit  int
}

// instruction is one of arm64, or a label.
type instruction struct {
	// text is in Go's syntax or, of a word, in GNU's; @0 .. @3 stand for the numbers of the registers.
	text string
	word uint32 // 0: Go's assembler knows the instruction
	args []arg

	label string // stands here, and nothing else does
	to    string // where it may jump
	ends  bool   // what follows is not reached from here
	keeps bool   // has effects beside its registers
	move  bool   // args[0] becomes args[1], no more

	constant bool // loads args[0] from the constants, which args[1] points at
	spilled  bool // is there because args[0] found no number: another such one will not help
}

func in(r register, bit int) arg   { return arg{r, reads, bit} }
func out(r register, bit int) arg  { return arg{r, writes, bit} }
func both(r register, bit int) arg { return arg{r, reads | writes, bit} }

// node is the instruction with its registers' numbers, for avo's printer.
func (i *instruction) node(numbers []int) ir.Node {
	if i.label != "" {
		return ir.Label(i.label)
	}
	text, word := i.text, i.word
	for k, a := range i.args {
		n := numbers[a.r]
		text = strings.ReplaceAll(text, fmt.Sprintf("@%d", k), fmt.Sprint(n))
		word |= uint32(n) << a.bit
	}
	out := &ir.Instruction{IsBranch: i.to != "", IsConditional: !i.ends, IsTerminal: i.ends && i.to == ""}
	if i.word != 0 {
		out.Opcode, out.Operands = "WORD", []operand.Op{asm(fmt.Sprintf("$0x%08x // %s", word, text))}
		return out
	}
	opcode, operands, _ := strings.Cut(text, " ")
	out.Opcode = opcode
	if operands != "" {
		out.Operands = []operand.Op{asm(operands)}
	}
	return out
}

// asm is operands as they are printed.
type asm string

func (a asm) Asm() string { return string(a) }
