package device

// Arena hands out pieces of one allocation as a stack: Take from the top, Release back to a Mark. A step therefore
// allocates nothing. An arena without memory only counts, so that a dry run of a step (see Tally) tells how much
// memory the real one needs.
type Arena struct {
	mem  Buffer
	top  int
	high int
}

// arenaAlign keeps every piece on a 64-byte boundary: a cache line, an AVX-512 register, four 16-byte GPU accesses.
const arenaAlign = 16

// NewArena cuts pieces from mem.
func NewArena(mem Buffer) *Arena { return &Arena{mem: mem} }

// NewCountingArena has no memory: its pieces have a length and nothing behind them.
func NewCountingArena() *Arena { return &Arena{} }

// Take gives n float32s of undefined content.
func (a *Arena) Take(n int) Buffer {
	lo := a.top
	a.top += (n + arenaAlign - 1) / arenaAlign * arenaAlign
	a.high = max(a.high, a.top)
	if a.mem.Nil() {
		return Buffer{n: n}
	}
	if a.top > a.mem.n {
		panic("device: arena too small: the dry run took another path than the step")
	}
	return a.mem.Slice(lo, lo+n)
}

// Mark is the current height of the stack.
func (a *Arena) Mark() int { return a.top }

// Release gives back everything taken since the mark.
func (a *Arena) Release(mark int) { a.top = mark }

// High is the greatest height ever reached, in float32s.
func (a *Arena) High() int { return a.high }
