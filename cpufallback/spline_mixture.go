package cpufallback

import (
	"math"

	"cuflow/device"
)

// readMixture makes the components of a LogisticMixture and its affine part, or those of a GaussianMixture, which has none. They begin at
// parameter `first`.
func (w *curveWork) readMixture() (m device.Mixture, mix []mixPart, first int) {
	k, stride := w.curve.K, w.stride
	m = device.Mixture{K: k, Of: device.GaussBell, To: device.NormalLink}
	w.t, w.ls, w.by = 0, 0, 0
	if w.curve.Of == device.LogisticMixture {
		m.Of, m.To, first = device.LogisticBell, device.LogitLink, 2
		w.readAffine()
	}
	mix = w.mix[:k]
	fillMixture(mix, 0, stride, w.p[first*stride:], w.p[(first+k)*stride:], w.p[(first+2*k)*stride:])
	return m, mix, first
}

// mixture is y and log dy/dx.
func (w *curveWork) mixture(x float64) (y, ld float64) {
	m, mix, _ := w.readMixture()
	q := cdfAt(m, mix, x)
	return q.y*math.Exp(w.ls) + w.t, q.ld + w.ls
}

// mixtureInverse is x and log dy/dx there. Either kind's components have the link's value as their quantile.
func (w *curveWork) mixtureInverse(y float64) (x, ld float64) {
	m, mix, _ := w.readMixture()
	z := (y - w.t) * math.Exp(-w.ls)
	x, q := cdfRoot(m, mix, z, z)
	return x, q.ld + w.ls
}

// slopeOfBell is the derivative of a component's log-density by (x-mean)/scale.
func (p *mixPart) slopeOfBell(of device.Bell) float64 {
	if of == device.GaussBell {
		return -p.t
	}
	return -math.Tanh(p.t / 2)
}

// mixtureCurvature is the derivative of log dy/dx by x.
func (w *curveWork) mixtureCurvature(x float64) float64 {
	m, mix, _ := w.readMixture()
	q := cdfAt(m, mix, x)
	bend := -q.slope * math.Exp(q.ld)
	for i := range mix {
		bend += mix[i].f * mix[i].slopeOfBell(m.Of) * mix[i].inv
	}
	return bend
}

// mixtureBackward: y = z*exp(ls) + t with z = link(F(x)); then as CDFBackward does by z, of which log-density and gradient
// are those of this element alone.
func (w *curveWork) mixtureBackward(y, gy, gl float64) (x, dx float64) {
	m, mix, first := w.readMixture()
	k, e := m.K, math.Exp(w.ls)
	z := (y - w.t) / e
	x, q := cdfRoot(m, mix, z, z)
	if first > 0 {
		w.set(0, gy)
		w.set(1, (gy*(y-w.t)+gl)*w.by)
	}

	g := gy*e - gl*q.slope
	rise := g * math.Exp(q.ld+q.logT-q.logf)
	if q.upper {
		rise = -rise
	}
	g *= math.Exp(q.ld)
	dx = g
	for i := range mix {
		p := &mix[i]
		by := gl * p.slopeOfBell(m.Of) * p.inv
		dx += p.f * by
		w.set(first+i, rise*(p.tail-p.w)+gl*(p.f-p.w))
		w.set(first+k+i, -p.f*(g+by))
		w.set(first+2*k+i, -p.f*((g+by)*p.t*p.scale+gl)*p.growth)
	}
	return x, dx
}
