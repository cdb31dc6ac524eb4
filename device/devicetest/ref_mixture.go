package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) MixtureDiagonal(s device.Components, mean, logs, x, q device.Buffer) {
	k := r.begin()
	mixtureDiagonal(s, k.in(mean, s.K*s.D), k.in(logs, s.K*s.D), k.in(x, s.D*s.N), k.out(q, s.K*s.N))
	k.done()
}

func mixtureDiagonal(s device.Components, mean, logs, x, q []float64) {
	for k := range s.K {
		for n := range s.N {
			sum := 0.0
			for d := range s.D {
				t := (x[d*s.N+n] - mean[k*s.D+d]) * math.Exp(logs[k*s.D+d])
				sum += logs[k*s.D+d] - t*t/2 - math.Log(2*math.Pi)/2
			}
			q[k*s.N+n] = sum
		}
	}
}

func (r *reference) MixtureDiagonalBackward(s device.Components, dlp float32, mean, logs, resp, x, dx, dmean, dlogs device.Buffer) {
	k := r.begin()
	mixtureDiagonalBackward(s, float64(dlp), k.in(mean, s.K*s.D), k.in(logs, s.K*s.D), k.in(resp, s.K*s.N), k.in(x, s.D*s.N),
		k.out(dx, s.D*s.N), k.out(dmean, s.K*s.D), k.out(dlogs, s.K*s.D))
	k.done()
}

func mixtureDiagonalBackward(s device.Components, dlp float64, mean, logs, resp, x, dx, dmean, dlogs []float64) {
	for d := range s.D {
		for n := range s.N {
			sum := 0.0
			for k := range s.K {
				kd, e := k*s.D+d, math.Exp(logs[k*s.D+d])
				r, t := resp[k*s.N+n], (x[d*s.N+n]-mean[kd])*e
				sum += r * t * e
				dmean[kd] += dlp * r * t * e
				dlogs[kd] += dlp * r * (1 - t*t)
			}
			dx[d*s.N+n] = -dlp * sum
		}
	}
}

func (r *reference) MixtureEvidence(components, n int, logits, q, logp device.Buffer) {
	k := r.begin()
	mixtureEvidence(components, n, k.in(logits, components), k.out(q, components*n), k.out(logp, n))
	k.done()
}

// logSumExp is log sum_i exp(x[i]).
func logSumExp(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

func mixtureEvidence(components, samples int, logits, q, logp []float64) {
	whole := logSumExp(logits)
	terms := make([]float64, components)
	for n := range samples {
		for k := range components {
			terms[k] = logits[k] - whole + q[k*samples+n]
		}
		e := logSumExp(terms)
		logp[n] += e
		for k, t := range terms {
			q[k*samples+n] = math.Exp(t - e)
		}
	}
}

func (r *reference) MixtureEvidenceBackward(components, n int, dlp float32, logits, resp, dlogits device.Buffer) {
	k := r.begin()
	mixtureEvidenceBackward(components, n, float64(dlp), k.in(logits, components), k.in(resp, components*n), k.out(dlogits, components))
	k.done()
}

func mixtureEvidenceBackward(components, samples int, dlp float64, logits, resp, dlogits []float64) {
	whole := logSumExp(logits)
	for k := range components {
		for n := range samples {
			dlogits[k] += dlp * (resp[k*samples+n] - math.Exp(logits[k]-whole))
		}
	}
}

func (r *reference) Center(c, m int, mean, x, y device.Buffer) {
	k := r.begin()
	center(m, k.in(mean, c), k.in(x, c*m), k.out(y, c*m))
	k.done()
}

func center(m int, mean, x, y []float64) {
	for i, v := range x {
		y[i] = v - mean[i/m]
	}
}

func (r *reference) CenterBackward(c, m int, dy, dx, dmean device.Buffer) {
	k := r.begin()
	centerBackward(m, k.in(dy, c*m), k.out(dx, c*m), k.out(dmean, c))
	k.done()
}

func centerBackward(m int, dy, dx, dmean []float64) {
	for i, v := range dy {
		dx[i] += v
		dmean[i/m] -= v
	}
}

func (r *reference) Weigh(c, m int, a float32, w, x device.Buffer) {
	k := r.begin()
	weigh(m, float64(a), k.in(w, m), k.out(x, c*m))
	k.done()
}

func weigh(m int, a float64, w, x []float64) {
	for i := range x {
		x[i] *= a * w[i%m]
	}
}

func (r *reference) Triangle(d int, logs, l, a device.Buffer) {
	k := r.begin()
	triangle(d, k.in(logs, d), k.in(l, d*(d-1)/2), k.out(a, d*d))
	k.done()
}

func triangle(d int, logs, l, a []float64) {
	clear(a)
	for i := range d {
		a[i*d+i] = math.Exp(logs[i])
		copy(a[i*d:i*d+i], l[i*(i-1)/2:])
	}
}

func (r *reference) TriangleBackward(d int, logs, da, dlogs, dl device.Buffer) {
	k := r.begin()
	triangleBackward(d, k.in(logs, d), k.in(da, d*d), k.out(dlogs, d), k.out(dl, d*(d-1)/2))
	k.done()
}

func triangleBackward(d int, logs, da, dlogs, dl []float64) {
	for i := range d {
		dlogs[i] += da[i*d+i] * math.Exp(logs[i])
		for j := range i {
			dl[i*(i-1)/2+j] += da[i*d+j]
		}
	}
}

func (r *reference) MixturePick(components, n int, logits, u, pick device.Buffer) {
	k := r.begin()
	mixturePick(k.in(logits, components), k.in(u, n), k.out(pick, n))
	k.done()
}

func mixturePick(logits, u, pick []float64) {
	whole := logSumExp(logits)
	for n := range u {
		sum, k := 0.0, 0
		for ; k < len(logits)-1; k++ {
			if sum += math.Exp(logits[k] - whole); u[n] < sum {
				break
			}
		}
		pick[n] = float64(k)
	}
}

func (r *reference) MixturePlace(s device.Components, pick, mean, logs, l, x device.Buffer) {
	k := r.begin()
	mixturePlace(s, k.in(pick, s.N), k.in(mean, s.K*s.D), k.in(logs, s.K*s.D), k.optional(l, s.K*s.Triangle()), k.out(x, s.D*s.N))
	k.done()
}

func mixturePlace(s device.Components, pick, mean, logs, l, x []float64) {
	for n := range s.N {
		k := int(pick[n])
		away := make([]float64, s.D) // y - mean
		for i := range s.D {
			v := x[i*s.N+n]
			if l != nil {
				row := l[k*s.Triangle()+i*(i-1)/2:]
				for j := range i {
					v -= row[j] * away[j]
				}
			}
			away[i] = v * math.Exp(-logs[k*s.D+i])
			x[i*s.N+n] = mean[k*s.D+i] + away[i]
		}
	}
}

func (r *reference) AtMost(bound float32, x device.Buffer) {
	k := r.begin()
	v := k.out(x, x.Len())
	for i := range v {
		v[i] = min(v[i], float64(bound))
	}
	k.done()
}
