package ptx

import "math/bits"

// The shapes of instructions that compute each lane for itself. A value is passed as 64 bits; what they mean is up to the
// function. These are the instructions as specified; the few that fill the inner loops of kernels have a fast form beside
// (fast.go) that a test holds equal to this one.

func lanes1(d dst, a src, f func(a uint64) uint64) exec {
	return func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			d.put(w, l, f(a.extended(w, l)))
		}
	}
}

func lanes2(d dst, a, b src, f func(a, b uint64) uint64) exec {
	return func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			d.put(w, l, f(a.extended(w, l), b.extended(w, l)))
		}
	}
}

func lanes3(d dst, a, b, c src, f func(a, b, c uint64) uint64) exec {
	return func(w *warp, m uint32) {
		for ; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m)
			d.put(w, l, f(a.extended(w, l), b.extended(w, l), c.extended(w, l)))
		}
	}
}

// pick chooses the unsigned or the signed meaning by the type.
func pick[F any](t typ, unsigned, signed F) F {
	if t.kind == 's' {
		return signed
	}
	return unsigned
}

// int1 is "d, a", int2 "d, a, b" and int3 "d, a, b, c", all of .type, by one function for unsigned values and one for signed.
func int1(unsigned func(a uint64) uint64, signed func(a int64) int64) func(x *call) exec {
	return func(x *call) exec {
		t := x.typ("type")
		f := pick(t, unsigned, func(a uint64) uint64 { return uint64(signed(int64(a))) })
		return lanes1(x.dst("d", t), x.src("a", t), f)
	}
}

func int2(unsigned func(a, b uint64) uint64, signed func(a, b int64) int64) func(x *call) exec {
	return func(x *call) exec {
		t := x.typ("type")
		f := pick(t, unsigned, func(a, b uint64) uint64 { return uint64(signed(int64(a), int64(b))) })
		return lanes2(x.dst("d", t), x.src("a", t), x.src("b", t), f)
	}
}

func int3(f func(a, b, c uint64) uint64) func(x *call) exec {
	return func(x *call) exec {
		t := x.typ("type")
		return lanes3(x.dst("d", t), x.src("a", t), x.src("b", t), x.src("c", t), f)
	}
}

// count1 is "d, a" with a function that knows the width, and whose result is .u32.
func count1(f func(a uint64, t typ) uint64) func(x *call) exec {
	return func(x *call) exec {
		t := x.typ("type")
		return lanes1(x.dst("d", typeOf["u32"]), x.src("a", t), func(a uint64) uint64 { return f(a, t) })
	}
}
