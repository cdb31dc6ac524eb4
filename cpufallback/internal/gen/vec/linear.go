package main

import . "github.com/mmcloughlin/avo/build"

// linear writes the passes of a LinearSpline, of which row 0 holds the exponentials of the logits of heights: Müller et al., "Neural
// importance sampling", 2019.
func (m *machine) linear() {
	m.curve("linearForward", ": y and log dy/dx of a LinearSpline.", func(s *curve) {
		b := s.linearBin(false, s.argument())
		s.leave(b.y(), s.logs(s.a(b.slope)))
	})
	m.curve("linearInverse", ": x of a LinearSpline, and log dy/dx there.", func(s *curve) {
		b := s.linearBin(true, s.argument())
		s.leave(b.x(), s.logs(s.a(b.slope)))
	})
	m.curve("linearBackward", ": x of a LinearSpline and the gradients.", func(s *curve) {
		y := s.argument()
		b := s.linearBin(true, y)
		gy := s.load(s.d)
		dy := s.hold(gy)
		multiply(gy, b.slope)
		s.leaveBack(b.x(), gy)
		b.setGradients(dy, s.minus(s.a(s.arg), b.bottom), s.of(dldC))
	})
	m.curve("linearInverseBackward", ": y of a LinearSpline and the gradients of its inverse.", func(s *curve) {
		x := s.argument()
		b := s.linearBin(false, x)
		dy := s.over(s.load(s.d), b.slope)
		minus := s.hold(s.negated(dy))
		s.leaveBack(b.y(), dy)
		rise := s.minus(b.y(), b.bottom)
		b.setGradients(minus, rise, s.hold(s.negated(s.a(s.of(dldC)))))
	})
}

// linearBin is a bin of a LinearSpline in every lane.
type linearBin struct {
	*curve
	left, bottom, h   operand
	slope             operand
	bin               operand // its number
	inv, before, size operand // of the softmax of heights, see rationalBin
}

// linearBin finds the bin of x, or of y among heights.
func (s *curve) linearBin(among bool, v vecs) *linearBin {
	sums, _ := s.softmax(1)
	inv := s.inverse(sums[0])
	b := &linearBin{curve: s, inv: s.hold(inv)}
	to := s.hold(s.times(inv, s.of(shareC)))
	f := s.search(1, -1, func(sum []vecs, i operand) conds {
		edge := s.a(s.of(loC))
		if among {
			edge = s.begin(to, sum[0], i)
		} else {
			do(VFMADD231PS, s.of(columnC), i, edge)
		}
		return s.compare(atLeast, v, edge)
	})
	b.bin, b.before, b.size = s.hold(f.bin), s.hold(f.before[0]), s.hold(f.size[0])
	bottom, h := s.spread(f, 0, to)
	b.bottom, b.h, b.slope = s.hold(bottom), s.hold(h), s.hold(s.times(h, s.of(slopeC)))
	left := s.a(s.of(loC))
	addProduct(left, f.bin, s.of(columnC))
	b.left = s.hold(left)
	return b
}

// y is where x, the argument, is taken to.
func (b *linearBin) y() vecs {
	v := b.minus(b.a(b.arg), b.left)
	timesOfPlus(v, b.slope, b.a(b.bottom))
	return v
}

// x is what is taken to y, the argument.
func (b *linearBin) x() vecs {
	v := b.minus(b.a(b.arg), b.bottom)
	divide(v, b.slope)
	addTo(v, b.left)
	return v
}

// setGradients leaves those of the logits, for gy of y and gl of the log-slope: of a height before the bin gy, of its own (gy*rise + gl)/h.
func (b *linearBin) setGradients(gy operand, rise vecs, gl operand) {
	timesOfPlus(rise, gy, b.a(gl))
	divide(rise, b.h)
	b.setLogits(b.bin, b.byExponential(b.inv, gy, b.hold(rise), b.before, b.size))
}
