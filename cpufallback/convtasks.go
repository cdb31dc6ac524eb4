package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/cpufallback/internal/vec"
)

// convTasks are the tasks and the scratch of convolutions and channel mixes. They belong to the backend so that an op
// allocates nothing. A task's chunks are cut by shape alone, never by the number of workers.
type convTasks struct {
	scratch []gemm.Scratch // by worker
	pixel   gemm.Taps      // of a 1x1 kernel
	taps    [16]gemm.Taps  // of 3x3 kernels, for the latest shapes
	oldest  int            // of taps, the next to be replaced

	product  productTask
	outer    outerTask
	add      addTask
	rowScale rowScaleTask
	round    roundTask
	stack    stackTask  // being described
	kept     keptStacks // see stack_kept.go
	tree     gemm.Tree
	mix      columnsTask
	compose  luCompose
	factors  luBackward

	parts  []float32 // sums over parts of the columns
	spread []float32 // copies of weights, see gemm.Stack.Spread
	lu     []float64 // of LUCompose and its gradient
	mixed  []float32 // a matrix transposed
	none   []float32 // a bias of zeros
	exps   []float32 // of RowScale
}

// workerScratch is scratch for every worker of the pool.
func (b *Backend) workerScratch() []gemm.Scratch { return grow(&b.conv.scratch, b.pool.Workers()) }

// plain is the tap of a 1x1 kernel: the pixel itself.
func (t *convTasks) plain() *gemm.Taps {
	if t.pixel.N == 0 {
		t.pixel.Set(1, 1, 1, false)
	}
	return &t.pixel
}

// tapsOf gives the taps of a k x k kernel on h x w images. They stay valid until the next call.
func (t *convTasks) tapsOf(k, h, w int, flip bool) *gemm.Taps {
	if k == 1 {
		return t.plain()
	}
	for i := range t.taps {
		if t.taps[i].Is(k, h, w, flip) {
			return &t.taps[i]
		}
	}
	taps := &t.taps[t.oldest]
	t.oldest = (t.oldest + 1) % len(t.taps)
	taps.Set(k, h, w, flip)
	return taps
}

// productTask is a product by ranges of columns.
type productTask struct {
	k       *gemm.Kernels
	scratch []gemm.Scratch
	gemm.Product
	step int // columns in a chunk
}

func (t *productTask) Do(chunk, worker int) {
	m := chunk * t.step
	t.k.Product(&t.scratch[worker], &t.Product, m, min(m+t.step, t.B.M), m+t.step)
}

func (b *Backend) runProduct(p gemm.Product) {
	t := &b.conv.product
	*t = productTask{k: b.gemm, scratch: b.workerScratch(), Product: p, step: p.Columns()}
	b.roundProduct(&t.A)
	gemm.ReserveAll(t.scratch, func(s *gemm.Scratch) { t.k.Reserve(s, &t.Product) })
	b.pool.Run((p.B.M+t.step-1)/t.step, t)
	*t = productTask{}
}

// outerTask is the sum over columns of the products of rows, each chunk a block of the result and a part of the columns.
type outerTask struct {
	k       *gemm.Kernels
	scratch []gemm.Scratch
	gemm.Outer
}

func (t *outerTask) Do(chunk, worker int) {
	t.k.Outer(&t.scratch[worker], &t.Outer, chunk, chunk+1)
}

// addTask adds the parts of an outerTask to where they belong, in order. A row of C is made of runs:
//
//	dw[i*row + r*next + j] += sum over parts of C[i, r*run+j], j < run;  sums[i] += sum over parts of the sums
type addTask struct {
	k              *gemm.Kernels
	outer          *gemm.Outer
	dw, sums       []float32
	row, run, next int
	rows           int // of C in a chunk
}

func (t *addTask) Do(chunk, _ int) {
	o, size := t.outer, t.outer.PartFloats()
	if chunk == 0 && t.sums != nil {
		t.k.Add(t.sums, o.C[o.SumsAt():], size, o.Parts)
	}
	for i := chunk * t.rows; i < min((chunk+1)*t.rows, o.X.Chans); i++ {
		at := i * t.row
		for j := 0; j < o.Y.Rows(); j += t.run {
			t.k.Add(t.dw[at:at+t.run], o.C[i*o.CRow+j:], size, o.Parts)
			at += t.next
		}
	}
}

// runOuter does o, then adds it to where t says.
func (b *Backend) runOuter(o gemm.Outer, t addTask) {
	task := &b.conv.outer
	*task = outerTask{k: b.gemm, scratch: b.workerScratch(), Outer: o}
	task.Plan()
	gemm.ReserveAll(task.scratch, func(s *gemm.Scratch) { task.k.ReserveOuter(s, &task.Outer) })
	if t.row == task.Y.Rows() && t.run == t.row && task.Into(t.dw, t.sums) {
		b.pool.Run(task.Chunks(), task)
		*task = outerTask{}
		return
	}
	task.C = gemm.Grow(&b.conv.parts, task.Parts*task.PartFloats())
	b.pool.Run(task.Chunks(), task)

	const enough = 1 << 16 // additions that are worth a chunk
	t.k, t.outer = b.gemm, &task.Outer
	t.rows = max(1, enough/(task.Parts*task.CRow))
	b.conv.add = t
	b.pool.Run((task.X.Chans+t.rows-1)/t.rows, &b.conv.add)
	b.conv.add, *task = addTask{}, outerTask{}
}

// rowScaleTask does chunks of rows.
type rowScaleTask struct {
	k                      *vec.Kernels
	rows, cols, perChunk   int
	do                     func(t *rowScaleTask, i int)
	e, w, b, wf, bf        []float32 // e is exp(logs)
	dwf, dbf, dw, db, dlog []float32
}

func (t *rowScaleTask) Do(chunk, _ int) {
	for i := chunk * t.perChunk; i < min((chunk+1)*t.perChunk, t.rows); i++ {
		t.do(t, i)
	}
}

func (b *Backend) runRowScale(t rowScaleTask, logs []float32) {
	t.k = b.vec
	n := len(logs)
	t.e = grow(&b.conv.exps, 3*n)
	clear(t.e)
	b.vec.Shares(1, logs, t.e[n:2*n], t.e[:n], t.e[2*n:])
	t.perChunk = max(1, grain/max(1, t.cols))
	b.conv.rowScale = t
	b.pool.Run((t.rows+t.perChunk-1)/t.perChunk, &b.conv.rowScale)
	b.conv.rowScale = rowScaleTask{}
}
