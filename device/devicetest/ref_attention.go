package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Attend(s device.Heads, qkv, y, lse device.Buffer) {
	k := r.begin()
	fitHeads(s)
	attend(s, k.in(qkv, 3*s.C*s.M()), k.out(y, s.C*s.M()), k.out(lse, s.H*s.M()))
	k.done()
}

func fitHeads(s device.Heads) {
	if !s.Valid() {
		panic("devicetest: there is no such attention")
	}
}

// eachScore calls f with the score of each token t and each token s that it attends to, by head h and sample n.
func eachScore(s device.Heads, qkv []float64, f func(h, n, t, u int, a float64)) {
	d, m := s.C/s.H, s.M()
	for h := range s.H {
		for n := range s.N {
			for t := range s.T {
				for u := range s.T {
					if s.Causal && u > t {
						continue
					}
					var a float64
					for c := h * d; c < h*d+d; c++ {
						a += qkv[c*m+n*s.T+t] * qkv[(s.C+c)*m+n*s.T+u]
					}
					f(h, n, t, u, a/math.Sqrt(float64(d)))
				}
			}
		}
	}
}

func attend(s device.Heads, qkv, y, lse []float64) {
	d, m := s.C/s.H, s.M()
	most := make([]float64, s.H*m)
	for i := range most {
		most[i] = math.Inf(-1)
	}
	eachScore(s, qkv, func(h, n, t, _ int, a float64) { most[h*m+n*s.T+t] = max(most[h*m+n*s.T+t], a) })
	sum := make([]float64, s.H*m)
	eachScore(s, qkv, func(h, n, t, _ int, a float64) { sum[h*m+n*s.T+t] += math.Exp(a - most[h*m+n*s.T+t]) })
	for i := range lse {
		lse[i] = most[i] + math.Log(sum[i])
	}
	clear(y)
	eachScore(s, qkv, func(h, n, t, u int, a float64) {
		w := math.Exp(a - lse[h*m+n*s.T+t])
		for c := h * d; c < h*d+d; c++ {
			y[c*m+n*s.T+t] += w * qkv[(2*s.C+c)*m+n*s.T+u]
		}
	})
}

func (r *reference) AttendBackward(s device.Heads, qkv, y, lse, dy, dqkv device.Buffer) {
	k := r.begin()
	fitHeads(s)
	attendBackward(s, k.in(qkv, 3*s.C*s.M()), k.in(y, s.C*s.M()), k.in(lse, s.H*s.M()), k.in(dy, s.C*s.M()), k.out(dqkv, 3*s.C*s.M()))
	k.done()
}

func attendBackward(s device.Heads, qkv, y, lse, dy, dqkv []float64) {
	d, m := s.C/s.H, s.M()
	clear(dqkv)
	eachScore(s, qkv, func(h, n, t, u int, a float64) {
		w := math.Exp(a - lse[h*m+n*s.T+t])
		var dw float64
		for c := h * d; c < h*d+d; c++ {
			i, j := c*m+n*s.T+t, c*m+n*s.T+u
			dw += dy[i] * (qkv[2*s.C*m+j] - y[i])
			dqkv[2*s.C*m+j] += w * dy[i]
		}
		da := w * dw / math.Sqrt(float64(d))
		for c := h * d; c < h*d+d; c++ {
			i, j := c*m+n*s.T+t, c*m+n*s.T+u
			dqkv[i] += da * qkv[s.C*m+j]
			dqkv[s.C*m+j] += da * qkv[i]
		}
	})
}

func (r *reference) AttendStep(s device.Heads, t int, qkv, keys, values, y device.Buffer) {
	k := r.begin()
	fitHeads(s)
	attendStep(s, t, k.in(qkv, 3*s.C*s.N), k.out(keys, s.C*s.M()), k.out(values, s.C*s.M()), k.out(y, s.C*s.N))
	k.done()
}

func attendStep(s device.Heads, t int, qkv, keys, values, y []float64) {
	d := s.C / s.H
	for i := range s.C * s.N {
		keys[i*s.T+t] = qkv[s.C*s.N+i]
		values[i*s.T+t] = qkv[2*s.C*s.N+i]
	}
	for h := range s.H {
		for n := range s.N {
			w := make([]float64, t+1)
			most, sum := math.Inf(-1), 0.0
			for u := range w {
				for c := h * d; c < h*d+d; c++ {
					w[u] += qkv[c*s.N+n] * keys[(c*s.N+n)*s.T+u] / math.Sqrt(float64(d))
				}
				most = max(most, w[u])
			}
			for u := range w {
				w[u] = math.Exp(w[u] - most)
				sum += w[u]
			}
			for c := h * d; c < h*d+d; c++ {
				y[c*s.N+n] = 0
				for u := range w {
					y[c*s.N+n] += w[u] / sum * values[(c*s.N+n)*s.T+u]
				}
			}
		}
	}
}

func (r *reference) LayerNorm(c, m int, eps float32, gamma, beta, x, y, stats device.Buffer) {
	k := r.begin()
	layerNorm(c, m, float64(eps), k.in(gamma, c), k.in(beta, c), k.in(x, c*m), k.out(y, c*m), k.out(stats, 2*m))
	k.done()
}

