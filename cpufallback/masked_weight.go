package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// maskedOuterRows is how many outputs share the inputs that their gradients are taken by: those of the one that reaches farthest.
const maskedOuterRows = 64

// maskedOuter is the gradient of the weights of a block of outputs: rows [row, row+X.Chans) of dw.
type maskedOuter struct {
	gemm.Outer
	row    int
	chunks int // of this and all before
}

// maskedOuterTask does the chunks of all blocks.
type maskedOuterTask struct {
	k       *gemm.Kernels
	scratch []gemm.Scratch
	outers  []maskedOuter
}

func (t *maskedOuterTask) Do(chunk, worker int) {
	before := 0
	for i := range t.outers {
		o := &t.outers[i]
		if chunk < o.chunks {
			t.k.Outer(&t.scratch[worker], &o.Outer, chunk-before, o.Chunks())
			return
		}
		before = o.chunks
	}
}

// maskedAddTask adds the parts of each row, in order, to as many weights as count; chunks are outputs.
type maskedAddTask struct {
	k      *gemm.Kernels
	shape  device.Masked
	outers []maskedOuter
	dw, db []float32
}

func (t *maskedAddTask) Do(block, _ int) {
	o, cin := &t.outers[block], t.shape.Cin()
	size := o.PartFloats()
	t.k.Add(t.db[o.row:o.row+o.X.Chans], o.C[o.SumsAt():], size, o.Parts)
	for i := range o.X.Chans {
		at := (o.row + i) * cin
		t.k.Add(t.dw[at:at+t.shape.Reach(o.row+i)], o.C[i*o.CRow:], size, o.Parts)
	}
}

// MaskedBackwardWeight: dw += dy x^T where it counts, db += sums of dy.
func (b *Backend) MaskedBackwardWeight(s device.Masked, x, dy, dw, db device.Buffer) {
	fitMasked(s, dw, x, dy)
	mustFit(db.Len() == s.Cout())
	if s.N == 0 {
		return
	}
	rows := s.Cout()
	n := (rows + maskedOuterRows - 1) / maskedOuterRows
	outers, plain, floats, chunks := grow(&b.masked.outers, n), b.conv.plain(), 0, 0
	for i := range outers {
		lo, hi := rows*i/n, rows*(i+1)/n
		o := &outers[i]
		*o = maskedOuter{row: lo, Outer: gemm.Outer{
			X:    gemm.Pixels{X: dy.Host()[lo*s.N:], M: s.N, Chans: hi - lo, Taps: plain},
			Y:    gemm.Pixels{X: x.Host(), M: s.N, Chans: max(1, s.Reach(hi-1)), Taps: plain}, // one more than none, for the sums
			SumX: true,
		}}
		o.Plan()
		floats += o.Parts * o.PartFloats()
		chunks += o.Chunks()
		o.chunks = chunks
	}
	c := gemm.Grow(&b.masked.parts, floats)
	scratch := b.workerScratch()
	for i := range outers {
		o := &outers[i]
		size := o.Parts * o.PartFloats()
		o.C, c = c[:size], c[size:]
		gemm.ReserveAll(scratch, func(s *gemm.Scratch) { b.gemm.ReserveOuter(s, &o.Outer) })
	}
	b.masked.outer = maskedOuterTask{k: b.gemm, scratch: scratch, outers: outers}
	b.pool.Run(chunks, &b.masked.outer)
	b.masked.add = maskedAddTask{k: b.gemm, shape: s, outers: outers, dw: dw.Host(), db: db.Host()}
	b.pool.Run(n, &b.masked.add)
	b.masked.outer, b.masked.add = maskedOuterTask{}, maskedAddTask{}
	clear(outers)
}
