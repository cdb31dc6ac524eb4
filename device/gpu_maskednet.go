package device

import "cuflow/kernels"

func (g *gpu) Rectify(x, y Buffer) {
	fit(x.n == y.n)
	g.begin("Rectify")
	g.run("rectify", kernels.Flat(x.n), num(x.n), ptr(x), ptr(y))
}

// What is hidden stays in plain order on a GPU.

func (g *gpu) MaskedNetForward(s MaskedNet, w []MaskedWeights, x, term, kept, params Buffer) {
	fit(FitMaskedNet(s, w, x, term, kept, params, false))
	MaskedNetForwardOn(g, s, w, x, term, kept, params)
}

func (g *gpu) MaskedNetBackward(s MaskedNet, w []MaskedWeights, x, kept, dparams, dterm, dx Buffer) {
	fit(FitMaskedNet(s, w, x, dterm, kept, dparams, true) && dx.n == x.n)
	MaskedNetBackwardOn(g, s, w, x, kept, dparams, dterm, dx)
}

// maskedInverse are the kernels of each kind of curve.
func maskedInverse() byCurve {
	return byCurve{"masked_inverse_affine", "masked_inverse_linear", "masked_inverse_quadratic", "masked_inverse_rational", "masked_inverse_logistic",
		"masked_inverse_gauss"}
}

// MaskedNetInverse is one launch where a network fits a block, else it goes step by step.
func (g *gpu) MaskedNetInverse(s MaskedNet, c Curve, w []MaskedWeights, term, x, kept, params, logdet Buffer) {
	fit(FitMaskedNet(s, w, x, term, kept, params, false) && c.Valid() && c.Params() == s.Q && logdet.n == s.N)
	arrays, units, residual, keeps := s.Depth, 0, 0, 0
	if s.Residual { // of a block relu(h) and relu(dense1), the last h, and of the others the units of one step
		arrays, units, residual = 2*s.Depth+1, (s.H+s.D-2)/(s.D-1), 1
	}
	if s.Keep {
		keeps = 1
	}
	shape, fits := kernels.MaskedInverse(s.D, s.H, s.Q, arrays, units, s.N)
	if !fits || len(w) > kernels.MaskedLayers {
		MaskedNetInverseOn(g, s, c, w, term, x, kept, params, logdet)
		return
	}
	g.begin("MaskedNetInverse")
	lo, size := c.Span()
	args := [19 + 2*kernels.MaskedLayers]arg{
		num(s.D), num(s.H), num(s.Q), num(s.N), num(s.Depth), num(residual), num(s.Still), num(keeps), num(s.KeptArray()),
		num(c.K), num(int(c.On)), float(lo), float(size), float(c.Scale), ptr(term), ptr(x), ptr(kept), ptr(params), ptr(logdet),
	}
	for i := range kernels.MaskedLayers {
		l := w[min(i, len(w)-1)]
		args[19+2*i], args[20+2*i] = ptr(l.W), ptr(l.B)
	}
	g.run(maskedInverse()[c.Of], shape, args[:]...)
}

func (g *gpu) MaskedNetInverseBackward(s MaskedNet, c Curve, w []MaskedWeights, x, kept, params, dx, dterm, work Buffer, dld float32) {
	fit(FitMaskedNet(s, w, x, dterm, kept, params, true) && c.Valid() && c.Params() == s.Q && dx.n == x.n && work.n == s.BackWork())
	MaskedNetInverseBackwardOn(g, s, c, w, x, kept, params, dx, dterm, work, dld)
}
