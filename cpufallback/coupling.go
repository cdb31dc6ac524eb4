package cpufallback

import (
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// couplingTask is Coupling, CouplingInverse or CouplingBackward of a law with a scale.
type couplingTask struct {
	sampleWalk
	k       *vec.Kernels
	pass    pass
	form    vec.Form
	a, b    float32   // constants of the form
	g       []float32 // by channel: a, where the law learns it
	x, t, s []float32
	logdet  []float32
	dx      []float32
	dld     float32
	da      []float64 // by chunk and channel: sums for the gradient of a
}

type pass int

const (
	forward pass = iota
	inverse
	backward
)

// Do takes as many samples at a time as fit into a tile, or a part of one sample where they are larger. A tile's ls stay in
// the L1 cache until they are summed.
func (t *couplingTask) Do(chunk, worker int) {
	ls, sums := t.scratch(worker)
	first, last := t.samples(chunk)
	for n := first; n < last; n += t.group() {
		group := min(t.group(), last-n)
		clear(sums[:group])
		for c := range t.C {
			row := c*t.M() + n*t.P
			for lo := row; lo < row+group*t.P; lo += tile {
				hi := min(lo+tile, row+group*t.P)
				if t.pass == backward {
					t.da[chunk*t.C+c] += t.back(c, lo, hi)
				} else {
					t.move(c, lo, hi, ls[:hi-lo])
					t.k.SegmentSums(ls[:hi-lo], min(t.P, hi-lo), sums[:group])
				}
			}
		}
		switch t.pass {
		case forward:
			t.k.Axpy(1, sums[:group], t.logdet[n:n+group])
		case inverse:
			t.k.Axpy(-1, sums[:group], t.logdet[n:n+group])
		}
	}
}

// scale is a of the form: the same for all channels, or learned.
func (t *couplingTask) scale(c int) float32 {
	if t.g != nil {
		return t.g[c]
	}
	return t.a
}

func (t *couplingTask) move(c, lo, hi int, ls []float32) {
	kernel := t.k.Couple[t.form]
	if t.pass == inverse {
		kernel = t.k.Uncouple[t.form]
	}
	kernel(t.x[lo:hi], t.t[lo:hi], t.s[lo:hi], ls, t.scale(c), t.b)
}

func (t *couplingTask) back(c, lo, hi int) float64 {
	return float64(t.k.CoupleBackward[t.form](t.x[lo:hi], t.dx[lo:hi], t.t[lo:hi], t.s[lo:hi], t.scale(c), t.b, t.dld))
}

// runCoupling fills in what the passes share.
func (b *Backend) runCoupling(r device.Rows, law device.Law, g, st, x device.Buffer, t couplingTask) *couplingTask {
	n := r.Len()
	mustFit(x.Len() == n && st.Len() == 2*n)
	switch law {
	case device.SigmoidScale:
		t.form, t.b = vec.ShiftSigmoid, 2
	case device.ExpScale:
		t.form, t.a, t.b = vec.AffineTanh, 2, 1./2
	case device.TanhScale:
		mustFit(g.Len() == r.C)
		t.form, t.g, t.b = vec.AffineTanh, g.Host(), 1
	case device.GaussScale:
		t.form, t.a, t.b = vec.ShiftTanh, 6, 1./6
	default:
		panic("cpufallback: unknown coupling law")
	}
	t.sampleWalk, t.k = b.newSampleWalk(r, 2), b.vec
	t.x, t.t, t.s = x.Host(), st.Host()[:n], st.Host()[n:2*n]
	if t.pass == backward {
		t.da = grow(&b.elem.partial, t.chunks*r.C)
		clear(t.da)
	}
	b.elem.coupling = t
	b.pool.Run(t.chunks, &b.elem.coupling)
	return &b.elem.coupling
}

// Coupling moves x by the law and adds its log-determinant per sample.
func (b *Backend) Coupling(r device.Rows, law device.Law, g, st, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N && x.Len() == r.Len())
	if law == device.Additive {
		b.Axpy(1, st, x)
		return
	}
	b.runCoupling(r, law, g, st, x, couplingTask{pass: forward, logdet: logdet.Host()})
}

// CouplingInverse undoes Coupling.
func (b *Backend) CouplingInverse(r device.Rows, law device.Law, g, st, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N && x.Len() == r.Len())
	if law == device.Additive {
		b.Axpy(-1, st, x)
		return
	}
	b.runCoupling(r, law, g, st, x, couplingTask{pass: inverse, logdet: logdet.Host()})
}

// CouplingBackward takes (y, dy) to (x, dx) and st to its gradient.
func (b *Backend) CouplingBackward(r device.Rows, law device.Law, g, st, x, dx device.Buffer, dld float32, dg device.Buffer) {
	mustFit(dx.Len() == r.Len() && (law != device.TanhScale || dg.Len() == r.C))
	if law == device.Additive {
		b.Axpy(-1, st, x)
		b.Copy(st, dx)
		return
	}
	t := b.runCoupling(r, law, g, st, x, couplingTask{pass: backward, dx: dx.Host(), dld: dld})
	if law != device.TanhScale {
		return
	}
	for c, d := range dg.Host() {
		sum := float64(d)
		for chunk := range t.chunks {
			sum += t.da[chunk*r.C+c]
		}
		dg.Host()[c] = float32(sum)
	}
}
