package ptx

import (
	"encoding/binary"
	"math/bits"
	"strconv"
)

// sharedShadow knows of each byte of a block's shared memory whether it was ever written and whether a cp.async to it is
// in flight, and of each pair of bytes who touched it last, and when.
//
// Time is the number of barriers that the block has passed. Two accesses of different threads to the same bytes, one of
// them a write, are a race when no barrier of the block lies between them, nor, for threads of one warp, a bar.warp.sync that both
// took part in, or several that led from one to the other. A shuffle exchanges values but orders no memory.
type sharedShadow struct {
	state []uint8 // of each byte
	pairs []sharedPair
	now   uint32
	// stamps are those of each lane, for the few touches whose lanes have different ones.
	stamps map[*touch]*[32]uint32
}

// The state of a byte: whether it was written, and above that bit how many copies to it are in flight.
const (
	byteWritten  = 1
	byteInFlight = 2
)

// sharedPair holds the last writes and reads of two bytes, the size of a bfloat16.
type sharedPair struct{ write, read touch }

// touch is who touched a pair of bytes at a time: of one warp all lanes whose accesses are not ordered before the last one.
type touch struct {
	time     uint32
	warp     int32 // or several
	lanes    uint32
	stamp    uint32 // the warp's clock then
	mixed    bool   // each lane has a stamp of its own
	bytes    uint8
	atomic   bool
	unsorted bool // several threads touched different bytes: not told apart, never reported
}

const several = -1

func newSharedShadow(n int) *sharedShadow {
	return &sharedShadow{state: make([]uint8, n), pairs: make([]sharedPair, (n+1)/2), now: 1, stamps: map[*touch]*[32]uint32{}}
}

// reset begins another block.
func (s *sharedShadow) reset() {
	clear(s.state)
	clear(s.stamps)
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
	bytes := uint8(3)
	if n == 1 {
		bytes = 1 << (addr % 2)
	}
	for q := addr / 2; q <= (addr+uint64(n)-1)/2; q++ {
		p := &s.pairs[q]
		if s.conflicts(&p.write, w, l, bytes) && !(u == atomicUse && p.write.atomic) {
			w.fault(SharedRace, l, addr, "byte %d of shared memory was written by %s since the last barrier", 2*q, p.write.who())
		}
		if u == load {
			s.note(&p.read, w, l, bytes)
			continue
		}
		if s.conflicts(&p.read, w, l, bytes) {
			w.fault(SharedRace, l, addr, "byte %d of shared memory was read by %s since the last barrier", 2*q, p.read.who())
		}
		s.note(&p.write, w, l, bytes)
		p.write.atomic = u == atomicUse
	}
}

// who names the thread that touched the bytes, if it was one.
func (c *touch) who() string {
	if c.warp == several || c.lanes&(c.lanes-1) != 0 {
		return "other threads"
	}
	return "thread " + strconv.Itoa(int(c.warp)*32+bits.TrailingZeros32(c.lanes))
}

// conflicts tells whether what was noted is by another thread, at this time, on one of these bytes, and not ordered before what
// lane l does now.
func (s *sharedShadow) conflicts(c *touch, w *warp, l int, bytes uint8) bool {
	if c.time != s.now || c.bytes&bytes == 0 || c.unsorted {
		return false
	}
	return c.warp != int32(w.id) || s.unordered(c, w, l) != 0
}

// unordered gives the lanes other than l, of the same warp, whose accesses are not ordered before what l does now.
func (s *sharedShadow) unordered(c *touch, w *warp, l int) uint32 {
	others := c.lanes &^ (1 << l)
	if others == 0 || c.stamp == w.clock && !c.mixed { // nothing is ordered since then
		return others
	}
	return lanesOf(others, func(a int) bool { return s.stamp(c, a) >= w.known(l, a) })
}

// stamp is the warp's clock when a lane touched the bytes.
func (s *sharedShadow) stamp(c *touch, lane int) uint32 {
	if c.mixed {
		return s.stamps[c][lane]
	}
	return c.stamp
}

// note adds an access. What is ordered before it need not be kept: whoever is ordered after this access is ordered after that too.
func (s *sharedShadow) note(c *touch, w *warp, l int, bytes uint8) {
	if c.time != s.now {
		*c = touch{time: s.now, warp: int32(w.id), lanes: 1 << l, stamp: w.clock, bytes: bytes}
		return
	}
	if c.warp != int32(w.id) { // no warp is ordered with another before the next barrier
		c.unsorted = c.unsorted || c.bytes != bytes
		c.warp, c.bytes = several, c.bytes|bytes
		return
	}
	others := s.unordered(c, w, l)
	if others == 0 && (c.lanes != 1<<l || c.bytes == bytes || c.stamp != w.clock) {
		*c = touch{time: s.now, warp: int32(w.id), lanes: 1 << l, stamp: w.clock, bytes: bytes}
		return
	}
	if others != 0 {
		c.unsorted = c.unsorted || c.bytes != bytes
	}
	if c.mixed || c.stamp != w.clock {
		stamps := new([32]uint32)
		for a := range stamps {
			stamps[a] = s.stamp(c, a)
		}
		stamps[l] = w.clock
		s.stamps[c], c.mixed = stamps, true
	}
	c.lanes = others | 1<<l
	c.bytes |= bytes
}

// known tells from which time of the warp's clock on accesses of lane a are not ordered before what lane l does now.
func (w *warp) known(l, a int) uint32 {
	if w.knowledge == nil {
		return w.allKnown
	}
	return max(w.allKnown, w.knowledge[l][a])
}

// meet orders what the lanes of each group have done before what they do from now on: bar.warp.sync.
func (w *warp) meet(group uint32) {
	w.clock++
	if group == w.live {
		w.allKnown = w.clock
		return
	}
	if w.knowledge == nil {
		w.knowledge = new([32][32]uint32)
	}
	var together [32]uint32
	for a := range together {
		if group>>a&1 != 0 {
			together[a] = w.clock
			continue
		}
		for r := group; r != 0; r &= r - 1 {
			together[a] = max(together[a], w.knowledge[bits.TrailingZeros32(r)][a])
		}
	}
	for r := group; r != 0; r &= r - 1 {
		w.knowledge[bits.TrailingZeros32(r)] = together
	}
}
