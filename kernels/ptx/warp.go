package ptx

import (
	"fmt"
	"math"
	"math/bits"
)

const full = ^uint32(0)

// inst is a decoded instruction.
type inst struct {
	exec    exec
	guard   int // row of the predicate @p, or -1
	negate  bool
	control control
	targets []int // of a branch
	index   src   // brx.idx: which target
	sync    syncKind
	members src      // syncMembers: the member mask
	barrier *barrier // a block's barrier
	line    int
	text    string
}

// control says what comes after an instruction.
type control byte

const (
	onward   control = iota // the next instruction
	branch                  // targets[0]
	indirect                // targets[index]
	leave                   // the end of the thread
	wait                    // the next instruction, once the barrier opens
)

// syncKind says which lanes of a warp have to execute an instruction together.
type syncKind byte

const (
	syncNone    syncKind = iota
	syncWarp             // all that have not exited
	syncMembers          // those of the member mask
)

// warp is 32 threads that execute together, one instruction for all lanes that are at the same place.
//
// Lanes that part at a branch meet again because the lanes at the lowest program counter always go first, so that those
// ahead wait for them. That alone is not enough, since a compiler may place a part of a loop after a barrier; therefore
// lanes that reach a warp-wide instruction early are parked there until the others have come.
type warp struct {
	b       *block
	id      int
	words   [][32]uint32 // registers of up to 32 bits, narrower ones with zeros above
	longs   [][32]uint64 // registers of 64 bits
	preds   []uint32     // predicates: bit l is lane l's
	carry   uint32       // the condition code's carry flag
	pc      [32]int
	live    uint32 // lanes that have not exited
	parked  uint32 // lanes that wait at a warp-wide instruction for others
	waiting *inst  // the barrier that the warp waits at
	arrived uint32 // the lanes that execute that barrier
	at      *inst  // what is being executed
	steps   int64
	issued  int64       // instructions
	lanes   int64       // instructions, counted for each lane
	piece   *allocation // touched last
	race    racePlace
	local   []byte
	async   asyncQueue

	// Which accesses of shared memory bar.warp.sync has ordered. The clock counts them; before the time allKnown everything is
	// ordered with all that follows, and before knowledge[l][a], what lane a did with what lane l does.
	clock, allKnown uint32
	knowledge       *[32][32]uint32 // nil until lanes meet that are not all
}

// quantum is how many instructions a warp executes before the others of its block get a turn, so that a thread which spins
// until another warp writes does not spin for ever.
const quantum = 1 << 13

// burstLength is about how many instructions lanes execute at a stretch before their budget is looked at.
const burstLength = 1 << 12

func (w *warp) fault(kind Kind, l int, addr uint64, format string, args ...any) {
	b := w.b
	panic(&Fault{Kind: kind, Kernel: b.k.name, File: b.k.module.name, Line: w.at.line, Code: w.at.text,
		Block: b.at, Thread: b.thread(w.id*32 + l), Addr: addr, Detail: fmt.Sprintf(format, args...)})
}

// pick chooses the lanes to go on with: those at the lowest place that are not parked.
func (w *warp) pick() (pc int, m uint32) {
	pc = math.MaxInt
	for r := w.live &^ w.parked; r != 0; r &= r - 1 {
		l := bits.TrailingZeros32(r)
		switch p := w.pc[l]; {
		case p < pc:
			pc, m = p, 1<<l
		case p == pc:
			m |= 1 << l
		}
	}
	return pc, m
}

func (w *warp) setPC(m uint32, pc int) {
	for ; m != 0; m &= m - 1 {
		w.pc[bits.TrailingZeros32(m)] = pc
	}
}

// parkedAt gives the lanes parked at a place.
func (w *warp) parkedAt(pc int) (m uint32) {
	for r := w.parked; r != 0; r &= r - 1 {
		if l := bits.TrailingZeros32(r); w.pc[l] == pc {
			m |= 1 << l
		}
	}
	return m
}

// guarded gives the lanes of m whose guard predicate holds.
func (in *inst) guarded(w *warp, m uint32) uint32 {
	if in.guard < 0 {
		return m
	}
	if in.negate {
		return m &^ w.preds[in.guard]
	}
	return m & w.preds[in.guard]
}

