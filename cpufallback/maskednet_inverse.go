package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// netInverseTask is MaskedNetInverse; chunks are panels, and a worker takes one through all dimensions. Dimensions come in blocks. What is
// known before a block has its part in all that becomes known with the block in one product, and what becomes known within it step by step:
// most of the arithmetic is in products of some size, and none is done twice.
type netInverseTask struct {
	net
	curve                   netCurve
	block                   int // dimensions in a block
	x, term, params, logdet []float32
}

// blockUnits is about how many hidden units of a layer become known in a block: a product with as many rows runs at full speed, and one step
// within it costs little.
const blockUnits = 64

// blockDimensions is how many dimensions make a block.
func blockDimensions(s device.MaskedNet) int {
	const most = 16
	return max(1, min(blockUnits*(s.D-1)/s.H, most))
}

func (t *netInverseTask) Do(p, worker int) {
	w := &t.work[worker]
	t.toPanel(w.x, t.x, t.D, p)
	if t.term != nil {
		t.toPanel(w.term, t.term, t.H, p)
	}
	clear(w.sum)
	for d := 0; d < t.D; d += t.block {
		t.known(w, p, d, min(d+t.block, t.D))
		for e := d; e < min(d+t.block, t.D); e++ {
			t.step(w, p, d, e)
			if e < t.Still {
				continue
			}
			row := e * panelColumns
			t.curve.inverse(worker, w.params[e*t.Q*panelColumns:], w.x[row:row+panelColumns], w.ld)
			t.v.Axpy(1, w.ld, w.sum)
		}
	}
	t.fromPanel(t.x, w.x, t.D, p)
	t.fromPanel(t.params, w.params, t.D*t.Q, p)
	cols := t.columns(p)
	t.v.Axpy(-1, w.sum[:cols], t.logdet[p*panelColumns:][:cols])
	w.Forget()
}

// panelsOf is what stage i reads and writes of panel p.
func (t *netInverseTask) panelsOf(w *netWork, s device.MaskedStage, p int) (from, to []float32) {
	from, to = w.x, w.params
	if s.From != device.Outside {
		from = t.hidden(w, s.From, p)
	}
	if s.To != device.Outside {
		to = t.hidden(w, s.To, p)
	}
	return from, to
}

// before is how many inputs of a layer are known before the step of dimension d.
func before(s device.Masked, d int) int {
	if s.Layer == device.MaskedFirst {
		return d
	}
	return s.Units(max(0, d-1))
}

// known begins the sums of all that becomes known with dimensions [d0, d1), with what is known before.
func (t *netInverseTask) known(w *netWork, p, d0, d1 int) {
	for i := range t.Layers() {
		s := t.Stage(i)
		from, to := t.panelsOf(w, s, p)
		lo, _ := s.Step(d0)
		_, hi := s.Step(d1 - 1)
		t.multiply(w, i, s.Masked, lo, hi, 0, before(s.Masked, d0), from, to, gemm.StepEnd{})
	}
}

// step completes what becomes known with dimension d, in a block that begins with d0: to the bits of a forward pass, since it adds the same
// in the same order.
func (t *netInverseTask) step(w *netWork, p, d0, d int) {
	for i := range t.Layers() {
		s := t.Stage(i)
		from, to := t.panelsOf(w, s, p)
		lo, hi := s.Step(d)
		if lo == hi {
			continue
		}
		end := gemm.StepEnd{Begun: to, Bias: t.w[i].B.Host(), ReLU: s.Act == device.ReLU}
		switch {
		case s.Plus != device.Outside:
			end.Plus = t.hidden(w, s.Plus, p)
		case i == 0 && t.term != nil:
			end.Plus = w.term
		}
		t.multiply(w, i, s.Masked, lo, hi, before(s.Masked, d0), s.StepReach(d), from, to, end)
		rows := to[lo*panelColumns : hi*panelColumns]
		if s.Rectified != device.Outside {
			t.v.AffineReLU(1, 0, rows, t.hidden(w, s.Rectified, p)[lo*panelColumns:hi*panelColumns])
		}
	}
}

// multiply does rows [lo, hi) of layer i by inputs [k0, k1), which have a part in all of them: weights are read where they lie.
func (t *netInverseTask) multiply(w *netWork, i int, s device.Masked, lo, hi, k0, k1 int, from, to []float32, end gemm.StepEnd) {
	weights, cin := t.w[i].W.Host(), s.Cin()
	n := (hi - lo + t.k.Rows() - 1) / t.k.Rows()
	for j := range n {
		r0, r1 := lo+(hi-lo)*j/n, lo+(hi-lo)*(j+1)/n
		a := gemm.Step{Row: r0, Rows: r1 - r0, From: k0, K: k1 - k0, RowStep: cin, TermStep: 1}
		if k1 > k0 {
			a.W = weights[r0*cin+k0:]
		}
		t.k.Step(&w.StairScratch, &a, from, to, end)
	}
}

// netCurve is one pass of a curve, for one dimension of a panel.
type netCurve struct {
	pass   vec.CurvePass // nil: the plain loops of work
	curves []vec.Curve   // by worker
	work   []curveWork   // by worker
	k      *vec.Kernels
	dld    float64
}

func (b *Backend) newNetCurve(c device.Curve, p pass, dld float32) netCurve {
	t := netCurve{pass: b.curvePass(c.Of, p), k: b.vec, dld: float64(dld)}
	if t.pass != nil {
		t.curves = grow(&b.curves.tables, b.pool.Workers())
		for i := range t.curves {
			t.curves[i].Set(c, panelColumns, dld)
		}
		return t
	}
	t.work = grow(&b.curves.work, b.pool.Workers())
	for i := range t.work {
		t.work[i].begin(c, panelColumns)
	}
	return t
}

// inverse takes y in x to x, and leaves log dy/dx there in ld.
func (t *netCurve) inverse(worker int, params, x, ld []float32) {
	if t.pass != nil {
		t.pass(&t.curves[worker], params, x, ld)
		return
	}
	w := &t.work[worker]
	w.prepare(t.k, params, len(x))
	for i, y := range x {
		w.p, w.lane = params[i:], i
		v, l := w.inverse(float64(y))
		x[i], ld[i] = float32(v), float32(l)
	}
	w.p = nil
}

// MaskedNetInverse takes y to x, dimension by dimension.
func (b *Backend) MaskedNetInverse(s device.MaskedNet, c device.Curve, w []device.MaskedWeights, term, x, kept, params, logdet device.Buffer) {
	fitNet(s, w, x, term, kept, params, false)
	mustFit(c.Valid() && c.Params() == s.Q && logdet.Len() == s.N)
	if s.N == 0 {
		return
	}
	t := &b.nets.inverse
	*t = netInverseTask{net: b.newNet(s, w, kept), curve: b.newNetCurve(c, inverse, 0), block: blockDimensions(s),
		x: x.Host(), term: term.Host(), params: params.Host(), logdet: logdet.Host()}
	b.pool.Run(t.panels(), t)
	*t = netInverseTask{}
}
