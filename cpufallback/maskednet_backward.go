package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// netBackwardTask is one layer's data gradient; chunks are panels. Before the last layer's, x and dparams are made panels.
type netBackwardTask struct {
	net
	stage              int
	x, dparams         []float32 // [D][N], [D][Q][N]
	dterm, dx          []float32
	xPanels, outPanels gemm.PanelRows
}

// gather stands for a stage before all: x and dparams become panels.
const gather = -1

// gradient is where the gradient of a hidden array lies: in place, and that of all trunks of a residual network where the last one was.
func (n *net) gradient(array int) gemm.PanelRows {
	if !n.IsRectified(array) {
		array = n.Hidden() - 1
	}
	return n.array(array)
}

func (t *netBackwardTask) Do(p, worker int) {
	if t.stage == gather {
		t.toPanel(t.xPanels.From(p, 0).X, t.x, t.D, p)
		t.toPanel(t.outPanels.From(p, 0).X, t.dparams, t.D*t.Q, p)
		return
	}
	w, s := &t.work[worker], t.Stage(t.stage)
	dy := t.outPanels
	if s.To != device.Outside {
		dy = t.gradient(s.To)
	}
	b, c, end := dy.From(p, 0).X, w.x, gemm.StepEnd{}
	if s.From != device.Outside {
		c = t.gradient(s.From).From(p, 0).X
		if t.IsRectified(s.From) {
			end.Gate = c
		}
	}
	steps := t.layer(t.stage)
	for i := range steps {
		t.k.Step(&w.StairScratch, &steps[i], b, c, end)
	}
	w.Forget()
	switch {
	case t.stage == 0:
		if t.dterm != nil {
			t.fromPanel(t.dterm, b, t.H, p)
		}
		cols := t.columns(p)
		for d := range t.D {
			t.v.Axpy(1, c[d*panelColumns:][:cols], t.dx[d*t.N+p*panelColumns:][:cols])
		}
	case t.Residual && t.stage%2 == 1 && s.To != device.Outside: // what went around the block
		size := t.H * panelColumns
		t.v.Axpy(1, c[:size], t.gradient(0).From(p, 0).X[:size])
	}
}

// MaskedNetBackward goes from layer to layer: the gradient of the weights, then that of what went in, in place.
func (b *Backend) MaskedNetBackward(s device.MaskedNet, w []device.MaskedWeights, x, kept, dparams, dterm, dx device.Buffer) {
	s.Keep = true
	fitNet(s, w, x, dterm, kept, dparams, true)
	mustFit(dx.Len() == x.Len())
	if s.N == 0 {
		return
	}
	t := &b.nets.back
	*t = netBackwardTask{net: b.newNet(s, w, kept), stage: gather, x: x.Host(), dparams: dparams.Host(), dterm: dterm.Host(), dx: dx.Host()}
	t.xPanels, t.outPanels = t.newPanels(&b.nets.x, s.D), t.newPanels(&b.nets.out, s.D*s.Q)
	b.packSteps(&t.net, back())
	b.pool.Run(t.panels(), t)
	for i := s.Layers() - 1; i >= 0; i-- {
		stage := s.Stage(i)
		dy, from := t.outPanels, t.xPanels
		if stage.To != device.Outside {
			dy = t.gradient(stage.To)
		}
		if stage.From != device.Outside {
			from = t.array(stage.From)
		}
		b.netWeights(&t.net, stage.Masked, dy, from, w[i].DW.Host(), w[i].DB.Host())
		t.stage = i
		b.pool.Run(t.panels(), t)
	}
	*t = netBackwardTask{}
}

// newPanels are panels of so many rows, in memory that buf keeps: no power of two apart, so that a row lies in many sets of the cache, and
// with room behind them for Dots to read.
func (n *net) newPanels(buf *[]float32, rows int) gemm.PanelRows {
	panel := (rows + gemm.DotGroup) * panelColumns
	return gemm.PanelRows{X: gemm.Grow(buf, n.panels()*panel), Panel: panel}
}
