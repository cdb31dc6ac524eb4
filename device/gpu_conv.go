package device

import "cuflow/kernels"

// How a convolution's results are finished: enum Finish of conv.cuh.
const (
	finishStore = iota
	finishReLU
	finishAdd
	finishGate
)

// tileKey is what the launch of a convolution follows from.
type tileKey struct {
	op               string // "forward", "data" or "weight"
	p                kernels.Precision
	k, rows, cols, m int
}

func pickTile(k tileKey) kernels.Tile {
	if k.op == "weight" {
		return kernels.Weight(k.p, k.k, k.rows, k.cols, k.m)
	}
	return kernels.Conv(k.p, k.op, k.k, k.rows, k.cols, k.m)
}

// tile asks once for each shape: picking makes names, which allocates.
func (g *gpu) tile(k tileKey) kernels.Tile {
	t, ok := g.tiles[k]
	if !ok {
		t = g.pick(k)
		g.tiles[k] = t
	}
	return t
}

func (g *gpu) ConvForward(s ConvShape, act Act, w, b, x, y Buffer) {
	g.fitConv(s, s.Cout, s.Cin, w, b, x, y)
	g.begin("ConvForward")
	finish := finishStore
	if act == ReLU {
		finish = finishReLU
	}
	g.convolve("forward", s, s.Cout, s.Cin, finish, w, b, x, y)
}

func (g *gpu) ConvBackwardData(s ConvShape, w, dy, dx Buffer) {
	g.fitConv(s, s.Cin, s.Cout, w, Buffer{}, dy, dx)
	g.begin("ConvBackwardData")
	g.convolve("data", s, s.Cin, s.Cout, finishAdd, w, Buffer{}, dy, dx)
}

func (g *gpu) ConvBackwardAct(s ConvShape, act Act, w, dy, h Buffer) {
	g.fitConv(s, s.Cin, s.Cout, w, Buffer{}, dy, h)
	g.begin("ConvBackwardAct")
	finish := finishStore
	if act == ReLU {
		finish = finishGate
	}
	g.convolve("data", s, s.Cin, s.Cout, finish, w, Buffer{}, dy, h)
}

func (g *gpu) fitConv(s ConvShape, rows, channels int, w, b, x, y Buffer) {
	fit(w.n == s.Weights() && (b.Nil() || b.n == rows) && x.n == channels*s.M() && y.n == rows*s.M())
}

// convolve makes rows channels of y from channels of x.
func (g *gpu) convolve(op string, s ConvShape, rows, channels, finish int, w, b, x, y Buffer) {
	m := s.M()
	if m == 0 {
		return
	}
	t := g.tile(tileKey{op, g.precision, s.K, rows, channels * s.K * s.K, m})
	var part uint64
	if t.Splits() > 1 {
		part = g.part(t.Splits() * rows * m)
	}
	g.run(t.Kernel, t.Shape, num(rows), num(channels), num(m), num(s.H), num(s.W), num(t.Span), num(finish), ptr(w), ptr(b), ptr(x), ptr(y), addr(part))
	if t.Splits() > 1 {
		shape, span, tiles := kernels.Rows(rows, m)
		g.run("conv_finish", shape, num(rows), num(m), num(span), num(tiles), num(t.Splits()), num(finish), addr(part), ptr(b), ptr(y))
	}
}

func (g *gpu) ConvBackwardWeight(s ConvShape, x, dy, dw, db Buffer) {
	fit(x.n == s.Cin*s.M() && dy.n == s.Cout*s.M() && dw.n == s.Weights() && (db.Nil() || db.n == s.Cout))
	g.begin("ConvBackwardWeight")
	g.weight(g.precision, s, x, dy, dw, db)
}

func (g *gpu) weight(p kernels.Precision, s ConvShape, x, dy, dw, db Buffer) {
	m := s.M()
	if m == 0 {
		return
	}
	rows, cols := s.Cout, s.Cin*s.K*s.K
	t := g.tile(tileKey{"weight", p, s.K, rows, cols, m})
	var part uint64
	if t.Splits() > 1 {
		part = g.part(t.Splits() * (rows*cols + rows))
	}
	if p == kernels.FP32 {
		g.run(t.Kernel, t.Shape, num(rows), num(cols), num(m), num(s.H), num(s.W), num(t.Span), ptr(x), ptr(dy), ptr(dw), ptr(db), addr(part))
	} else {
		if !db.Nil() { // the tensor cores see dy rounded: its sums are taken apart
			g.rowSums(rows, m, dy, db)
			db = Buffer{}
		}
		g.run(t.Kernel, t.Shape, num(rows), num(cols), num(m), num(s.H), num(s.W), num(t.Span), ptr(x), ptr(dy), ptr(dw), addr(part))
	}
	if t.Splits() > 1 {
		g.run("weight_finish", kernels.Items(rows*cols+db.n), num(rows), num(cols), num(t.Splits()), addr(part), ptr(dw), ptr(db))
	}
}

// rowSums adds the sum of each row of x to out.
func (g *gpu) rowSums(rows, m int, x, out Buffer) {
	s, span, tiles := kernels.Rows(rows, m)
	sums := g.part(rows * tiles)
	g.run("row_total", s, num(m), num(span), num(tiles), ptr(x), ptr(Buffer{}), addr(sums))
	g.run("row_sums", kernels.Warps(rows), num(rows), num(tiles), float(0), addr(sums), ptr(out))
}

func (g *gpu) RowScale(rows, cols int, logs, w, b, wf, bf Buffer) {
	fit(logs.n == rows && w.n == rows*cols && b.n == rows && wf.n == rows*cols && bf.n == rows)
	g.begin("RowScale")
	g.run("row_scale", kernels.Blocks(rows), num(cols), ptr(logs), ptr(w), ptr(b), ptr(wf), ptr(bf))
}

func (g *gpu) RowScaleBackward(rows, cols int, logs, wf, bf, dwf, dbf, dw, db, dlogs Buffer) {
	fit(logs.n == rows && wf.n == rows*cols && bf.n == rows && dwf.n == rows*cols && dbf.n == rows && dw.n == rows*cols && db.n == rows && dlogs.n == rows)
	g.begin("RowScaleBackward")
	g.run("row_scale_backward", kernels.Blocks(rows), num(cols), ptr(logs), ptr(wf), ptr(bf), ptr(dwf), ptr(dbf), ptr(dw), ptr(db), ptr(dlogs))
}
