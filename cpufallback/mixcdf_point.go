package cpufallback

import (
	"math"

	"cuflow/device"
)

// mixPart is a component of a channel's mixture as the loops want it.
type mixPart struct {
	w, logw      float64 // weight, log weight
	mean         float64
	scale, inv   float64 // and its reciprocal
	height       float64 // w/scale
	logHeight    float64
	growth       float64 // d log(scale)/d logs
	f, tail, t   float64 // at a point: share of f and of the smaller tail, and (x-mean)/scale
	below, above float64 // at a point: w*F0(t) and w*(1-F0(t)), or their logarithms
	here         float64 // at a point: height*f0(t), or its logarithm
}

// mixPoint is a mixture's CDF as a flow at one x.
type mixPoint struct {
	y, ld      float64 // the result, and log dy/dx
	logf, logT float64 // of the density, and of the smaller tail
	upper      bool    // that is the one above x
	slope      float64 // of the log-density at y of what uniform u become, by y
}

// fillMixture makes the components of channel c, of parameters [K][C].
func fillMixture(mix []mixPart, c, channels int, logits, means, logs []float32) {
	top := math.Inf(-1)
	for k := range mix {
		top = max(top, float64(logits[k*channels+c]))
	}
	sum := 0.0
	for k := range mix {
		p := &mix[k]
		p.logw = float64(logits[k*channels+c]) - top
		p.w = math.Exp(p.logw)
		sum += p.w
	}
	logSum := math.Log(sum)
	for k := range mix {
		p, e := &mix[k], math.Exp(float64(logs[k*channels+c]))
		p.w /= sum
		p.logw -= logSum
		p.mean = float64(means[k*channels+c])
		p.scale = e + device.MixtureFloor
		p.inv = 1 / p.scale
		p.height = p.w * p.inv
		p.logHeight = p.logw - math.Log(p.scale)
		p.growth = e * p.inv
	}
}

// leastSum is the least sum of tails that is added up as it is; below it terms may be too small for a float64, and logarithms
// are added.
const leastSum = 1e-280

// cdfAt is the mixture's flow at x. It leaves in each part its shares and where x is from it.
func cdfAt(m device.Mixture, mix []mixPart, x float64) mixPoint {
	F, S, f := 0.0, 0.0, 0.0
	for k := range mix {
		p := &mix[k]
		p.t = (x - p.mean) * p.inv
		small, bell := tailAndBell(m.Of, math.Abs(p.t))
		p.below, p.above, p.here = p.w*small, p.w*(1-small), p.height*bell
		if p.t > 0 {
			p.below, p.above = p.above, p.below
		}
		F += p.below
		S += p.above
		f += p.here
	}
	if !(min(F, S, f) > leastSum) {
		return cdfFarAt(m, mix, x)
	}
	q := mixPoint{logf: math.Log(f)}
	if q.upper = S < F; q.upper {
		F, S = S, F
	}
	for k := range mix {
		p := &mix[k]
		p.f = p.here / f
		p.tail = p.below / F
		if q.upper {
			p.tail = p.above / F
		}
	}
	q.logT = math.Log(F)
	q.finish(m.To)
	return q
}

// cdfFarAt is cdfAt where sums are too small.
func cdfFarAt(m device.Mixture, mix []mixPart, x float64) mixPoint {
	topF, topS, topf := math.Inf(-1), math.Inf(-1), math.Inf(-1)
	for k := range mix {
		p := &mix[k]
		small, large, bell := logTailsAndBell(m.Of, math.Abs(p.t))
		p.below, p.above, p.here = p.logw+small, p.logw+large, p.logHeight+bell
		if p.t > 0 {
			p.below, p.above = p.above, p.below
		}
		topF, topS, topf = max(topF, p.below), max(topS, p.above), max(topf, p.here)
	}
	F, S, f := 0.0, 0.0, 0.0
	for k := range mix {
		p := &mix[k]
		F += math.Exp(p.below - topF)
		S += math.Exp(p.above - topS)
		f += math.Exp(p.here - topf)
	}
	logF, logS := topF+math.Log(F), topS+math.Log(S)
	q := mixPoint{logf: topf + math.Log(f), logT: logF, upper: logS < logF}
	if q.upper {
		q.logT = logS
	}
	for k := range mix {
		p := &mix[k]
		p.f = math.Exp(p.here - q.logf)
		p.tail = math.Exp(p.below - q.logT)
		if q.upper {
			p.tail = math.Exp(p.above - q.logT)
		}
	}
	q.finish(m.To)
	return q
}

// finish takes the smaller tail to the real line.
func (q *mixPoint) finish(to device.Link) {
	var logp float64 // at y of what uniform u become
	if to == device.LogitLink {
		rest := math.Log1p(-math.Exp(q.logT))
		q.y = q.logT - rest
		logp = q.logT + rest
		q.slope = -math.Tanh(q.y / 2)
	} else {
		q.y = normalQuantile(q.logT)
		logp = -q.y*q.y/2 - halfLog2Pi
		q.slope = -q.y
	}
	if q.upper {
		q.y, q.slope = -q.y, -q.slope
	}
	q.ld = q.logf - logp
}

// bellQuantile is where a single component has the value y: the mixture's is between the least and the greatest of its components'.
func bellQuantile(m device.Mixture, y float64) float64 {
	switch {
	case m.Of == device.GaussBell && m.To == device.LogitLink:
		return math.Copysign(normalQuantile(logSigmoid(-math.Abs(y))), y)
	case m.Of == device.LogisticBell && m.To == device.NormalLink:
		small, large := logNormalTails(math.Abs(y))
		return math.Copysign(large-small, y)
	}
	return y
}

// newtonSteps is more than it takes: most converge in six, and a bisection each gives a bit.
const newtonSteps = 200

// cdfRoot finds x where cdfAt gives y, and the flow there. q is bellQuantile(y).
//
// Steps are Newton's, unless one leaves the bracket or is not half the one before: then the bracket is halved.
func cdfRoot(m device.Mixture, mix []mixPart, y, q float64) (x float64, p mixPoint) {
	lo, hi, guess := math.Inf(1), math.Inf(-1), 0.0
	for k := range mix {
		v := mix[k].mean + mix[k].scale*q
		lo, hi = min(lo, v), max(hi, v)
		guess += mix[k].w * v
	}
	x = min(max(guess, lo), hi)
	last, near := hi-lo, 1e-10*(hi-lo)
	there := !(lo < hi)
	for range newtonSteps {
		p = cdfAt(m, mix, x)
		d := p.y - y
		step := d * math.Exp(-p.ld)
		next := x - step
		if there { // but for a last, much smaller step
			x = min(max(next, lo), hi)
			break
		}
		if d > 0 {
			hi = x
		} else {
			lo = x
		}
		if !(next > lo && next < hi) || 2*math.Abs(step) > last {
			next = lo + (hi-lo)/2
		}
		last = math.Abs(next - x)
		x = next
		there = last <= 1e-8*math.Abs(x)+near
	}
	return x, p
}
