package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The rows of scratch memory of a LogisticMixture.
const (
	logitRow = iota // l, the logit less the greatest, not below -80
	meanRow
	perScaleRow // 1/scale
	weightRow   // exp(l)
	placeRow    // at x: z = (x-mean)/scale
	restRow     // at x: r = 1/(1+exp(-|z|)), the larger of a component's tails
	smallRow    // at x: exp(l-|z|-top)*r, top the greatest of l-|z|: the smaller tail, times weight over exp(top)
)

// mixture writes the passes of a LogisticMixture: Ho et al., "Flow++", 2019.
func (m *machine) mixture() {
	m.curve("mixtureForward", ": y and log dy/dx of a LogisticMixture.", func(s *curve) {
		mix := s.readMixture()
		at := mix.at(mix.hold(s.argument()))
		s.store(mix.y(at), s.x)
		s.store(s.plus(s.a(at.logSlope), mix.ls), s.d)
	})
	m.curve("mixtureInverse", ": x of a LogisticMixture, and log dy/dx there.", func(s *curve) {
		mix := s.readMixture()
		at := mix.solve(mix.z(s.argument()))
		s.store(s.a(at.x), s.x)
		s.store(s.plus(s.a(at.logSlope), mix.ls), s.d)
	})
	m.curve("mixtureBackward", ": x of a LogisticMixture and the gradients.", func(s *curve) {
		mix := s.readMixture()
		at := mix.solve(mix.z(s.argument()))
		s.store(s.a(at.x), s.x)
		s.store(at.gradients(s.hold(s.load(s.d)), s.of(dldC)), s.d)
	})
	m.curve("mixtureInverseBackward", ": y of a LogisticMixture and the gradients of its inverse.", func(s *curve) {
		mix := s.readMixture()
		at := mix.at(mix.hold(s.argument()))
		s.store(mix.y(at), s.x)
		dy := at.curvature() // (dx - dld*curvature) / slope
		multiply(dy, s.of(dldC))
		dy = s.minus(s.load(s.d), dy)
		multiply(dy, s.expClamped(s.negated(s.plus(s.a(at.logSlope), mix.ls))))
		s.store(dy, s.d)
		at.gradients(s.hold(s.negated(dy)), s.hold(s.negated(s.a(s.of(dldC)))))
	})
}

// expClamped is exp(x), of x not below -87 nor above 87.
func (s *curve) expClamped(x vecs) vecs {
	return s.exps(s.atMost(s.atLeast(x, s.a(s.k("expTiny"))), s.a(s.k("expLarge"))))
}

// mixture is what every x of an element has in common.
type mixture struct {
	*curve
	t, ls, clip, e operand // of the affine part: ls = s*clip, e = exp(ls)
	whole, log     operand // sum of the weights, and its logarithm
}

// readMixture reads the parameters.
func (s *curve) readMixture() *mixture {
	row := s.row0()
	next := func() vecs {
		v := s.load(row)
		ADDQ(s.stride, row)
		return v
	}
	mix := &mixture{curve: s, t: s.hold(next())}
	ls := next()
	clip := s.fill(len(ls), ls)
	do(VANDPS, s.k("noSign"), clip, clip)
	timesOfPlus(clip, s.k("perLogScale"), s.one())
	clip = s.inverse(clip)
	multiply(ls, clip)
	mix.clip, mix.ls, mix.e = s.hold(clip), s.hold(ls), s.hold(s.exps(ls))

	top := s.a(s.k("minusInf"))
	s.each(s.count, func(b bins) {
		l := next()
		b.set(logitRow, l)
		do(VMAXPS, l, top, top) // NaN in l stays
	})
	s.each(s.count, func(b bins) { b.set(meanRow, next()) })
	sum := s.none()
	s.each(s.count, func(b bins) {
		l := s.minus(s.a(b.row(logitRow, 0)), top)
		l = s.atLeast(l, s.a(s.k("leastLogit")))
		b.set(logitRow, l)
		logs := s.atMost(s.atLeast(next(), s.a(s.k("expTiny"))), s.a(s.k("expLarge")))
		e := s.exps(append(logs, l...))
		scale, weight := e[:len(l)], e[len(l):]
		addTo(scale, s.k("mixtureFloor"))
		b.set(perScaleRow, s.inverse(scale))
		b.set(weightRow, weight)
		addTo(sum, weight)
	})
	mix.whole, mix.log = s.hold(sum), s.hold(s.logs(sum))
	return mix
}

