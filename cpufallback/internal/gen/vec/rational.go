package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// The rows of scratch memory of a RationalSpline.
const (
	wideRow = iota // exponentials of the logits of widths
	highRow        // and of heights
	knotRow        // parameters of slopes
)

// rational writes the passes of a RationalSpline: Durkan et al., "Neural spline flows", 2019, in the form of device.Curves.
func (m *machine) rational() {
	m.curve("rationalForward", ": y and log dy/dx of a RationalSpline.", func(s *curve) {
		x := s.argument()
		b := s.rationalBin(wideRow, x)
		at := b.at(b.place())
		s.leave(at.y(), s.logs(at.slope()))
	})
	m.curve("rationalInverse", ": x of a RationalSpline, and log dy/dx there.", func(s *curve) {
		y := s.argument()
		b := s.rationalBin(highRow, y)
		at := b.at(b.solve())
		s.leave(at.x(), s.logs(at.slope()))
	})
	m.curve("rationalBackward", ": x of a RationalSpline and the gradients.", func(s *curve) {
		y := s.argument()
		b := s.rationalBin(highRow, y)
		at := b.at(b.solve())
		g := at.gradients(s.hold(s.load(s.d)), s.of(dldC))
		s.leaveBack(at.x(), s.a(g.x))
		at.setGradients(g)
	})
	m.curve("rationalInverseBackward", ": y of a RationalSpline and the gradients of its inverse.", func(s *curve) {
		x := s.argument()
		b := s.rationalBin(wideRow, x)
		at := b.at(b.place())
		dy := at.curvature(s.inverse(s.a(at.num))) // (dx - dld*curvature) / slope
		multiply(dy, b.perW)
		multiply(dy, s.of(dldC))
		dy = s.minus(s.load(s.d), dy)
		divide(dy, at.slope())
		s.leaveBack(at.y(), s.fill(len(dy), dy))
		at.setGradients(at.gradients(s.hold(s.negated(dy)), s.hold(s.negated(s.a(s.of(dldC))))))
	})
}

// rationalBin is a bin of a RationalSpline in every lane, and what is left of the softmax of widths and heights.
type rationalBin struct {
	*curve
	left, bottom operand
	w, h         operand // width, height
	perW         operand // 1/w
	s            operand // h/w
	u0, u1       operand // parameters of the slopes at both ends
	d0, d1       operand // slopes at both ends

	bin          operand    // its number
	inv          [2]operand // of widths and heights: the reciprocal of the exponentials' sum
	before, size [2]operand // their sum up to the bin, and the bin's own
}

// rationalBin finds the bin of v among widths or heights.
func (s *curve) rationalBin(among int, v vecs) *rationalBin {
	sums, next := s.softmax(2)
	s.readKnots(knotRow, next)
	b := &rationalBin{curve: s}
	var to [2]operand // from exponentials to parts of the domain
	for g := range to {
		inv := s.inverse(sums[g])
		b.inv[g], to[g] = s.hold(inv), s.hold(s.times(inv, s.of(shareC)))
	}
	f := s.search(len(to), knotRow, func(sum []vecs, i operand) conds {
		return s.compare(atLeast, v, s.begin(to[among], sum[among], i))
	})
	b.bin, b.u0, b.u1 = s.hold(f.bin), s.hold(f.u0), s.hold(f.u1)
	var at, length [2]vecs
	for g := range to {
		b.before[g], b.size[g] = s.hold(f.before[g]), s.hold(f.size[g])
		at[g], length[g] = s.spread(f, g, to[g])
	}
	b.left, b.bottom, b.w, b.h = s.hold(at[wideRow]), s.hold(at[highRow]), s.hold(length[wideRow]), s.hold(length[highRow])
	perW := s.inverse(length[wideRow])
	b.perW = s.hold(perW)
	b.s = s.hold(s.times(perW, length[highRow]))
	b.d0, b.d1 = b.slopes()
	return b
}

