package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
)

// Launch is the shape of a launch and its arguments.
type Launch struct {
	Grid, Block [3]int
	Shared      int // dynamic shared memory of a block, bytes

	// Args are the arguments in slots of eight bytes, little end first, as cuLaunchKernel reads them: a parameter of n bytes
	// takes the first n bytes of its slot, and one of more than eight takes as many slots as it needs.
	Args []uint64
	// ArgSizes, where it is not nil, is what the caller believes each parameter's size to be; a difference is an error.
	ArgSizes []int
}

// Options say what is checked and counted.
type Options struct {
	// Check finds reads of memory never written (global memory: where the Memory keeps a shadow), races in shared memory,
	// accesses to bytes still in flight by cp.async, barriers that some threads pass by exiting, and shuffles from absent
	// lanes. Bounds, use after free, alignment and deadlock are always checked.
	Check bool
	// Races finds races between blocks in global memory.
	Races bool
	// Workers is how many blocks run at a time; 0 means one for each core.
	Workers int
	// Steps is how many instructions a warp may execute; 0 means 2^32.
	Steps int64
	// Stats, where it is not nil, has the launch's figures added to it. Counting costs time.
	Stats *Stats
}

// bytes packs the arguments as the parameter list wants them.
func (k *Kernel) bytes(l Launch) ([]byte, error) {
	slots := 0
	for _, p := range k.params {
		slots += max(1, (p.Size+7)/8)
	}
	if slots != len(l.Args) {
		return nil, fmt.Errorf("ptx: kernel %s takes %d arguments, the launch has %d", k.name, slots, len(l.Args))
	}
	if l.ArgSizes != nil && len(l.ArgSizes) != len(k.params) {
		return nil, fmt.Errorf("ptx: kernel %s takes %d arguments, the launch gives sizes of %d", k.name, len(k.params), len(l.ArgSizes))
	}
	out := make([]byte, k.paramSize+8)
	args := l.Args
	for i, p := range k.params {
		if l.ArgSizes != nil && l.ArgSizes[i] != p.Size {
			return nil, fmt.Errorf("ptx: kernel %s: parameter %d (%s) is of %d bytes, the launch gives %d", k.name, i, p.Name, p.Size, l.ArgSizes[i])
		}
		n := max(1, (p.Size+7)/8)
		if high := args[0] >> (8 * min(p.Size, 7)); p.Size < 8 && high != 0 && high != ^uint64(0)>>(8*p.Size) {
			return nil, fmt.Errorf("ptx: kernel %s: parameter %d (%s) is of %d bytes, too few for %#x", k.name, i, p.Name, p.Size, args[0])
		}
		var slot [8]byte
		for j := range n {
			binary.LittleEndian.PutUint64(slot[:], args[j])
			copy(out[p.offset+8*j:p.offset+p.Size], slot[:])
		}
		args = args[n:]
	}
	return out[:k.paramSize], nil
}

// shape checks grid, block and shared memory.
func (k *Kernel) shape(l Launch) error {
	blocks, threads := 1, 1
	for i := range 3 {
		g, t := l.Grid[i], l.Block[i]
		most := [3]int{math.MaxInt32, 65535, 65535}[i]
		if g < 1 || g > most || t < 1 || t > maxThreads {
			return fmt.Errorf("ptx: kernel %s: grid %v, block %v", k.name, l.Grid, l.Block)
		}
		if blocks > math.MaxInt32/g {
			return fmt.Errorf("ptx: kernel %s: grid %v is too large", k.name, l.Grid)
		}
		blocks *= g
		threads *= t
	}
	if threads > k.MaxThreads() {
		return fmt.Errorf("ptx: kernel %s: block %v has more than %d threads", k.name, l.Block, k.MaxThreads())
	}
	if k.exactDim && l.Block != k.maxBlock {
		return fmt.Errorf("ptx: kernel %s: block %v where .reqntid says %v", k.name, l.Block, k.maxBlock)
	}
	if l.Shared < 0 || l.Shared > maxShared-k.dynamicShared() {
		return fmt.Errorf("ptx: kernel %s: %d bytes of shared memory beside its %d", k.name, l.Shared, k.shared)
	}
	return nil
}

// Run executes a launch and returns when it is done. What the kernel does wrong comes back as a *Fault: of several, that
// of the first block in the grid. Device memory then holds whatever was written before.
func (k *Kernel) Run(mem *Memory, l Launch, o Options) error {
	if err := k.shape(l); err != nil {
		return err
	}
	params, err := k.bytes(l)
	if err != nil {
		return err
	}
	image, err := mem.variables(k.module)
	if err != nil {
		return err
	}
	mem.mu.RLock()
	defer mem.mu.RUnlock()
	blocks := l.Grid[0] * l.Grid[1] * l.Grid[2]
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	var races *globalShadow
	if o.Races {
		if blocks > maxRaceBlocks {
			return fmt.Errorf("ptx: kernel %s: more than %d blocks cannot be checked for races", k.name, maxRaceBlocks)
		}
		races = newGlobalShadow()
	}
	g := grid{blocks: int64(blocks)}
	g.stop.Store(int64(blocks))
	var wg sync.WaitGroup
	for range min(workers, blocks) {
		b := newBlock(k, mem, &l, params, image)
		b.budget = o.Steps
		if b.budget <= 0 {
			b.budget = 1 << 32
		}
		if b.check = o.Check; o.Check {
			b.shadow = newSharedShadow(len(b.shared))
		}
		b.races = races
		if o.Stats != nil {
			b.stats = &Stats{}
		}
		b.careful = b.check || races != nil || b.stats != nil
		wg.Go(func() { g.work(b, o.Stats) })
	}
	wg.Wait()
	if g.fault != nil {
		return g.fault
	}
	return nil
}

// grid hands out the blocks of a launch in order.
type grid struct {
	blocks  int64
	taken   atomic.Int64
	stop    atomic.Int64 // the first block known to have a fault: those after it need not run
	mu      sync.Mutex
	fault   *Fault
	faultAt int64
}

func (g *grid) work(b *block, total *Stats) {
	for {
		n := g.taken.Add(1) - 1
		if n >= g.stop.Load() {
			break
		}
		if f := b.try(int(n)); f != nil {
			g.mu.Lock()
			if g.fault == nil || n < g.faultAt {
				g.fault, g.faultAt = f, n
				g.stop.Store(n)
			}
			g.mu.Unlock()
		}
	}
	if total != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, w := range b.warps {
			b.stats.Instructions += w.issued
			b.stats.LaneInstructions += w.lanes
		}
		total.add(b.stats)
	}
}

// try runs one block and returns its fault.
func (b *block) try(n int) (f *Fault) {
	defer func() {
		if r := recover(); r != nil {
			fault, ok := r.(*Fault)
			if !ok {
				panic(r)
			}
			f = fault
		}
	}()
	b.reset(n)
	b.run()
	return nil
}
