package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Coupling(s device.Rows, law device.Law, g, st, x, logdet device.Buffer) {
	k := r.begin()
	coupling(s, law, k.gains(s, law, g), k.in(st, law.Params()*s.Len()), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) CouplingInverse(s device.Rows, law device.Law, g, st, x, logdet device.Buffer) {
	k := r.begin()
	couplingInverse(s, law, k.gains(s, law, g), k.in(st, law.Params()*s.Len()), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) CouplingBackward(s device.Rows, law device.Law, g, st, x, dx device.Buffer, dld float32, dg device.Buffer) {
	k := r.begin()
	var dgains []float64
	if law == device.TanhScale {
		dgains = k.out(dg, s.C)
	}
	couplingBackward(s, law, k.gains(s, law, g), k.out(st, law.Params()*s.Len()), k.out(x, s.Len()), k.out(dx, s.Len()),
		float64(dld), dgains)
	k.done()
}

// gains is g, or as many ones where the law has none.
func (k *call) gains(s device.Rows, law device.Law, g device.Buffer) []float64 {
	if law == device.TanhScale {
		return k.in(g, s.C)
	}
	ones := make([]float64, s.C)
	fill(ones, 1)
	return ones
}

// logScale is ls and its derivative by s.
func logScale(law device.Law, g, s float64) (ls, slope float64) {
	switch law {
	case device.SigmoidScale:
		u := s + 2
		return -math.Log1p(math.Exp(-u)), 1 / (1 + math.Exp(u))
	case device.ExpScale:
		th := math.Tanh(s / 2)
		return 2 * th, 1 - th*th
	case device.TanhScale:
		th := math.Tanh(s)
		return g * th, g * (1 - th*th)
	case device.GaussScale:
		th := math.Tanh(s / 6)
		return 6 * th, 1 - th*th
	}
	return 0, 0 // Additive
}

// shiftsFirst tells y = (x+t)*e from y = x*e + t.
func shiftsFirst(law device.Law) bool { return law == device.SigmoidScale || law == device.GaussScale }

// params splits st into its t and s; s is all 0 where the law has none.
func params(r device.Rows, law device.Law, st []float64) (t, s []float64) {
	if law.Params() == 1 {
		return st, make([]float64, r.Len())
	}
	return st[:r.Len()], st[r.Len():]
}

// at is the channel and the sample of element i of [C][N][P].
func at(r device.Rows, i int) (c, n int) { return i / r.M(), i / r.P % r.N }

func coupling(r device.Rows, law device.Law, g, st, x, logdet []float64) {
	t, s := params(r, law, st)
	for i := range x {
		c, n := at(r, i)
		ls, _ := logScale(law, g[c], s[i])
		if shiftsFirst(law) {
			x[i] = (x[i] + t[i]) * math.Exp(ls)
		} else {
			x[i] = x[i]*math.Exp(ls) + t[i]
		}
		logdet[n] += ls
	}
}

func couplingInverse(r device.Rows, law device.Law, g, st, x, logdet []float64) {
	t, s := params(r, law, st)
	for i := range x {
		c, n := at(r, i)
		ls, _ := logScale(law, g[c], s[i])
		x[i] = uncouple(law, x[i], t[i], ls)
		logdet[n] -= ls
	}
}

func uncouple(law device.Law, y, t, ls float64) float64 {
	if shiftsFirst(law) {
		return y/math.Exp(ls) - t
	}
	return (y - t) / math.Exp(ls)
}

func couplingBackward(r device.Rows, law device.Law, g, st, x, dx []float64, dld float64, dg []float64) {
	t, s := params(r, law, st)
	for i := range x {
		c, _ := at(r, i)
		ls, slope := logScale(law, g[c], s[i])
		y, dy, e := x[i], dx[i], math.Exp(ls)
		x[i] = uncouple(law, y, t[i], ls)
		dx[i] = dy * e
		var dt, dls float64
		if shiftsFirst(law) {
			dt, dls = dy*e, dy*y+dld
		} else {
			dt, dls = dy, dy*(y-t[i])+dld
		}
		if law == device.TanhScale {
			dg[c] += dls * math.Tanh(s[i])
		}
		t[i], s[i] = dt, dls*slope
	}
}

func (r *reference) ActNorm(c, m int, logs, b, x device.Buffer) {
	k := r.begin()
	actNorm(m, k.in(logs, c), k.in(b, c), k.out(x, c*m))
	k.done()
}

func actNorm(m int, logs, b, x []float64) {
	for i := range x {
		x[i] = (x[i] + b[i/m]) * math.Exp(logs[i/m])
	}
}

func (r *reference) ActNormInverse(c, m int, logs, b, x device.Buffer) {
	k := r.begin()
	actNormInverse(m, k.in(logs, c), k.in(b, c), k.out(x, c*m))
	k.done()
}

func actNormInverse(m int, logs, b, x []float64) {
	for i := range x {
		x[i] = x[i]*math.Exp(-logs[i/m]) - b[i/m]
	}
}

func (r *reference) ActNormBackward(c, m int, logs, b, x, dx device.Buffer, dld float32, dlogs, db device.Buffer) {
	k := r.begin()
	actNormBackward(m, k.in(logs, c), k.in(b, c), k.out(x, c*m), k.out(dx, c*m), float64(dld), k.out(dlogs, c), k.out(db, c))
	k.done()
}

func actNormBackward(m int, logs, b, x, dx []float64, dld float64, dlogs, db []float64) {
	for c := range logs {
		dlogs[c] += dld
	}
	for i := range x {
		dlogs[i/m] += dx[i] * x[i]
		dx[i] *= math.Exp(logs[i/m])
		db[i/m] += dx[i]
	}
	actNormInverse(m, logs, b, x)
}

func (r *reference) ActNormInit(c, m int, x, logs, b device.Buffer) {
	k := r.begin()
	actNormInit(m, k.in(x, c*m), k.out(logs, c), k.out(b, c))
	k.done()
}

func actNormInit(m int, x, logs, b []float64) {
	if m == 0 {
		return
	}
	for c := range logs {
		row := x[c*m : (c+1)*m]
		mean := sum(row) / float64(m)
		var squares float64
		for _, v := range row {
			squares += (v - mean) * (v - mean)
		}
		b[c] = -mean
		logs[c] = -math.Log(max(math.Sqrt(squares/float64(m)), 1e-3))
	}
}

func (r *reference) Permute(c, m int, perm, x, y device.Buffer) {
	k := r.begin()
	p, from, to := k.in(perm, c), k.in(x, c*m), k.out(y, c*m)
	for i := range c {
		j := int(p[i])
		copy(to[i*m:(i+1)*m], from[j*m:(j+1)*m])
	}
	k.done()
}

func (r *reference) Squeeze(c, n, h, w int, x, y device.Buffer) {
	k := r.begin()
	squeeze(c, n, h, w, k.in(x, c*n*h*w), k.out(y, c*n*h*w))
	k.done()
}

func (r *reference) Unsqueeze(c, n, h, w int, x, y device.Buffer) {
	k := r.begin()
	unsqueeze(c, n, h, w, k.in(x, c*n*h*w), k.out(y, c*n*h*w))
	k.done()
}

func squeeze(c, n, h, w int, x, y []float64) {
	squeezed(c, n, h, w, func(wide, deep int) { y[deep] = x[wide] })
}

func unsqueeze(c, n, h, w int, x, y []float64) {
	squeezed(c, n, h, w, func(wide, deep int) { y[wide] = x[deep] })
}

// squeezed pairs each index of [C][N][H][W] with its index in [4C][N][H/2][W/2].
func squeezed(c, n, h, w int, pair func(wide, deep int)) {
	if h%2 != 0 || w%2 != 0 {
		panic("devicetest: squeeze of odd height or width")
	}
	for ci := range c {
		for ni := range n {
			for i := range h {
				for j := range w {
					u, v := i%2, j%2
					pair(((ci*n+ni)*h+i)*w+j, (((4*ci+2*u+v)*n+ni)*(h/2)+i/2)*(w/2)+j/2)
				}
			}
		}
	}
}

func (r *reference) GaussianLogProb(s device.Rows, x, logp device.Buffer) {
	k := r.begin()
	gaussianLogProb(s, k.in(x, s.Len()), k.out(logp, s.N))
	k.done()
}

func gaussianLogProb(r device.Rows, x, logp []float64) {
	for i, v := range x {
		_, n := at(r, i)
		logp[n] += -v*v/2 - math.Log(2*math.Pi)/2
	}
}

func (r *reference) GaussianLogProbBackward(dlp float32, x, dx device.Buffer) {
	k := r.begin()
	gaussianLogProbBackward(float64(dlp), k.in(x, x.Len()), k.out(dx, x.Len()))
	k.done()
}

func gaussianLogProbBackward(dlp float64, x, dx []float64) {
	for i := range x {
		dx[i] = -dlp * x[i]
	}
}

func (r *reference) Dequantize(s device.Rows, levels int, rng device.Stream, at, v, x device.Buffer) {
	k := r.begin()
	q, y := k.in(v, s.Len()), k.out(x, s.Len())
	noise(s, rng, k.in(at, 2), func(i int, uniform, _ float64) { y[i] = (q[i]+uniform)/float64(levels) - 0.5 })
	k.done()
}

func (r *reference) Normal(s device.Rows, std float32, rng device.Stream, at, x device.Buffer) {
	k := r.begin()
	y := k.out(x, s.Len())
	noise(s, rng, k.in(at, 2), func(i int, _, normal float64) { y[i] = float64(std) * normal })
	k.done()
}

func (r *reference) Uniform(s device.Rows, rng device.Stream, at, x device.Buffer) {
	k := r.begin()
	y := k.out(x, s.Len())
	noise(s, rng, k.in(at, 2), func(i int, uniform, _ float64) { y[i] = uniform })
	k.done()
}

// noise gives each index of [C][N][P] its uniform and its normal number, as device.Stream defines them.
func noise(r device.Rows, rng device.Stream, at []float64, each func(i int, uniform, normal float64)) {
	step, first := uint32(at[0]), uint32(at[1])
	for c := range r.C {
		for n := range r.N {
			for p := range r.P {
				e := uint32(c*r.P + p)
				w := rng.Words(e/4, first+uint32(n), step)
				even, odd := device.NormalOf(w[e%4&^1], w[e%4|1])
				normal := even
				if e%2 == 1 {
					normal = odd
				}
				each((c*r.N+n)*r.P+p, float64(device.UniformOf(w[e%4])), normal)
			}
		}
	}
}
