package device

import "cuflow/kernels"

// byCurve are the kernels of each kind of curve.
type byCurve [GaussianMixture + 1]string

var (
	curveForward  = byCurve{"curve_affine", "curve_linear", "curve_quadratic", "curve_rational", "curve_logistic", "curve_gauss"}
	curveInverse  = byCurve{"uncurve_affine", "uncurve_linear", "uncurve_quadratic", "uncurve_rational", "uncurve_logistic", "uncurve_gauss"}
	curveBackward = byCurve{"curve_backward_affine", "curve_backward_linear", "curve_backward_quadratic", "curve_backward_rational",
		"curve_backward_logistic", "curve_backward_gauss"}
	curveInverseBackward = byCurve{"uncurve_backward_affine", "uncurve_backward_linear", "uncurve_backward_quadratic",
		"uncurve_backward_rational", "uncurve_backward_logistic", "uncurve_backward_gauss"}
)

func fitCurve(r Rows, c Curve, params, x Buffer) {
	if !c.Valid() {
		panic("device: there is no such curve")
	}
	fit(params.n == c.Params()*r.Len() && x.n == r.Len())
}

func (g *gpu) Curve(r Rows, c Curve, params, x, logdet Buffer) {
	fitCurve(r, c, params, x)
	fit(logdet.n == r.N)
	g.begin("Curve")
	g.curve(curveForward[c.Of], 1, r, c, params, x, logdet)
}

func (g *gpu) CurveInverse(r Rows, c Curve, params, x, logdet Buffer) {
	fitCurve(r, c, params, x)
	fit(logdet.n == r.N)
	g.begin("CurveInverse")
	g.curve(curveInverse[c.Of], -1, r, c, params, x, logdet)
}

func (g *gpu) curve(name string, a float32, r Rows, c Curve, params, x, logdet Buffer) {
	if r.Len() == 0 {
		return
	}
	lo, size := c.Span()
	g.perSample(name, r, a, logdet, num(c.K), num(int(c.On)), float(lo), float(size), float(c.Scale), ptr(params), ptr(x))
}

func (g *gpu) CurveBackward(r Rows, c Curve, params, x, dx Buffer, dld float32) {
	fitCurve(r, c, params, x)
	fit(dx.n == r.Len())
	g.begin("CurveBackward")
	g.curveBack(curveBackward[c.Of], r, c, params, x, dx, dld)
}

func (g *gpu) CurveInverseBackward(r Rows, c Curve, params, x, dx Buffer, dld float32) {
	fitCurve(r, c, params, x)
	fit(dx.n == r.Len())
	g.begin("CurveInverseBackward")
	g.curveBack(curveInverseBackward[c.Of], r, c, params, x, dx, dld)
}

func (g *gpu) curveBack(name string, r Rows, c Curve, params, x, dx Buffer, dld float32) {
	if r.Len() == 0 {
		return
	}
	lo, size := c.Span()
	s, span, tiles := kernels.Rows(r.C, r.M())
	g.run(name, s, num(r.M()), num(span), num(tiles), num(c.K), num(int(c.On)), float(lo), float(size), float(c.Scale),
		float(dld), ptr(params), ptr(x), ptr(dx))
}
