package ptx

import (
	"sync"
	"sync/atomic"
)

// globalShadow knows of each word of global memory which blocks touched it in this launch. Blocks run in any order, so a
// word that one block writes and another touches is a race, unless the blocks are ordered by an atomic operation: the
// writer fenced and did an atomic operation on an address, and the other did one there later.
type globalShadow struct {
	mu    sync.Mutex
	pages map[pageKey]*racePage
	// released holds, for an address of atomic operations, the blocks whose writes are ordered before what follows there.
	released map[uint64]map[int32]bool
}

// racePage covers 4096 bytes. A cell is one word of four bytes, packed: writer, bytes written, reader, bytes read.
type racePage [1024]atomic.Uint64

type pageKey struct {
	a    *allocation
	page uint64
}

// Blocks are numbered from 1 in a cell of 28 bits. The highest numbers mean more than one.
const (
	raceSeveral   = 1<<28 - 1 // at least two blocks touched the same bytes
	raceUnsorted  = 1<<28 - 2 // several blocks touched different bytes: not told apart, never reported
	raceAtomic    = 1<<28 - 3 // written by atomic operations
	maxRaceBlocks = 1<<28 - 4
)

type raceCell struct{ writer, wBytes, reader, rBytes uint64 }

func unpackCell(v uint64) raceCell {
	return raceCell{v & raceSeveral, v >> 28 & 15, v >> 32 & raceSeveral, v >> 60}
}

func (c raceCell) pack() uint64 { return c.writer | c.wBytes<<28 | c.reader<<32 | c.rBytes<<60 }

// blockOrder is what one block knows of the others.
type blockOrder struct {
	unfenced bool // it has written since its last fence
	after    map[int32]bool
}

func newGlobalShadow() *globalShadow {
	return &globalShadow{pages: map[pageKey]*racePage{}, released: map[uint64]map[int32]bool{}}
}

func (g *globalShadow) page(a *allocation, off uint64) *racePage {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := pageKey{a, off >> 12}
	p := g.pages[key]
	if p == nil {
		p = new(racePage)
		g.pages[key] = p
	}
	return p
}

// racePlace is the page that a warp touched last.
type racePlace struct {
	key  pageKey
	page *racePage
}

// access notes that a block touches n bytes, and faults where another block's touch is not ordered with it.
func (g *globalShadow) access(w *warp, l int, a *allocation, off uint64, n int, u use) {
	me := uint64(w.b.number) + 1
	order := &w.b.order
	if u == store {
		order.unfenced = true
	}
	for q := off / 4; q <= (off+uint64(n)-1)/4; q++ {
		touched := uint64(15)
		if n < 4 {
			touched = (1<<n - 1) << (off % 4)
		}
		key := pageKey{a, q >> 10}
		if w.race.key != key {
			w.race = racePlace{key, g.page(a, q*4)}
		}
		cell := &w.race.page[q&1023]
		for {
			old := cell.Load()
			c := unpackCell(old)
			foreign := func(block uint64) bool {
				return block != 0 && block != me && block < raceAtomic && !order.after[int32(block-1)]
			}
			if c.wBytes&touched != 0 && foreign(c.writer) {
				w.fault(GlobalRace, l, a.base+off, "block %d wrote there in the same launch", c.writer-1)
			}
			if u == store && c.rBytes&touched != 0 {
				if foreign(c.reader) {
					w.fault(GlobalRace, l, a.base+off, "block %d read there in the same launch", c.reader-1)
				}
				if c.reader == raceSeveral && len(order.after) == 0 {
					w.fault(GlobalRace, l, a.base+off, "several blocks read there in the same launch")
				}
			}
			switch u {
			case load:
				c.reader, c.rBytes = join(c.reader, c.rBytes, me, touched)
			case store:
				if c.writer != raceAtomic && !order.after[int32(c.writer-1)] {
					c.writer, c.wBytes = join(c.writer, c.wBytes, me, touched)
				} else {
					c.writer, c.wBytes = me, touched
				}
			case atomicUse:
				c.writer, c.wBytes = raceAtomic, touched
			}
			if cell.CompareAndSwap(old, c.pack()) {
				break
			}
		}
	}
	if u == atomicUse {
		g.synchronize(a.base+off, int32(me-1), order)
	}
}

// join adds a block and its bytes to those that touched a word.
func join(who, bytes, me, touched uint64) (uint64, uint64) {
	switch {
	case who == 0 || who == me:
		return me, bytes | touched
	case who == raceUnsorted || bytes != touched:
		return raceUnsorted, bytes | touched
	}
	return raceSeveral, bytes
}

// synchronize orders a block after those that did an atomic operation at the address before it, if they had fenced.
func (g *globalShadow) synchronize(addr uint64, me int32, order *blockOrder) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.released[addr]
	if all == nil {
		all = map[int32]bool{}
		g.released[addr] = all
	}
	if order.after == nil {
		order.after = map[int32]bool{}
	}
	for b := range all {
		order.after[b] = true
	}
	if !order.unfenced {
		all[me] = true
		for b := range order.after {
			all[b] = true
		}
	}
}
