package device

import "cuflow/kernels"

// byLaw is the kernel of each law; additive couplings are sums.
type byLaw [GaussScale + 1]string

var (
	couplingForward = byLaw{SigmoidScale: "coupling_forward_sigmoid", ExpScale: "coupling_forward_exp",
		TanhScale: "coupling_forward_tanh", GaussScale: "coupling_forward_gauss"}
	couplingInverse = byLaw{SigmoidScale: "coupling_inverse_sigmoid", ExpScale: "coupling_inverse_exp",
		TanhScale: "coupling_inverse_tanh", GaussScale: "coupling_inverse_gauss"}
	couplingBackward = byLaw{SigmoidScale: "coupling_backward_sigmoid", ExpScale: "coupling_backward_exp",
		TanhScale: "coupling_backward_tanh", GaussScale: "coupling_backward_gauss"}
)

// perSample enqueues a kernel made of per_sample (samples.cuh): the cells, then args, then the sums by sample and scratch memory.
// Where a sample is shared out, a times its parts are added to out by a second kernel.
func (g *gpu) perSample(name string, r Rows, a float32, out Buffer, args ...arg) {
	k := kernels.Samples(r.C, r.N, r.P)
	var part uint64
	if k.Parts > 1 {
		part = g.part(k.Parts * r.N)
	}
	all := [16]arg{num(r.C), num(r.N), num(r.P), num(k.Group), num(k.Tiles), num(k.Channels)}
	n := 6 + copy(all[6:], args)
	all[n], all[n+1] = ptr(out), addr(part)
	g.run(name, k.Shape, all[:n+2]...)
	if k.Parts > 1 {
		g.run("sample_sums", kernels.Items(r.N), num(r.N), num(k.Parts), float(a), addr(part), ptr(out))
	}
}

func fitCoupling(r Rows, law Law, g, st, x Buffer) {
	fit(st.n == law.Params()*r.Len() && x.n == r.Len() && (law != TanhScale || g.n == r.C))
}

func (g *gpu) Coupling(r Rows, law Law, scale, st, x, logdet Buffer) {
	fitCoupling(r, law, scale, st, x)
	fit(logdet.n == r.N)
	g.begin("Coupling")
	if law == Additive {
		g.axpy(1, st, x)
		return
	}
	g.perSample(couplingForward[law], r, 1, logdet, ptr(scale), ptr(st), ptr(x))
}

func (g *gpu) CouplingInverse(r Rows, law Law, scale, st, x, logdet Buffer) {
	fitCoupling(r, law, scale, st, x)
	fit(logdet.n == r.N)
	g.begin("CouplingInverse")
	if law == Additive {
		g.axpy(-1, st, x)
		return
	}
	g.perSample(couplingInverse[law], r, -1, logdet, ptr(scale), ptr(st), ptr(x))
}

func (g *gpu) CouplingBackward(r Rows, law Law, scale, st, x, dx Buffer, dld float32, dscale Buffer) {
	fitCoupling(r, law, scale, st, x)
	fit(dx.n == r.Len() && (law != TanhScale || dscale.n == r.C))
	g.begin("CouplingBackward")
	if r.Len() == 0 {
		return
	}
	if law == Additive {
		g.run("coupling_backward_additive", kernels.Flat(r.Len()), num(r.Len()), ptr(dx), ptr(st), ptr(x))
		return
	}
	s, span, tiles := kernels.Rows(r.C, r.M())
	var part uint64
	if tiles > 1 && law == TanhScale {
		part = g.part(r.C * tiles)
	}
	g.run(couplingBackward[law], s, num(r.C), num(r.M()), num(span), num(tiles), float(dld),
		ptr(scale), ptr(st), ptr(x), ptr(dx), ptr(dscale), addr(part))
	if part != 0 {
		g.run("row_sums", kernels.Warps(r.C), num(r.C), num(tiles), float(0), addr(part), ptr(dscale))
	}
}

func (g *gpu) ActNorm(c, m int, logs, b, x Buffer) {
	fit(logs.n == c && b.n == c && x.n == c*m)
	g.begin("ActNorm")
	s, span, tiles := kernels.Rows(c, m)
	g.run("actnorm", s, num(m), num(span), num(tiles), ptr(logs), ptr(b), ptr(x))
}

func (g *gpu) ActNormInverse(c, m int, logs, b, x Buffer) {
	fit(logs.n == c && b.n == c && x.n == c*m)
	g.begin("ActNormInverse")
	s, span, tiles := kernels.Rows(c, m)
	g.run("actnorm_inverse", s, num(m), num(span), num(tiles), ptr(logs), ptr(b), ptr(x))
}

