package kernels_test

import (
	"cuflow/device"
	"cuflow/kernels"
)

// What each op of device.Backend launches.

func (m *machine) Fill(x device.Buffer, v float32) {
	m.launch("fill", kernels.Flat(x.Len()), x.Len(), v, x)
}

func (m *machine) Copy(dst, src device.Buffer) {
	n := src.Len()
	fit(dst.Len() == n)
	m.launch("copy", kernels.Flat(n), n, src, dst)
}

func (m *machine) Axpy(a float32, x, y device.Buffer) {
	n := x.Len()
	fit(y.Len() == n)
	m.launch("axpy", kernels.Flat(n), n, a, x, y)
}

func (m *machine) Blend(rho float32, x, y device.Buffer) {
	n := x.Len()
	fit(y.Len() == n)
	m.launch("blend", kernels.Flat(n), n, rho, x, y)
}

func (m *machine) Sum(a float32, x, out device.Buffer) {
	defer m.end()
	fit(out.Len() == 1)
	s := kernels.Parts(x.Len())
	part := m.part(s.GridX)
	m.launch("sum_parts", s, x.Len(), x, part)
	m.launch("sum_finish", kernels.One(), s.GridX, a, part, out)
}

func (m *machine) SumSquares(x, out device.Buffer) {
	defer m.end()
	fit(out.Len() == 1)
	s := kernels.Parts(x.Len())
	part := m.part(s.GridX)
	m.launch("sum_squares_parts", s, x.Len(), x, part)
	m.launch("sum_finish", kernels.One(), s.GridX, float32(1), part, out)
}

func (m *machine) AddSum(a float32, v, out device.Buffer) {
	defer m.end()
	s := kernels.Parts(v.Len())
	part := m.part(s.GridX)
	m.launch("sum_parts", s, v.Len(), v, part)
	m.launch("add_sum", kernels.Flat(out.Len()), s.GridX, out.Len(), a, part, out)
}

func (m *machine) MaxAbsDiff(x, y, out device.Buffer) {
	defer m.end()
	fit(x.Len() == y.Len() && out.Len() == 1)
	s := kernels.Parts(x.Len())
	part := m.part(s.GridX)
	m.launch("max_abs_diff_parts", s, x.Len(), x, y, part)
	m.launch("max_finish", kernels.One(), s.GridX, part, out)
}

// How a convolution's results are finished: enum Finish of conv.cu.
const (
	store = iota
	storeReLU
	add
	gate
)

func (m *machine) convolve(op string, s device.ConvShape, rows, channels, how int, w, b, x, y device.Buffer) {
	defer m.end()
	fit(w.Len() == s.Weights() && (b.Nil() || b.Len() == rows) && x.Len() == channels*s.M() && y.Len() == rows*s.M())
	if s.M() == 0 {
		return
	}
	t := m.convTile(m.precision, op, s.K, rows, channels*s.K*s.K, s.M())
	var part uint64
	if t.Splits() > 1 {
		part = m.part(t.Splits() * rows * s.M())
	}
	m.launch(t.Kernel, t.Shape, rows, channels, s.M(), s.H, s.W, t.Span, how, w, b, x, y, part)
	if t.Splits() > 1 {
		shape, span, tiles := kernels.Rows(rows, s.M())
		m.launch("conv_finish", shape, rows, s.M(), span, tiles, t.Splits(), how, part, b, y)
	}
}

func (m *machine) ConvForward(s device.ConvShape, act device.Act, w, b, x, y device.Buffer) {
	how := store
	if act == device.ReLU {
		how = storeReLU
	}
	m.convolve("forward", s, s.Cout, s.Cin, how, w, b, x, y)
}

func (m *machine) ConvBackwardData(s device.ConvShape, w, dy, dx device.Buffer) {
	m.convolve("data", s, s.Cin, s.Cout, add, w, device.Buffer{}, dy, dx)
}

func (m *machine) ConvBackwardAct(s device.ConvShape, act device.Act, w, dy, h device.Buffer) {
	how := store
	if act == device.ReLU {
		how = gate
	}
	m.convolve("data", s, s.Cin, s.Cout, how, w, device.Buffer{}, dy, h)
}

