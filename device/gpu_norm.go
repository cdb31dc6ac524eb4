package device

import "cuflow/kernels"

func (g *gpu) ChannelStats(c, m int, x, mean, variance Buffer) {
	fit(mean.n == c && variance.n == c && x.n == c*m)
	g.begin("ChannelStats")
	if m == 0 {
		return
	}
	g.moments("channel_stats", c, m, x, mean, variance)
}

func (g *gpu) Blend(rho float32, x, y Buffer) {
	fit(y.n == x.n)
	g.begin("Blend")
	g.run("blend", kernels.Flat(x.n), num(x.n), float(rho), ptr(x), ptr(y))
}

func (g *gpu) BatchNormFold(c int, eps float32, mean, variance, logs, b Buffer) {
	fit(mean.n == c && variance.n == c && logs.n == c && b.n == c)
	g.begin("BatchNormFold")
	g.run("batch_norm_fold", kernels.Items(c), num(c), float(eps), ptr(mean), ptr(variance), ptr(logs), ptr(b))
}

func (g *gpu) BatchNormBackward(c, m int, share, eps float32, mean, variance, dlogs, db, x, dx Buffer) {
	fit(mean.n == c && variance.n == c && dlogs.n == c && db.n == c && x.n == c*m && dx.n == c*m)
	g.begin("BatchNormBackward")
	if m == 0 {
		return
	}
	s, span, tiles := kernels.Rows(c, m)
	g.run("batch_norm_backward", s, num(m), num(span), num(tiles), float(share), float(eps),
		ptr(mean), ptr(variance), ptr(dlogs), ptr(db), ptr(x), ptr(dx))
}

func (g *gpu) BatchNormScale(c int, eps float32, mean, variance, gamma, beta, scale, shift Buffer) {
	fit(mean.n == c && variance.n == c && gamma.n == c && beta.n == c && scale.n == c && shift.n == c)
	g.begin("BatchNormScale")
	g.run("batch_norm_scale", kernels.Items(c), num(c), float(eps), ptr(mean), ptr(variance), ptr(gamma), ptr(beta), ptr(scale), ptr(shift))
}

func (g *gpu) AffineAct(c, m int, act Act, scale, shift, x, y Buffer) {
	fit(scale.n == c && shift.n == c && x.n == c*m && y.n == c*m)
	g.begin("AffineAct")
	s, span, tiles := kernels.Rows(c, m)
	g.run("affine_act", s, num(m), num(span), num(tiles), flag(act == ReLU), ptr(scale), ptr(shift), ptr(x), ptr(y))
}

func (g *gpu) BatchNormActBackward(c, m int, act Act, eps float32, mean, variance, gamma, x, y, dy, dgamma, dbeta Buffer) {
	fit(mean.n == c && variance.n == c && gamma.n == c && x.n == c*m && y.n == c*m && dy.n == c*m && dgamma.n == c && dbeta.n == c)
	g.begin("BatchNormActBackward")
	if m == 0 {
		return
	}
	s, span, tiles := kernels.Rows(c, m)
	part := g.part(2 * c * tiles)
	g.run("batch_norm_act_sums", s, num(c), num(m), num(span), num(tiles), flag(act == ReLU), float(eps),
		ptr(mean), ptr(variance), ptr(x), ptr(y), ptr(dy), addr(part))
	g.run("batch_norm_act_backward", s, num(c), num(m), num(span), num(tiles), flag(act == ReLU), float(eps),
		ptr(mean), ptr(variance), ptr(gamma), ptr(x), ptr(y), ptr(dy), ptr(dgamma), ptr(dbeta), addr(part))
}

func (g *gpu) WeightNorm(rows, cols int, scale, v, w Buffer) {
	fit(scale.n == rows && v.n == rows*cols && w.n == rows*cols)
	g.begin("WeightNorm")
	g.run("weight_norm", kernels.Blocks(rows), num(cols), ptr(scale), ptr(v), ptr(w))
}

func (g *gpu) WeightNormBackward(rows, cols int, scale, v, dw, dv, dscale Buffer) {
	fit(scale.n == rows && v.n == rows*cols && dw.n == rows*cols && dv.n == rows*cols && dscale.n == rows)
	g.begin("WeightNormBackward")
	g.run("weight_norm_backward", kernels.Blocks(rows), num(cols), ptr(scale), ptr(v), ptr(dw), ptr(dv), ptr(dscale))
}
