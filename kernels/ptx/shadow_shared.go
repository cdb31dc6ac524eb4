package ptx

import "encoding/binary"

// sharedShadow knows of each byte of a block's shared memory whether it was ever written and whether a cp.async to it is
// in flight, and of each pair of bytes who touched it last, and when.
//
// Time is the number of barriers that the block has passed. Two accesses of different threads to the same bytes, one of
// them a write, are a race when no barrier of the block lies between them, nor, for threads of one warp, a bar.warp.sync.
type sharedShadow struct {
	state []uint8 // of each byte
	pairs []sharedPair
	now   uint64
}

// The state of a byte: whether it was written, and above that bit how many copies to it are in flight.
const (
	byteWritten  = 1
	byteInFlight = 2
)

// sharedPair holds the last writes and reads of two bytes, the size of a bfloat16.
type sharedPair struct{ write, read touch }

// touch is who touched a pair of bytes at a time.
type touch struct {
	time     uint64
	thread   int32 // or several
	warp     int32 // of all of them, or several
	syncs    uint32
	bytes    uint8
	atomic   bool
	unsorted bool // several threads touched different bytes: not told apart, never reported
}

const several = -1

func newSharedShadow(n int) *sharedShadow {
	return &sharedShadow{state: make([]uint8, n), pairs: make([]sharedPair, (n+1)/2), now: 1}
}

// reset begins another block.
func (s *sharedShadow) reset() {
	clear(s.state)
	s.now++
}

// access checks n bytes at addr, and notes that they are touched.
func (s *sharedShadow) access(w *warp, l int, addr uint64, n int, u use) {
	state := s.state[addr : addr+uint64(n)]
	if !allWritten(state) {
		for i := range state {
			if state[i] >= byteInFlight {
				w.fault(AsyncPending, l, addr, "byte %d of shared memory is the target of a cp.async that was not waited for", addr+uint64(i))
			}
			if u == store {
				state[i] = byteWritten
			} else if state[i] != byteWritten {
				w.fault(Uninitialized, l, addr, "byte %d of shared memory", addr+uint64(i))
			}
		}
	}
	s.order(w, l, addr, n, u)
}

// allWritten tells whether 1, 2, 4, 8 or 16 bytes are all in the state byteWritten.
func allWritten(state []uint8) bool {
	const eight = 0x0101010101010101 * byteWritten
	switch len(state) {
	case 4:
		return binary.LittleEndian.Uint32(state) == eight&0xffffffff
	case 8:
		return binary.LittleEndian.Uint64(state) == eight
	case 16:
		return binary.LittleEndian.Uint64(state) == eight && binary.LittleEndian.Uint64(state[8:]) == eight
	}
	return state[0] == byteWritten && state[len(state)-1] == byteWritten
}

// order looks for races.
func (s *sharedShadow) order(w *warp, l int, addr uint64, n int, u use) {
	t := int32(w.id*32 + l)
	bytes := uint8(3)
	if n == 1 {
		bytes = 1 << (addr % 2)
	}
	for q := addr / 2; q <= (addr+uint64(n)-1)/2; q++ {
		p := &s.pairs[q]
		if p.write.conflicts(s.now, t, w.syncs, bytes) && !(u == atomicUse && p.write.atomic) {
			w.fault(SharedRace, l, addr, "byte %d of shared memory was written by thread %d since the last barrier", 2*q, p.write.thread)
		}
		if u == load {
			p.read.note(s.now, t, w.syncs, bytes)
			continue
		}
		if p.read.conflicts(s.now, t, w.syncs, bytes) {
			w.fault(SharedRace, l, addr, "byte %d of shared memory was read by another thread since the last barrier", 2*q)
		}
		p.write.note(s.now, t, w.syncs, bytes)
		p.write.atomic = u == atomicUse
	}
}

// conflicts tells whether what was noted is by another thread, at this time, on one of these bytes.
func (c *touch) conflicts(now uint64, t int32, syncs uint32, bytes uint8) bool {
	return c.time == now && c.bytes&bytes != 0 && c.thread != t && !c.unsorted && !(c.warp == t/32 && c.syncs < syncs)
}

func (c *touch) note(now uint64, t int32, syncs uint32, bytes uint8) {
	if c.time != now || c.warp == t/32 && c.syncs < syncs { // what was noted before is in order with this
		*c = touch{time: now, thread: t, warp: t / 32, syncs: syncs, bytes: bytes}
		return
	}
	if c.thread != t {
		c.unsorted = c.unsorted || c.bytes != bytes
		c.thread = several
	}
	if c.warp != t/32 {
		c.warp = several
	}
	c.bytes |= bytes
}