// y is where z = logit F(x) is taken to.
func (mix *mixture) y(at *mixturePoint) vecs {
	y := mix.a(at.z)
	timesOfPlus(y, mix.e, mix.a(mix.t))
	return y
}

// z is the logit that is taken to y.
func (mix *mixture) z(y vecs) operand {
	z := mix.minus(y, mix.t)
	divide(z, mix.e)
	return mix.hold(z)
}

// mixturePoint is a mixture at one x: with F and S its tails below and above, f its density, all times the sum of the weights,
//
//	z = log F - log S;  dz/dx = f/(F*S) * sum of weights
//
// F and S are put together of small tails, which are exp(top) times what the rows hold, and of large ones. Far from all means there is one
// kind of these in a sum, and exp(top) is left to the logarithm.
type mixturePoint struct {
	*mixture
	x           operand
	z, logSlope operand
	turn        operand // (F-S)/(F+S)
	perf        operand // 1/f, times exp(top)
	larger      operand // of F and S
	side        operand // 1 where F is the smaller, -1 where S is
	ofSmall     operand // share of a small tail, as in its row, in the smaller of F and S
	ofLarge     operand // share of a large one
}

// newPoint has slots for a point, which a loop fills again and again.
func (mix *mixture) newPoint(x operand) *mixturePoint {
	slot := func() operand { return mix.hold(mix.none()) }
	return &mixturePoint{mixture: mix, x: x, z: slot(), logSlope: slot(), turn: slot(), perf: slot(), larger: slot(), side: slot(),
		ofSmall: slot(), ofLarge: slot()}
}

// put changes a variable in memory.
func put(v vecs, to operand) {
	for u := range v {
		VMOVUPS(v[u], to.unit(u))
	}
}

func (mix *mixture) at(x operand) *mixturePoint {
	q := mix.newPoint(x)
	q.evaluate()
	return q
}

// evaluate makes q the point at x.
func (q *mixturePoint) evaluate() {
	top := q.a(q.k("minusInf"))
	x := q.a(q.x)
	q.each(q.count, func(b bins) {
		z := q.minus(x, b.row(meanRow, 0))
		multiply(z, b.row(perScaleRow, 0))
		b.set(placeRow, z)
		l := q.plus(q.minusAbses(z), b.row(logitRow, 0))
		do(VMAXPS, l, top, top)
	})
	n := q.sides()
	var smallF, largeF, smallS, largeS, f = q.none(), q.none(), q.none(), q.none(), q.none()
	q.each(q.count, func(b bins) {
		a := q.minusAbses(q.a(b.row(placeRow, 0)))
		l := q.plus(a, b.row(logitRow, 0))
		subFrom(l, top)
		p, power := q.expNegatives(append(a, l...))
		timesPlus(p, power, power)
		small := p[n:]
		r := q.inverse(q.plus(p[:n], q.k("one")))
		multiply(small, r)
		b.set(restRow, r)
		b.set(smallRow, small)
		h := q.times(small, r)
		multiply(h, b.row(perScaleRow, 0))
		addTo(f, h)
		multiply(r, b.row(weightRow, 0))
		below := q.compare(below, q.a(b.row(placeRow, 0)), q.none())
		addTo(smallF, q.only(below, small))
		addTo(largeS, q.only(below, r))
		q.zeroWhere(below, small)
		q.zeroWhere(below, r)
		addTo(smallS, small)
		addTo(largeF, r)
	})
	q.finish(top, f, smallF, largeF, smallS, largeS)
}

