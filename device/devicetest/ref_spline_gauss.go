package devicetest

import (
	"math"

	"cuflow/device"
)

// bends says whether a curve is a spline, which has a domain.
func bends(c device.Curve) bool {
	return c.Of == device.LinearSpline || c.Of == device.QuadraticSpline || c.Of == device.RationalSpline
}

// logNormalCDF is log Phi(a), of which the derivative is phi/Phi.
func (a dual) logNormalCDF() dual {
	v := logNormalCDF(a.v)
	return dual{v, a.d * math.Exp(logNormal(a.v)-v)}
}

// logNormal is the log-density of the standard normal distribution.
func (a dual) logNormal() dual { return dual{logNormal(a.v), -a.d * a.v} }

// normalQuantile solves log Phi(z) = a.
func (a dual) normalQuantile() dual {
	z := normalQuantile(a.v)
	return dual{z, a.d * math.Exp(a.v-logNormal(z))}
}

// gaussianMixtureAt is y = Phi^-1(F(x)) and log dy/dx = log f(x) - log phi(y), from the smaller of F and 1-F.
func gaussianMixtureAt(k int, p []dual, x dual) (y, ld dual) {
	logits, means, logs := p[:k], p[k:2*k], p[2*k:]
	total := dualLogSumExp(logits)
	var below, above, here []dual
	for i, l := range logits {
		logw := l.sub(total)
		scale := logs[i].exp().plus(device.MixtureFloor)
		t := x.sub(means[i]).div(scale)
		below = append(below, logw.add(t.logNormalCDF()))
		above = append(above, logw.add(t.times(-1).logNormalCDF()))
		here = append(here, logw.sub(scale.log()).add(t.logNormal()))
	}
	logF, logS := dualLogSumExp(below), dualLogSumExp(above)
	if logF.v < logS.v {
		y = logF.normalQuantile()
	} else {
		y = logS.normalQuantile().times(-1)
	}
	return y, dualLogSumExp(here).sub(y.logNormal())
}