func (g *gpu) ActNormBackward(c, m int, logs, b, x, dx Buffer, dld float32, dlogs, db Buffer) {
	fit(logs.n == c && b.n == c && x.n == c*m && dx.n == c*m && dlogs.n == c && db.n == c)
	g.begin("ActNormBackward")
	s, span, tiles := kernels.Rows(c, m)
	var part uint64
	if tiles > 1 {
		part = g.part(2 * c * tiles)
	}
	g.run("actnorm_backward", s, num(c), num(m), num(span), num(tiles), float(dld),
		ptr(logs), ptr(b), ptr(x), ptr(dx), ptr(dlogs), ptr(db), addr(part))
	if tiles > 1 {
		g.run("row_pairs", kernels.Warps(2*c), num(c), num(tiles), float(dld), addr(part), ptr(dlogs), ptr(db))
	}
}

func (g *gpu) ActNormInit(c, m int, x, logs, b Buffer) {
	fit(logs.n == c && b.n == c && x.n == c*m)
	g.begin("ActNormInit")
	if m == 0 {
		return
	}
	g.moments("actnorm_init", c, m, x, logs, b)
}

// moments leaves the mean and the variance of each row of x to a second kernel.
func (g *gpu) moments(finish string, c, m int, x, out0, out1 Buffer) {
	s, span, tiles := kernels.Rows(c, m)
	part := g.part(2 * c * tiles)
	g.run("row_parts", s, num(c), num(m), num(span), num(tiles), ptr(x), addr(part))
	g.run(finish, kernels.Warps(c), num(c), num(m), num(span), num(tiles), ptr(x), addr(part), ptr(out0), ptr(out1))
}

func (g *gpu) Permute(c, m int, perm, x, y Buffer) {
	fit(perm.n == c && x.n == c*m && y.n == c*m)
	g.begin("Permute")
	s, span, tiles := kernels.Rows(c, m)
	g.run("permute", s, num(m), num(span), num(tiles), ptr(perm), ptr(x), ptr(y))
}

func (g *gpu) Squeeze(c, n, h, w int, x, y Buffer) {
	fit(h%2 == 0 && w%2 == 0 && x.n == c*n*h*w && y.n == x.n)
	g.begin("Squeeze")
	g.run("squeeze", kernels.Lines(c, n, h, w), num(c), num(n), num(h), num(w), ptr(x), ptr(y))
}

func (g *gpu) Unsqueeze(c, n, h, w int, x, y Buffer) {
	fit(h%2 == 0 && w%2 == 0 && x.n == c*n*h*w && y.n == x.n)
	g.begin("Unsqueeze")
	g.run("unsqueeze", kernels.Lines(c, n, h, w), num(c), num(n), num(h), num(w), ptr(x), ptr(y))
}

func (g *gpu) GaussianLogProb(r Rows, x, logp Buffer) {
	fit(x.n == r.Len() && logp.n == r.N)
	g.begin("GaussianLogProb")
	g.perSample("gaussian_logp", r, 1, logp, ptr(x))
}

func (g *gpu) GaussianLogProbBackward(dlp float32, x, dx Buffer) {
	fit(dx.n == x.n)
	g.begin("GaussianLogProbBackward")
	g.run("scale", kernels.Flat(x.n), num(x.n), float(-dlp), ptr(x), ptr(dx))
}

// noise enqueues a kernel of noise.cu: the shape and the stream, then args.
func (g *gpu) noise(name string, r Rows, rng Stream, args ...arg) {
	all := [10]arg{num(r.C), num(r.N), num(r.P), word(uint32(rng.Seed)), word(uint32(rng.Seed >> 32)), word(rng.ID)}
	g.run(name, kernels.Counters(r.C, r.N, r.P), all[:6+copy(all[6:], args)]...)
}

func (g *gpu) Dequantize(r Rows, levels int, rng Stream, at, v, x Buffer) {
	fit(at.n == 2 && v.n == r.Len() && x.n == r.Len())
	g.begin("Dequantize")
	g.noise("dequantize", r, rng, float(float32(levels)), ptr(at), ptr(v), ptr(x))
}

func (g *gpu) Normal(r Rows, std float32, rng Stream, at, x Buffer) {
	fit(at.n == 2 && x.n == r.Len())
	g.begin("Normal")
	g.noise("normal", r, rng, float(std), ptr(at), ptr(x))
}

func (g *gpu) Uniform(r Rows, rng Stream, at, x Buffer) {
	fit(at.n == 2 && x.n == r.Len())
	g.begin("Uniform")
	g.noise("uniform", r, rng, ptr(at), ptr(x))
}