// slopes are those at both ends, 1 where they are fixed.
func (b *rationalBin) slopes() (d0, d1 operand) {
	n := b.sides()
	l := b.softplus(append(b.a(b.u0), b.a(b.u1)...))
	addTo(l, b.k("minSlope"))
	bin := b.a(b.bin)
	b.where(b.compare(equal, bin, b.of(fixed0C)), b.k("one"), l[:n])
	b.where(b.compare(equal, bin, b.of(fixed1C)), b.k("one"), l[n:])
	return b.hold(l[:n]), b.hold(l[n:])
}

// place is where in the bin x is, from 0 to 1.
func (b *rationalBin) place() vecs {
	xi := b.minus(b.a(b.arg), b.left)
	multiply(xi, b.perW)
	return b.atMost(xi, b.one())
}

// solve is the place of y: the root of a quadratic equation in the form that does not cancel.
func (b *rationalBin) solve() vecs {
	rise := b.minus(b.a(b.arg), b.bottom)
	r := b.times(b.bend(), rise)
	p := b.minus(b.a(b.s), b.d0)
	timesOfPlus(p, b.h, r)
	q := b.a(b.d0)
	timesOfLess(q, b.h, r)
	c := b.times(rise, b.s)
	root := b.times(p, c)
	multiply(root, b.k("four"))
	addProduct(root, q, q)
	root = b.atLeast(root, b.none())
	for _, r := range root {
		VSQRTPS(r, r)
	}
	addTo(root, q)
	addTo(c, c)
	divide(c, root)
	return b.atLeast(b.atMost(c, b.one()), b.none())
}

// bend is d0 + d1 - 2s.
func (b *rationalBin) bend() vecs {
	v := b.minus(b.a(b.d0), b.s)
	subFrom(v, b.s)
	addTo(v, b.d1)
	return v
}

// rationalPoint is a place xi in a bin:
//
//	y = bottom + h*n/den, n = s*xi^2 + d0*q, den = s + bend*q, q = xi*(1-xi)
//	dy/dx = (s/den)^2*num, num = d1*xi^2 + 2s*q + d0*(1-xi)^2
type rationalPoint struct {
	*rationalBin
	xi, q, xx, rr       operand // place, xi*(1-xi), xi^2, (1-xi)^2
	n, num, den, perDen operand
}

func (b *rationalBin) at(xi vecs) *rationalPoint {
	rest := b.minus(b.one(), xi)
	q, xx, rr := b.times(xi, rest), b.times(xi, xi), b.times(rest, rest)
	a := &rationalPoint{rationalBin: b, xi: b.hold(xi), q: b.hold(q), xx: b.hold(xx), rr: b.hold(rr)}
	n := b.times(xx, b.s)
	addProduct(n, q, b.d0)
	a.n = b.hold(n)
	den := b.bend()
	timesPlus(den, q, b.s)
	a.den, a.perDen = b.hold(den), b.hold(b.inverse(den))
	num := b.times(b.plus(q, q), b.s)
	addProduct(num, xx, b.d1)
	addProduct(num, rr, b.d0)
	a.num = b.hold(num)
	return a
}

// y is where the place is taken to.
func (a *rationalPoint) y() vecs {
	y := a.a(a.bottom)
	addProduct(y, a.times(a.a(a.n), a.perDen), a.h)
	return y
}

// x is the place in the domain.
func (a *rationalPoint) x() vecs {
	x := a.a(a.left)
	addProduct(x, a.a(a.xi), a.w)
	return x
}

// slope is dy/dx.
func (a *rationalPoint) slope() vecs {
	v := a.times(a.a(a.perDen), a.s)
	multiply(v, v)
	multiply(v, a.num)
	return v
}

// curvature is the derivative of log dy/dx by xi.
func (a *rationalPoint) curvature(perNum vecs) vecs {
	turn := a.minus(a.one(), a.xi)
	v := a.times(turn, a.d0) // of num: 2*(d1*xi + s*turn - d0*(1-xi)), turn = 1-2xi
	subFrom(turn, a.xi)
	productLess(v, a.a(a.xi), a.d1)
	addProduct(v, turn, a.s)
	multiply(v, perNum)
	multiply(turn, a.bend())
	subProduct(v, turn, a.perDen)
	addTo(v, v)
	return v
}

// rationalGradients are by x; of widths and heights, by a part before the bin and by the bin's own; and by the parameters of the slopes
// at its ends.
type rationalGradients struct {
	x            operand
	before, here [2]operand
	u0, u1       operand
}

