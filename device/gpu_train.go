package device

import "cuflow/kernels"

func (g *gpu) AdamStep(o Adam, hyper, sumsq, grad, p, m, v, ema Buffer) {
	n := grad.n
	fit(hyper.n == 2 && sumsq.n == 1 && p.n == n && m.n == n && v.n == n && (o.EMADecay == 0 || ema.n == n))
	g.begin("AdamStep")
	g.run("adam", kernels.Flat(n), num(n), flag(o.Max), float(o.Beta1), float(o.Beta2), float(o.Eps), float(o.Clip), float(o.EMADecay),
		ptr(hyper), ptr(sumsq), ptr(grad), ptr(p), ptr(m), ptr(v), ptr(ema))
}