// finish makes a point of sums.
func (q *mixturePoint) finish(top, f, smallF, largeF, smallS, largeS vecs) {
	tops := q.hold(top)
	sF, sS := q.hold(smallF), q.hold(smallS)
	put(q.inverse(f), q.perf)
	fs := q.hold(f)
	e := q.exps(q.atLeast(top, q.a(q.k("expTiny"))))
	F, S := q.copies(largeF), q.copies(largeS)
	addProduct(F, e, sF)
	addProduct(S, e, sS)
	es, Fs, Ss := q.hold(e), q.hold(F), q.hold(S)
	farF, farS := q.hold(largeF), q.hold(largeS)
	log := func(sum, small, large operand) operand {
		far := q.compare(equal, q.a(large), q.none())
		arg := q.a(sum)
		q.where(far, small, arg)
		l := q.logs(arg)
		addTo(l, q.only(q.compare(equal, q.a(large), q.none()), q.a(tops)))
		return q.hold(l)
	}
	logF, logS := log(Fs, sF, farF), log(Ss, sS, farS)
	z := q.minus(q.a(logF), logS)
	put(z, q.z)
	l := q.logs(q.a(fs))
	addTo(l, tops)
	addTo(l, q.log)
	subFrom(l, logF)
	subFrom(l, logS)
	put(l, q.logSlope)

	turn := q.minus(q.a(Fs), Ss)
	divide(turn, q.whole)
	put(turn, q.turn)
	upper := func() conds { return q.compare(above, q.a(q.z), q.none()) }
	side := q.one()
	q.where(upper(), q.k("minusOne"), side)
	put(side, q.side)
	smaller, larger, small, large := q.a(Fs), q.a(Ss), q.a(sF), q.a(farF)
	q.where(upper(), Ss, smaller)
	q.where(upper(), Fs, larger)
	q.where(upper(), sS, small)
	q.where(upper(), farS, large)
	put(larger, q.larger)
	per := q.inverse(smaller)
	put(per, q.ofLarge)
	multiply(per, es)
	q.where(q.compare(equal, large, q.none()), q.inverse(small), per)
	put(per, q.ofSmall)
}

// solve finds x of z by Newton's method between the quantiles of the components; where a step would leave what is known to hold the root, or
// not halve the one before, it goes to the middle instead.
func (mix *mixture) solve(z operand) *mixturePoint {
	lo, hi, x := mix.a(mix.k("plusInf")), mix.a(mix.k("minusInf")), mix.none()
	mix.each(mix.count, func(b bins) {
		v := mix.over(mix.a(z), b.row(perScaleRow, 0))
		addTo(v, b.row(meanRow, 0))
		do(VMINPS, v, lo, lo)
		do(VMAXPS, v, hi, hi)
		addProduct(x, v, b.row(weightRow, 0))
	})
	divide(x, mix.whole)
	x = mix.atMost(mix.atLeast(x, lo), hi)
	width := mix.minus(hi, lo)
	q := mix.newPoint(mix.hold(x))
	slotLo, slotHi, step := mix.hold(lo), mix.hold(hi), mix.hold(width)
	multiply(width, mix.k("near"))
	near := mix.hold(width)

	again, done := mix.label(), mix.label()
	more, rounds := GP64(), GP64()
	MOVQ(U64(1), more)
	MOVQ(U64(64), rounds)
	slots := q.slots
	Label(again)
	q.evaluate()
	TESTQ(more, more)
	JZ(LabelRef(done))
	q.newton(z, slotLo, slotHi, step, near, more)
	q.slots = slots
	SUBQ(Imm(1), rounds)
	JNZ(LabelRef(again))
	XORQ(more, more)
	JMP(LabelRef(again))
	Label(done)
	return q
}

// newton is one step. A lane that is there, whose step is 0, stays; more becomes other than 0 if one is not.
func (q *mixturePoint) newton(z, lo, hi, step, near operand, more reg.Register) {
	x, d := q.a(q.x), q.minus(q.a(q.z), z)
	low, high := q.a(lo), q.a(hi)
	q.where(q.compare(above, d, q.none()), x, high)
	q.where(q.compare(below, d, q.none()), x, low)
	put(low, lo)
	put(high, hi)
	newton := q.copies(x)
	subProduct(newton, q.expClamped(q.negated(q.a(q.logSlope))), d)
	v := q.plus(low, high)
	multiply(v, q.k("half"))
	limit := q.a(step)
	multiply(limit, q.k("half"))
	q.where(q.compare(atLeast, limit, q.distance(newton, x)), newton, v) // not where that is no number
	v = q.atMost(q.atLeast(v, low), high)
	q.where(q.compare(equal, q.a(step), q.none()), x, v)
	put(v, q.x)
	moved := q.distance(v, x)
	size := q.copies(v)
	do(VANDPS, q.k("noSign"), size, size)
	timesOfPlus(size, q.k("near"), q.a(near))
	put(q.only(q.compare(above, moved, size), moved), step)
	q.any(q.compare(above, moved, size), more)
}

// distance is |a-b|.
func (m *machine) distance(a, b vecs) vecs {
	v := m.minus(a, b)
	do(VANDPS, m.k("noSign"), v, v)
	return v
}

