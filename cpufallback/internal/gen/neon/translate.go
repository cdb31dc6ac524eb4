package neon

import (
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// translation is the work on one function.
type translation struct {
	data    *pool
	nodes   []ir.Node
	code    []instruction
	classes []class // by register

	vectors  map[reg.ID]pair
	generals map[reg.ID]register
	bits     map[reg.ID]register // a byte per lane of masks of loads and stores
	sums     map[sum]register
	pool     register // points at the constants; -1 where none are used
	labels   int

	facts
}

// pair is the two registers that stand for one of AVX2. They are the same where all lanes of that are always equal.
type pair [2]register

func newTranslation(fn *ir.Function, data *pool) *translation {
	return &translation{data: data, nodes: fn.Nodes, vectors: map[reg.ID]pair{}, generals: map[reg.ID]register{},
		bits: map[reg.ID]register{}, sums: map[sum]register{}, pool: -1, facts: newFacts(fn, data)}
}

func (x *translation) run() {
	for at, n := range x.nodes {
		switch n := n.(type) {
		case ir.Label:
			x.mark(string(n))
		case *ir.Instruction:
			if !x.scalarInstruction(n, at) {
				x.vectorInstruction(n)
			}
			for _, r := range n.OutputRegisters() {
				if x.masks[r.ID()] {
					x.maskBits(r)
				}
			}
		}
	}
	if x.pool >= 0 {
		load := instruction{text: "MOVD $" + x.data.symbol().String() + "(SB), R@0", args: []arg{out(x.pool, 0)}}
		x.code = append([]instruction{load}, x.code...)
	}
}

func (x *translation) emit(i instruction) {
	if i.label != "" {
		clear(x.sums)
	}
	for _, a := range i.args {
		if a.role&writes == 0 || x.classes[a.r] != general {
			continue
		}
		for s := range x.sums {
			if s.base == a.r || s.index == a.r {
				delete(x.sums, s)
			}
		}
	}
	x.code = append(x.code, i)
}

func (x *translation) fresh(c class) register {
	x.classes = append(x.classes, c)
	return register(len(x.classes) - 1)
}

// general is the register that stands for one of amd64's, of any width.
func (x *translation) general(r reg.Register) register {
	if r.Kind() != reg.KindGP {
		panic(unknown("an address in " + r.Asm()))
	}
	d, ok := x.generals[r.ID()]
	if !ok {
		d = x.fresh(general)
		x.generals[r.ID()] = d
	}
	return d
}

// vector is the registers that stand for r.
func (x *translation) vector(r reg.Register) pair {
	p, ok := x.vectors[r.ID()]
	if !ok {
		p[0] = x.fresh(vector)
		p[1] = p[0]
		if !x.uniform[r.ID()] {
			p[1] = x.fresh(vector)
		}
		x.vectors[r.ID()] = p
	}
	return p
}

// halves is how many registers an operation with this result is.
func (x *translation) halves(dst reg.Register) int {
	if p := x.vector(dst); dst.Size() <= 16 || p[0] == p[1] {
		return 1
	}
	return 2
}

// source is an operand of n halves, loaded where it is in memory.
func (x *translation) source(op operand.Op, n int) pair {
	switch op := op.(type) {
	case reg.Register:
		return x.vector(op)
	case operand.Mem:
		p := pair{x.fresh(vector)}
		p[1] = p[0]
		where := x.place(op)
		switch {
		case n == 1 || x.uniformMem(op):
			x.transfer(p[0], true, 16, where)
		default:
			p[1] = x.fresh(vector)
			x.transfer2(p, true, where)
		}
		return p
	}
	panic(unknown("the operand " + op.Asm()))
}

// maskBits follows a change of a mask.
func (x *translation) maskBits(r reg.Register) {
	p := x.vector(r)
	if !x.bools[r.ID()] {
		signs := pair{x.fresh(vector), x.fresh(vector)}
		for h := range signs {
			x.below0(signs[h], p[h])
		}
		p = signs
	}
	b, ok := x.bits[r.ID()]
	if !ok {
		b = x.fresh(general)
		x.bits[r.ID()] = b
	}
	lanes, bytes := x.fresh(vector), x.fresh(vector)
	x.v3("uzp1h", lanes, p[0], p[1])
	x.narrow(16, bytes, lanes)
	x.toGeneral(b, bytes)
}
