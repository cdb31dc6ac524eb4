package device

import "cuflow/kernels"

func (g *gpu) PlanarFold(c int, w, u, uh, s Buffer) {
	fit(w.n == c && u.n == c && uh.n == c && s.n == 1)
	g.begin("PlanarFold")
	g.run("planar_fold", kernels.One(), num(c), ptr(w), ptr(u), ptr(uh), ptr(s))
}

func (g *gpu) PlanarFoldBackward(c int, w, u, duh, ds, dw, du Buffer) {
	fit(w.n == c && u.n == c && duh.n == c && ds.n == 1 && dw.n == c && du.n == c)
	g.begin("PlanarFoldBackward")
	g.run("planar_fold_backward", kernels.One(), num(c), ptr(w), ptr(u), ptr(duh), ptr(ds), ptr(dw), ptr(du))
}

// bend is h as the kernels take it: enum Bend of gate.cuh, and the slope.
func bend(h Map) (which, slope arg) {
	switch {
	case h.Func == TanhMap:
		return num(0), float(0)
	case h.Func == SoftplusMap:
		return num(1), float(0)
	case h.Func == LeakyReLUMap && h.Slope > 0 && h.Slope <= 1:
		return num(2), float(h.Slope)
	}
	panic("device: h is none of a planar flow")
}

func (g *gpu) Planar(c, n int, h Map, w, b, uh, s, x, logdet Buffer) {
	g.planar("Planar", "planar", c, n, h, w, b, uh, s, x, logdet)
}

func (g *gpu) PlanarInverse(c, n int, h Map, w, b, uh, s, x, logdet Buffer) {
	g.planar("PlanarInverse", "planar_inverse", c, n, h, w, b, uh, s, x, logdet)
}

func (g *gpu) planar(op, kernel string, c, n int, h Map, w, b, uh, s, x, logdet Buffer) {
	fit(w.n == c && b.n == 1 && uh.n == c && s.n == 1 && x.n == c*n && logdet.n == n)
	which, slope := bend(h)
	g.begin(op)
	g.run(kernel, kernels.Vectors(c, n), num(c), num(n), which, slope, ptr(w), ptr(b), ptr(uh), ptr(s), ptr(x), ptr(logdet))
}

func (g *gpu) PlanarBackward(c, n int, h Map, w, b, uh, s, x, dx Buffer, dld float32, dw, db, duh, ds Buffer) {
	fit(w.n == c && b.n == 1 && uh.n == c && s.n == 1 && x.n == c*n && dx.n == c*n && dw.n == c && db.n == 1 && duh.n == c && ds.n == 1)
	which, slope := bend(h)
	g.begin("PlanarBackward")
	if n == 0 {
		return
	}
	shape := kernels.Vectors(c, n)
	part := g.part((2*c + 2) * shape.GridX)
	g.run("planar_backward", shape, num(c), num(n), which, slope, float(dld), ptr(w), ptr(b), ptr(uh), ptr(s), ptr(x), ptr(dx), addr(part))
	g.run("planar_finish", kernels.Warps(2*c+2), num(c), num(shape.GridX), addr(part), ptr(dw), ptr(db), ptr(duh), ptr(ds))
}

func (g *gpu) Radial(c, n int, x0, loga, beta, x, logdet Buffer) {
	g.radial("Radial", "radial", c, n, x0, loga, beta, x, logdet)
}

func (g *gpu) RadialInverse(c, n int, x0, loga, beta, x, logdet Buffer) {
	g.radial("RadialInverse", "radial_inverse", c, n, x0, loga, beta, x, logdet)
}

func (g *gpu) radial(op, kernel string, c, n int, x0, loga, beta, x, logdet Buffer) {
	fit(x0.n == c && loga.n == 1 && beta.n == 1 && x.n == c*n && logdet.n == n)
	g.begin(op)
	g.run(kernel, kernels.Vectors(c, n), num(c), num(n), ptr(x0), ptr(loga), ptr(beta), ptr(x), ptr(logdet))
}

func (g *gpu) RadialBackward(c, n int, x0, loga, beta, x, dx Buffer, dld float32, dx0, dloga, dbeta Buffer) {
	fit(x0.n == c && loga.n == 1 && beta.n == 1 && x.n == c*n && dx.n == c*n && dx0.n == c && dloga.n == 1 && dbeta.n == 1)
	g.begin("RadialBackward")
	if n == 0 {
		return
	}
	shape := kernels.Vectors(c, n)
	part := g.part((c + 2) * shape.GridX)
	g.run("radial_backward", shape, num(c), num(n), float(dld), ptr(x0), ptr(loga), ptr(beta), ptr(x), ptr(dx), addr(part))
	g.run("radial_finish", kernels.Warps(c+2), num(c), num(shape.GridX), ptr(loga), ptr(beta), addr(part), ptr(dx0), ptr(dloga), ptr(dbeta))
}