// missing gives the lanes that a warp-wide instruction still needs when those of m are there.
func (in *inst) missing(w *warp, m uint32) uint32 {
	if in.sync == syncWarp {
		return w.live &^ m
	}
	need := uint32(0)
	for r := in.guarded(w, m); r != 0; r &= r - 1 {
		need |= uint32(in.members.at(w, bits.TrailingZeros32(r)))
	}
	return need & w.live &^ m
}

// nextAbove gives the lowest place above pc where lanes outside m are.
func (w *warp) nextAbove(pc int, m uint32) int {
	next := math.MaxInt
	for r := w.live &^ m; r != 0; r &= r - 1 {
		if p := w.pc[bits.TrailingZeros32(r)]; p < next && p > pc {
			next = p
		}
	}
	return next
}

// run executes the warp up to its next barrier, its end, or the end of its turn.
func (w *warp) run() {
	for turn := w.issued + quantum; w.live != 0 && w.waiting == nil && w.issued < turn; {
		pc, m := w.pick()
		if m == 0 {
			w.release()
			continue
		}
		w.burst(pc, m)
	}
}

// burst executes the lanes of m from pc on, until they part, meet others, wait or exit.
func (w *warp) burst(pc int, m uint32) {
	code, next, start := w.b.k.code, w.nextAbove(pc, m), w.issued
	defer func() { w.account(w.issued-start, m) }()
	for {
		in := &code[pc]
		w.at = in
		if in.sync != syncNone {
			group := m | w.parkedAt(pc)
			if in.missing(w, group) != 0 {
				w.setPC(m, pc)
				w.parked |= m
				return
			}
			if group != m { // the lanes that were waited for: go on together
				w.setPC(m, pc)
				w.parked &^= group
				if w.issued > start {
					return
				}
				m, next = group, w.nextAbove(pc, group)
			}
		}
		w.issued++
		e := in.guarded(w, m)
		switch in.control {
		case onward:
			if e != 0 {
				in.exec(w, e)
			}
			pc++
		case branch:
			switch {
			case e == 0:
				pc++
			case e != m:
				w.setPC(m&^e, pc+1)
				w.setPC(e, in.targets[0])
				return
			default:
				back := in.targets[0] <= pc
				pc = in.targets[0]
				if back && w.issued-start >= burstLength {
					w.setPC(m, pc)
					return
				}
			}
		case indirect:
			w.setPC(m, pc+1)
			for r := e; r != 0; r &= r - 1 {
				l := bits.TrailingZeros32(r)
				i := in.index.at(w, l)
				if i >= uint64(len(in.targets)) {
					w.fault(OutOfBounds, l, 0, "branch index %d of %d", i, len(in.targets))
				}
				w.pc[l] = in.targets[i]
			}
			return
		case leave:
			w.setPC(m, pc+1)
			w.live &^= e
			return
		case wait:
			w.setPC(m, pc+1)
			if e != 0 {
				if e != m {
					w.fault(BarrierDivergence, bits.TrailingZeros32(m&^e), 0, "the guard holds for a part of the warp only")
				}
				w.waiting, w.arrived = in, e
			}
			return
		}
		if pc >= next {
			w.setPC(m, pc)
			return
		}
	}
}

// account adds n instructions of the lanes in m to the warp's counts, and holds it to the budget.
func (w *warp) account(n int64, m uint32) {
	w.lanes += n * int64(bits.OnesCount32(m))
	if w.steps += n; w.steps > w.b.budget {
		w.fault(StepBudget, bits.TrailingZeros32(m), 0, "%d instructions", w.steps)
	}
}

// release lets parked lanes go whose companions have exited meanwhile.
func (w *warp) release() {
	for r := w.parked; r != 0; {
		pc := w.pc[bits.TrailingZeros32(r)]
		group := w.parkedAt(pc)
		if w.b.k.code[pc].missing(w, group) == 0 {
			w.parked &^= group
			return
		}
		r &^= group
	}
	w.stuck()
}

// stuck reports that all lanes wait for each other at different places.
func (w *warp) stuck() {
	first := bits.TrailingZeros32(w.live)
	w.at = &w.b.k.code[w.pc[first]]
	for r := w.live; r != 0; r &= r - 1 {
		if l := bits.TrailingZeros32(r); w.pc[l] != w.pc[first] {
			w.fault(BarrierDivergence, first, 0, "other threads of the warp wait at line %d", w.b.k.code[w.pc[l]].line)
		}
	}
	w.fault(BarrierDivergence, first, 0, "the member mask names threads that do not come")
}
