package gemm

import "unsafe"

// Scratch is what one worker needs beside the operands. It grows to what the ops need, and stays.
type Scratch struct {
	tile tileArgs
	pack packArgs
	fold foldArgs
	dot  dotArgs

	aheadStep int // from one tile of C to the next, how far what is fetched meanwhile goes on; 0: by the tile's columns

	panels  []float32    // packed B
	sums    []float32    // parts of long sums
	folds   []float32    // T of Fold
	x, y    []float32    // packed rows of Outer, and of the ends of a Stack
	turned  []float32    // rows of a Stack as columns
	square  []float32    // the last of them
	lanes   []float32    // sums of rows
	passing [2][]float32 // what is hidden, or its gradient, of a layer and the next

	pair           pairArgs
	half           Weights   // rounded panels
	pairs, rounded []float32 // factors of a product of BF16

	_ [64]byte // workers do not share cache lines
}

// forget drops what the kernels' arguments point at: operands may be freed before this worker's next op.
func (s *Scratch) forget() {
	s.tile, s.pack, s.fold, s.dot = tileArgs{}, packArgs{}, foldArgs{}, dotArgs{}
	s.pair, s.half = pairArgs{}, Weights{}
	s.aheadStep = 0
}

// floats is how many float32s it holds.
func (s *Scratch) floats() (n int) {
	for _, buf := range [...][]float32{s.panels, s.sums, s.folds, s.x, s.y, s.turned, s.square, s.lanes, s.passing[0], s.passing[1], s.pairs, s.rounded} {
		n += len(buf)
	}
	return n
}

// ReserveAll lets reserve make room in every worker's scratch: in the first, which is the caller's, and only if that grew in the others',
// which are in other cores' caches.
func ReserveAll(workers []Scratch, reserve func(*Scratch)) {
	before := workers[0].floats()
	reserve(&workers[0])
	for i := 1; i < len(workers) && workers[0].floats() != before; i++ {
		reserve(&workers[i])
	}
}

// Grow gives n floats of undefined content on a cache line.
func Grow(buf *[]float32, n int) []float32 {
	if len(*buf) < n {
		b := make([]float32, n+line)
		skip := -int(uintptr(unsafe.Pointer(&b[0]))/4) & (line - 1)
		*buf = b[skip : skip+n]
	}
	return (*buf)[:n]
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }
