package ptx

import "math/bits"

// asyncForms are the asynchronous copies from global to shared memory.
var asyncForms = []form{
	{syntax: `cp.async.ca.dst.global{.prefetch} [d], [a], size{, src};` + asyncSpaces, build: cpAsync},
	{syntax: `cp.async.cg.dst.global{.prefetch} [d], [a], size{, src};` + asyncSpaces, build: cpAsync},
	{syntax: `cp.async.commit_group;`, build: func(x *call) exec { return (*warp).commit }},
	{syntax: `cp.async.wait_group n;`, build: func(x *call) exec {
		o := x.arg("n")
		n, ok := o.value(typeOf["u32"])
		if !ok {
			x.fail("cp.async.wait_group needs a number")
		}
		return func(w *warp, m uint32) { w.complete(m, int(n)) }
	}},
	{syntax: `cp.async.wait_all;`, build: func(x *call) exec {
		return func(w *warp, m uint32) {
			w.commit(m)
			w.complete(m, 0)
		}
	}},
}

const asyncSpaces = `
	.dst = { .shared, .shared::cta };  .prefetch = { .L2::64B, .L2::128B, .L2::256B };`

// asyncQueue holds a warp's copies that are on their way, in the order in which they were issued.
type asyncQueue struct {
	pending   []asyncCopy
	committed [32]int // groups that each lane has closed
}

// asyncCopy is one lane's copy. Its bytes are read from global memory at the issue and reach shared memory when the lane
// waits for the group; until then shared memory holds what it held before, so that a kernel which does not wait sees it.
type asyncCopy struct {
	lane  int
	group int
	to    uint64
	n     int
	data  [16]byte
	issue *inst
}

// cpAsync copies size bytes, of which the first src come from global memory and the others are zero.
func cpAsync(x *call) exec {
	to, from := x.address("[d]", "shared"), x.address("[a]", "global")
	n64, ok := x.arg("size").value(typeOf["u32"])
	if cg := x.mods["cg"] != ""; !ok || n64 != 16 && (cg || n64 != 4 && n64 != 8) {
		x.fail("%s of this size", x.st.opcode)
	}
	n := int(n64)
	var part *src
	var ignore *predicate
	if o := x.arg("src"); o != nil {
		if r := x.st.scope.register(o.name); o.kind == opName && r != nil && r.t.kind == 'p' {
			p := x.predicate(o)
			ignore = &p
		} else {
			s := x.src("src", typeOf["u32"])
			part = &s
		}
	}
	have := func(w *warp, l int) int { // bytes that come from memory
		switch {
		case part != nil:
			return int(min(part.at(w, l), uint64(n)))
		case ignore != nil && ignore.lanes(w)>>l&1 != 0:
			return 0
		}
		return n
	}
	return func(w *warp, m uint32) {
		if w.b.stats != nil {
			w.count(shared, to, m, n)
			if read := lanesOf(m, func(l int) bool { return have(w, l) > 0 }); read != 0 {
				w.count(global, from, read, n)
			}
		}
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			c := asyncCopy{lane: l, group: w.async.committed[l], to: to.at(w, l), n: n, issue: w.at}
			w.fetch(l, from.at(w, l), c.data[:have(w, l)], n)
			w.target(l, c.to, n)
			w.async.pending = append(w.async.pending, c)
		}
	}
}

// fetch reads global memory into data; the address has to be aligned to n.
func (w *warp) fetch(l int, addr uint64, data []byte, n int) {
	if addr&uint64(n-1) != 0 {
		w.fault(Misaligned, l, addr, "address %#x is no multiple of %d", addr, n)
	}
	for len(data) > 0 { // in powers of two, since a copy may be cut anywhere
		k := 1 << (bits.Len(uint(len(data))) - 1)
		for addr&uint64(k-1) != 0 {
			k >>= 1
		}
		copy(data[:k], w.reach(l, global, addr, k, load))
		data, addr = data[k:], addr+uint64(k)
	}
}

// target checks where a copy will arrive, and marks it as in flight.
func (w *warp) target(l int, addr uint64, n int) {
	w.reach(l, shared, addr, n, store)
	if s := w.b.shadow; s != nil {
		for i := range uint64(n) {
			s.state[addr+i] += byteInFlight
		}
	}
}

// commit closes the group of copies that each lane has open.
func (w *warp) commit(m uint32) {
	for ; m != 0; m &= m - 1 {
		w.async.committed[bits.TrailingZeros32(m)]++
	}
}

// complete delivers all groups of each lane but the latest few.
func (w *warp) complete(m uint32, latest int) {
	q := &w.async
	kept := q.pending[:0]
	for _, c := range q.pending {
		if m>>c.lane&1 == 0 || c.group >= q.committed[c.lane]-latest {
			kept = append(kept, c)
			continue
		}
		if s := w.b.shadow; s != nil {
			for i := range uint64(c.n) {
				s.state[c.to+i] -= byteInFlight
			}
			s.order(w, c.lane, c.to, c.n, store) // for the other threads, the bytes change now
		}
		copy(w.b.shared[c.to:], c.data[:c.n])
	}
	q.pending = kept
}
