package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// panelColumns is how many samples go through a network together: see gemm.StairKernels.
const panelColumns = gemm.PanelColumns

// netTasks are the tasks and scratch of device.MaskedNets. Hidden arrays, and x and params on the way, are panels: [H][panelColumns] for
// each panelColumns samples, the last of which may be there for no sample.
type netTasks struct {
	work    []netWork
	steps   []gemm.Step // of all layers
	layers  []netLayer
	packed  []float32 // weights of the steps
	x, out  []float32 // panels of x and of dparams, for the gradients of weights
	blocks  []weightBlock
	pack    packTask
	forward netForwardTask
	back    netBackwardTask
	weight  netWeightTask
	inverse netInverseTask
	rectify rectifyTask

	inverseBack netInverseBackwardTask
}

// netLayer is where the steps of a layer are among all.
type netLayer struct{ first, last int }

// netWork is what one worker needs beside the operands: panels of what passes through it.
type netWork struct {
	gemm.StairScratch
	x, params, term, hidden []float32
	dx, one                 []float32 // of MaskedNetInverseBackward: the gradient of x, and a network's part in it
	ragged                  []float32
	ld, sum                 []float32 // log-slopes of one dimension, and of all so far
}

// net is what the passes over a network share.
type net struct {
	device.MaskedNet
	k      *gemm.StairKernels
	v      *vec.Kernels
	work   []netWork
	steps  []gemm.Step
	layers []netLayer
	w      []device.MaskedWeights
	kept   []float32 // all hidden arrays if they are kept, else they stay with the worker
}

func (b *Backend) newNet(s device.MaskedNet, w []device.MaskedWeights, kept device.Buffer) net {
	n := net{MaskedNet: s, k: b.steps, v: b.vec, work: grow(&b.nets.work, b.pool.Workers()), w: w}
	if s.Keep {
		n.kept = kept.Host()
	}
	for i := range n.work {
		t := &n.work[i]
		gemm.Grow(&t.x, s.D*panelColumns)
		gemm.Grow(&t.params, s.D*s.Q*panelColumns)
		gemm.Grow(&t.term, s.H*panelColumns)
		gemm.Grow(&t.ld, panelColumns)
		gemm.Grow(&t.sum, panelColumns)
		gemm.Grow(&t.ragged, n.k.DotRows()*weightColumns)
		if !s.Keep {
			gemm.Grow(&t.hidden, s.Hidden()*s.H*panelColumns)
		}
	}
	return n
}

// panels is how many panels the samples fill.
func (n *net) panels() int { return (n.N + panelColumns - 1) / panelColumns }

// columns is how many samples panel p has.
func (n *net) columns(p int) int { return min(panelColumns, n.N-p*panelColumns) }

// array is hidden array i of all panels.
func (n *net) array(i int) gemm.PanelRows {
	panel := n.KeptArray() / n.panels()
	return gemm.PanelRows{X: n.kept[i*n.KeptArray():][:n.KeptArray()], Panel: panel}
}

// hidden is panel p of hidden array i.
func (n *net) hidden(t *netWork, i, p int) []float32 {
	size := n.H * panelColumns
	if !n.Keep {
		return t.hidden[i*size:][:size]
	}
	return n.array(i).From(p, 0).X[:size]
}

// layer is the steps of layer i.
func (n *net) layer(i int) []gemm.Step { return n.steps[n.layers[i].first:n.layers[i].last] }

// toPanel copies panel p of rows of N samples; behind the last sample there are zeros.
func (n *net) toPanel(panel, x []float32, rows, p int) {
	cols := n.columns(p)
	for i := range rows {
		row := panel[i*panelColumns:][:panelColumns]
		clear(row[copy(row, x[i*n.N+p*panelColumns:][:cols]):])
	}
}

// fromPanel is the way back.
func (n *net) fromPanel(x, panel []float32, rows, p int) {
	cols := n.columns(p)
	for i := range rows {
		copy(x[i*n.N+p*panelColumns:][:cols], panel[i*panelColumns:])
	}
}

// fitNet checks what all passes are given.
func fitNet(s device.MaskedNet, w []device.MaskedWeights, x, term, kept, params device.Buffer, back bool) {
	if !s.Valid() {
		panic("cpufallback: there is no such masked network")
	}
	mustFit(device.FitMaskedNet(s, w, x, term, kept, params, back))
}

