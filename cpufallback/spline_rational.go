package cpufallback

import "math"

// rationalBin is a bin of a RationalSpline.
type rationalBin struct {
	bin          int
	left, bottom float64
	w, h, s      float64 // width, height, their quotient
	d0, d1       float64 // slopes at both ends
}

// slopes fills in the slopes of a bin whose place is known.
func (w *curveWork) slopes(b *rationalBin) {
	k := w.curve.K
	b.s = b.h / b.w
	b.d0, b.d1 = w.knot(2*k, b.bin, 1), w.knot(2*k, b.bin+1, 1)
}

// at is y above the bottom, and log dy/dx, at xi in [0, 1].
func (b *rationalBin) at(xi float64) (rise, ld float64) {
	q, rest := xi*(1-xi), 1-xi
	den := b.s + (b.d0+b.d1-2*b.s)*q
	num := b.d1*xi*xi + 2*b.s*q + b.d0*rest*rest
	scale := b.s / den
	return b.h * (b.s*xi*xi + b.d0*q) / den, math.Log(scale * scale * num)
}

// solve is xi of a rise above the bottom: the root of a quadratic equation in the form that does not cancel.
func (b *rationalBin) solve(rise float64) float64 {
	bend := b.d0 + b.d1 - 2*b.s
	p := rise*bend + b.h*(b.s-b.d0)
	q := b.h*b.d0 - rise*bend
	r := -b.s * rise
	root := math.Sqrt(max(q*q-4*p*r, 0))
	return min(max(-2*r/(q+root), 0), 1)
}

// curvature is the derivative of log dy/dx by xi.
func (b *rationalBin) curvature(xi float64) float64 {
	q, rest, turn, bend := xi*(1-xi), 1-xi, 1-2*xi, b.d0+b.d1-2*b.s
	num := b.d1*xi*xi + 2*b.s*q + b.d0*rest*rest
	return (2*b.d1*xi+2*b.s*turn-2*b.d0*rest)/num - 2*bend*turn/(b.s+bend*q)
}

// rationalBin is the bin of x and where in it.
func (w *curveWork) rationalBin(x float64) (b rationalBin, xi float64) {
	k := w.curve.K
	w.shares(0, w.a[:k])
	w.shares(1, w.b[:k])
	b.bin, b.left, b.w = w.find(w.a[:k], x)
	b.bottom, b.h = w.place(w.b[:k], b.bin)
	w.slopes(&b)
	return b, min((x-b.left)/b.w, 1)
}

func (w *curveWork) rational(x float64) (y, ld float64) {
	b, xi := w.rationalBin(x)
	rise, ld := b.at(xi)
	return b.bottom + rise, ld
}

// unrational is the bin of y and where in it.
func (w *curveWork) unrational(y float64) (b rationalBin, xi float64) {
	k := w.curve.K
	w.shares(0, w.a[:k])
	w.shares(1, w.b[:k])
	b.bin, b.bottom, b.h = w.find(w.b[:k], y)
	b.left, b.w = w.place(w.a[:k], b.bin)
	w.slopes(&b)
	return b, b.solve(y - b.bottom)
}

func (w *curveWork) rationalInverse(y float64) (x, ld float64) {
	b, xi := w.unrational(y)
	_, ld = b.at(xi)
	return b.left + xi*b.w, ld
}

// rationalBackward: with n and den the terms of y's fraction and num that of the slope's,
//
//	y = bottom + h*n/den;  ld = 2 log s + log num - 2 log den
//
// by xi, s, d0 and d1, and then by what these are made of.
func (w *curveWork) rationalBackward(y, gy, gl float64) (x, dx float64) {
	k := w.curve.K
	b, xi := w.unrational(y)
	q, rest := xi*(1-xi), 1-xi
	bend := b.d0 + b.d1 - 2*b.s
	n, den := b.s*xi*xi+b.d0*q, b.s+bend*q
	num := b.d1*xi*xi + 2*b.s*q + b.d0*rest*rest
	f := gy * b.h / (den * den) // by a term over den
	byXi := f*b.s*num + gl*b.curvature(xi)
	byS := f*(xi*xi*den-n*(1-2*q)) + gl*(2/b.s+2*q/num-2*(1-2*q)/den)
	by0 := f*q*(den-n) + gl*(rest*rest/num-2*q/den)
	by1 := -f*q*n + gl*(xi*xi/num-2*q/den)

	dx = byXi / b.w
	w.setShares(0, w.a[:k], b.bin, -dx, -(byS*b.s+byXi*xi)/b.w)
	w.setShares(k, w.b[:k], b.bin, gy, gy*n/den+byS/b.w)
	clear(w.dknots[:k+1])
	w.dknots[b.bin] = by0
	w.dknots[b.bin+1] = by1
	w.setKnots(2 * k)
	return b.left + xi*b.w, dx
}
