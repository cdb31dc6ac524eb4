package cpufallback

import (
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// elemTasks are the elementwise ops' tasks and scratch. They belong to the backend so that an op allocates nothing: a
// method fills its task in, and the pool runs it. A task's chunks are cut by shape alone, never by the number of workers.
type elemTasks struct {
	flat     flatTask
	rows     rowTask
	coupling couplingTask
	gauss    gaussTask
	squeeze  squeezeTask
	flatten  flattenTask
	noise    noiseTask
	adam     adamTask
	weights  weightNormTask
	sums     sampleSumTask
	checker  checkerTask
	class    classTask
	gate     gateTask
	circle   circleTask

	maps      mapTask
	planar    planarTask
	radial    radialTask
	sylvester sylvesterTask
	mixture   mixtureTask

	partial []float64    // sums of pieces, until they are added in order
	tiles   []float32    // one pair of tiles per worker
	coef    [][4]float32 // what an op's parameters come to, by row
	table   []float32    // the same by class, a table per chunk

	some      sparse    // of MixtureDiagonalBackward
	weightsOf []float64 // of a mixture's components
}

const (
	grain = 8192 // elements that are worth a chunk: some microseconds of work
	tile  = 1024 // elements that a worker takes through several kernels while they are in the L1 cache
	block = 4096 // elements that are summed in one go; their sums are added in float64
	line  = 16   // float32s in a cache line and in an AVX-512 register
)

// chunksOf cuts work on n elements, in at most most chunks. Small work is one chunk, and stays on the calling goroutine.
func chunksOf(n, most int) int { return max(1, min(n/grain, most)) }

// share is the i-th of chunks nearly equal parts of n, cut on multiples of align.
func share(n, chunks, i, align int) (lo, hi int) {
	cut := func(i int) int {
		if i == chunks {
			return n
		}
		return n * i / chunks / align * align
	}
	return cut(i), cut(i + 1)
}

// flatTask does the same to every element of arrays of length n. do is a plain function, not a closure, which would allocate.
type flatTask struct {
	k      *vec.Kernels
	n      int
	chunks int
	do     func(t *flatTask, lo, hi int)
	a      float32
	x, y   []float32
}

func (t *flatTask) Do(chunk, _ int) {
	lo, hi := share(t.n, t.chunks, chunk, line)
	t.do(t, lo, hi)
}

// runFlat does t.do on n elements.
func (b *Backend) runFlat(n int, t flatTask) {
	t.k, t.n, t.chunks = b.vec, n, chunksOf(n, n)
	b.elem.flat = t
	b.pool.Run(t.chunks, &b.elem.flat)
}

// rowTask works on rows of m elements, cut in blocks: one row, or part of one, is a cell. Cells are what sums are made of.
type rowTask struct {
	k             *vec.Kernels
	m, perRow     int // perRow: cells in a row
	cells         int
	chunks        int
	do            func(t *rowTask, cell, row, lo, hi int)
	x, y, z       []float32
	logs, b, perm []float32    // by row
	coef          [][4]float32 // by row
	sums          [2][]float64 // by cell
	mean          []float64    // by row
}

func (t *rowTask) Do(chunk, _ int) {
	first, last := share(t.cells, t.chunks, chunk, 1)
	for cell := first; cell < last; cell++ {
		row, lo := cell/t.perRow, cell%t.perRow*block
		t.do(t, cell, row, row*t.m+lo, row*t.m+min(lo+block, t.m))
	}
}

// runRows does t.do on every cell of rows x m elements. It leaves the task in b.elem.rows for who wants the sums.
func (b *Backend) runRows(rows, m int, t rowTask) *rowTask {
	t.k, t.m, t.perRow = b.vec, m, (m+block-1)/block
	t.cells = rows * t.perRow
	t.chunks = chunksOf(rows*m, t.cells)
	buf := grow(&b.elem.partial, 2*t.cells+rows)
	t.sums = [2][]float64{buf[:t.cells], buf[t.cells : 2*t.cells]}
	t.mean = buf[2*t.cells:]
	b.elem.rows = t
	if t.cells > 0 {
		b.pool.Run(t.chunks, &b.elem.rows)
	}
	return &b.elem.rows
}

// rowSum adds the cells of a row.
func (t *rowTask) rowSum(which, row int) (s float64) {
	for _, v := range t.sums[which][row*t.perRow : (row+1)*t.perRow] {
		s += v
	}
	return s
}

// sampleWalk goes over x [C][N][P] so that one chunk owns whole samples, and so the sums over each of them.
type sampleWalk struct {
	device.Rows
	chunks int
	tiles  []float32
}

// newSampleWalk cuts r for work that takes cost times as long per element as plain loops do.
func (b *Backend) newSampleWalk(r device.Rows, cost int) sampleWalk {
	return sampleWalk{Rows: r, chunks: chunksOf(cost*r.Len(), r.N), tiles: grow(&b.elem.tiles, b.pool.Workers()*2*tile)}
}

// samples is the range of samples of a chunk, cut on cache lines where a sample is one column.
func (w *sampleWalk) samples(chunk int) (first, last int) {
	align := 1
	if w.P == 1 && w.N >= line*w.chunks {
		align = line
	}
	return share(w.N, w.chunks, chunk, align)
}

// group is how many samples fill a tile; 1 if a sample is larger than that.
func (w *sampleWalk) group() int { return max(1, tile/max(1, w.P)) }

// scratch is a worker's: one tile of values, and one of sums by sample.
func (w *sampleWalk) scratch(worker int) (values, sums []float32) {
	s := w.tiles[worker*2*tile:][:2*tile]
	return s[:tile], s[tile:]
}

// grow gives n elements of scratch that is kept from op to op.
func grow[T any](buf *[]T, n int) []T {
	if len(*buf) < n {
		*buf = make([]T, n)
	}
	return (*buf)[:n]
}

// mustFit panics where a buffer's length does not fit the op's shape.
func mustFit(ok bool) {
	if !ok {
		panic("cpufallback: wrong shape")
	}
}