// any sets a register to other than 0 if a comparison holds anywhere, else to 0.
func (s *curve) any(is conds, more reg.Register) {
	all := is[0]
	if s.wide {
		for _, c := range is[1:] {
			KORW(c.mask, all.mask, all.mask)
		}
		bits := GP32()
		KMOVW(all.mask, bits)
		MOVL(bits, more.(reg.GPVirtual).As32())
		return
	}
	VMOVQ(s.reduce(all.vec, func(a, b, v Op) { VORPS(a, b, v) }), more)
}

// curvature is the derivative of log dy/dx by x.
func (q *mixturePoint) curvature() vecs {
	by := q.exps(q.a(q.logSlope))
	multiply(by, q.turn)
	q.each(q.count, func(b bins) { subProduct(by, q.share(b), q.score(b)) })
	return by
}

// share is a component's of f.
func (q *mixturePoint) share(b bins) vecs {
	v := q.times(q.a(b.row(smallRow, 0)), b.row(restRow, 0))
	multiply(v, b.row(perScaleRow, 0))
	multiply(v, q.perf)
	return v
}

// score is tanh(z/2)/scale: less the derivative of a component's log-density by x.
func (q *mixturePoint) score(b bins) vecs {
	v := q.a(b.row(restRow, 0))
	addTo(v, v)
	subFrom(v, q.k("one"))
	sign := q.a(b.row(placeRow, 0))
	do(VANDPS, q.k("signBit"), sign, sign)
	do(VORPS, sign, v, v)
	multiply(v, b.row(perScaleRow, 0))
	return v
}

// gradients leaves those of the parameters, for gy of y and gl of the log-slope, and gives that of x. See mixTask.back of package cpufallback,
// by z instead of y:
//
//	dlogit = rise*(tau-w) + gl*(pi-w);  dmean = -pi*g;  dlogs = -pi*(g*(x-mean) + gl)*(1 - floor/scale);  dx = byX + sum pi*by
//
// where g = byX + by, by = -gl*tanh(z/2)/scale; tau and pi are shares of the smaller tail and of the density.
func (q *mixturePoint) gradients(gy, gl operand) vecs {
	row := q.row0()
	set := func(v vecs, row reg.Register) {
		q.store(v, row)
		ADDQ(q.stride, row)
	}
	set(q.a(gy), row)
	g := q.times(q.a(gy), q.e)
	byS := q.times(g, q.z)
	addTo(byS, gl)
	multiply(byS, q.clip)
	multiply(byS, q.clip)
	set(byS, row)
	addProduct(g, q.a(gl), q.turn)
	byX := q.times(g, q.exps(q.a(q.logSlope)))
	dx := q.hold(byX)
	slope := q.hold(byX)
	multiply(g, q.whole)
	divide(g, q.larger)
	multiply(g, q.side)
	rise := q.hold(g)
	perWhole := q.hold(q.inverse(q.a(q.whole)))

	mean, logs := GP64(), GP64()
	MOVQ(q.count, mean)
	IMULQ(q.stride, mean)
	LEAQ(Mem{Base: row, Index: mean, Scale: 2}, logs)
	ADDQ(row, mean)
	q.each(q.count, func(b bins) {
		pi := q.share(b)
		w := q.times(q.a(perWhole), b.row(weightRow, 0))
		tau := q.times(q.a(b.row(weightRow, 0)), b.row(restRow, 0))
		multiply(tau, q.ofLarge)
		small := q.times(q.a(b.row(smallRow, 0)), q.ofSmall)
		place := q.times(q.a(b.row(placeRow, 0)), q.side)
		q.where(q.compare(below, place, q.none()), small, tau)
		subFrom(tau, w)
		multiply(tau, rise)
		by := q.minus(pi, w)
		addProduct(tau, by, gl)
		set(tau, row)

		by = q.times(q.score(b), gl)
		v := q.a(dx)
		subProduct(v, pi, by)
		put(v, dx)
		g := q.minus(q.a(slope), by)
		minus := q.negated(pi)
		set(q.times(minus, g), mean)
		v = q.minus(q.a(q.x), b.row(meanRow, 0))
		timesPlus(v, g, gl)
		multiply(v, minus)
		growth := q.one()
		subProduct(growth, q.a(b.row(perScaleRow, 0)), q.k("mixtureFloor"))
		multiply(v, growth)
		set(v, logs)
	})
	return q.a(dx)
}
