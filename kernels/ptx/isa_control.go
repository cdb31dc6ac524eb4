package ptx

import "math/bits"

// controlForms are the manual's section Control Flow Instructions, without calls: kernels are compiled with everything inlined.
var controlForms = []form{
	{syntax: `bra{.uni} target;`, build: bra},
	{syntax: `brx.idx{.uni} index, list;`, build: brx},
	{syntax: `ret{.uni};`, build: exit},
	{syntax: `exit;`, build: exit},
	{syntax: `trap;`, build: func(x *call) exec {
		return func(w *warp, m uint32) {
			w.fault(Trapped, bits.TrailingZeros32(m), 0, "the kernel stopped itself")
		}
	}},
	{syntax: `nanosleep.u32 t;`, build: func(x *call) exec {
		x.src("t", typeOf["u32"])
		return func(*warp, uint32) {}
	}},
}

func exit(x *call) exec {
	x.in.control = leave
	return nil
}

func (x *call) label(name string) int {
	at, ok := x.st.scope.label(name)
	if !ok {
		x.fail("no label %s", name)
	}
	return at
}

func bra(x *call) exec {
	o := x.arg("target")
	if o.kind != opName || o.not || o.offset != 0 {
		x.fail("a branch needs a label")
	}
	x.in.control, x.in.targets = branch, []int{x.label(o.name)}
	return nil
}

// brx jumps to one of a list of labels.
func brx(x *call) exec {
	x.in.control, x.in.index = indirect, x.src("index", typeOf["u32"])
	list := x.st.scope.branchTargets(x.arg("list").name)
	if list == nil {
		x.fail("no .branchtargets %s", x.arg("list").name)
	}
	for _, name := range list {
		x.in.targets = append(x.in.targets, x.label(name))
	}
	return nil
}
