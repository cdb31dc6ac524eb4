package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// netInverseBackwardTask is MaskedNetInverseBackward but for the gradients of weights; chunks are panels. Dimensions come in blocks, from
// the last: what is known before a block has its part in one product, and the rest follows step by step, as in netInverseTask.
type netInverseBackwardTask struct {
	net
	curve              netCurve
	block              int
	x, dx, params      []float32
	dterm, grads       []float32      // grads is laid out as kept
	xPanels, outPanels gemm.PanelRows // x as it came, and dparams, for the gradients of weights
}

// gradient is hidden array i's.
func (t *netInverseBackwardTask) gradient(i int) gemm.PanelRows {
	return gemm.PanelRows{X: t.grads[i*t.KeptArray():][:t.KeptArray()], Panel: t.KeptArray() / t.panels()}
}

func (t *netInverseBackwardTask) Do(p, worker int) {
	w := &t.work[worker]
	params := t.outPanels.From(p, 0).X
	t.toPanel(t.xPanels.From(p, 0).X, t.x, t.D, p)
	t.toPanel(params, t.params, t.D*t.Q, p)
	copy(w.x, t.xPanels.From(p, 0).X)
	t.toPanel(w.dx, t.dx, t.D, p)
	cols := t.columns(p)
	for d1 := t.D; d1 > 0; {
		d0 := max(0, d1-t.block)
		// Steps d1-1 .. d0 make the gradients of units of these degrees and of the dimension before each; then that dimension is done.
		t.known(w, p, d0, d1)
		for d := d1 - 1; d >= d0; d-- {
			if d == t.D-1 {
				t.curveBack(w, worker, params, d, cols)
			}
			if d > 0 {
				t.step(w, p, d, d1)
				t.curveBack(w, worker, params, d-1, cols)
			}
		}
		d1 = d0
	}
	t.fromPanel(t.x, w.x, t.D, p)
	t.fromPanel(t.dx, w.dx, t.D, p)
	if t.dterm != nil {
		t.fromPanel(t.dterm, t.gradient(0).From(p, 0).X, t.H, p)
	}
	w.Forget()
}

// curveBack goes back through the inverse of dimension d's curve. Behind the last sample gradients are 0.
func (t *netInverseBackwardTask) curveBack(w *netWork, worker int, params []float32, d, cols int) {
	row := d * panelColumns
	own := params[d*t.Q*panelColumns:][:t.Q*panelColumns]
	if d < t.Still {
		clear(own)
		return
	}
	t.curve.inverseBackward(worker, own, w.x[row:row+panelColumns], w.dx[row:row+panelColumns])
	if cols < panelColumns {
		for q := range t.Q {
			clear(own[q*panelColumns:][cols:panelColumns])
		}
		clear(w.dx[row:][cols:panelColumns])
	}
}

// after is the first output of a layer whose gradient is known before the step of degree d-1.
func after(s device.Masked, d int) int {
	if d == s.D {
		return s.Cout()
	}
	return s.BackwardStepStart(d)
}

// panelsOf is where stage s finds gradients of panel p, and leaves them.
func (t *netInverseBackwardTask) panelsOf(w *netWork, s device.MaskedStage, p int) (dy, dx []float32) {
	dy, dx = t.outPanels.From(p, 0).X, w.one
	if s.To != device.Outside {
		dy = t.gradient(s.To).From(p, 0).X
	}
	if s.From != device.Outside {
		dx = t.gradient(s.From).From(p, 0).X
	}
	return dy, dx
}

// known leaves, of the gradients that steps d0 .. d1-1 make, the part that is made of what is known before.
func (t *netInverseBackwardTask) known(w *netWork, p, d0, d1 int) {
	d0 = max(d0, 1)
	if d0 >= d1 {
		return
	}
	for i := t.Layers() - 1; i >= 0; i-- {
		s := t.Stage(i)
		dy, dx := t.panelsOf(w, s, p)
		lo, _ := s.BackwardStep(d0)
		_, hi := s.BackwardStep(d1 - 1)
		t.multiply(w, i, s.Masked, lo, hi, after(s.Masked, d1), s.Cout(), dy, dx, gemm.StepEnd{})
	}
}

