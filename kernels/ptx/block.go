package ptx

import "math/bits"

// block is a thread block in execution, on one worker, which runs one block after the other with the same block.
type block struct {
	k       *Kernel
	mem     *Memory
	launch  *Launch
	params  []byte
	shared  []byte
	image   uint64 // where the module's variables are in this memory
	at      [3]int // the block's place in the grid
	number  int32  // the same, counted along x, y, z
	threads int
	warps   []*warp
	arrived [16]int // threads that came to a named barrier by bar.arrive
	budget  int64
	check   bool
	shadow  *sharedShadow // nil without Options.Check
	races   *globalShadow // nil without Options.Races
	order   blockOrder
	stats   *Stats // nil where nothing is counted
	careful bool   // any of the three: the fast paths of loads and stores are off
}

// dynamicShared is where the launch's shared memory begins.
func (k *Kernel) dynamicShared() int { return (k.shared + 127) &^ 127 }

func newBlock(k *Kernel, mem *Memory, l *Launch, params []byte, image uint64) *block {
	b := &block{k: k, mem: mem, launch: l, params: params, image: image, threads: l.Block[0] * l.Block[1] * l.Block[2]}
	size := k.shared
	if l.Shared > 0 {
		size = k.dynamicShared() + l.Shared
	}
	b.shared = make([]byte, size)
	for i := 0; i*32 < b.threads; i++ {
		b.warps = append(b.warps, &warp{b: b, id: i, words: make([][32]uint32, k.words), longs: make([][32]uint64, k.longs),
			preds: make([]uint32, k.preds), local: make([]byte, 32*k.local)})
	}
	return b
}

// thread gives the coordinates of the block's t-th thread.
func (b *block) thread(t int) [3]int {
	d := b.launch.Block
	return [3]int{t % d[0], t / d[0] % d[1], t / (d[0] * d[1])}
}

// reset makes the block ready for the n-th block of the grid. Everything starts from the same bytes, whatever block ran
// here before, so that even a kernel that reads what nobody wrote gives the same result with any number of workers.
func (b *block) reset(n int) {
	g := b.launch.Grid
	b.at, b.number = [3]int{n % g[0], n / g[0] % g[1], n / (g[0] * g[1])}, int32(n)
	for i := range b.shared {
		b.shared[i] = 0xA5
	}
	if b.shadow != nil {
		b.shadow.reset()
	}
	b.order, b.arrived = blockOrder{}, [16]int{}
	for _, w := range b.warps {
		w.reset()
	}
}

func (w *warp) reset() {
	b := w.b
	clear(w.words)
	clear(w.longs)
	clear(w.preds)
	for i := range w.local {
		w.local[i] = 0xA5
	}
	w.pc, w.parked, w.waiting, w.carry, w.steps = [32]int{}, 0, nil, 0, 0
	w.clock, w.allKnown, w.knowledge = 0, 0, nil
	w.piece, w.race = nil, racePlace{}
	w.async = asyncQueue{pending: w.async.pending[:0]}
	w.live = full
	if r := b.threads - w.id*32; r < 32 {
		w.live = 1<<r - 1
	}
	for _, c := range b.k.constants {
		v := c.value
		switch c.base {
		case "image":
			v += b.image
		case "dynamic":
			v += uint64(b.k.dynamicShared())
		}
		for l := range 32 {
			if c.wide {
				w.longs[c.row][l] = v
			} else {
				w.words[c.row][l] = uint32(v)
			}
		}
	}
	for _, s := range b.k.specials {
		for l := range 32 {
			w.words[s.row][l] = b.value(s.name, w.id*32+l)
		}
	}
}

// run executes the block, its warps in turns, until all threads have exited.
func (b *block) run() {
	for {
		live, moved := 0, false
		for _, w := range b.warps {
			if w.live != 0 && w.waiting == nil {
				w.run()
				moved = true
			}
			if w.live != 0 {
				live++
			}
		}
		if live == 0 {
			return
		}
		if b.open(live) {
			moved = true
		}
		if !moved {
			b.deadlock()
		}
	}
}

// deadlock reports threads that wait at a barrier which the others never reach.
func (b *block) deadlock() {
	for _, w := range b.warps {
		if w.waiting != nil {
			w.at = w.waiting
			w.fault(BarrierDivergence, bits.TrailingZeros32(w.arrived), 0, "the other threads of the block never come")
		}
	}
}
