package cpufallback

import (
	"cuflow/cpufallback/internal/nn"
	"cuflow/device"
)

// geluTask does chunks of elements.
type geluTask struct {
	k         *nn.Kernels
	n, chunks int
	do        func(t *geluTask, lo, hi int)
	x, y      []float32
}

func (t *geluTask) Do(chunk, _ int) {
	lo, hi := share(t.n, t.chunks, chunk, line)
	t.do(t, lo, hi)
}

func (b *Backend) runGELU(x, y device.Buffer, do func(t *geluTask, lo, hi int)) {
	mustFit(x.Len() == y.Len())
	b.transformer.gelu = geluTask{k: b.nn, n: x.Len(), chunks: chunksOf(4*x.Len(), max(1, x.Len()/line)), do: do, x: x.Host(), y: y.Host()}
	b.pool.Run(b.transformer.gelu.chunks, &b.transformer.gelu)
	b.transformer.gelu = geluTask{}
}

// GELU: y = x*sigmoid(2u).
func (b *Backend) GELU(x, y device.Buffer) {
	b.runGELU(x, y, func(t *geluTask, lo, hi int) { t.k.GELU(t.x[lo:hi], t.y[lo:hi]) })
}

// GELUBackward: dy *= the derivative at x.
func (b *Backend) GELUBackward(x, dy device.Buffer) {
	b.runGELU(x, dy, func(t *geluTask, lo, hi int) { t.k.GELUBackward(t.x[lo:hi], t.y[lo:hi]) })
}