// gradients are those for gy of y and gl of the log-slope.
func (a *rationalPoint) gradients(gy, gl operand) *rationalGradients {
	perNum := a.inverse(a.a(a.num))
	byXi := a.times(a.curvature(perNum), gl)
	f := a.times(a.a(a.perDen), a.perDen) // by a term over den
	multiply(f, a.h)
	multiply(f, gy)
	addProduct(byXi, a.times(f, a.s), a.num)

	glNum, glDen := a.times(perNum, gl), a.times(a.a(a.perDen), gl)
	addTo(glDen, glDen)
	q := a.a(a.q)
	twice := a.plus(q, q)
	turn := a.minus(a.one(), twice)
	byS := a.times(turn, a.n)
	productLess(byS, a.a(a.xx), a.den)
	multiply(byS, f)
	addProduct(byS, twice, glNum)
	subProduct(byS, turn, glDen)
	whole := a.a(gl)
	addTo(whole, whole)
	divide(whole, a.s)
	addTo(byS, whole)

	multiply(glDen, q)
	multiply(f, q)
	by0, by1 := a.minus(a.a(a.den), a.n), a.times(f, a.n)
	timesLess(by0, f, glDen)
	addProduct(by0, glNum, a.rr)
	addTo(by1, glDen)
	productLess(by1, glNum, a.xx)

	g := &rationalGradients{}
	high := a.times(a.times(a.a(a.n), a.perDen), gy)
	addProduct(high, byS, a.perW)
	g.before[highRow], g.here[highRow] = gy, a.hold(high)
	wide := a.times(byXi, a.xi)
	addProduct(wide, byS, a.s)
	multiply(wide, a.perW)
	g.here[wideRow] = a.hold(a.negated(wide))
	dx := a.times(byXi, a.perW)
	g.x, g.before[wideRow] = a.hold(dx), a.hold(a.negated(dx))
	g.u0, g.u1 = a.byParameters(a.hold(by0), a.hold(by1))
	return g
}

// byParameters takes the gradients of both slopes to those of their parameters.
func (b *rationalBin) byParameters(by0, by1 operand) (u0, u1 operand) {
	n := b.sides()
	v := b.sigmoids(append(b.a(b.u0), b.a(b.u1)...))
	multiply(v[:n], by0)
	multiply(v[n:], by1)
	bin := b.a(b.bin)
	b.zeroWhere(b.compare(equal, bin, b.of(fixed0C)), v[:n])
	b.zeroWhere(b.compare(equal, bin, b.of(fixed1C)), v[n:])
	return b.hold(v[:n]), b.hold(v[n:])
}

// setGradients leaves the gradients of all parameters.
func (b *rationalBin) setGradients(g *rationalGradients) {
	var parts [2][3]operand // of an exponential before the bin, in it and behind it
	for i := range parts {
		parts[i] = b.byExponential(b.inv[i], g.before[i], g.here[i], b.before[i], b.size[i])
	}
	b.setKnots(b.setLogits(b.bin, parts[:]...), g)
}

// setKnots leaves the gradients of the slopes' parameters, from a row on. Of a circle the first knot is also the last.
func (b *rationalBin) setKnots(row reg.Register, g *rationalGradients) {
	outside := b.outside()
	by0, by1, bin := b.a(g.u0), b.a(g.u1), b.a(b.bin)
	b.zeroWhere(outside, by0)
	b.zeroWhere(outside, by1)
	wrapped := b.only(b.compare(equal, bin, b.of(wrapC)), by1)
	last := b.a(b.of(fixed0C)) // the knot before the first with a parameter
	b.each(b.knots, func(bins) {
		knot := b.plus(last, b.k("one"))
		v := b.only(b.compare(equal, bin, knot), by0)
		b.where(b.compare(equal, bin, last), by1, v)
		addTo(v, wrapped)
		b.store(v, row)
		ADDQ(b.stride, row)
		for u := range last {
			VMOVAPS(knot[u], last[u])
			VXORPS(wrapped[u], wrapped[u], wrapped[u])
		}
	})
}