func (m *machine) ConvBackwardWeight(s device.ConvShape, x, dy, dw, db device.Buffer) {
	fit(x.Len() == s.Cin*s.M() && dy.Len() == s.Cout*s.M() && dw.Len() == s.Weights() && (db.Nil() || db.Len() == s.Cout))
	m.weight(s, x, dy, dw, db)
}

func (m *machine) weight(s device.ConvShape, x, dy, dw, db device.Buffer) {
	defer m.end()
	if s.M() == 0 {
		return
	}
	rows, cols := s.Cout, s.Cin*s.K*s.K
	t := m.weightTile(m.precision, s.K, rows, cols, s.M())
	var part uint64
	if t.Splits() > 1 {
		part = m.part(t.Splits() * (rows*cols + rows))
	}
	args := []any{rows, cols, s.M(), s.H, s.W, t.Span, x, dy, dw}
	if m.precision == kernels.FP32 {
		args = append(args, db)
	} else if !db.Nil() { // the tensor cores see rounded dy: its sums are taken apart
		shape, span, tiles := kernels.Rows(rows, s.M())
		sums := m.part(rows * tiles)
		m.launch("row_total", shape, s.M(), span, tiles, dy, device.Buffer{}, sums)
		m.launch("row_sums", kernels.Warps(rows), rows, tiles, float32(0), sums, db)
		db = device.Buffer{}
	}
	m.launch(t.Kernel, t.Shape, append(args, part)...)
	if t.Splits() > 1 {
		m.launch("weight_finish", kernels.Items(rows*cols+db.Len()), rows, cols, t.Splits(), part, dw, db)
	}
}

func (m *machine) RowScale(rows, cols int, logs, w, b, wf, bf device.Buffer) {
	fit(logs.Len() == rows && w.Len() == rows*cols && b.Len() == rows && wf.Len() == rows*cols && bf.Len() == rows)
	m.launch("row_scale", kernels.Blocks(rows), cols, logs, w, b, wf, bf)
}

func (m *machine) RowScaleBackward(rows, cols int, logs, wf, bf, dwf, dbf, dw, db, dlogs device.Buffer) {
	fit(logs.Len() == rows && wf.Len() == rows*cols && bf.Len() == rows && dwf.Len() == rows*cols && dbf.Len() == rows &&
		dw.Len() == rows*cols && db.Len() == rows && dlogs.Len() == rows)
	m.launch("row_scale_backward", kernels.Blocks(rows), cols, logs, wf, bf, dwf, dbf, dw, db, dlogs)
}

func (m *machine) mix(c, cols, transposed int, a, b, x device.Buffer) {
	fit(a.Len() == c*c && (b.Nil() || b.Len() == c) && x.Len() == c*cols)
	if cols == 0 {
		return
	}
	name, s := kernels.Mix(c, cols)
	m.launch(name, s, c, cols, transposed, a, b, x)
}

func (m *machine) MixForward(c, cols int, a, b, x device.Buffer) { m.mix(c, cols, 0, a, b, x) }

func (m *machine) MixBackward(c, cols int, a, x, dx, da device.Buffer) {
	fit(x.Len() == c*cols && dx.Len() == c*cols && da.Len() == c*c && a.Len() == c*c)
	m.weight(device.ConvShape{Cin: c, Cout: c, K: 1, N: cols, H: 1, W: 1}, x, dx, da, device.Buffer{})
	m.mix(c, cols, 1, a, device.Buffer{}, dx)
}

func (m *machine) LUCompose(c int, perm, l, u, logd, sign, w, winv device.Buffer) {
	fit(perm.Len() == c && l.Len() == c*c && u.Len() == c*c && logd.Len() == c && sign.Len() == c && w.Len() == c*c && winv.Len() == c*c)
	m.launch("lu_compose", kernels.LUTiles(c), c, perm, l, u, logd, sign, w)
	m.launch("lu_invert", kernels.LUInvert(c), c, perm, l, u, logd, sign, winv)
}

