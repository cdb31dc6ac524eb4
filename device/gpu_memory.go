package device

import "cuflow/kernels"

func (g *gpu) Fill(x Buffer, v float32) {
	g.begin("Fill")
	g.run("fill", kernels.Flat(x.n), num(x.n), float(v), ptr(x))
}

func (g *gpu) Copy(dst, src Buffer) {
	fit(dst.n == src.n)
	g.begin("Copy")
	g.run("copy", kernels.Flat(src.n), num(src.n), ptr(src), ptr(dst))
}

func (g *gpu) Axpy(a float32, x, y Buffer) {
	fit(y.n == x.n)
	g.begin("Axpy")
	g.axpy(a, x, y)
}

func (g *gpu) axpy(a float32, x, y Buffer) {
	g.run("axpy", kernels.Flat(x.n), num(x.n), float(a), ptr(x), ptr(y))
}

func (g *gpu) Sum(a float32, x, out Buffer) {
	fit(out.n == 1)
	g.begin("Sum")
	g.sum("sum_parts", a, x, out)
}

func (g *gpu) SumSquares(x, out Buffer) {
	fit(out.n == 1)
	g.begin("SumSquares")
	g.sum("sum_squares_parts", 1, x, out)
}

func (g *gpu) sum(first string, a float32, x, out Buffer) {
	s := kernels.Parts(x.n)
	part := g.part(s.GridX)
	g.run(first, s, num(x.n), ptr(x), addr(part))
	g.run("sum_finish", kernels.One(), num(s.GridX), float(a), addr(part), ptr(out))
}

func (g *gpu) AddSum(a float32, v, out Buffer) {
	g.begin("AddSum")
	s := kernels.Parts(v.n)
	if s.GridX == 1 { // short: each block adds up all of it
		g.run("add_sum", kernels.Flat(out.n), num(v.n), num(out.n), float(a), ptr(v), ptr(out))
		return
	}
	part := g.part(s.GridX)
	g.run("sum_parts", s, num(v.n), ptr(v), addr(part))
	g.run("add_sum", kernels.Flat(out.n), num(s.GridX), num(out.n), float(a), addr(part), ptr(out))
}

func (g *gpu) MaxAbsDiff(x, y, out Buffer) {
	fit(x.n == y.n && out.n == 1)
	g.begin("MaxAbsDiff")
	s := kernels.Parts(x.n)
	part := g.part(s.GridX)
	g.run("max_abs_diff_parts", s, num(x.n), ptr(x), ptr(y), addr(part))
	g.run("max_finish", kernels.One(), num(s.GridX), addr(part), ptr(out))
}
