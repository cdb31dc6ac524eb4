package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// netForwardTask is MaskedNetForward; chunks are panels, which go through all layers.
type netForwardTask struct {
	net
	x, term, params []float32
}

func (t *netForwardTask) Do(p, worker int) {
	w := &t.work[worker]
	t.toPanel(w.x, t.x, t.D, p)
	if t.term != nil {
		t.toPanel(w.term, t.term, t.H, p)
	}
	for i := range t.Layers() {
		s := t.Stage(i)
		from, to := w.x, w.params
		if s.From != device.Outside {
			from = t.hidden(w, s.From, p)
		}
		if s.To != device.Outside {
			to = t.hidden(w, s.To, p)
		}
		end := gemm.StepEnd{Bias: t.w[i].B.Host(), ReLU: s.Act == device.ReLU}
		switch {
		case s.Plus != device.Outside:
			end.Plus = t.hidden(w, s.Plus, p)
		case i == 0 && t.term != nil:
			end.Plus = w.term
		}
		steps := t.layer(i)
		for j := range steps {
			t.k.Step(&w.StairScratch, &steps[j], from, to, end)
		}
		if s.Rectified != device.Outside {
			t.v.AffineReLU(1, 0, to, t.hidden(w, s.Rectified, p))
		}
	}
	t.fromPanel(t.params, w.params, t.D*t.Q, p)
	w.Forget()
}

// MaskedNetForward: params = net(x).
func (b *Backend) MaskedNetForward(s device.MaskedNet, w []device.MaskedWeights, x, term, kept, params device.Buffer) {
	fitNet(s, w, x, term, kept, params, false)
	if s.N == 0 {
		return
	}
	t := &b.nets.forward
	*t = netForwardTask{net: b.newNet(s, w, kept), x: x.Host(), term: term.Host(), params: params.Host()}
	b.packSteps(&t.net, ahead())
	b.pool.Run(t.panels(), t)
	*t = netForwardTask{}
}