func (m *machine) LUComposeBackward(c int, perm, l, u, logd, sign, dw device.Buffer, dld float32, dl, du, dlogd device.Buffer) {
	fit(perm.Len() == c && l.Len() == c*c && u.Len() == c*c && logd.Len() == c && sign.Len() == c && dw.Len() == c*c &&
		dl.Len() == c*c && du.Len() == c*c && dlogd.Len() == c)
	m.launch("lu_backward", kernels.LUTiles(c), c, perm, l, u, logd, sign, dw, dld, dl, du, dlogd)
}

var laws = [...]string{device.SigmoidScale: "sigmoid", device.ExpScale: "exp", device.TanhScale: "tanh", device.GaussScale: "gauss"}

// perSample launches a kernel made of per_sample: the cells, then args, then x, the sums and scratch memory.
func (m *machine) perSample(name string, r device.Rows, a float32, out device.Buffer, args ...any) {
	defer m.end()
	k := kernels.Samples(r.C, r.N, r.P)
	var part uint64
	if k.Parts > 1 {
		part = m.part(k.Parts * r.N)
	}
	all := append([]any{r.C, r.N, r.P, k.Group, k.Tiles, k.Channels}, args...)
	m.launch(name, k.Shape, append(all, out, part)...)
	if k.Parts > 1 {
		m.launch("sample_sums", kernels.Items(r.N), r.N, k.Parts, a, part, out)
	}
}

func (m *machine) fitCoupling(r device.Rows, law device.Law, g, st, x device.Buffer) {
	fit(st.Len() == law.Params()*r.Len() && x.Len() == r.Len() && (law != device.TanhScale || g.Len() == r.C))
}

func (m *machine) Coupling(r device.Rows, law device.Law, g, st, x, logdet device.Buffer) {
	m.fitCoupling(r, law, g, st, x)
	fit(logdet.Len() == r.N)
	if law == device.Additive {
		m.Axpy(1, st, x)
		return
	}
	m.perSample("coupling_forward_"+laws[law], r, 1, logdet, g, st, x)
}

func (m *machine) CouplingInverse(r device.Rows, law device.Law, g, st, x, logdet device.Buffer) {
	m.fitCoupling(r, law, g, st, x)
	fit(logdet.Len() == r.N)
	if law == device.Additive {
		m.Axpy(-1, st, x)
		return
	}
	m.perSample("coupling_inverse_"+laws[law], r, -1, logdet, g, st, x)
}

func (m *machine) CouplingBackward(r device.Rows, law device.Law, g, st, x, dx device.Buffer, dld float32, dg device.Buffer) {
	defer m.end()
	m.fitCoupling(r, law, g, st, x)
	fit(dx.Len() == r.Len() && (law != device.TanhScale || dg.Len() == r.C))
	if r.Len() == 0 {
		return
	}
	if law == device.Additive {
		m.launch("coupling_backward_additive", kernels.Flat(r.Len()), r.Len(), dx, st, x)
		return
	}
	s, span, tiles := kernels.Rows(r.C, r.M())
	var part uint64
	if tiles > 1 && law == device.TanhScale {
		part = m.part(r.C * tiles)
	}
	m.launch("coupling_backward_"+laws[law], s, r.C, r.M(), span, tiles, dld, g, st, x, dx, dg, part)
	if part != 0 {
		m.launch("row_sums", kernels.Warps(r.C), r.C, tiles, float32(0), part, dg)
	}
}

func (m *machine) ActNorm(c, cols int, logs, b, x device.Buffer) {
	fit(logs.Len() == c && b.Len() == c && x.Len() == c*cols)
	s, span, tiles := kernels.Rows(c, cols)
	m.launch("actnorm", s, cols, span, tiles, logs, b, x)
}

func (m *machine) ActNormInverse(c, cols int, logs, b, x device.Buffer) {
	fit(logs.Len() == c && b.Len() == c && x.Len() == c*cols)
	s, span, tiles := kernels.Rows(c, cols)
	m.launch("actnorm_inverse", s, cols, span, tiles, logs, b, x)
}

