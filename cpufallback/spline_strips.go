package cpufallback

import (
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// curveStrips is one of the passes of device.Curves in the instruction set's own way: tiles of columns, of which log-slopes are summed by
// sample while they are in the L1 cache.
type curveStrips struct {
	sampleWalk
	k         *vec.Kernels
	do        vec.CurvePass
	curves    []vec.Curve // by worker
	params, x []float32
	logdet    []float32 // of a pass without gradients, which are added to it times sign
	sign      float32
	dx        []float32 // else
}

func (t *curveStrips) Do(chunk, worker int) {
	first, last := t.samples(chunk)
	if t.dx != nil {
		for c := range t.C {
			lo, hi := c*t.M()+first*t.P, c*t.M()+last*t.P
			t.columns(worker, c, lo, t.x[lo:hi], t.dx[lo:hi])
		}
		return
	}
	ld, sums := t.scratch(worker)
	for n := first; n < last; n += t.group() {
		group := min(t.group(), last-n)
		clear(sums[:group])
		for c := range t.C {
			row := c*t.M() + n*t.P
			for lo := row; lo < row+group*t.P; lo += tile {
				hi := min(lo+tile, row+group*t.P)
				t.columns(worker, c, lo, t.x[lo:hi], ld[:hi-lo])
				t.k.SegmentSums(ld[:hi-lo], min(t.P, hi-lo), sums[:group])
			}
		}
		t.k.Axpy(t.sign, sums[:group], t.logdet[n:])
	}
}

// columns does the pass on columns of channel c, from element lo on.
func (t *curveStrips) columns(worker, c, lo int, x, d []float32) {
	curve := &t.curves[worker]
	before := c * (curve.Params() - 1) * t.M() // of params, more than of x
	t.do(curve, t.params[before+lo:], x, d)
}

// curvePass is the instruction set's own for a kind, nil if there is none.
func (b *Backend) curvePass(of device.CurveKind, p pass) vec.CurvePass {
	passes := &b.vec.Curves[of]
	switch p {
	case forward:
		return passes.Forward
	case inverse:
		return passes.Inverse
	case backward:
		return passes.Backward
	}
	return passes.InverseBackward
}

// runStrips does a pass of t.
func (b *Backend) runStrips(r device.Rows, c device.Curve, do vec.CurvePass, params, x device.Buffer, t curveTask) {
	s := curveStrips{sampleWalk: b.newSampleWalk(r, c.Params()), k: b.vec, do: do, params: params.Host(), x: x.Host(),
		logdet: t.logdet, sign: 1, dx: t.dx, curves: grow(&b.curves.tables, b.pool.Workers())}
	if t.pass == inverse {
		s.sign = -1
	}
	for i := range s.curves {
		s.curves[i].Set(c, r.M(), float32(t.dld))
	}
	b.curves.strips = s
	b.pool.Run(s.chunks, &b.curves.strips)
}
