package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// The gradient of a layer's weights is cut in blocks of outputs and inputs. Inputs of a block, for so many panels, stay in a quarter of the
// L2 cache while all its outputs meet them.
const (
	weightRows    = 48
	weightColumns = 96
	weightPanels  = 16
)

// weightBlock is outputs [o0, o1) by inputs [i0, i1).
type weightBlock struct{ o0, o1, i0, i1 int }

// netWeightTask adds the gradients of a layer's weights and biases; chunks are blocks.
type netWeightTask struct {
	*net
	device.Masked
	blocks []weightBlock
	dy, x  gemm.PanelRows
	dw, db []float32
}

func (t *netWeightTask) Do(chunk, worker int) {
	w, b := &t.work[worker], t.blocks[chunk]
	for p := 0; p < t.panels(); p += weightPanels {
		panels := min(weightPanels, t.panels()-p)
		n := (b.o1 - b.o0 + t.k.DotRows() - 1) / t.k.DotRows()
		for i := range n {
			o0, o1 := b.o0+(b.o1-b.o0)*i/n, b.o0+(b.o1-b.o0)*(i+1)/n
			dy := t.dy.From(p, o0)
			if b.i0 == 0 {
				t.k.Sums(t.db[o0:o1], dy, panels)
			}
			t.rows(w, b, o0, o1, dy, p, panels)
		}
	}
	w.Forget()
}

// rows does outputs [o0, o1) of a block. Inputs that have a part in all of them come first; the few behind, up to the reach of the last,
// have not in some, and go through scratch.
func (t *netWeightTask) rows(w *netWork, b weightBlock, o0, o1 int, dy gemm.PanelRows, p, panels int) {
	const group = gemm.DotGroup
	cin := t.Cin()
	whole := max(0, min(t.Reach(o0), b.i1)-b.i0) / group
	t.k.Dots(&w.StairScratch, dy, o1-o0, t.x.From(p, b.i0), whole, panels, t.dw[o0*cin+b.i0:], cin)
	from, to := b.i0+whole*group, min(t.Reach(o1-1), b.i1)
	if from >= to {
		return
	}
	groups := (to - from + group - 1) / group
	sums := w.ragged[:(o1-o0)*groups*group]
	clear(sums)
	t.k.Dots(&w.StairScratch, dy, o1-o0, t.x.From(p, from), groups, panels, sums, groups*group)
	for o := o0; o < o1; o++ {
		row, end := sums[(o-o0)*groups*group:], min(to, t.Reach(o))
		for i := from; i < end; i++ {
			t.dw[o*cin+i] += row[i-from]
		}
	}
}

// netWeights adds the gradients of a layer that made dy of x.
func (b *Backend) netWeights(n *net, s device.Masked, dy, x gemm.PanelRows, dw, db []float32) {
	blocks := b.nets.blocks[:0]
	for i0 := 0; i0 < s.Cin(); i0 += weightColumns {
		i1 := min(i0+weightColumns, s.Cin())
		for o1 := s.Cout(); o1 > 0; o1 -= weightRows {
			if i0 > 0 && s.Reach(o1-1) <= i0 {
				break
			}
			blocks = append(blocks, weightBlock{max(0, o1-weightRows), o1, i0, i1})
		}
	}
	b.nets.blocks = blocks
	b.nets.weight = netWeightTask{net: n, Masked: s, blocks: blocks, dy: dy, x: x, dw: dw, db: db}
	b.pool.Run(len(blocks), &b.nets.weight)
	b.nets.weight = netWeightTask{}
}
