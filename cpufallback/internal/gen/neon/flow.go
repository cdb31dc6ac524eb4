package neon

import (
	"fmt"
	"math/bits"
)

// set is a set of small numbers.
type set []uint64

func newSet(n int) set       { return make(set, (n+63)/64) }
func (s set) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }
func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) remove(i int)   { s[i/64] &^= 1 << (i % 64) }
func (s set) clone() set     { return append(set(nil), s...) }
func (s set) each(f func(int)) {
	for w, v := range s {
		for ; v != 0; v &= v - 1 {
			f(64*w + bits.TrailingZeros64(v))
		}
	}
}

// join adds t to s and says whether s grew.
func (s set) join(t set) (grew bool) {
	for i, v := range t {
		grew = grew || v&^s[i] != 0
		s[i] |= v
	}
	return grew
}

// block is instructions [from, to) that run one after the other.
type block struct {
	from, to int
	next     []int // blocks
}

// blocks cuts the code at labels and after jumps.
func blocks(code []instruction) ([]block, error) {
	var all []block
	labels := map[string]int{} // label to block
	from := 0
	for at := range code {
		if code[at].label != "" && at > from {
			all = append(all, block{from: from, to: at})
			from = at
		}
		if code[at].label != "" {
			labels[code[at].label] = len(all)
		}
		if code[at].to != "" || code[at].ends || at == len(code)-1 {
			all = append(all, block{from: from, to: at + 1})
			from = at + 1
		}
	}
	for b := range all {
		last := &code[all[b].to-1]
		if last.to != "" {
			to, ok := labels[last.to]
			if !ok {
				return nil, fmt.Errorf("no label %s", last.to)
			}
			all[b].next = append(all[b].next, to)
		}
		if !last.ends {
			if b+1 == len(all) {
				return nil, fmt.Errorf("the code does not end")
			}
			all[b].next = append(all[b].next, b+1)
		}
	}
	return all, nil
}

// reached leaves out what can never run.
func reached(code []instruction) ([]instruction, error) {
	all, err := blocks(code)
	if err != nil {
		return nil, err
	}
	runs := make([]bool, len(all))
	var visit func(b int)
	visit = func(b int) {
		if !runs[b] {
			runs[b] = true
			for _, next := range all[b].next {
				visit(next)
			}
		}
	}
	visit(0)
	var left []instruction
	for b, is := range runs {
		if is {
			left = append(left, code[all[b].from:all[b].to]...)
		}
	}
	return left, nil
}

// spot is an argument of an instruction.
type spot struct{ at, arg int }

// rename gives every value a register of its own: writes share one only if some instruction may read either. What is one register
// in the code at first may then be in several, one after the other.
func rename(code []instruction, classes []class) ([]class, error) {
	all, err := blocks(code)
	if err != nil {
		return nil, err
	}
	var found []spot // the writes, by number
	number := map[spot]int{}
	byRegister := make([][]int, len(classes))
	for at := range code {
		for k, a := range code[at].args {
			if a.role&writes != 0 {
				number[spot{at, k}] = len(found)
				byRegister[a.r] = append(byRegister[a.r], len(found))
				found = append(found, spot{at, k})
			}
		}
	}
	reach := reaching(code, all, byRegister, number)

	same := newUnion(len(found))
	reader := map[spot]int{} // one of the writes that it sees
	for b := range all {
		now := map[register][]int{}
		for at := all[b].from; at < all[b].to; at++ {
			for k, a := range code[at].args {
				if a.role&reads == 0 {
					continue
				}
				ws, ok := now[a.r]
				if !ok {
					for _, w := range byRegister[a.r] {
						if reach[b].has(w) {
							ws = append(ws, w)
						}
					}
					now[a.r] = ws
				}
				if len(ws) == 0 {
					return nil, fmt.Errorf("%q reads what was never written", code[at].text)
				}
				for _, w := range ws[1:] {
					same.merge(ws[0], w)
				}
				if a.role&writes != 0 {
					same.merge(ws[0], number[spot{at, k}])
				}
				reader[spot{at, k}] = ws[0]
			}
			for k, a := range code[at].args {
				if a.role&writes != 0 {
					now[a.r] = []int{number[spot{at, k}]}
				}
			}
		}
	}

	var renamed []class
	to := map[int]register{}
	for w, s := range found {
		if root := same.find(w); root == w {
			to[w] = register(len(renamed))
			renamed = append(renamed, classes[code[s.at].args[s.arg].r])
		}
	}
	for at := range code {
		args := append([]arg(nil), code[at].args...)
		for k := range args {
			w, ok := number[spot{at, k}]
			if !ok {
				w = reader[spot{at, k}]
			}
			args[k].r = to[same.find(w)]
		}
		code[at].args = args
	}
	return renamed, nil
}

