package gemm

import "unsafe"

// Scratch is what one worker needs beside the operands. It grows to what the ops need, and stays.
type Scratch struct {
	tile tileArgs
	pack packArgs
	fold foldArgs
	dot  dotArgs

	panels []float32 // packed B
	sums   []float32 // parts of long sums
	folds  []float32 // T of Fold
	x, y   []float32 // packed rows of Outer

	_ [64]byte // workers do not share cache lines
}

// forget drops what the kernels' arguments point at: operands may be freed before this worker's next op.
func (s *Scratch) forget() {
	s.tile, s.pack, s.fold, s.dot = tileArgs{}, packArgs{}, foldArgs{}, dotArgs{}
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
