package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) AdamStep(o device.Adam, hyper, sumsq, g, p, m, v, ema device.Buffer) {
	k := r.begin()
	n := g.Len()
	var average []float64
	if o.EMADecay != 0 {
		average = k.out(ema, n)
	}
	adamStep(o, k.in(hyper, 2), k.in(sumsq, 1)[0], k.in(g, n), k.out(p, n), k.out(m, n), k.out(v, n), average)
	k.done()
}

func adamStep(o device.Adam, hyper []float64, sumsq float64, g, p, m, v, ema []float64) {
	if math.IsNaN(sumsq) || math.IsInf(sumsq, 0) {
		return
	}
	lr, t := hyper[0], hyper[1]
	beta1, beta2, eps := float64(o.Beta1), float64(o.Beta2), float64(o.Eps)
	scale := 1.0
	if norm := math.Sqrt(sumsq); o.Clip > 0 && norm > float64(o.Clip) {
		scale = float64(o.Clip) / norm
	}
	d := min(float64(o.EMADecay), (1+t)/(10+t))
	for i := range g {
		gi := scale * g[i]
		m[i] = beta1*m[i] + (1-beta1)*gi
		mhat := m[i] / (1 - math.Pow(beta1, t))
		if o.Max {
			v[i] = max(beta2*v[i], math.Abs(gi))
			p[i] -= lr * mhat / (v[i] + eps)
		} else {
			v[i] = beta2*v[i] + (1-beta2)*gi*gi
			p[i] -= lr * mhat / (math.Sqrt(v[i]/(1-math.Pow(beta2, t))) + eps)
		}
		if ema != nil {
			ema[i] = d*ema[i] + (1-d)*p[i]
		}
	}
}
