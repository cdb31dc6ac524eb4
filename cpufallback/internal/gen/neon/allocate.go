package neon

import (
	"fmt"
	"math"
	"sort"

	"github.com/mmcloughlin/avo/ir"
)

// numbers are the registers that code may use. Of the general ones 16 to 18 and 27 to 31 belong to linkers, systems, Go's
// assembler and Go itself.
var numbers = map[class][]int{general: span(0, 15, 19, 26), vector: span(0, 31)}

// span is the numbers from .. to of pairs.
func span(ends ...int) (n []int) {
	for i := 0; i < len(ends); i += 2 {
		for k := ends[i]; k <= ends[i+1]; k++ {
			n = append(n, k)
		}
	}
	return n
}

// allocate gives registers their numbers and the code to avo's printer; frame is the stack that it needs, for what finds no
// register. The method is Chaitin's and Briggs' (Briggs, Cooper, Torczon: Improvements to graph coloring register allocation,
// 1994).
func allocate(code []instruction, classes []class) (nodes []ir.Node, frame int, err error) {
	if code, err = reached(code); err != nil {
		return nil, 0, err
	}
	onStack := 0
	for round := 0; ; round++ {
		if classes, err = rename(code, classes); err != nil {
			return nil, 0, err
		}
		if code, err = sweep(code, len(classes)); err != nil {
			return nil, 0, err
		}
		g, err := newGraph(code, classes)
		if err != nil {
			return nil, 0, err
		}
		g.coalesce(code)
		number, without := g.color()
		if len(without) == 0 {
			for at := range code {
				i := &code[at]
				if i.move && number[i.args[0].r] == number[i.args[1].r] {
					continue
				}
				nodes = append(nodes, i.node(number))
			}
			if onStack > 0 {
				frame = stackFrom - 8 + onStack
			}
			return nodes, frame, nil
		}
		if round == 20 {
			return nil, 0, fmt.Errorf("no end of registers without a number")
		}
		code, classes = spill(code, classes, without, &onStack)
	}
}

// graph is which registers hold values at the same time.
type graph struct {
	classes []class
	one     union // registers that moves made one
	next    []set
	cost    []float64
	moves   [][2]int
}

func newGraph(code []instruction, classes []class) (*graph, error) {
	n := len(classes)
	g := &graph{classes: classes, one: newUnion(n), next: make([]set, n), cost: make([]float64, n)}
	for r := range g.next {
		g.next[r] = newSet(n)
	}
	weight := weights(code)
	err := lives(code, n, func(at int, after set) {
		i := &code[at]
		for k, a := range i.args {
			g.cost[a.r] += weight[at]
			if i.spilled && k == 0 {
				g.cost[a.r] = math.Inf(1)
			}
			if a.role&writes == 0 {
				continue
			}
			after.each(func(r int) {
				if !i.move || r != int(i.args[1].r) {
					g.conflict(int(a.r), r)
				}
			})
			for _, b := range i.args[:k] {
				if b.role&writes != 0 {
					g.conflict(int(a.r), int(b.r))
				}
			}
		}
	})
	return g, err
}

// weights is how often instructions are run, tenfold for every loop around them.
func weights(code []instruction) []float64 {
	w, labels := make([]float64, len(code)), map[string]int{}
	for at := range code {
		w[at] = 1
		if code[at].label != "" {
			labels[code[at].label] = at
		}
	}
	for at := range code {
		if from, ok := labels[code[at].to]; ok && from <= at {
			for k := from; k <= at; k++ {
				w[k] *= 10
			}
		}
	}
	return w
}

func (g *graph) conflict(a, b int) {
	if a != b && g.classes[a] == g.classes[b] {
		g.next[a].add(b)
		g.next[b].add(a)
	}
}

// coalesce makes the two registers of a move one, where the result has a number for certain: where few of its neighbors have
// many.
func (g *graph) coalesce(code []instruction) {
	for at := range code {
		if code[at].move {
			g.moves = append(g.moves, [2]int{int(code[at].args[0].r), int(code[at].args[1].r)})
		}
	}
	degree := make([]int, len(g.classes))
	for r := range degree {
		g.next[r].each(func(int) { degree[r]++ })
	}
	for again := true; again; {
		again = false
		for _, m := range g.moves {
			a, b := g.one.find(m[0]), g.one.find(m[1])
			if a == b || g.next[a].has(b) {
				continue
			}
			k, many := len(numbers[g.classes[a]]), 0
			both := g.next[a].clone()
			both.join(g.next[b])
			both.each(func(r int) {
				d := degree[r]
				if g.next[a].has(r) && g.next[b].has(r) {
					d--
				}
				if d >= k {
					many++
				}
			})
			if many >= k {
				continue
			}
			again = true
			g.one.merge(a, b)
			root, gone := g.one.find(a), a+b-g.one.find(a)
			g.cost[root] += g.cost[gone]
			g.next[gone].each(func(r int) {
				if g.next[root].has(r) {
					degree[r]--
				}
				g.next[r].remove(gone)
				g.next[r].add(root)
			})
			g.next[root], g.next[gone], degree[root] = both, newSet(len(g.classes)), 0
			both.each(func(int) { degree[root]++ })
		}
	}
}

