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
	g.convolve(g.precision, "forward", s, s.Cout, s.Cin, finish, w, b, x, y)
}

func (g *gpu) ConvBackwardData(s ConvShape, w, dy, dx Buffer) {
	g.fitConv(s, s.Cin, s.Cout, w, Buffer{}, dy, dx)
	g.begin("ConvBackwardData")
	g.convolve(g.precision, "data", s, s.Cin, s.Cout, finishAdd, w, Buffer{}, dy, dx)
}

func (g *gpu) ConvBackwardAct(s ConvShape, act Act, w, dy, h Buffer) {
	g.fitConv(s, s.Cin, s.Cout, w, Buffer{}, dy, h)
	g.begin("ConvBackwardAct")
	finish := finishStore
	if act == ReLU {
		finish = finishGate
	}
	g.convolve(g.precision, "data", s, s.Cin, s.Cout, finish, w, Buffer{}, dy, h)
}

func (g *gpu) fitConv(s ConvShape, rows, channels int, w, b, x, y Buffer) {
	fit(w.n == s.Weights() && (b.Nil() || b.n == rows) && x.n == channels*s.M() && y.n == rows*s.M())
}

// convolve makes rows channels of y from channels of x.
func (g *gpu) convolve(p kernels.Precision, op string, s ConvShape, rows, channels, finish int, w, b, x, y Buffer) {
	m := s.M()
	if m == 0 {
		return
	}
	t := g.tile(tileKey{op, p, s.K, rows, channels * s.K * s.K, m})
	if t.Folded {
		g.fold(t, op, s, rows, channels, finish, w, b, x, y)
		return
	}
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

// fold computes a 3x3 convolution as a 1x1 convolution whose rows are (channel, tap), and adds up the taps.
func (g *gpu) fold(t kernels.Tile, op string, s ConvShape, rows, channels, finish int, w, b, x, y Buffer) {
	m := s.M()
	weights, back := ptr(w), true // [channels][rows*9], as data takes them
	if op == "forward" {
		turned := g.part(w.n) // [rows*9][channels]
		g.run("transpose", kernels.Transposes(rows, channels, 9), num(channels), num(9), ptr(w), addr(turned))
		weights, back = addr(turned), false
	}
	part := g.part(t.Splits() * 9 * rows * m)
	g.run(t.Kernel, t.Shape, num(9*rows), num(channels), num(m), num(s.H), num(s.W), num(t.Span), num(finishStore), weights, ptr(Buffer{}),
		ptr(x), addr(part), addr(part))
	shape, tiles := kernels.Pixels(rows, m)
	g.run("conv_fold", shape, num(rows), num(m), num(s.H), num(s.W), num(tiles), num(t.Splits()), num(finish), flag(back), addr(part), ptr(b), ptr(y))
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
	rows, cols, finish := s.Cout, s.Cin*s.K*s.K, "weight_finish"
	t := g.tile(tileKey{"weight", p, s.K, rows, cols, m})
	if t.Turned {
		rows, cols, finish = s.Cin, s.Cout*9, "turned_finish"
	}
	var part uint64
	if t.Splits() > 1 {
		part = g.part(t.Splits() * (rows*cols + s.Cout))
	}
	if s.K == 3 {
		g.run(t.Kernel, t.Shape, num(rows), num(cols), num(m), num(s.H), num(s.W), num(t.Span), flag(t.Turned), ptr(x), ptr(dy), ptr(dw), ptr(db), addr(part))
	} else {
		g.run(t.Kernel, t.Shape, num(rows), num(cols), num(m), num(s.H), num(s.W), num(t.Span), ptr(x), ptr(dy), ptr(dw), ptr(db), addr(part))
	}
	if t.Splits() > 1 {
		g.run(finish, kernels.Items(rows*cols+db.n), num(rows), num(cols), num(t.Splits()), addr(part), ptr(dw), ptr(db))
	}
}

// rowSums adds the sum of each row of x to out.
func (g *gpu) rowSums(rows, m int, x, out Buffer) {
	s, span, tiles := kernels.Rows(rows, m)
	sums := g.part(rows * tiles)
	g.run("row_total", s, num(m), num(span), num(tiles), ptr(x), addr(sums))
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
