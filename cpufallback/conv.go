package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// A 3x3 convolution is one matrix product, and what the taps do is done on the side with fewer channels. From few channels
// to many, nine shifted copies of every input channel are packed, and weights [many, few*9] multiply them. From many to
// few, the product gives nine rows for every output channel, and their shifted sum is the result (Fold).

func (b *Backend) ConvForward(s device.ConvShape, act device.Act, w, bias, x, y device.Buffer) {
	mustFit((s.K == 1 || s.K == 3) && s.Cin > 0 && s.Cout > 0 && w.Len() == s.Weights() && (bias.Nil() || bias.Len() == s.Cout))
	mustFit(x.Len() == s.Cin*s.M() && y.Len() == s.Cout*s.M())
	kk := s.K * s.K
	b.convolve(s, false, s.Cin, s.Cout, x, y, gemm.End{Bias: bias.Host(), ReLU: act == device.ReLU},
		gemm.Weights{W: w.Host(), Groups: 1, Rows: s.Cout, Row: s.Cin * kk, Segs: 1, K: s.Cin * kk, Col: 1},
		gemm.Weights{W: w.Host(), Groups: s.Cout, Group: s.Cin * kk, Rows: kk, Row: 1, Segs: 1, K: s.Cin, Col: kk})
}

func (b *Backend) ConvBackwardData(s device.ConvShape, w, dy, dx device.Buffer) {
	b.convBackward(s, w, dy, dx, gemm.End{Add: true})
}

func (b *Backend) ConvBackwardAct(s device.ConvShape, act device.Act, w, dy, h device.Buffer) {
	b.convBackward(s, w, dy, h, gemm.End{Mask: act == device.ReLU})
}

func (b *Backend) convBackward(s device.ConvShape, w, dy, dx device.Buffer, end gemm.End) {
	mustFit((s.K == 1 || s.K == 3) && s.Cin > 0 && s.Cout > 0 && w.Len() == s.Weights())
	mustFit(dy.Len() == s.Cout*s.M() && dx.Len() == s.Cin*s.M())
	kk := s.K * s.K
	a := gemm.Weights{W: w.Host(), Groups: 1, Rows: s.Cin, Row: kk, Segs: s.Cout, Seg: s.Cin * kk, K: kk, Col: 1}
	if kk == 1 { // the transpose: one long segment is the same as Cout short ones, and faster
		a.Segs, a.K, a.Col = 1, s.Cout, s.Cin
	}
	b.convolve(s, true, s.Cout, s.Cin, dy, dx, end, a,
		gemm.Weights{W: w.Host(), Groups: 1, Rows: s.Cin * kk, Row: 1, Segs: 1, K: s.Cout, Col: s.Cin * kk})
}

// convolve is the forward pass or, with flip, the data gradient. a multiplies shifted rows of x, fold gives rows that are
// then shifted and added.
func (b *Backend) convolve(s device.ConvShape, flip bool, in, out int, x, y device.Buffer, end gemm.End, a, fold gemm.Weights) {
	if s.M() == 0 {
		return
	}
	p := gemm.Product{A: a, B: gemm.Pixels{X: x.Host(), M: s.M(), Chans: in}, C: y.Host(), End: end}
	p.B.Taps = b.conv.tapsOf(s.K, s.H, s.W, flip)
	if s.K == 3 && out < in && gemm.Foldable(9*out, s.P()) {
		p.A, p.Fold, p.Image = fold, p.B.Taps, s.P()
		p.B.Taps = b.conv.plain()
	}
	b.runProduct(p)
}

func (b *Backend) ConvBackwardWeight(s device.ConvShape, x, dy, dw, db device.Buffer) {
	mustFit((s.K == 1 || s.K == 3) && s.Cin > 0 && s.Cout > 0 && dw.Len() == s.Weights() && (db.Nil() || db.Len() == s.Cout))
	mustFit(x.Len() == s.Cin*s.M() && dy.Len() == s.Cout*s.M())
	if s.M() == 0 {
		return
	}
	plain := b.conv.plain()
	px := gemm.Pixels{X: x.Host(), M: s.M(), Chans: s.Cin, Taps: plain}
	pdy := gemm.Pixels{X: dy.Host(), M: s.M(), Chans: s.Cout, Taps: plain}
	add := addTask{dw: dw.Host(), sums: db.Host()}
	kk := s.K * s.K
	if s.Cin <= s.Cout || kk == 1 { // C[o, c*kk+t] is dw: dy against x, shifted by the taps
		px.Taps = b.conv.tapsOf(s.K, s.H, s.W, false)
		add.row, add.run = s.Cin*kk, s.Cin*kk
		b.runOuter(gemm.Outer{X: pdy, Y: px, SumX: !db.Nil()}, add)
	} else { // C[c, o*kk+t]: x against dy, shifted the other way
		pdy.Taps = b.conv.tapsOf(s.K, s.H, s.W, true)
		add.row, add.run, add.next = kk, kk, s.Cin*kk
		b.runOuter(gemm.Outer{X: px, Y: pdy, SumY: !db.Nil()}, add)
	}
}

func (b *Backend) RowScale(rows, cols int, logs, w, bias, wf, bf device.Buffer) {
	mustFit(logs.Len() == rows && bias.Len() == rows && bf.Len() == rows && w.Len() == rows*cols && wf.Len() == rows*cols)
	b.runRowScale(rowScaleTask{rows: rows, cols: cols, do: rowScale, w: w.Host(), b: bias.Host(), wf: wf.Host(), bf: bf.Host()},
		logs.Host())
}

func rowScale(t *rowScaleTask, i int) {
	e := t.e[i]
	t.k.Scale(e, t.w[i*t.cols:][:t.cols], t.wf[i*t.cols:][:t.cols])
	t.bf[i] = e * t.b[i]
}

func (b *Backend) RowScaleBackward(rows, cols int, logs, wf, bf, dwf, dbf, dw, db, dlogs device.Buffer) {
	mustFit(logs.Len() == rows && bf.Len() == rows && dbf.Len() == rows && db.Len() == rows && dlogs.Len() == rows)
	mustFit(wf.Len() == rows*cols && dwf.Len() == rows*cols && dw.Len() == rows*cols)
	b.runRowScale(rowScaleTask{rows: rows, cols: cols, do: rowScaleBackward, wf: wf.Host(), bf: bf.Host(), dwf: dwf.Host(),
		dbf: dbf.Host(), dw: dw.Host(), db: db.Host(), dlog: dlogs.Host()}, logs.Host())
}

func rowScaleBackward(t *rowScaleTask, i int) {
	e := t.e[i]
	wf, dwf := t.wf[i*t.cols:][:t.cols], t.dwf[i*t.cols:][:t.cols]
	t.k.Axpy(e, dwf, t.dw[i*t.cols:][:t.cols])
	t.db[i] += e * t.dbf[i]
	sum := float64(t.dbf[i]) * float64(t.bf[i])
	for lo := 0; lo < t.cols; lo += block {
		hi := min(lo+block, t.cols)
		_, dot := t.k.SumsAbout(wf[lo:hi], dwf[lo:hi], 0)
		sum += float64(dot)
	}
	t.dlog[i] += float32(sum)
}