// color gives numbers, and the registers that find none.
func (g *graph) color() (number []int, without []register) {
	n := len(g.classes)
	degree, gone := make([]int, n), make([]bool, n)
	left := 0
	for r := range degree {
		if g.one.find(r) != r {
			gone[r] = true
			continue
		}
		left++
		g.next[r].each(func(int) { degree[r]++ })
	}
	var stack []int
	for ; left > 0; left-- {
		best := -1
		for r := range degree {
			if gone[r] {
				continue
			}
			if degree[r] < len(numbers[g.classes[r]]) {
				best = r
				break
			}
			if best < 0 || g.cost[r]/float64(degree[r]) < g.cost[best]/float64(degree[best]) {
				best = r
			}
		}
		gone[best] = true
		stack = append(stack, best)
		g.next[best].each(func(r int) { degree[r]-- })
	}
	number = make([]int, n)
	for r := range number {
		number[r] = -1
	}
	friends := map[int][]int{}
	for _, m := range g.moves {
		a, b := g.one.find(m[0]), g.one.find(m[1])
		friends[a], friends[b] = append(friends[a], b), append(friends[b], a)
	}
	for k := len(stack) - 1; k >= 0; k-- {
		r := stack[k]
		taken := map[int]bool{}
		g.next[r].each(func(q int) { taken[number[q]] = true })
		for _, f := range friends[r] {
			if c := number[f]; c >= 0 && !taken[c] {
				number[r] = c
			}
		}
		for _, c := range numbers[g.classes[r]] {
			if number[r] < 0 && !taken[c] {
				number[r] = c
			}
		}
		if number[r] < 0 {
			without = append(without, register(r))
		}
	}
	for r := range number {
		number[r] = number[g.one.find(r)]
	}
	if len(without) > 0 {
		var all []register
		for _, w := range without {
			for r := range number {
				if g.one.find(r) == int(w) {
					all = append(all, register(r))
				}
			}
		}
		without = all
	}
	sort.Slice(without, func(a, b int) bool { return without[a] < without[b] })
	return number, without
}

// stackFrom is where a function's own part of the stack begins: what is below belongs to Go.
const stackFrom = 16

// spill keeps registers on the stack: they are loaded before every instruction that reads them, and stored after every one that
// writes them. What is loaded from the constants is loaded from there again.
func spill(code []instruction, classes []class, without []register, onStack *int) ([]instruction, []class) {
	slot := map[register]int{}
	again := map[register]*instruction{}
	for _, r := range without {
		again[r] = onlyLoad(code, r)
		if again[r] == nil {
			slot[r] = stackFrom + *onStack
			*onStack += 16
		}
	}
	var changed []instruction
	for _, i := range code {
		var before, after []instruction
		args := append([]arg(nil), i.args...)
		local := map[register]register{}
		skip := false
		for k, a := range args {
			load, ok := again[a.r]
			if !ok {
				continue
			}
			if load != nil && a.role == writes {
				skip = true // its one write
				continue
			}
			t, ok := local[a.r]
			if !ok {
				t = register(len(classes))
				classes = append(classes, classes[a.r])
				local[a.r] = t
			}
			args[k].r = t
			if a.role&reads != 0 {
				if load != nil {
					l := *load
					l.spilled = true
					l.args = append([]arg{out(t, l.args[0].bit)}, l.args[1:]...)
					before = append(before, l)
				} else {
					before = append(before, stackMove(classes[t], t, slot[a.r], true))
				}
			}
			if a.role&writes != 0 {
				after = append(after, stackMove(classes[t], t, slot[a.r], false))
			}
		}
		if skip {
			continue
		}
		i.args = args
		changed = append(append(append(changed, before...), i), after...)
	}
	return changed, classes
}

// onlyLoad is the one instruction that writes r, if that is a load from the constants.
func onlyLoad(code []instruction, r register) (load *instruction) {
	for at := range code {
		for _, a := range code[at].args {
			if a.r != r || a.role&writes == 0 {
				continue
			}
			if load != nil || !code[at].constant {
				return nil
			}
			load = &code[at]
		}
	}
	return load
}

// stackMove loads or stores a register of the stack.
func stackMove(c class, r register, at int, load bool) instruction {
	role, word, op := reads, uint32(0x3d8003e0), "str"
	if load {
		role, word, op = writes, 0x3dc003e0, "ldr"
	}
	if c == vector {
		return instruction{text: fmt.Sprintf("%s q@0, [sp, #%d]", op, at), word: word | uint32(at/16)<<10, args: []arg{{r, role, 0}}, keeps: !load, spilled: true}
	}
	text := fmt.Sprintf("MOVD R@0, %d(RSP)", at)
	if load {
		text = fmt.Sprintf("MOVD %d(RSP), R@0", at)
	}
	return instruction{text: text, args: []arg{{r, role, 0}}, keeps: !load, spilled: true}
}