func (m *machine) ActNormBackward(c, cols int, logs, b, x, dx device.Buffer, dld float32, dlogs, db device.Buffer) {
	defer m.end()
	fit(logs.Len() == c && b.Len() == c && x.Len() == c*cols && dx.Len() == c*cols && dlogs.Len() == c && db.Len() == c)
	s, span, tiles := kernels.Rows(c, cols)
	var part uint64
	if tiles > 1 {
		part = m.part(2 * c * tiles)
	}
	m.launch("actnorm_backward", s, c, cols, span, tiles, dld, logs, b, x, dx, dlogs, db, part)
	if tiles > 1 {
		m.launch("row_sums", kernels.Warps(c), c, tiles, dld, part, dlogs)
		m.launch("row_sums", kernels.Warps(c), c, tiles, float32(0), part+uint64(4*c*tiles), db)
	}
}

// means leaves the mean of each row of x, or of its squares about another mean, by a second kernel.
func (m *machine) means(c, cols int, x, about device.Buffer, finish string, out ...any) {
	s, span, tiles := kernels.Rows(c, cols)
	part := m.part(c * tiles)
	m.launch("row_total", s, cols, span, tiles, x, about, part)
	m.launch(finish, kernels.Warps(c), append([]any{c, tiles, cols, part}, out...)...)
}

func (m *machine) ActNormInit(c, cols int, x, logs, b device.Buffer) {
	defer m.end()
	fit(logs.Len() == c && b.Len() == c && x.Len() == c*cols)
	if cols == 0 {
		return
	}
	m.means(c, cols, x, device.Buffer{}, "row_mean", b)
	m.means(c, cols, x, b, "actnorm_init", logs, b)
}

func (m *machine) ChannelStats(c, cols int, x, mean, variance device.Buffer) {
	defer m.end()
	fit(mean.Len() == c && variance.Len() == c && x.Len() == c*cols)
	if cols == 0 {
		return
	}
	m.means(c, cols, x, device.Buffer{}, "row_mean", mean)
	m.means(c, cols, x, mean, "row_mean", variance)
}

func (m *machine) BatchNormFold(c int, eps float32, mean, variance, logs, b device.Buffer) {
	fit(mean.Len() == c && variance.Len() == c && logs.Len() == c && b.Len() == c)
	m.launch("batch_norm_fold", kernels.Items(c), c, eps, mean, variance, logs, b)
}

func (m *machine) BatchNormBackward(c, cols int, share, eps float32, mean, variance, dlogs, db, x, dx device.Buffer) {
	fit(mean.Len() == c && variance.Len() == c && dlogs.Len() == c && db.Len() == c && x.Len() == c*cols && dx.Len() == c*cols)
	if cols == 0 {
		return
	}
	s, span, tiles := kernels.Rows(c, cols)
	m.launch("batch_norm_backward", s, cols, span, tiles, share, eps, mean, variance, dlogs, db, x, dx)
}

func (m *machine) BatchNormScale(c int, eps float32, mean, variance, gamma, beta, scale, shift device.Buffer) {
	fit(mean.Len() == c && variance.Len() == c && gamma.Len() == c && beta.Len() == c && scale.Len() == c && shift.Len() == c)
	m.launch("batch_norm_scale", kernels.Items(c), c, eps, mean, variance, gamma, beta, scale, shift)
}

func relu(act device.Act) int {
	if act == device.ReLU {
		return 1
	}
	return 0
}

func (m *machine) AffineAct(c, cols int, act device.Act, scale, shift, x, y device.Buffer) {
	fit(scale.Len() == c && shift.Len() == c && x.Len() == c*cols && y.Len() == c*cols)
	s, span, tiles := kernels.Rows(c, cols)
	m.launch("affine_act", s, cols, span, tiles, relu(act), scale, shift, x, y)
}

func (m *machine) BatchNormActBackward(c, cols int, act device.Act, eps float32, mean, variance, gamma, x, y, dy, dgamma, dbeta device.Buffer) {
	defer m.end()
	fit(mean.Len() == c && variance.Len() == c && gamma.Len() == c && x.Len() == c*cols && y.Len() == c*cols && dy.Len() == c*cols &&
		dgamma.Len() == c && dbeta.Len() == c)
	if cols == 0 {
		return
	}
	s, span, tiles := kernels.Rows(c, cols)
	part := m.part(2 * c * tiles)
	m.launch("batch_norm_act_sums", s, c, cols, span, tiles, relu(act), eps, mean, variance, x, y, dy, part)
	m.launch("batch_norm_act_backward", s, c, cols, span, tiles, relu(act), eps, mean, variance, gamma, x, y, dy, dgamma, dbeta, part)
}

