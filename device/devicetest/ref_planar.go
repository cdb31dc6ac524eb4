package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) PlanarFold(c int, w, u, uh, s device.Buffer) {
	k := r.begin()
	planarFold(k.in(w, c), k.in(u, c), k.out(uh, c), k.out(s, 1))
	k.done()
}

func planarFold(w, u, uh, s []float64) {
	t := inner(w, u)
	s[0] = max(softplus(t), least)
	for i := range uh {
		uh[i] = u[i] + (s[0]-1-t)*w[i]/inner(w, w)
	}
}

func inner(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func (r *reference) PlanarFoldBackward(c int, w, u, duh, ds, dw, du device.Buffer) {
	k := r.begin()
	planarFoldBackward(k.in(w, c), k.in(u, c), k.in(duh, c), k.in(ds, 1), k.out(dw, c), k.out(du, c))
	k.done()
}

func planarFoldBackward(w, u, duh, ds, dw, du []float64) {
	t, norm := inner(w, u), inner(w, w)
	k := (softplus(t) - 1 - t) / norm
	dk := inner(duh, w)
	dt := (ds[0]+dk/norm)*sigmoid(t) - dk/norm
	for i := range w {
		dw[i] += k*duh[i] + dt*u[i] - 2*dk*k/norm*w[i]
		du[i] += duh[i] + dt*w[i]
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// gate is h of a planar flow with s: what g(a) = a + (s-1)*h(a) needs, in sums that do not cancel.
type gate struct {
	h device.Map
	s float64
}

func (g gate) value(a float64) float64 {
	switch g.h.Func {
	case device.TanhMap:
		return math.Tanh(a)
	case device.SoftplusMap:
		return softplus(a)
	}
	return leaky(a, a, float64(g.h.Slope)*a)
}

// slopes are h', 1-h' and h”.
func (g gate) slopes(a float64) (h1, rest, h2 float64) {
	switch g.h.Func {
	case device.TanhMap:
		t := math.Tanh(a)
		e := 1 / math.Cosh(a)
		return e * e, t * t, -2 * t * e * e
	case device.SoftplusMap:
		return sigmoid(a), sigmoid(-a), sigmoid(a) * sigmoid(-a)
	}
	slope := leaky(a, 1, float64(g.h.Slope))
	return slope, 1 - slope, 0
}

// det is g'(a).
func (g gate) det(a float64) float64 {
	h1, rest, _ := g.slopes(a)
	return rest + g.s*h1
}

// solve finds the a with g(a) = q by halving an interval.
func (g gate) solve(q float64) float64 {
	if math.IsNaN(q) {
		return q
	}
	below := func(a float64) bool { return g.excess(a)+g.s*g.value(a) < q }
	lo, hi := -1.0, 1.0
	for !below(lo) && lo > -1e300 {
		lo *= 2
	}
	for below(hi) && hi < 1e300 {
		hi *= 2
	}
	for range 2000 {
		a := lo + (hi-lo)/2
		if a == lo || a == hi {
			break
		}
		if below(a) {
			lo = a
		} else {
			hi = a
		}
	}
	return hi
}

// excess is a - h(a).
func (g gate) excess(a float64) float64 {
	switch g.h.Func {
	case device.TanhMap:
		if math.Abs(a) < 0.1 {
			b := a * a // a^3/3 - 2a^5/15 + 17a^7/315 - ...
			return a * b * (1./3 - b*(2./15-b*(17./315-b*(62./2835-b*(1382./155925-b*(21844./6081075))))))
		}
		return a - math.Tanh(a)
	case device.SoftplusMap:
		return -softplus(-a)
	}
	return leaky(a, 0, (1-float64(g.h.Slope))*a)
}

func (r *reference) Planar(c, n int, h device.Map, w, b, uh, s, x, logdet device.Buffer) {
	k := r.begin()
	planar(n, gate{h, k.in(s, 1)[0]}, k.in(w, c), k.in(b, 1), k.in(uh, c), k.out(x, c*n), k.out(logdet, n))
	k.done()
}

// column is sample n of x [C][N], and a function that puts another in its place.
func column(x []float64, rows, n, i int) []float64 {
	v := make([]float64, rows)
	for c := range v {
		v[c] = x[c*n+i]
	}
	return v
}

func setColumn(x []float64, n, i int, v []float64) {
	for c := range v {
		x[c*n+i] = v[c]
	}
}

func planar(n int, g gate, w, b, uh, x, logdet []float64) {
	for i := range n {
		v := column(x, len(w), n, i)
		a := inner(w, v) + b[0]
		for c := range v {
			v[c] += uh[c] * g.value(a)
		}
		setColumn(x, n, i, v)
		logdet[i] += math.Log(g.det(a))
	}
}

func (r *reference) PlanarInverse(c, n int, h device.Map, w, b, uh, s, x, logdet device.Buffer) {
	k := r.begin()
	planarInverse(n, gate{h, k.in(s, 1)[0]}, k.in(w, c), k.in(b, 1), k.in(uh, c), k.out(x, c*n), k.out(logdet, n))
	k.done()
}

func planarInverse(n int, g gate, w, b, uh, x, logdet []float64) {
	for i := range n {
		v := column(x, len(w), n, i)
		a := g.solve(inner(w, v) + b[0])
		for c := range v {
			v[c] -= uh[c] * g.value(a)
		}
		setColumn(x, n, i, v)
		logdet[i] -= math.Log(g.det(a))
	}
}

func (r *reference) PlanarBackward(c, n int, h device.Map, w, b, uh, s, x, dx device.Buffer, dld float32, dw, db, duh, ds device.Buffer) {
	k := r.begin()
	planarBackward(n, gate{h, k.in(s, 1)[0]}, k.in(w, c), k.in(b, 1), k.in(uh, c), k.out(x, c*n), k.out(dx, c*n), float64(dld),
		k.out(dw, c), k.out(db, 1), k.out(duh, c), k.out(ds, 1))
	k.done()
}

func planarBackward(n int, g gate, w, b, uh, x, dx []float64, dld float64, dw, db, duh, ds []float64) {
	for i := range n {
		v, d := column(x, len(w), n, i), column(dx, len(w), n, i)
		a := g.solve(inner(w, v) + b[0])
		h1, _, h2 := g.slopes(a)
		da := h1*inner(uh, d) + dld*(g.s-1)*h2/g.det(a)
		for c := range v {
			v[c] -= uh[c] * g.value(a)
			duh[c] += d[c] * g.value(a)
			d[c] += w[c] * da
			dw[c] += da * v[c]
		}
		db[0] += da
		ds[0] += dld * h1 / g.det(a)
		setColumn(x, n, i, v)
		setColumn(dx, n, i, d)
	}
}

// ball is a radial flow.
type ball struct {
	x0    []float64
	al, s float64
}

func (k *call) ball(c int, x0, loga, beta device.Buffer) ball {
	return ball{k.in(x0, c), math.Exp(k.in(loga, 1)[0]), softplus(k.in(beta, 1)[0])}
}

// about is v - x0 and its length.
func (b ball) about(v []float64) (d []float64, r float64) {
	for c := range v {
		d = append(d, v[c]-b.x0[c])
	}
	return d, math.Sqrt(inner(d, d))
}

func (b ball) logDet(r float64) float64 {
	q := r*r + 2*b.al*r + b.s*b.al
	return float64(len(b.x0)-1)*math.Log((r+b.s)/(r+b.al)) + math.Log(q/((r+b.al)*(r+b.al)))
}

// solve is the r whose point moves to a distance of far.
func (b ball) solve(far float64) float64 {
	p := far - b.s
	root := math.Hypot(p, 2*math.Sqrt(far*b.al))
	if p > 0 {
		return (p + root) / 2
	}
	if root == 0 {
		return 0
	}
	return 2 * far * b.al / (root - p)
}

func (r *reference) Radial(c, n int, x0, loga, beta, x, logdet device.Buffer) {
	k := r.begin()
	radial(n, k.ball(c, x0, loga, beta), k.out(x, c*n), k.out(logdet, n))
	k.done()
}

func radial(n int, b ball, x, logdet []float64) {
	for i := range n {
		v, r := b.about(column(x, len(b.x0), n, i))
		for c := range v {
			v[c] = b.x0[c] + v[c]*(r+b.s)/(r+b.al)
		}
		setColumn(x, n, i, v)
		logdet[i] += b.logDet(r)
	}
}

func (r *reference) RadialInverse(c, n int, x0, loga, beta, x, logdet device.Buffer) {
	k := r.begin()
	radialInverse(n, k.ball(c, x0, loga, beta), k.out(x, c*n), k.out(logdet, n))
	k.done()
}

func radialInverse(n int, b ball, x, logdet []float64) {
	for i := range n {
		v, far := b.about(column(x, len(b.x0), n, i))
		r := b.solve(far)
		for c := range v {
			v[c] = b.x0[c] + v[c]*(r+b.al)/(r+b.s)
		}
		setColumn(x, n, i, v)
		logdet[i] -= b.logDet(r)
	}
}

func (r *reference) RadialBackward(c, n int, x0, loga, beta, x, dx device.Buffer, dld float32, dx0, dloga, dbeta device.Buffer) {
	k := r.begin()
	b := k.ball(c, x0, loga, beta)
	radialBackward(n, b, sigmoid(k.in(beta, 1)[0]), k.out(x, c*n), k.out(dx, c*n), float64(dld), k.out(dx0, c), k.out(dloga, 1), k.out(dbeta, 1))
	k.done()
}

// radialBackward: sbeta is ds/dbeta.
func radialBackward(n int, b ball, sbeta float64, x, dx []float64, dld float64, dx0, dloga, dbeta []float64) {
	d := float64(len(b.x0))
	for i := range n {
		v, far := b.about(column(x, len(b.x0), n, i))
		dy := column(dx, len(b.x0), n, i)
		r := b.solve(far)
		k := (r + b.s) / (r + b.al)
		for c := range v {
			v[c] /= k
		}
		q := r*r + 2*b.al*r + b.s*b.al
		p := inner(v, dy)
		dr := p*(b.al-b.s)/((r+b.al)*(r+b.al)) + dld*((d-1)*(1/(r+b.s)-1/(r+b.al))+2*(r+b.al)/q-2/(r+b.al))
		dbeta[0] += sbeta * (p/(r+b.al) + dld*((d-1)/(r+b.s)+b.al/q))
		dloga[0] += b.al * (-p*k/(r+b.al) + dld*(-(d+1)/(r+b.al)+(2*r+b.s)/q))
		for c := range v {
			g := k * dy[c]
			if r > 0 {
				g += dr * v[c] / r
			}
			dx0[c] += dy[c] - g
			dy[c] = g
			v[c] += b.x0[c]
		}
		setColumn(x, n, i, v)
		setColumn(dx, n, i, dy)
	}
}
