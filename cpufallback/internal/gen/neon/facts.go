package neon

import (
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// facts are what is known of a function's vector registers before it is translated.
type facts struct {
	data    *pool
	uniform map[reg.ID]bool // all lanes are equal, always: one register of NEON will do
	first   map[reg.ID]bool // only multiplies, from memory: the first lane will do
	bools   map[reg.ID]bool // lanes are all ones or 0
	masks   map[reg.ID]bool // of loads and stores
}

func newFacts(fn *ir.Function, data *pool) facts {
	f := facts{data, map[reg.ID]bool{}, map[reg.ID]bool{}, map[reg.ID]bool{}, map[reg.ID]bool{}}
	all := fn.Instructions()
	for _, i := range all {
		if i.Opcode == "VMASKMOVPS" || i.Opcode == "VPMASKMOVD" {
			f.masks[i.Operands[1].(reg.Register).ID()] = true
		}
	}
	f.uniform = unchanging(all, f.givesUniform)
	f.bools = unchanging(all, givesBools)
	f.first = f.onlyMultiplies(all)
	return f
}

// unchanging is the registers to which every instruction that writes them gives a property, if its operands have it.
func unchanging(all []*ir.Instruction, gives func(i *ir.Instruction, has map[reg.ID]bool) bool) map[reg.ID]bool {
	has := map[reg.ID]bool{}
	for _, i := range all {
		for _, r := range i.OutputRegisters() {
			if r.Kind() == reg.KindVector {
				has[r.ID()] = true
			}
		}
	}
	for again := true; again; {
		again = false
		for _, i := range all {
			for _, r := range i.OutputRegisters() {
				if has[r.ID()] && !gives(i, has) {
					delete(has, r.ID())
					again = true
				}
			}
		}
	}
	return has
}

func (f *facts) givesUniform(i *ir.Instruction, has map[reg.ID]bool) bool {
	if dst, ok := i.Operands[len(i.Operands)-1].(reg.Register); !ok || dst.Size() != 32 {
		return false
	}
	if i.Opcode == "VBROADCASTSS" || cancels(i) {
		return true
	}
	if !lanewise[i.Opcode] {
		return false
	}
	for _, op := range i.Inputs {
		switch op := op.(type) {
		case reg.Register:
			if !has[op.ID()] {
				return false
			}
		case operand.Mem:
			if !f.uniformMem(op) {
				return false
			}
		}
	}
	return true
}

// uniformMem says whether all lanes at m are the same constant.
func (f *facts) uniformMem(m operand.Mem) bool {
	return m.Base == reg.StaticBase && m.Index == nil && f.data.uniform(m.Symbol.Name)
}

// cancels says whether an instruction gives 0 whatever its operands are.
func cancels(i *ir.Instruction) bool {
	switch i.Opcode {
	case "VXORPS", "VPXOR", "VXORPD":
		return i.Operands[0] == i.Operands[1]
	}
	return false
}

func givesBools(i *ir.Instruction, has map[reg.ID]bool) bool {
	switch i.Opcode {
	case "VCMPPS", "VPCMPEQD", "VPCMPGTD":
		return true
	case "VANDPS", "VPAND", "VORPS", "VPOR":
		for _, op := range i.Inputs {
			if r, ok := op.(reg.Register); !ok || !has[r.ID()] {
				return false
			}
		}
		return true
	}
	return false
}

// onlyMultiplies is the registers that are written by broadcasts from memory alone, and read as one factor of multiply-adds
// alone.
func (f *facts) onlyMultiplies(all []*ir.Instruction) map[reg.ID]bool {
	is := map[reg.ID]bool{}
	for _, i := range all {
		if broadcasts(i) {
			is[i.Operands[1].(reg.Register).ID()] = true
		}
	}
	for _, i := range all {
		ops := i.Operands
		switch {
		case broadcasts(i):
			continue
		case i.Opcode == "VFMADD231PS" || i.Opcode == "VFNMADD231PS":
			if a, ok := ops[0].(reg.Register); !ok || !is[a.ID()] {
				ops = ops[2:] // the other factor may be one
			} else {
				ops = ops[1:]
			}
		}
		for _, op := range ops {
			if r, ok := op.(reg.Register); ok {
				delete(is, r.ID())
			}
		}
	}
	return is
}

// broadcasts says whether i loads one float32, not of the arguments, into all lanes.
func broadcasts(i *ir.Instruction) bool {
	if i.Opcode != "VBROADCASTSS" {
		return false
	}
	m, ok := i.Operands[0].(operand.Mem)
	return ok && m.Base != reg.FramePointer && m.Base != reg.StaticBase
}