// A packer says what the steps of a layer are, and gathers the weights of one.
type packer struct {
	rows   func(s device.Masked) int
	terms  func(s device.Masked, first, last int) (from, to int) // of rows first .. last
	gather func(k *gemm.StairKernels, s device.Masked, w []float32, a *gemm.Step)
}

// ahead packs w for y = w x.
func ahead() packer {
	return packer{device.Masked.Cout, func(s device.Masked, _, last int) (from, to int) { return 0, s.Reach(last) }, packRows}
}

// back packs w for dx = w^T dy.
func back() packer {
	return packer{device.Masked.Cin, func(s device.Masked, first, _ int) (from, to int) { return s.Start(first), s.Cout() }, packColumns}
}

// packTask gathers weights; chunks are steps.
type packTask struct {
	*net
	gather func(k *gemm.StairKernels, s device.Masked, w []float32, a *gemm.Step)
}

func (t *packTask) Do(chunk, _ int) {
	i := 0
	for chunk >= t.layers[i].last {
		i++
	}
	t.gather(t.k, t.Stage(i).Masked, t.w[i].W.Host(), &t.steps[chunk])
}

// packSteps cuts all layers into steps, as many rows each as a kernel takes, and gathers their weights.
func (b *Backend) packSteps(n *net, p packer) {
	high := n.k.Rows()
	n.layers = grow(&b.nets.layers, n.Layers())
	count := 0
	for i := range n.layers {
		steps := (p.rows(n.Stage(i).Masked) + high - 1) / high
		n.layers[i] = netLayer{count, count + steps}
		count += steps
	}
	n.steps = grow(&b.nets.steps, count)
	size := 0
	for i := range n.layers {
		s, steps := n.Stage(i).Masked, n.layer(i)
		rows := p.rows(s)
		for j := range steps {
			lo := j * high
			hi := min(lo+high, rows)
			from, to := p.terms(s, lo, hi-1)
			steps[j] = gemm.Step{Row: lo, Rows: hi - lo, From: from, K: to - from}
			size += (hi - lo) * (to - from)
		}
	}
	w := gemm.Grow(&b.nets.packed, size)
	for i := range n.steps {
		a := &n.steps[i]
		size := a.Rows * a.K
		a.W, w = w[:size], w[size:]
	}
	b.nets.pack = packTask{n, p.gather}
	b.pool.Run(count, &b.nets.pack)
	b.nets.pack = packTask{}
}

// packRows copies rows of the weights; what does not count becomes 0.
func packRows(_ *gemm.StairKernels, s device.Masked, w []float32, a *gemm.Step) {
	cin := s.Cin()
	a.RowStep, a.TermStep = a.K, 1
	for i := range a.Rows {
		row := a.W[i*a.K:][:a.K]
		clear(row[copy(row, w[(a.Row+i)*cin:][:s.Reach(a.Row+i)]):])
	}
}

// packColumns copies columns of the weights, term by term; what does not count becomes 0.
func packColumns(k *gemm.StairKernels, s device.Masked, w []float32, a *gemm.Step) {
	cin := s.Cin()
	a.RowStep, a.TermStep = 1, a.Rows
	if a.K > 0 {
		k.Columns(a.W, w[a.From*cin+a.Row:], a.Rows, cin, a.K)
	}
	for i := range a.Rows {
		for k := range s.Start(a.Row+i) - a.From {
			a.W[k*a.Rows+i] = 0
		}
	}
}

// Rectify: y = max(0, x).
func (b *Backend) Rectify(x, y device.Buffer) {
	mustFit(x.Len() == y.Len())
	t := &b.nets.rectify
	*t = rectifyTask{b.vec, x.Host(), y.Host(), chunksOf(x.Len(), x.Len())}
	b.pool.Run(t.chunks, t)
	*t = rectifyTask{}
}

type rectifyTask struct {
	k      *vec.Kernels
	x, y   []float32
	chunks int
}

func (t *rectifyTask) Do(chunk, _ int) {
	lo, hi := share(len(t.x), t.chunks, chunk, line)
	t.k.AffineReLU(1, 0, t.x[lo:hi], t.y[lo:hi])
}
