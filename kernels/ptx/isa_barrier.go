package ptx

import "math/bits"

// barrierForms are the barriers of a block.
var barrierForms = []form{
	{syntax: `bar{.cta}.sync a{, b};`, build: bar},
	{syntax: `barrier{.cta}.sync{.aligned} a{, b};`, build: bar},
	{syntax: `bar{.cta}.arrive a, b;`, build: arrive},
	{syntax: `barrier{.cta}.arrive{.aligned} a, b;`, build: arrive},
	{syntax: `bar{.cta}.red.popc.u32 d, a, c;`, build: barRed},
	{syntax: `bar{.cta}.red.op.pred d, a, c;  .op = { .and, .or };`, build: barRed},
	{syntax: `barrier{.cta}.red.popc{.aligned}.u32 d, a, c;`, build: barRed},
	{syntax: `barrier{.cta}.red.op{.aligned}.pred d, a, c;  .op = { .and, .or };`, build: barRed},
}

// barrier is what a warp waits at: a name from 0 to 15, how many threads it opens for, and what to do then.
type barrier struct {
	name   src
	count  *src // nil: all threads of the block
	reduce func(b *block, all []*warp)
}

// bar makes the warp wait. All its threads have to be there: bar is the aligned barrier, and the .aligned of barrier is
// what compilers write.
func bar(x *call) exec {
	br := &barrier{name: x.src("a", typeOf["u32"])}
	if x.arg("b") != nil {
		s := x.src("b", typeOf["u32"])
		br.count = &s
	}
	x.in.control, x.in.sync, x.in.barrier = wait, syncWarp, br
	return nil
}

// arrive counts for a barrier without waiting at it.
func arrive(x *call) exec {
	name, count := x.src("a", typeOf["u32"]), x.src("b", typeOf["u32"])
	x.in.sync = syncWarp
	return func(w *warp, m uint32) {
		l := bits.TrailingZeros32(m)
		n := name.at(w, l)
		w.checkBarrier(l, n, count.at(w, l))
		w.b.arrived[n] += 32
	}
}

// barRed waits at a barrier and gives every thread how many of the block's threads had c, or whether all or any had.
func barRed(x *call) exec {
	br := &barrier{name: x.src("a", typeOf["u32"])}
	c := x.pred("c")
	x.in.control, x.in.sync, x.in.barrier = wait, syncWarp, br
	op := x.mods["op"]
	var d dst
	p := -1
	if op == "" {
		d = x.dst("d", typeOf["u32"])
	} else {
		p = x.predDst(x.arg("d"))
	}
	br.reduce = func(b *block, all []*warp) {
		yes, total := 0, 0
		for _, w := range all {
			yes += bits.OnesCount32(c.lanes(w) & w.arrived)
			total += bits.OnesCount32(w.arrived)
		}
		for _, w := range all {
			if p >= 0 {
				w.setPred(p, w.arrived, -uint32(truth(op == "and" && yes == total || op == "or" && yes > 0)))
				continue
			}
			for r := w.arrived; r != 0; r &= r - 1 {
				d.put(w, bits.TrailingZeros32(r), uint64(yes))
			}
		}
	}
	return nil
}

func (w *warp) checkBarrier(l int, name, count uint64) {
	if name > 15 {
		w.fault(BarrierDivergence, l, 0, "barrier %d of 16", name)
	}
	if count == 0 || count%32 != 0 || count > uint64(len(w.b.warps)*32) {
		w.fault(BarrierDivergence, l, 0, "barrier for %d threads of %d", count, w.b.threads)
	}
}

// open lets the warps go on whose barrier has all the threads that it waits for. live is the number of warps that have not
// exited.
func (b *block) open(live int) bool {
	var at [16][]*warp
	for _, w := range b.warps {
		if w.waiting == nil {
			continue
		}
		w.at = w.waiting
		l := bits.TrailingZeros32(w.arrived)
		name := w.waiting.barrier.name.at(w, l)
		if count := w.waiting.barrier.count; count != nil {
			w.checkBarrier(l, name, count.at(w, l))
		} else {
			w.checkBarrier(l, name, 32)
		}
		at[name] = append(at[name], w)
	}
	opened := false
	for name, group := range at {
		if len(group) == 0 {
			continue
		}
		first := group[0].waiting
		full := len(group) == live
		if first.barrier.count != nil {
			need := int(first.barrier.count.at(group[0], bits.TrailingZeros32(group[0].arrived)))
			full = len(group)*32+b.arrived[name] >= need
		}
		if !full {
			continue
		}
		b.agree(group)
		if first.barrier.reduce != nil {
			first.barrier.reduce(b, group)
		}
		for _, w := range group {
			w.waiting = nil
		}
		b.arrived[name] = 0
		opened = true
		if b.shadow != nil {
			b.shadow.now++
		}
	}
	return opened
}

// agree checks that a barrier opens for the threads that its author meant: for all threads of the block, at one place.
func (b *block) agree(group []*warp) {
	first := group[0]
	for _, w := range group[1:] {
		same := w.waiting == first.waiting
		if !same && (first.waiting.barrier.reduce != nil || w.waiting.barrier.reduce != nil || b.check && first.waiting.barrier.count == nil) {
			w.at = w.waiting
			w.fault(BarrierDivergence, bits.TrailingZeros32(w.arrived), 0, "thread %v waits at line %d",
				b.thread(first.id*32+bits.TrailingZeros32(first.arrived)), first.waiting.line)
		}
	}
	if !b.check || first.waiting.barrier.count != nil {
		return
	}
	here := 0
	for _, w := range group {
		here += bits.OnesCount32(w.arrived)
	}
	if here != b.threads {
		first.at = first.waiting
		first.fault(BarrierDivergence, bits.TrailingZeros32(first.arrived), 0, "%d of %d threads have exited before it", b.threads-here, b.threads)
	}
}
