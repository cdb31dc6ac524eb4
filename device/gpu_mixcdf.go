package device

import (
	"math"

	"cuflow/kernels"
)

// fitMixture checks the operands that every op of a mixture has.
func fitMixture(r Rows, m Mixture, logits, means, logs, x Buffer) {
	fit(m.K > 0 && logits.n == m.K*r.C && means.n == logits.n && logs.n == logits.n && x.n == r.Len())
}

// mixtureParts makes the table [C][K] of components that the kernels of mixcdf.cu read.
func (g *gpu) mixtureParts(r Rows, m Mixture, logits, means, logs Buffer) arg {
	parts := addr(g.part(4 * m.K * r.C))
	g.run("cdf_parts", kernels.Warps(r.C), num(r.C), num(m.K), ptr(logits), ptr(means), ptr(logs), parts)
	return parts
}

func (g *gpu) CDF(r Rows, m Mixture, logits, means, logs, x, logdet Buffer) {
	g.cdf("CDF", "cdf_forward", 1, r, m, logits, means, logs, x, logdet)
}

func (g *gpu) CDFInverse(r Rows, m Mixture, logits, means, logs, x, logdet Buffer) {
	g.cdf("CDFInverse", "cdf_inverse", -1, r, m, logits, means, logs, x, logdet)
}

func (g *gpu) cdf(op, name string, a float32, r Rows, m Mixture, logits, means, logs, x, logdet Buffer) {
	fitMixture(r, m, logits, means, logs, x)
	fit(logdet.n == r.N)
	g.begin(op)
	if r.Len() == 0 {
		return
	}
	parts := g.mixtureParts(r, m, logits, means, logs)
	g.perSample(name, r, a, logdet, num(m.K), num(int(m.Of)), num(int(m.To)), parts, ptr(x))
}

func (g *gpu) CDFBackward(r Rows, m Mixture, logits, means, logs, x, dx Buffer, dld float32, dlogits, dmeans, dlogs Buffer) {
	fitMixture(r, m, logits, means, logs, x)
	fit(dx.n == r.Len() && dlogits.n == logits.n && dmeans.n == logits.n && dlogs.n == logits.n)
	g.begin("CDFBackward")
	if r.Len() == 0 {
		return
	}
	parts, rest := g.mixtureParts(r, m, logits, means, logs), addr(g.part(5*r.Len()))
	s, span, tiles := kernels.Rows(r.C, r.M())
	g.run("cdf_backward", s, num(r.C), num(r.M()), num(span), num(tiles), num(m.K), num(int(m.Of)), num(int(m.To)), float(dld),
		parts, ptr(x), ptr(dx), rest)

	rows := m.K * r.C
	s, span, tiles = kernels.Rows(rows, r.M())
	var part uint64
	if tiles > 1 {
		part = g.part(3 * rows * tiles)
	}
	g.run("cdf_component", s, num(rows), num(r.M()), num(span), num(tiles), num(m.K), num(int(m.Of)), float(dld),
		parts, ptr(x), rest, ptr(dlogits), ptr(dmeans), ptr(dlogs), addr(part))
	if tiles > 1 {
		cells := uint64(4 * rows * tiles)
		g.run("row_sums", kernels.Warps(rows), num(rows), num(tiles), float(0), addr(part), ptr(dlogits))
		g.run("row_sums", kernels.Warps(rows), num(rows), num(tiles), float(0), addr(part+cells), ptr(dmeans))
		g.run("row_sums", kernels.Warps(rows), num(rows), num(tiles), float(0), addr(part+2*cells), ptr(dlogs))
	}
}

// logBeta is log B(a, b).
func logBeta(a, b float32) float64 {
	x, _ := math.Lgamma(float64(a))
	y, _ := math.Lgamma(float64(b))
	z, _ := math.Lgamma(float64(a) + float64(b))
	return x + y - z
}

func (g *gpu) BetaLogProb(r Rows, a, b float32, x, logp Buffer) {
	fit(x.n == r.Len() && logp.n == r.N)
	g.begin("BetaLogProb")
	g.perSample("beta_logp", r, 1, logp, float(a), float(b), float(float32(logBeta(a, b))), ptr(x))
}

func (g *gpu) BetaLogProbBackward(a, b, dlp float32, x, dx Buffer) {
	fit(dx.n == x.n)
	g.begin("BetaLogProbBackward")
	g.run("beta_logp_backward", kernels.Flat(x.n), num(x.n), float(a), float(b), float(dlp), ptr(x), ptr(dx))
}

func (g *gpu) Beta(r Rows, a, b, scale float32, rng Stream, at, x Buffer) {
	fit(at.n == 2 && x.n == r.Len())
	g.begin("Beta")
	g.noise("uniform", r, rng, ptr(at), ptr(x))
	whole := logBeta(a, b)
	most := float32(whole)
	g.run("beta_quantile", kernels.Items(r.Len()), num(r.Len()), float(a), float(b), float(most), float(float32(whole-float64(most))),
		float(scale), ptr(x))
}