// step completes the gradients of units of degree d and of dimension d-1, in a block that ends before d1.
func (t *netInverseBackwardTask) step(w *netWork, p, d, d1 int) {
	for i := t.Layers() - 1; i >= 0; i-- {
		s := t.Stage(i)
		lo, hi := s.BackwardStep(d)
		if lo == hi {
			continue
		}
		dy, dx := t.panelsOf(w, s, p)
		end := gemm.StepEnd{Plus: dx}
		if s.From != device.Outside && t.IsRectified(s.From) {
			end.Gate = t.hidden(w, s.From, p)
		}
		t.multiply(w, i, s.Masked, lo, hi, s.BackwardStepStart(d), after(s.Masked, d1), dy, dx, end)
		rows := dx[lo*panelColumns : hi*panelColumns]
		switch {
		case i == 0:
			t.v.Axpy(1, rows, w.dx[lo*panelColumns:hi*panelColumns])
		case t.Residual && s.From%3 == 1: // what went around the block
			trunk := t.gradient(s.From-1).From(p, lo).X[:len(rows)]
			copy(trunk, t.gradient(s.From+2).From(p, lo).X)
			t.v.Axpy(1, rows, trunk)
		}
	}
}

// multiply does inputs [lo, hi) of layer i by outputs [k0, k1), in all of which they have a part: weights are read where they lie.
func (t *netInverseBackwardTask) multiply(w *netWork, i int, s device.Masked, lo, hi, k0, k1 int, dy, dx []float32, end gemm.StepEnd) {
	weights, cin := t.w[i].W.Host(), s.Cin()
	n := (hi - lo + t.k.Rows() - 1) / t.k.Rows()
	for j := range n {
		r0, r1 := lo+(hi-lo)*j/n, lo+(hi-lo)*(j+1)/n
		a := gemm.Step{Row: r0, Rows: r1 - r0, From: k0, K: k1 - k0, RowStep: 1, TermStep: cin}
		if k1 > k0 {
			a.W = weights[k0*cin+r0:]
		}
		t.k.Step(&w.StairScratch, &a, dy, dx, end)
	}
}

// inverseBackward goes back through inverse: x to y, dx to dy, params to their gradient.
func (t *netCurve) inverseBackward(worker int, params, x, dx []float32) {
	if t.pass != nil {
		t.pass(&t.curves[worker], params, x, dx)
		return
	}
	w := &t.work[worker]
	w.prepare(t.k, params, len(x))
	for i, v := range x {
		w.p, w.lane = params[i:], i
		y, d := w.inverseBackward(float64(v), float64(dx[i]), t.dld)
		x[i], dx[i] = float32(y), float32(d)
	}
	w.p = nil
}

// MaskedNetInverseBackward takes x and its gradient to y and its, and adds the gradients of weights.
func (b *Backend) MaskedNetInverseBackward(s device.MaskedNet, c device.Curve, w []device.MaskedWeights, x, kept, params, dx, dterm, work device.Buffer,
	dld float32) {
	s.Keep = true
	fitNet(s, w, x, dterm, kept, params, true)
	mustFit(c.Valid() && c.Params() == s.Q && dx.Len() == x.Len() && work.Len() == s.BackWork())
	if s.N == 0 {
		return
	}
	t := &b.nets.inverseBack
	*t = netInverseBackwardTask{net: b.newNet(s, w, kept), curve: b.newNetCurve(c, inverseBackward, dld), block: blockDimensions(s),
		x: x.Host(), dx: dx.Host(), params: params.Host(), dterm: dterm.Host(), grads: work.Host()[:s.Kept()]}
	for i := range t.work {
		gemm.Grow(&t.work[i].dx, s.D*panelColumns)
		gemm.Grow(&t.work[i].one, s.D*panelColumns)
	}
	t.xPanels, t.outPanels = t.newPanels(&b.nets.x, s.D), t.newPanels(&b.nets.out, s.D*s.Q)
	b.pool.Run(t.panels(), t)
	for i := range s.Layers() {
		stage := s.Stage(i)
		dy, from := t.outPanels, t.xPanels
		if stage.To != device.Outside {
			dy = t.gradient(stage.To)
		}
		if stage.From != device.Outside {
			from = t.array(stage.From)
		}
		b.netWeights(&t.net, stage.Masked, dy, from, w[i].DW.Host(), w[i].DB.Host())
	}
	*t = netInverseBackwardTask{}
}