func (m *machine) WeightNorm(rows, cols int, g, v, w device.Buffer) {
	fit(g.Len() == rows && v.Len() == rows*cols && w.Len() == rows*cols)
	m.launch("weight_norm", kernels.Blocks(rows), cols, g, v, w)
}

func (m *machine) WeightNormBackward(rows, cols int, g, v, dw, dv, dg device.Buffer) {
	fit(g.Len() == rows && v.Len() == rows*cols && dw.Len() == rows*cols && dv.Len() == rows*cols && dg.Len() == rows)
	m.launch("weight_norm_backward", kernels.Blocks(rows), cols, g, v, dw, dv, dg)
}

func (m *machine) Permute(c, cols int, perm, x, y device.Buffer) {
	fit(perm.Len() == c && x.Len() == c*cols && y.Len() == c*cols)
	s, span, tiles := kernels.Rows(c, cols)
	m.launch("permute", s, cols, span, tiles, perm, x, y)
}

func (m *machine) lines(name string, c, n, h, w int, x, y device.Buffer, more ...any) {
	fit(w%2 == 0 && x.Len() == c*n*h*w && y.Len() == x.Len())
	m.launch(name, kernels.Lines(c, n, h, w), append(append([]any{c, n, h, w}, more...), x, y)...)
}

func (m *machine) Squeeze(c, n, h, w int, x, y device.Buffer) {
	fit(h%2 == 0)
	m.lines("squeeze", c, n, h, w, x, y)
}

func (m *machine) Unsqueeze(c, n, h, w int, x, y device.Buffer) {
	fit(h%2 == 0)
	m.lines("unsqueeze", c, n, h, w, x, y)
}

func (m *machine) CheckerPack(c, n, h, w, parity int, x, y device.Buffer) {
	m.lines("checker_pack", c, n, h, w, x, y, parity)
}

func (m *machine) CheckerUnpack(c, n, h, w, parity int, x, y device.Buffer) {
	m.lines("checker_unpack", c, n, h, w, x, y, parity)
}

func (m *machine) transpose(count, rows, cols int, x, y device.Buffer) {
	fit(x.Len() == count*rows*cols && y.Len() == x.Len())
	m.launch("transpose", kernels.Transposes(count, rows, cols), rows, cols, x, y)
}

func (m *machine) Flatten(r device.Rows, x, y device.Buffer)   { m.transpose(r.C, r.N, r.P, x, y) }
func (m *machine) Unflatten(r device.Rows, x, y device.Buffer) { m.transpose(r.C, r.P, r.N, x, y) }

func (m *machine) GaussianLogProb(r device.Rows, x, logp device.Buffer) {
	fit(x.Len() == r.Len() && logp.Len() == r.N)
	m.perSample("gaussian_logp", r, 1, logp, x)
}

func (m *machine) GaussianLogProbBackward(dlp float32, x, dx device.Buffer) {
	n := x.Len()
	fit(dx.Len() == n)
	m.launch("scale", kernels.Flat(n), n, -dlp, x, dx)
}

func (m *machine) LogisticLogProb(r device.Rows, x, logp device.Buffer) {
	fit(x.Len() == r.Len() && logp.Len() == r.N)
	m.perSample("logistic_logp", r, 1, logp, x)
}

func (m *machine) LogisticLogProbBackward(dlp float32, x, dx device.Buffer) {
	n := x.Len()
	fit(dx.Len() == n)
	m.launch("logistic_logp_backward", kernels.Flat(n), n, dlp, x, dx)
}

func (m *machine) Logit(r device.Rows, alpha float32, x, logdet device.Buffer) {
	fit(x.Len() == r.Len() && logdet.Len() == r.N)
	m.perSample("logit", r, 1, logdet, alpha, x)
}

