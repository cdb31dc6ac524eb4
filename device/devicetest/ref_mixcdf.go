package devicetest

import (
	"math"

	"cuflow/device"

	"gonum.org/v1/gonum/mathext"
)

func (r *reference) CDF(s device.Rows, m device.Mixture, logits, means, logs, x, logdet device.Buffer) {
	k, n := r.begin(), m.K*s.C
	cdf(s, m, k.in(logits, n), k.in(means, n), k.in(logs, n), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) CDFInverse(s device.Rows, m device.Mixture, logits, means, logs, x, logdet device.Buffer) {
	k, n := r.begin(), m.K*s.C
	cdfInverse(s, m, k.in(logits, n), k.in(means, n), k.in(logs, n), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) CDFBackward(s device.Rows, m device.Mixture, logits, means, logs, x, dx device.Buffer, dld float32,
	dlogits, dmeans, dlogs device.Buffer) {
	k, n := r.begin(), m.K*s.C
	cdfBackward(s, m, k.in(logits, n), k.in(means, n), k.in(logs, n), k.in(x, s.Len()), k.out(dx, s.Len()), float64(dld),
		k.out(dlogits, n), k.out(dmeans, n), k.out(dlogs, n))
	k.done()
}

// part is one component of a channel's mixture.
type part struct{ logw, mean, scale float64 }

// mixtureOf gathers the mixture of channel c.
func mixtureOf(c, channels, k int, logits, means, logs []float64) []part {
	mix, all := make([]part, k), make([]float64, k)
	for i := range all {
		all[i] = logits[i*channels+c]
	}
	total := logSumExp(all)
	for i := range mix {
		j := i*channels + c
		mix[i] = part{logits[j] - total, means[j], math.Exp(logs[j]) + device.MixtureFloor}
	}
	return mix
}

// logNormalCDF is log Phi(t): far left by the asymptotic series, Abramowitz and Stegun 26.2.12.
func logNormalCDF(t float64) float64 {
	if t > -30 {
		return math.Log(math.Erfc(-t/math.Sqrt2) / 2)
	}
	u := 1 / (t * t)
	return logNormal(t) - math.Log(-t) + math.Log1p(u*(-1+u*(3+u*(-15+u*105))))
}

func logNormal(t float64) float64 { return -t*t/2 - math.Log(2*math.Pi)/2 }

func logSigmoid(t float64) float64 { return min(t, 0) - math.Log1p(math.Exp(-math.Abs(t))) }

// logLogistic is the log-density of the logistic distribution, which is the derivative of its sigmoid.
func logLogistic(t float64) float64 { return logSigmoid(t) + logSigmoid(-t) }

// logCDF is log F0 of the standard component.
func logCDF(of device.Bell, t float64) float64 {
	if of == device.GaussBell {
		return logNormalCDF(t)
	}
	return logSigmoid(t)
}

// logBell is log f0.
func logBell(of device.Bell, t float64) float64 {
	if of == device.GaussBell {
		return logNormal(t)
	}
	return logLogistic(t)
}

// slopeOfBell is the derivative of logBell.
func slopeOfBell(of device.Bell, t float64) float64 {
	if of == device.GaussBell {
		return -t
	}
	return -math.Tanh(t / 2)
}

// mixtureAt is log F, log(1-F) and log f at x.
func mixtureAt(of device.Bell, mix []part, x float64) (logF, logS, logf float64) {
	var below, above, here []float64
	for _, p := range mix {
		t := (x - p.mean) / p.scale
		below = append(below, p.logw+logCDF(of, t))
		above = append(above, p.logw+logCDF(of, -t))
		here = append(here, p.logw-math.Log(p.scale)+logBell(of, t))
	}
	return logSumExp(below), logSumExp(above), logSumExp(here)
}

// link is y of log u and log(1-u), the log-density at y of what uniform u become, and that density's derivative by y.
func link(to device.Link, logF, logS float64) (y, logp, slope float64) {
	if to == device.LogitLink {
		y = logF - logS
		return y, logLogistic(y), -math.Tanh(y / 2)
	}
	if logF < logS {
		y = normalQuantile(logF)
	} else {
		y = -normalQuantile(logS)
	}
	return y, logNormal(y), -y
}

// unlink is log u and log(1-u) of y.
func unlink(to device.Link, y float64) (logF, logS float64) {
	if to == device.LogitLink {
		return logSigmoid(y), logSigmoid(-y)
	}
	return logNormalCDF(y), logNormalCDF(-y)
}

// normalQuantile solves log Phi(z) = logp.
func normalQuantile(logp float64) float64 {
	return solve(func(z float64) bool { return logNormalCDF(z) < logp })
}

// solve finds where a condition that holds on the left of x ceases to, by bisection.
func solve(below func(x float64) bool) float64 {
	lo, hi := -1.0, 1.0
	for !below(lo) && lo > -1e30 {
		lo, hi = 2*lo, lo
	}
	for below(hi) && hi < 1e30 {
		lo, hi = hi, 2*hi
	}
	for range 100 {
		mid := lo + (hi-lo)/2
		if mid <= lo || mid >= hi {
			break
		}
		if below(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return lo
}

func cdf(r device.Rows, m device.Mixture, logits, means, logs, x, logdet []float64) {
	for i := range x {
		c, n := at(r, i)
		logF, logS, logf := mixtureAt(m.Of, mixtureOf(c, r.C, m.K, logits, means, logs), x[i])
		y, logp, _ := link(m.To, logF, logS)
		x[i] = y
		logdet[n] += logf - logp
	}
}

func cdfInverse(r device.Rows, m device.Mixture, logits, means, logs, x, logdet []float64) {
	for i, y := range x {
		c, n := at(r, i)
		mix := mixtureOf(c, r.C, m.K, logits, means, logs)
		wantF, wantS := unlink(m.To, y)
		x[i] = solve(func(v float64) bool {
			logF, logS, _ := mixtureAt(m.Of, mix, v)
			if y < 0 {
				return logF < wantF
			}
			return logS > wantS
		})
		_, _, logf := mixtureAt(m.Of, mix, x[i])
		_, logp, _ := link(m.To, wantF, wantS)
		logdet[n] -= logf - logp
	}
}

// Derivatives of F and f by the parameters of component k, with pi = w_k*f_k/f its share of f:
//
//	dF/dx = f;  dF/dmean = -pi*f;  dF/dlog scale = -pi*f*t*scale;  dF/dlogit = w*(F_k - F)
//	d log f by the same = sum pi*bell'/scale;  -pi*bell'/scale;  -pi*(1 + t*bell');  pi - w
func cdfBackward(r device.Rows, m device.Mixture, logits, means, logs, x, dx []float64, dld float64, dlogits, dmeans, dlogs []float64) {
	for i, dy := range dx {
		c, _ := at(r, i)
		mix := mixtureOf(c, r.C, m.K, logits, means, logs)
		logF, logS, logf := mixtureAt(m.Of, mix, x[i])
		_, logp, slope := link(m.To, logF, logS)
		g := (dy - dld*slope) * math.Exp(logf-logp) // by Y, times dY/dx
		dx[i] = g
		for k, p := range mix {
			j := k*r.C + c
			t := (x[i] - p.mean) / p.scale
			w, pi, bell := math.Exp(p.logw), math.Exp(p.logw-math.Log(p.scale)+logBell(m.Of, t)-logf), slopeOfBell(m.Of, t)
			dx[i] += dld * pi * bell / p.scale
			dmeans[j] -= pi * (g + dld*bell/p.scale)
			dlogScale := -pi * (g*t*p.scale + dld*(1+t*bell))
			dlogs[j] += dlogScale * math.Exp(logs[j]) / p.scale
			rise := math.Exp(logF-logf) * (math.Exp(p.logw+logCDF(m.Of, t)-logF) - w) // dF/dlogit by f, from the smaller tail
			if logS < logF {
				rise = -math.Exp(logS-logf) * (math.Exp(p.logw+logCDF(m.Of, -t)-logS) - w)
			}
			dlogits[j] += g*rise + dld*(pi-w)
		}
	}
}

func (r *reference) BetaLogProb(s device.Rows, a, b float32, x, logp device.Buffer) {
	k := r.begin()
	betaLogProb(s, float64(a), float64(b), k.in(x, s.Len()), k.out(logp, s.N))
	k.done()
}

func betaLogProb(r device.Rows, a, b float64, x, logp []float64) {
	for i, v := range x {
		_, n := at(r, i)
		logp[n] += a*logSigmoid(v) + b*logSigmoid(-v) - mathext.Lbeta(a, b)
	}
}

func (r *reference) BetaLogProbBackward(a, b, dlp float32, x, dx device.Buffer) {
	k := r.begin()
	betaLogProbBackward(float64(a), float64(b), float64(dlp), k.in(x, x.Len()), k.out(dx, x.Len()))
	k.done()
}

func betaLogProbBackward(a, b, dlp float64, x, dx []float64) {
	for i, v := range x {
		dx[i] = dlp * (a*math.Exp(logSigmoid(-v)) - b*math.Exp(logSigmoid(v)))
	}
}

func (r *reference) Beta(s device.Rows, a, b, scale float32, rng device.Stream, at, x device.Buffer) {
	k := r.begin()
	betaNoise(s, float64(a), float64(b), float64(scale), rng, k.in(at, 2), k.out(x, s.Len()))
	k.done()
}

func betaNoise(r device.Rows, a, b, scale float64, rng device.Stream, step, x []float64) {
	noise(r, rng, step, func(i int, uniform, _ float64) { x[i] = scale * betaQuantile(a, b, uniform+0x1p-25) })
}

// betaQuantile is logit of the quantile of Beta(a, b) at u, from the regularised incomplete beta function of the nearer end: of
// x^a where z = logit x < 0, else of (1-x)^b.
func betaQuantile(a, b, u float64) float64 {
	return solve(func(z float64) bool {
		if z < 0 {
			return mathext.RegIncBeta(a, b, math.Exp(logSigmoid(z))) < u
		}
		return mathext.RegIncBeta(b, a, math.Exp(logSigmoid(-z))) > 1-u
	})
}
