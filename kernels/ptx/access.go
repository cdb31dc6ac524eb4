package ptx

import "math/bits"

// space is a state space of memory.
type space byte

const (
	generic space = iota
	global
	shared
	local
	constants
	parameter
)

// use says what an access does to the bytes.
type use byte

const (
	load use = iota
	store
	atomicUse
)

// reach gives the n bytes at an address for one lane, n being 1, 2, 4, 8 or 16, after all checks. The slice is of length n
// or more.
func (w *warp) reach(l int, s space, addr uint64, n int, u use) []byte {
	if addr&uint64(n-1) != 0 {
		w.fault(Misaligned, l, addr, "address %#x is no multiple of %d", addr, n)
	}
	if s == generic {
		switch addr &^ (windowSize - 1) {
		case sharedWindow:
			s, addr = shared, addr-sharedWindow
		case localWindow:
			s, addr = local, addr-localWindow
		default:
			s = global
		}
	}
	b := w.b
	switch s {
	case shared:
		if addr+uint64(n) > uint64(len(b.shared)) || addr > uint64(len(b.shared)) {
			w.fault(OutOfBounds, l, addr, "bytes %d to %d of %d of shared memory", addr, addr+uint64(n)-1, len(b.shared))
		}
		if b.shadow != nil {
			b.shadow.access(w, l, addr, n, u)
		}
		return b.shared[addr:]
	case local:
		size := uint64(b.k.local)
		if addr+uint64(n) > size || addr > size {
			w.fault(OutOfBounds, l, addr, "bytes %d to %d of %d of local memory", addr, addr+uint64(n)-1, size)
		}
		return w.local[uint64(l)*size+addr:]
	case parameter:
		if addr+uint64(n) > uint64(len(b.params)) || addr > uint64(len(b.params)) {
			w.fault(OutOfBounds, l, addr, "bytes %d to %d of %d of parameters", addr, addr+uint64(n)-1, len(b.params))
		}
		return b.params[addr:]
	}
	return w.global(l, addr, n, u)
}

// global is reach for global and constant memory.
func (w *warp) global(l int, addr uint64, n int, u use) []byte {
	a := w.piece
	if a == nil || addr-a.base >= a.size || addr-a.base+uint64(n) > a.size {
		var kind Kind
		var why string
		if a, kind, why = w.b.mem.span(addr, n); a == nil {
			w.fault(kind, l, addr, "%s", why)
		}
		w.piece = a
	}
	off := addr - a.base
	b := w.b
	if u != load && addr-b.image < uint64(len(b.k.module.image)) {
		for _, r := range b.k.module.readOnly {
			if o := addr - b.image; o+uint64(n) > r.lo && o < r.hi {
				w.fault(ReadOnly, l, addr, "%#x is in constant memory", addr)
			}
		}
	}
	if a.written != nil {
		if u == store {
			for i := range a.written[off : off+uint64(n)] {
				a.written[off+uint64(i)] = 1
			}
		} else if b.check && !allWritten(a.written[off:off+uint64(n)]) {
			for i, ok := range a.written[off : off+uint64(n)] {
				if ok == 0 {
					w.fault(Uninitialized, l, addr, "byte %d of an allocation of %d", off+uint64(i), a.size)
				}
			}
		}
	}
	if b.races != nil {
		b.races.access(w, l, a, off, n, u)
	}
	return a.data[off:]
}

// count adds a warp's access to the figures: n bytes at each address.
func (w *warp) count(s space, a address, m uint32, n int) {
	if w.b.stats == nil {
		return
	}
	var addr [32]uint64
	var inGlobal, inShared uint32
	for r := m; r != 0; r &= r - 1 {
		l := bits.TrailingZeros32(r)
		addr[l] = a.at(w, l)
		switch {
		case s == shared:
			inShared |= 1 << l
		case s == global:
			inGlobal |= 1 << l
		case s != generic:
		case addr[l]&^(windowSize-1) == sharedWindow:
			inShared |= 1 << l
			addr[l] -= sharedWindow
		case addr[l]&^(windowSize-1) != localWindow:
			inGlobal |= 1 << l
		}
	}
	if inGlobal != 0 {
		w.b.stats.globalAccess(&addr, inGlobal, n)
	}
	if inShared != 0 {
		w.b.stats.sharedAccess(&addr, inShared, n)
	}
}
