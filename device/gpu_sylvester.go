package device

import "cuflow/kernels"

// product is the convolution that a product of matrices is.
func product(rows, c, n int) ConvShape { return ConvShape{Cin: c, Cout: rows, K: 1, N: n, H: 1, W: 1} }

func (g *gpu) Project(rows, c, n int, w, x, y Buffer) {
	s := product(rows, c, n)
	g.fitConv(s, rows, c, w, Buffer{}, x, y)
	g.begin("Project")
	g.convolve(kernels.FP32, "forward", s, rows, c, finishStore, w, Buffer{}, x, y)
}

func (g *gpu) Lift(rows, c, n int, w, y, x Buffer) {
	s := product(rows, c, n)
	g.fitConv(s, c, rows, w, Buffer{}, y, x)
	g.begin("Lift")
	g.convolve(kernels.FP32, "data", s, c, rows, finishAdd, w, Buffer{}, y, x)
}

func (g *gpu) ProjectBackward(rows, c, n int, x, dy, dw, db Buffer) {
	fit(x.n == c*n && dy.n == rows*n && dw.n == rows*c && (db.Nil() || db.n == rows))
	g.begin("ProjectBackward")
	g.weight(kernels.FP32, product(rows, c, n), x, dy, dw, db)
}

func (g *gpu) Householder(rows, c, k int, v, q Buffer) {
	fit(rows <= c && v.n == k*c && q.n == rows*c)
	g.begin("Householder")
	g.run("householder", kernels.Warps(rows), num(rows), num(c), num(k), ptr(v), ptr(q))
}

func (g *gpu) HouseholderBackward(rows, c, k int, v, q, dq, dv Buffer) {
	fit(rows <= c && c <= 1024 && v.n == k*c && q.n == rows*c && dq.n == rows*c && dv.n == k*c)
	g.begin("HouseholderBackward")
	g.run("householder_backward", kernels.HouseholderBackward(rows), num(rows), num(c), num(k), ptr(v), ptr(q), ptr(dq), ptr(dv))
}

func (g *gpu) SylvesterFold(m int, u1, u2, tau, rho, r1, r2, s Buffer) {
	fit(u1.n == m*m && u2.n == m*m && tau.n == m && rho.n == m && r1.n == m*m && r2.n == m*m && s.n == m)
	g.begin("SylvesterFold")
	g.run("sylvester_fold", kernels.Items(m*m), num(m), ptr(u1), ptr(u2), ptr(tau), ptr(rho), ptr(r1), ptr(r2), ptr(s))
}

func (g *gpu) SylvesterFoldBackward(m int, tau, rho, dr1, dr2, ds, du1, du2, dtau, drho Buffer) {
	fit(tau.n == m && rho.n == m && dr1.n == m*m && dr2.n == m*m && ds.n == m && du1.n == m*m && du2.n == m*m && dtau.n == m && drho.n == m)
	g.begin("SylvesterFoldBackward")
	g.run("sylvester_fold_backward", kernels.Items(m*m), num(m), ptr(tau), ptr(rho), ptr(dr1), ptr(dr2), ptr(ds), ptr(du1), ptr(du2), ptr(dtau), ptr(drho))
}

func (g *gpu) SylvesterGate(m, n int, h Map, s, a, y, logdet Buffer) {
	fit(s.n == m && a.n == m*n && y.n == m*n && (logdet.Nil() || logdet.n == n))
	which, slope := bend(h)
	g.begin("SylvesterGate")
	g.run("sylvester_gate", kernels.Vectors(m, n), num(m), num(n), which, slope, ptr(s), ptr(a), ptr(y), ptr(logdet))
}

func (g *gpu) SylvesterGateBackward(m, n int, h Map, s, a, dx Buffer, dld float32, ds Buffer) {
	fit(s.n == m && a.n == m*n && dx.n == m*n && ds.n == m)
	which, slope := bend(h)
	g.begin("SylvesterGateBackward")
	if n == 0 {
		return
	}
	shape, span, tiles := kernels.Rows(m, n)
	var part uint64
	if tiles > 1 {
		part = g.part(m * tiles)
	}
	g.run("sylvester_gate_backward", shape, num(n), num(span), num(tiles), which, slope, float(dld), ptr(s), ptr(a), ptr(dx), ptr(ds), addr(part))
	if tiles > 1 {
		g.run("row_sums", kernels.Warps(m), num(m), num(tiles), float(0), addr(part), ptr(ds))
	}
}

func (g *gpu) SylvesterSolve(m, n int, h Map, r1, r2, b, s, t, a, logdet Buffer) {
	fit(r1.n == m*m && r2.n == m*m && b.n == m && s.n == m && t.n == m*n && a.n == m*n && (logdet.Nil() || logdet.n == n))
	which, slope := bend(h)
	g.begin("SylvesterSolve")
	if n == 0 {
		return
	}
	hs, xs := g.part(m*n), g.part(m*n)
	g.run("sylvester_solve", kernels.Items(n), num(m), num(n), which, slope, ptr(r1), ptr(r2), ptr(b), ptr(s), ptr(t), ptr(a), ptr(logdet), addr(hs), addr(xs))
}
