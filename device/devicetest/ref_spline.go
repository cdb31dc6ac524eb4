package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Curve(s device.Rows, c device.Curve, params, x, logdet device.Buffer) {
	k := r.begin()
	curve(s, c, k.in(params, c.Params()*s.Len()), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) CurveInverse(s device.Rows, c device.Curve, params, x, logdet device.Buffer) {
	k := r.begin()
	curveInverse(s, c, k.in(params, c.Params()*s.Len()), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func (r *reference) CurveBackward(s device.Rows, c device.Curve, params, x, dx device.Buffer, dld float32) {
	k := r.begin()
	curveBackward(s, c, k.out(params, c.Params()*s.Len()), k.out(x, s.Len()), k.out(dx, s.Len()), float64(dld))
	k.done()
}

func (r *reference) CurveInverseBackward(s device.Rows, c device.Curve, params, x, dx device.Buffer, dld float32) {
	k := r.begin()
	curveInverseBackward(s, c, k.out(params, c.Params()*s.Len()), k.out(x, s.Len()), k.out(dx, s.Len()), float64(dld))
	k.done()
}

// paramAt is the place of parameter j of element i.
func paramAt(r device.Rows, q, j, i int) int { return (i/r.M()*q+j)*r.M() + i%r.M() }

// curveParams are the parameters of element i, as constants.
func curveParams(r device.Rows, c device.Curve, params []float64, i int) []dual {
	p := make([]dual, c.Params())
	for j := range p {
		p[j].v = params[paramAt(r, len(p), j, i)]
	}
	return p
}

func curve(r device.Rows, c device.Curve, params, x, logdet []float64) {
	for i, v := range x {
		_, n := at(r, i)
		y, ld := curveAt(c, curveParams(r, c, params, i), dual{v: v})
		x[i] = y.v
		logdet[n] += ld.v
	}
}

// curveRoot finds x of y by bisection, which for a spline stays in the domain: the slope may jump at its ends.
func curveRoot(c device.Curve, p []dual, y float64) float64 {
	lo, hi := math.Inf(-1), math.Inf(1)
	if bends(c) {
		start, size := c.Span()
		lo, hi = float64(start), float64(start)+float64(size)
	}
	if y < lo || y > hi {
		return y
	}
	return min(max(lo, solve(func(x float64) bool {
		at, _ := curveAt(c, p, dual{v: x})
		return at.v < y
	})), hi)
}

func curveInverse(r device.Rows, c device.Curve, params, x, logdet []float64) {
	for i, y := range x {
		_, n := at(r, i)
		p := curveParams(r, c, params, i)
		x[i] = curveRoot(c, p, y)
		_, ld := curveAt(c, p, dual{v: x[i]})
		logdet[n] -= ld.v
	}
}

// curveBackward differentiates by x and by one parameter after the other.
func curveBackward(r device.Rows, c device.Curve, params, x, dx []float64, dld float64) {
	for i, dy := range dx {
		p := curveParams(r, c, params, i)
		x[i] = curveRoot(c, p, x[i])
		y, ld := curveAt(c, p, dual{x[i], 1})
		dx[i] = dy*y.d + dld*ld.d
		for j := range p {
			p[j].d = 1
			y, ld = curveAt(c, p, dual{v: x[i]})
			params[paramAt(r, len(p), j, i)] = dy*y.d + dld*ld.d
			p[j].d = 0
		}
	}
}

func curveInverseBackward(r device.Rows, c device.Curve, params, x, dx []float64, dld float64) {
	for i, v := range x {
		p := curveParams(r, c, params, i)
		y, ld := curveAt(c, p, dual{v, 1})
		x[i] = y.v
		dx[i] = (dx[i] - dld*ld.d) / y.d
		for j := range p {
			p[j].d = 1
			y, ld = curveAt(c, p, dual{v: v})
			params[paramAt(r, len(p), j, i)] = -dx[i]*y.d - dld*ld.d
			p[j].d = 0
		}
	}
}

// dual is a value and its derivative by one variable.
type dual struct{ v, d float64 }

func (a dual) add(b dual) dual      { return dual{a.v + b.v, a.d + b.d} }
func (a dual) sub(b dual) dual      { return dual{a.v - b.v, a.d - b.d} }
func (a dual) mul(b dual) dual      { return dual{a.v * b.v, a.d*b.v + a.v*b.d} }
func (a dual) div(b dual) dual      { return dual{a.v / b.v, (a.d - a.v/b.v*b.d) / b.v} }
func (a dual) times(k float64) dual { return dual{a.v * k, a.d * k} }
func (a dual) plus(k float64) dual  { return dual{a.v + k, a.d} }
func (a dual) exp() dual            { return dual{math.Exp(a.v), a.d * math.Exp(a.v)} }
func (a dual) log() dual            { return dual{math.Log(a.v), a.d / a.v} }
func (a dual) logSigmoid() dual     { return dual{logSigmoid(a.v), a.d * math.Exp(logSigmoid(-a.v))} }

// softplus is log(1+exp(a)) = -log sigmoid(-a).
func (a dual) softplus() dual { return a.times(-1).logSigmoid().times(-1) }

func dualLogSumExp(terms []dual) dual {
	top := math.Inf(-1)
	for _, t := range terms {
		top = max(top, t.v)
	}
	var sum dual
	for _, t := range terms {
		sum = sum.add(t.plus(-top).exp())
	}
	return sum.log().plus(top)
}

func dualSoftmax(logits []dual, scale float64) []dual {
	all := make([]dual, len(logits))
	for i, l := range logits {
		all[i] = l.times(scale)
	}
	total := dualLogSumExp(all)
	for i := range all {
		all[i] = all[i].sub(total).exp()
	}
	return all
}

// curveAt is the function of device.Curves: y and log dy/dx.
func curveAt(c device.Curve, p []dual, x dual) (y, ld dual) {
	switch c.Of {
	case device.AffineCurve:
		return affineAt(p[0], p[1], x)
	case device.LogisticMixture:
		return logisticMixtureAt(c.K, p, x)
	case device.GaussianMixture:
		return gaussianMixtureAt(c.K, p, x)
	}
	lo32, size32 := c.Span()
	lo, size := float64(lo32), float64(size32)
	if x.v < lo || x.v > lo+size {
		return x, dual{}
	}
	u := x.plus(-lo).times(1 / size)
	switch c.Of {
	case device.LinearSpline:
		y, ld = linearAt(c, p, u)
	case device.QuadraticSpline:
		y, ld = quadraticAt(c, p, u)
	case device.RationalSpline:
		y, ld = rationalAt(c, p, u)
	}
	return y.times(size).plus(lo), ld
}

func softclip(s dual) dual {
	limit := math.Log(10000)
	return s.div(dual{1 + math.Abs(s.v)/limit, math.Copysign(1, s.v) * s.d / limit})
}

func affineAt(t, s, x dual) (y, ld dual) {
	ld = softclip(s)
	return x.mul(ld.exp()).add(t), ld
}

// parts are K widths or heights of a domain of length 1.
func parts(c device.Curve, logits []dual) []dual {
	p := dualSoftmax(logits, float64(c.Scale))
	for i := range p {
		p[i] = p[i].times(1 - float64(c.K)*device.MinBin).plus(device.MinBin)
	}
	return p
}

// binOf is the part that u is in and where that begins.
func binOf(widths []dual, u float64) (bin int, left dual) {
	for i, w := range widths {
		if u < left.v+w.v || i == len(widths)-1 {
			return i, left
		}
		left = left.add(w)
	}
	panic("devicetest: a spline without bins")
}

func linearAt(c device.Curve, p []dual, u dual) (y, ld dual) {
	heights, widths := parts(c, p), make([]dual, c.K)
	for i := range widths {
		widths[i].v = 1 / float64(c.K)
	}
	bin, left := binOf(widths, u.v)
	for _, h := range heights[:bin] {
		y = y.add(h)
	}
	slope := heights[bin].times(float64(c.K))
	return y.add(u.sub(left).mul(slope)), slope.log()
}

// knots are a value at each of K+1 knots, of which ends stand at both with Tails.
func knots(c device.Curve, free []dual, ends dual) []dual {
	switch c.On {
	case device.Tails:
		return append(append([]dual{ends}, free...), ends)
	case device.Circle:
		return append(append([]dual{}, free...), free[0])
	}
	return free
}

func slopes(free []dual) (v []dual) {
	for _, u := range free {
		v = append(v, u.softplus().plus(device.MinSlope))
	}
	return v
}

func quadraticAt(c device.Curve, p []dual, u dual) (y, ld dual) {
	widths := parts(c, p[:c.K])
	free := slopes(p[c.K:])
	trapezoids := func(v []dual) (area dual) {
		for i, w := range widths {
			area = area.add(w.mul(v[i].add(v[i+1])).times(0.5))
		}
		return area
	}
	area := trapezoids(knots(c, free, dual{}))
	if c.On == device.Tails { // the ends are the area itself: area = that without them + area * their own
		ends := widths[0].add(widths[c.K-1]).times(0.5)
		area = area.div(dual{v: 1}.sub(ends))
	}
	v := knots(c, free, area)
	for i := range v {
		v[i] = v[i].div(area).times(1 - device.MinBin).plus(device.MinBin)
	}
	bin, left := binOf(widths, u.v)
	for i, w := range widths[:bin] {
		y = y.add(w.mul(v[i].add(v[i+1])).times(0.5))
	}
	w, from, rise := widths[bin], v[bin], v[bin+1].sub(v[bin])
	a := u.sub(left).div(w)
	y = y.add(w.mul(a).mul(from.add(rise.mul(a).times(0.5))))
	return y, from.add(rise.mul(a)).log()
}

func rationalAt(c device.Curve, p []dual, u dual) (y, ld dual) {
	widths, heights := parts(c, p[:c.K]), parts(c, p[c.K:2*c.K])
	d := knots(c, slopes(p[2*c.K:]), dual{v: 1})
	bin, left := binOf(widths, u.v)
	for _, h := range heights[:bin] {
		y = y.add(h)
	}
	w, h, d0, d1 := widths[bin], heights[bin], d[bin], d[bin+1]
	s, xi := h.div(w), u.sub(left).div(w)
	rest := dual{v: 1}.sub(xi)
	q := xi.mul(rest)
	den := s.add(d0.add(d1).sub(s.times(2)).mul(q))
	y = y.add(h.mul(s.mul(xi).mul(xi).add(d0.mul(q))).div(den))
	num := d1.mul(xi).mul(xi).add(s.times(2).mul(q)).add(d0.mul(rest).mul(rest))
	return y, s.log().times(2).add(num.log()).sub(den.log().times(2))
}

func logisticMixtureAt(k int, p []dual, x dual) (y, ld dual) {
	t, s, logits, means, logs := p[0], p[1], p[2:2+k], p[2+k:2+2*k], p[2+2*k:]
	total := dualLogSumExp(logits)
	var below, above, here []dual
	for i, l := range logits {
		logw := l.sub(total)
		scale := logs[i].exp().plus(device.MixtureFloor)
		z := x.sub(means[i]).div(scale)
		left, right := z.logSigmoid(), z.times(-1).logSigmoid()
		below = append(below, logw.add(left))
		above = append(above, logw.add(right))
		here = append(here, logw.sub(scale.log()).add(left).add(right))
	}
	logF, logS, logf := dualLogSumExp(below), dualLogSumExp(above), dualLogSumExp(here)
	y, ld = affineAt(t, s, logF.sub(logS))
	return y, ld.add(logf).sub(logF).sub(logS)
}
