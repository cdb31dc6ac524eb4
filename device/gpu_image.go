package device

import "cuflow/kernels"

func (g *gpu) CheckerPack(c, n, h, w, parity int, x, y Buffer) {
	fit(w%2 == 0 && x.n == c*n*h*w && y.n == x.n)
	g.begin("CheckerPack")
	g.run("checker_pack", kernels.Lines(c, n, h, w), num(c), num(n), num(h), num(w), num(parity), ptr(x), ptr(y))
}

func (g *gpu) CheckerUnpack(c, n, h, w, parity int, x, y Buffer) {
	fit(w%2 == 0 && x.n == c*n*h*w && y.n == x.n)
	g.begin("CheckerUnpack")
	g.run("checker_unpack", kernels.Lines(c, n, h, w), num(c), num(n), num(h), num(w), num(parity), ptr(x), ptr(y))
}

func (g *gpu) Flatten(r Rows, x, y Buffer) {
	g.begin("Flatten")
	g.transpose(r.C, r.N, r.P, x, y)
}

func (g *gpu) Unflatten(r Rows, x, y Buffer) {
	g.begin("Unflatten")
	g.transpose(r.C, r.P, r.N, x, y)
}

func (g *gpu) transpose(count, rows, cols int, x, y Buffer) {
	fit(x.n == count*rows*cols && y.n == x.n)
	g.run("transpose", kernels.Transposes(count, rows, cols), num(rows), num(cols), ptr(x), ptr(y))
}

func (g *gpu) Logit(r Rows, alpha float32, x, logdet Buffer) {
	fit(x.n == r.Len() && logdet.n == r.N)
	g.begin("Logit")
	g.perSample("logit", r, 1, logdet, float(alpha), ptr(x))
}

func (g *gpu) LogitInverse(r Rows, alpha float32, x Buffer) {
	fit(x.n == r.Len())
	g.begin("LogitInverse")
	g.run("logit_inverse", kernels.Flat(r.Len()), num(r.Len()), float(alpha), ptr(x))
}

func (g *gpu) LogisticLogProb(r Rows, x, logp Buffer) {
	fit(x.n == r.Len() && logp.n == r.N)
	g.begin("LogisticLogProb")
	g.perSample("logistic_logp", r, 1, logp, ptr(x))
}

func (g *gpu) LogisticLogProbBackward(dlp float32, x, dx Buffer) {
	fit(dx.n == x.n)
	g.begin("LogisticLogProbBackward")
	g.run("logistic_logp_backward", kernels.Flat(x.n), num(x.n), float(dlp), ptr(x), ptr(dx))
}

func (g *gpu) Logistic(r Rows, scale float32, rng Stream, at, x Buffer) {
	fit(at.n == 2 && x.n == r.Len())
	g.begin("Logistic")
	g.noise("logistic", r, rng, float(scale), ptr(at), ptr(x))
}

func (g *gpu) ClassAffine(r Rows, classes int, label, logs, b, x, logdet Buffer) {
	g.classAffine("ClassAffine", "class_affine", 1, r, classes, label, logs, b, x, logdet)
}

func (g *gpu) ClassAffineInverse(r Rows, classes int, label, logs, b, x, logdet Buffer) {
	g.classAffine("ClassAffineInverse", "class_affine_inverse", -1, r, classes, label, logs, b, x, logdet)
}

func (g *gpu) classAffine(op, name string, sign float32, r Rows, classes int, label, logs, b, x, logdet Buffer) {
	fit(label.n == r.N && logs.n == classes*r.C && b.n == classes*r.C && x.n == r.Len() && logdet.n == r.N)
	g.begin(op)
	if r.Len() == 0 {
		return
	}
	g.run(name, kernels.Flat(r.Len()), num(r.C), num(r.N), num(r.P), ptr(label), ptr(logs), ptr(b), ptr(x))
	g.run("class_logdet", kernels.Warps(r.N), num(r.C), num(r.N), float(sign*float32(r.P)), ptr(label), ptr(logs), ptr(logdet))
}

func (g *gpu) ClassAffineBackward(r Rows, classes int, label, logs, b, x, dx Buffer, dld float32, dlogs, db Buffer) {
	fit(label.n == r.N && logs.n == classes*r.C && b.n == classes*r.C && x.n == r.Len() && dx.n == r.Len() &&
		dlogs.n == classes*r.C && db.n == classes*r.C)
	g.begin("ClassAffineBackward")
	if r.Len() == 0 {
		return
	}
	lanes := kernels.ClassLanes(r.P)
	part := g.part(2 * r.C * r.N)
	g.run("class_affine_backward", kernels.Items(r.C*r.N*lanes), num(r.C), num(r.N), num(r.P), num(lanes), float(dld),
		ptr(label), ptr(logs), ptr(b), ptr(x), ptr(dx), addr(part))
	g.run("class_sums", kernels.Warps(classes*r.C), num(r.C), num(r.N), num(classes), ptr(label), addr(part), ptr(dlogs), ptr(db))
}
