package ptx

import "math/bits"

// warpForms are the instructions by which the lanes of a warp exchange values.
var warpForms = []form{
	{syntax: `shfl.sync.mode.b32 d, a, b, c, membermask;  .mode = { .up, .down, .bfly, .idx };`, build: shfl},
	{syntax: `vote.sync.mode.pred d, a, membermask;  .mode = { .all, .any, .uni };`, build: vote},
	{syntax: `vote.sync.ballot.b32 d, a, membermask;`, build: ballot},
	{syntax: `activemask.b32 d;`, build: func(x *call) exec {
		d := x.dst("d", typeOf["b32"])
		return func(w *warp, m uint32) {
			for r := m; r != 0; r &= r - 1 {
				d.put(w, bits.TrailingZeros32(r), uint64(m))
			}
		}
	}},
	{syntax: `redux.sync.op.type d, a, membermask;  .op = { .add, .min, .max, .and, .or, .xor };  .type = { .b32, .u32, .s32 };`, build: redux},
	{syntax: `match.any.sync.type d, a, membermask;  .type = { .b32, .b64 };`, build: match},
	{syntax: `bar.warp.sync membermask;`, build: func(x *call) exec {
		members := x.members()
		return func(w *warp, m uint32) { groups(w, m, members, w.meet) }
	}},
}

// members makes the instruction wait for the lanes of its member mask.
func (x *call) members() src {
	x.in.sync, x.in.members = syncMembers, x.src("membermask", typeOf["u32"])
	return x.in.members
}

// shfl gives each lane the value of another. The low five bits of c bound the lane number, its bits 8 to 12 say which bits
// of the number stay fixed, so that a warp falls into segments; p tells whether the other lane was in range.
func shfl(x *call) exec {
	t, u := typeOf["b32"], typeOf["u32"]
	to, p := x.arg("d"), -1
	if to.kind == opPair {
		p = x.predDst(&to.parts[1])
		to = &to.parts[0]
	}
	d, a, b, c := x.target(to, t, false), x.src("a", t), x.src("b", u), x.src("c", u)
	members, mode := x.members(), x.mods["mode"]
	return func(w *warp, m uint32) {
		var old [32]uint64
		for r := m; r != 0; r &= r - 1 {
			l := bits.TrailingZeros32(r)
			old[l] = a.at(w, l)
		}
		inRange := uint32(0)
		for r := m; r != 0; r &= r - 1 {
			l := bits.TrailingZeros32(r)
			bv, cv := int(b.at(w, l)&31), int(c.at(w, l))
			segment := cv >> 8 & 31
			most := l&segment | cv&31&^segment
			least := l & segment
			j, ok := 0, false
			switch mode {
			case "up":
				j = l - bv
				ok = j >= most
			case "down":
				j = l + bv
				ok = j <= most
			case "bfly":
				j = l ^ bv
				ok = j <= most
			case "idx":
				j = least | bv&^segment
				ok = j <= most
			}
			if !ok {
				j = l
			} else {
				inRange |= 1 << l
			}
			if m>>j&1 == 0 || members.at(w, l)>>j&1 == 0 || members.at(w, l)>>l&1 == 0 {
				if w.b.check {
					w.fault(BadShuffle, l, 0, "lane %d reads lane %d, which does not take part", l, j)
				}
				j = l
			}
			d.put(w, l, old[j])
		}
		if p >= 0 {
			w.setPred(p, m, inRange)
		}
	}
}

// groups calls f for each set of lanes in m that have the same member mask.
func groups(w *warp, m uint32, members src, f func(lanes uint32)) {
	for m != 0 {
		first := members.at(w, bits.TrailingZeros32(m))
		same := lanesOf(m, func(l int) bool { return members.at(w, l) == first })
		f(same)
		m &^= same
	}
}

func vote(x *call) exec {
	d, a := x.predDst(x.arg("d")), x.pred("a")
	members, mode := x.members(), x.mods["mode"]
	return func(w *warp, m uint32) {
		v := a.lanes(w)
		groups(w, m, members, func(same uint32) {
			all, none := v&same == same, v&same == 0
			w.setPred(d, same, -uint32(truth(mode == "all" && all || mode == "any" && !none || mode == "uni" && (all || none))))
		})
	}
}

func ballot(x *call) exec {
	d, a := x.dst("d", typeOf["b32"]), x.pred("a")
	members := x.members()
	return func(w *warp, m uint32) {
		v := a.lanes(w)
		groups(w, m, members, func(same uint32) {
			for r := same; r != 0; r &= r - 1 {
				d.put(w, bits.TrailingZeros32(r), uint64(v&same))
			}
		})
	}
}

// redux combines the values of all members.
func redux(x *call) exec {
	t, op := x.typ("type"), x.mods["op"]
	d, a := x.dst("d", t), x.src("a", t)
	f := modify(op, t)
	if f == nil {
		x.fail("%s: no such reduction", x.st.opcode)
	}
	members := x.members()
	return func(w *warp, m uint32) {
		groups(w, m, members, func(same uint32) {
			first := bits.TrailingZeros32(same)
			total := a.extended(w, first)
			for r := same & (same - 1); r != 0; r &= r - 1 {
				total = f(total, a.extended(w, bits.TrailingZeros32(r)), 0)
			}
			for r := same; r != 0; r &= r - 1 {
				d.put(w, bits.TrailingZeros32(r), total)
			}
		})
	}
}

// match gives each lane the mask of the members that hold the same value.
func match(x *call) exec {
	t := x.typ("type")
	d, a := x.dst("d", typeOf["b32"]), x.src("a", t)
	members := x.members()
	return func(w *warp, m uint32) {
		groups(w, m, members, func(same uint32) {
			var found [32]uint32
			for r := same; r != 0; r &= r - 1 {
				l := bits.TrailingZeros32(r)
				found[l] = lanesOf(same, func(k int) bool { return a.at(w, k) == a.at(w, l) })
			}
			for r := same; r != 0; r &= r - 1 {
				l := bits.TrailingZeros32(r)
				d.put(w, l, uint64(found[l]))
			}
		})
	}
}
