package cpufallback

import (
	"math"

	"cuflow/device"
)

// logisticLogit is the mixture of a LogisticMixture's K components.
func logisticLogit(k int) device.Mixture {
	return device.Mixture{K: k, Of: device.LogisticBell, To: device.LogitLink}
}

// readMixture makes the components and the affine part of a LogisticMixture.
func (w *curveWork) readMixture() {
	w.readAffine()
	k := w.curve.K
	m := w.stride
	fillMixture(w.mix[:k], 0, m, w.p[2*m:], w.p[(2+k)*m:], w.p[(2+2*k)*m:])
}

// mixtureCurvature is the derivative of log dy/dx by x.
func (w *curveWork) mixtureCurvature(x float64) float64 {
	w.readMixture()
	mix := w.mix[:w.curve.K]
	q := cdfAt(logisticLogit(w.curve.K), mix, x)
	bend := -q.slope * math.Exp(q.ld)
	for i := range mix {
		bend -= mix[i].f * math.Tanh(mix[i].t/2) * mix[i].inv
	}
	return bend
}

// mixtureBackward: y = z*exp(ls) + t with z = logit F(x); then as CDFBackward does by z, of which log-density and gradient
// are those of this element alone.
func (w *curveWork) mixtureBackward(y, gy, gl float64) (x, dx float64) {
	w.readMixture()
	k := w.curve.K
	mix, e := w.mix[:k], math.Exp(w.ls)
	z := (y - w.t) / e
	x, q := cdfRoot(logisticLogit(k), mix, z, z)
	w.set(0, gy)
	w.set(1, (gy*(y-w.t)+gl)*w.by)

	g := gy*e - gl*q.slope
	rise := g * math.Exp(q.ld+q.logT-q.logf)
	if q.upper {
		rise = -rise
	}
	g *= math.Exp(q.ld)
	dx = g
	for i := range mix {
		p := &mix[i]
		by := -gl * math.Tanh(p.t/2) * p.inv
		dx += p.f * by
		w.set(2+i, rise*(p.tail-p.w)+gl*(p.f-p.w))
		w.set(2+k+i, -p.f*(g+by))
		w.set(2+2*k+i, -p.f*((g+by)*p.t*p.scale+gl)*p.growth)
	}
	return x, dx
}