func layerNorm(c, m int, eps float64, gamma, beta, x, y, stats []float64) {
	for j := range m {
		var mean, variance float64
		for i := range c {
			mean += x[i*m+j] / float64(c)
		}
		for i := range c {
			variance += (x[i*m+j] - mean) * (x[i*m+j] - mean) / float64(c)
		}
		stats[j], stats[m+j] = mean, 1/math.Sqrt(variance+eps)
		for i := range c {
			y[i*m+j] = gamma[i]*(x[i*m+j]-mean)*stats[m+j] + beta[i]
		}
	}
}

func (r *reference) LayerNormBackward(c, m int, gamma, x, stats, dy, dx, dgamma, dbeta device.Buffer) {
	k := r.begin()
	layerNormBackward(c, m, k.in(gamma, c), k.in(x, c*m), k.in(stats, 2*m), k.in(dy, c*m), k.out(dx, c*m), k.out(dgamma, c), k.out(dbeta, c))
	k.done()
}

func layerNormBackward(c, m int, gamma, x, stats, dy, dx, dgamma, dbeta []float64) {
	for j := range m {
		xh := func(i int) float64 { return (x[i*m+j] - stats[j]) * stats[m+j] }
		var meanG, meanGX float64
		for i := range c {
			g := gamma[i] * dy[i*m+j]
			meanG += g / float64(c)
			meanGX += g * xh(i) / float64(c)
			dgamma[i] += dy[i*m+j] * xh(i)
			dbeta[i] += dy[i*m+j]
		}
		for i := range c {
			dx[i*m+j] += stats[m+j] * (gamma[i]*dy[i*m+j] - meanG - xh(i)*meanGX)
		}
	}
}

func (r *reference) GELU(x, y device.Buffer) {
	k := r.begin()
	gelu(k.in(x, x.Len()), k.out(y, x.Len()))
	k.done()
}

func geluAt(x float64) float64 {
	return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
}

func gelu(x, y []float64) {
	for i, v := range x {
		y[i] = geluAt(v)
	}
}

func (r *reference) GELUBackward(x, dy device.Buffer) {
	k := r.begin()
	geluBackward(k.in(x, x.Len()), k.out(dy, x.Len()))
	k.done()
}

func geluBackward(x, dy []float64) {
	for i, v := range x {
		slope := math.Sqrt(2/math.Pi) * (1 + 3*0.044715*v*v)
		th := math.Tanh(math.Sqrt(2/math.Pi) * (v + 0.044715*v*v*v))
		dy[i] *= 0.5*(1+th) + 0.5*v*(1-th*th)*slope
	}
}

func (r *reference) AddPositions(s device.Rows, pos, x device.Buffer) {
	k := r.begin()
	addPositions(s, k.in(pos, s.C*s.P), k.out(x, s.Len()))
	k.done()
}

func addPositions(s device.Rows, pos, x []float64) {
	for i := range x {
		x[i] += pos[i/s.M()*s.P+i%s.P]
	}
}

func (r *reference) PositionsBackward(s device.Rows, dx, dpos device.Buffer) {
	k := r.begin()
	positionsBackward(s, k.in(dx, s.Len()), k.out(dpos, s.C*s.P))
	k.done()
}

func positionsBackward(s device.Rows, dx, dpos []float64) {
	for i, v := range dx {
		dpos[i/s.M()*s.P+i%s.P] += v
	}
}

func (r *reference) Embed(s device.Rows, classes int, label, table, x device.Buffer) {
	k := r.begin()
	embed(s, k.in(label, s.N), k.in(table, classes*s.C), k.out(x, s.Len()))
	k.done()
}

func embed(s device.Rows, label, table, x []float64) {
	for i := range x {
		x[i] += table[int(label[i%s.M()/s.P])*s.C+i/s.M()]
	}
}

func (r *reference) EmbedBackward(s device.Rows, classes int, label, dx, dtable device.Buffer) {
	k := r.begin()
	embedBackward(s, k.in(label, s.N), k.in(dx, s.Len()), k.out(dtable, classes*s.C))
	k.done()
}

func embedBackward(s device.Rows, label, dx, dtable []float64) {
	for i, v := range dx {
		dtable[int(label[i%s.M()/s.P])*s.C+i/s.M()] += v
	}
}

func (r *reference) Gather(rows, p, q int, index, x, y device.Buffer) {
	k := r.begin()
	gather(rows, p, q, k.in(index, q), k.in(x, rows*p), k.out(y, rows*q))
	k.done()
}

func gather(rows, p, q int, index, x, y []float64) {
	for i := range rows {
		for j, from := range index {
			y[i*q+j] = 0
			if from >= 0 {
				y[i*q+j] = x[i*p+int(from)]
			}
		}
	}
}

func (r *reference) Scatter(rows, p, q int, index, x, y device.Buffer) {
	k := r.begin()
	scatter(rows, p, q, k.in(index, q), k.in(x, rows*q), k.out(y, rows*p))
	k.done()
}

func scatter(rows, p, q int, index, x, y []float64) {
	for i := range rows {
		for j, to := range index {
			if to >= 0 {
				y[i*p+int(to)] = x[i*q+j]
			}
		}
	}
}