func (m *machine) LogitInverse(r device.Rows, alpha float32, x device.Buffer) {
	fit(x.Len() == r.Len())
	m.launch("logit_inverse", kernels.Flat(r.Len()), r.Len(), alpha, x)
}

func (m *machine) noise(name string, r device.Rows, rng device.Stream, args ...any) {
	all := []any{r.C, r.N, r.P, int(uint32(rng.Seed)), int(uint32(rng.Seed >> 32)), int(rng.ID)}
	m.launch(name, kernels.Counters(r.C, r.N, r.P), append(all, args...)...)
}

func (m *machine) Dequantize(r device.Rows, levels int, rng device.Stream, at, v, x device.Buffer) {
	fit(at.Len() == 2 && v.Len() == r.Len() && x.Len() == r.Len())
	m.noise("dequantize", r, rng, float32(levels), at, v, x)
}

func (m *machine) Normal(r device.Rows, std float32, rng device.Stream, at, x device.Buffer) {
	fit(at.Len() == 2 && x.Len() == r.Len())
	m.noise("normal", r, rng, std, at, x)
}

func (m *machine) Logistic(r device.Rows, scale float32, rng device.Stream, at, x device.Buffer) {
	fit(at.Len() == 2 && x.Len() == r.Len())
	m.noise("logistic", r, rng, scale, at, x)
}

func (m *machine) Uniform(r device.Rows, rng device.Stream, at, x device.Buffer) {
	fit(at.Len() == 2 && x.Len() == r.Len())
	m.noise("uniform", r, rng, at, x)
}

func (m *machine) ClassAffine(r device.Rows, classes int, label, logs, b, x, logdet device.Buffer) {
	m.classAffine("class_affine", 1, r, classes, label, logs, b, x, logdet)
}

func (m *machine) ClassAffineInverse(r device.Rows, classes int, label, logs, b, x, logdet device.Buffer) {
	m.classAffine("class_affine_inverse", -1, r, classes, label, logs, b, x, logdet)
}

func (m *machine) classAffine(name string, sign float32, r device.Rows, classes int, label, logs, b, x, logdet device.Buffer) {
	fit(label.Len() == r.N && logs.Len() == classes*r.C && b.Len() == classes*r.C && x.Len() == r.Len() && logdet.Len() == r.N)
	if r.Len() == 0 {
		return
	}
	m.launch(name, kernels.Flat(r.Len()), r.C, r.N, r.P, label, logs, b, x)
	m.launch("class_logdet", kernels.Warps(r.N), r.C, r.N, sign*float32(r.P), label, logs, logdet)
}

func (m *machine) ClassAffineBackward(r device.Rows, classes int, label, logs, b, x, dx device.Buffer, dld float32, dlogs, db device.Buffer) {
	defer m.end()
	fit(label.Len() == r.N && logs.Len() == classes*r.C && b.Len() == classes*r.C && x.Len() == r.Len() && dx.Len() == r.Len() &&
		dlogs.Len() == classes*r.C && db.Len() == classes*r.C)
	if r.Len() == 0 {
		return
	}
	lanes := kernels.ClassLanes(r.P)
	part := m.part(2 * r.C * r.N)
	m.launch("class_affine_backward", kernels.Items(r.C*r.N*lanes), r.C, r.N, r.P, lanes, dld, label, logs, b, x, dx, part)
	m.launch("class_sums", kernels.Warps(classes*r.C), r.C, r.N, classes, label, part, dlogs, db)
}

func (m *machine) AdamStep(o device.Adam, hyper, sumsq, g, p, mo, v, ema device.Buffer) {
	n := g.Len()
	fit(hyper.Len() == 2 && sumsq.Len() == 1 && p.Len() == n && mo.Len() == n && v.Len() == n && (o.EMADecay == 0 || ema.Len() == n))
	max := 0
	if o.Max {
		max = 1
	}
	m.launch("adam", kernels.Flat(n), n, max, o.Beta1, o.Beta2, o.Eps, o.Clip, o.EMADecay, hyper, sumsq, g, p, mo, v, ema)
}