// reaching is which writes may be seen where each block begins.
func reaching(code []instruction, all []block, byRegister [][]int, number map[spot]int) []set {
	n := len(number)
	reach, made, lost := make([]set, len(all)), make([]set, len(all)), make([]set, len(all))
	for b := range all {
		reach[b], made[b], lost[b] = newSet(n), newSet(n), newSet(n)
		for at := all[b].from; at < all[b].to; at++ {
			for k, a := range code[at].args {
				if a.role&writes == 0 {
					continue
				}
				for _, w := range byRegister[a.r] {
					lost[b].add(w)
					made[b].remove(w)
				}
				made[b].add(number[spot{at, k}])
			}
		}
	}
	for again := true; again; {
		again = false
		for b := range all {
			s := reach[b].clone()
			for i := range s {
				s[i] = s[i]&^lost[b][i] | made[b][i]
			}
			for _, next := range all[b].next {
				again = reach[next].join(s) || again
			}
		}
	}
	return reach
}

// lives calls f for every instruction, backwards in its block, with the registers that are read after it before they are written;
// f may change nothing.
func lives(code []instruction, registers int, f func(at int, after set)) error {
	all, err := blocks(code)
	if err != nil {
		return err
	}
	before := make([]set, len(all))
	for b := range all {
		before[b] = newSet(registers)
	}
	walk := func(b int, f func(at int, after set)) set {
		live := newSet(registers)
		for _, next := range all[b].next {
			live.join(before[next])
		}
		for at := all[b].to - 1; at >= all[b].from; at-- {
			if f != nil {
				f(at, live)
			}
			for _, a := range code[at].args {
				if a.role == writes {
					live.remove(int(a.r))
				}
			}
			for _, a := range code[at].args {
				if a.role&reads != 0 {
					live.add(int(a.r))
				}
			}
		}
		return live
	}
	for again := true; again; {
		again = false
		for b := len(all) - 1; b >= 0; b-- {
			again = before[b].join(walk(b, nil)) || again
		}
	}
	for b := range all {
		walk(b, f)
	}
	return nil
}

// sweep leaves out instructions whose results nobody reads.
func sweep(code []instruction, registers int) ([]instruction, error) {
	for {
		idle := make([]bool, len(code))
		found := false
		err := lives(code, registers, func(at int, after set) {
			i := &code[at]
			if i.keeps || i.label != "" || i.to != "" || i.ends {
				return
			}
			for _, a := range i.args {
				if a.role&writes != 0 && after.has(int(a.r)) {
					return
				}
			}
			idle[at], found = true, true
		})
		if err != nil || !found {
			return code, err
		}
		var left []instruction
		for at := range code {
			if !idle[at] {
				left = append(left, code[at])
			}
		}
		code = left
	}
}

// union is disjoint sets of numbers.
type union []int

func newUnion(n int) union {
	u := make(union, n)
	for i := range u {
		u[i] = i
	}
	return u
}

func (u union) find(i int) int {
	for u[i] != i {
		u[i] = u[u[i]]
		i = u[i]
	}
	return i
}

// merge joins the sets of a and b; the lower number stands for both.
func (u union) merge(a, b int) {
	a, b = u.find(a), u.find(b)
	u[max(a, b)] = min(a, b)
}
