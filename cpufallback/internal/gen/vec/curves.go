package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// curve is a function that takes columns through a pass of a device.Curve, a few registers of them at a time: strips, side by side. What
// goes on for every bin is a loop over rows of scratch memory, where softmax leaves its exponentials.
//
// Scratch memory, in registers: slots for what a pass comes back to, the constants of the curve in all lanes, and rows.
type curve struct {
	*machine
	strips             strips
	params, x, d       reg.Register // params and x move on; d is ld or dx
	n, stride          reg.Register // of parameters, in bytes
	count, knots, work reg.Register // count: bins
	arg                operand      // x, or y, of the strips
	slots              int          // in use
	labels             int
}

// The map of scratch memory, see Curve of package vec.
const (
	slotCount  = 96
	constCount = 13
	constAt    = slotCount
	rowsAt     = constAt + constCount
	rowLength  = 69 // MaxBins + 1, and more, so that a bin of one row and of the next do not meet in a cache
	curveArgs  = "(params, x, d []float32, stride, k, knots int, c *[13]float32, work []float32)"
)

// The constants of a curve, in the order of vec.Curve.
const (
	loC     = iota // where the domain begins
	hiC            // and ends
	partC          // least part of the domain
	shareC         // what softmax shares out of it
	gradC          // derivative of a part by its share, times the scale of logits
	scaleC         // of logits
	lastC          // number of the last bin
	fixed0C        // number of the bin whose left slope is fixed, or -1
	fixed1C        // and right slope
	wrapC          // number of the bin whose right knot is the first, or -2
	dldC           // gradient of every log-determinant
	columnC        // width of a bin where all have one
	slopeC         // 1/columnC
)

// curve begins a function and leaves to body what happens to a round of strips.
func (m *machine) curve(name, doc string, body func(s *curve)) {
	m.function(name, curveArgs, doc)
	s := &curve{machine: m, params: base("params"), x: base("x"), d: base("d"), n: length("x"), work: base("work")}
	s.stride, s.count, s.knots = Load(Param("stride"), GP64()), Load(Param("k"), GP64()), Load(Param("knots"), GP64())
	SHLQ(Imm(2), s.stride)
	c := Load(Param("c"), GP64())
	for i := range constCount {
		v := m.vec()
		VBROADCASTSS(Mem{Base: c, Disp: 4 * i}, v)
		VMOVUPS(v, s.slot(constAt+i))
	}
	all := uint64(m.lanes * m.sides())
	JMP(LabelRef("test"))
	Label("round")
	s.round(false, body)
	for _, p := range []reg.Register{s.params, s.x, s.d} {
		ADDQ(Imm(4*all), p)
	}
	SUBQ(Imm(all), s.n)
	Label("test")
	CMPQ(s.n, Imm(all))
	JGE(LabelRef("round"))
	TESTQ(s.n, s.n)
	JZ(LabelRef("done"))
	s.round(true, body)
	Label("done")
	end()
}

// sides is how many strips are taken side by side.
func (m *machine) sides() int { return m.most(2, 1) }

// round is the work on strips side by side, of which some columns are beyond the end in the last.
func (s *curve) round(tail bool, body func(s *curve)) {
	s.slots, s.strips = 0, nil
	for u := range s.sides() {
		p := at{m: s.machine, disp: 4 * s.lanes * u}
		if tail {
			p.only = s.mask(u)
		}
		s.strips = append(s.strips, p)
	}
	body(s)
}

// mask is where strip u of the last round has columns.
func (s *curve) mask(u int) *cond {
	if s.wide {
		bits, k := GP32(), K()
		MOVQ(s.n, reg.RCX)
		most := GP64()
		MOVQ(U64(1), most)
		SHLQ(reg.CL, most)
		DECQ(most)
		SHRQ(Imm(uint64(u*s.lanes)), most)
		MOVL(most.As32(), bits)
		KMOVW(bits, k)
		return &cond{mask: k}
	}
	slot := s.slot(s.slots)
	s.slots++
	VMOVUPS(s.first(s.n).vec, slot)
	return &cond{slot: &slot}
}

func (s *curve) load(array reg.Register) vecs     { return s.strips.load(array) }
func (s *curve) store(v vecs, array reg.Register) { s.strips.store(v, array) }

// argument reads x, or y.
func (s *curve) argument() vecs {
	x := s.load(s.x)
	s.arg = s.hold(x)
	return x
}

// slot is a place in scratch memory, one register wide.
func (s *curve) slot(i int) Mem { return Mem{Base: s.work, Disp: 4 * s.lanes * i} }

// of is a constant of the curve.
func (s *curve) of(i int) operand { return memory{Mem: s.slot(constAt + i)} }

// hold keeps a variable in memory.
func (s *curve) hold(v vecs) operand {
	at := memory{Mem: s.slot(s.slots), step: 4 * s.lanes}
	if s.slots += len(v); s.slots > slotCount {
		panic("out of slots")
	}
	for u := range v {
		VMOVUPS(v[u], at.unit(u))
	}
	return at
}

// a is an operand in registers of its own, none and one numbers in such.
func (s *curve) a(b operand) vecs { return s.fill(s.sides(), b) }
func (s *curve) none() vecs       { return s.zeros(s.sides()) }
func (s *curve) one() vecs        { return s.a(s.k("one")) }

// label is a new one.
func (s *curve) label() string {
	s.labels++
	return fmt.Sprintf("l%d", s.labels)
}

// bins is where a loop over bins is: rows of scratch memory at this bin.
type bins struct {
	*curve
	p reg.Register
}

// row is row number i at this bin, or at one that is ahead.
func (b bins) row(i, ahead int) memory {
	n := b.sides()
	return memory{Mem: Mem{Base: b.p, Disp: 4 * b.lanes * (rowsAt + n*(i*rowLength+ahead))}, step: 4 * b.lanes}
}

// set leaves v in row number i.
func (b bins) set(i int, v vecs) {
	for u, to := 0, b.row(i, 0); u < len(v); u++ {
		VMOVUPS(v[u], to.unit(u))
	}
}

// next moves to the bin that follows.
func (b bins) next() { ADDQ(Imm(uint64(4*b.lanes*b.sides())), b.p) }

// each is a loop over n bins.
func (s *curve) each(n reg.Register, body func(b bins)) { s.eachFrom(s.bin0(), n, body) }

// eachFrom goes on from a bin for n bins. It moves b.
func (s *curve) eachFrom(b bins, n reg.Register, body func(b bins)) {
	loop, test := s.label(), s.label()
	left := GP64()
	MOVQ(n, left)
	JMP(LabelRef(test))
	Label(loop)
	body(b)
	b.next()
	Label(test)
	SUBQ(Imm(1), left)
	JGE(LabelRef(loop))
}

// bin0 is the first bin, from which one can move on.
func (s *curve) bin0() bins {
	p := GP64()
	MOVQ(s.work, p)
	return bins{s, p}
}

// allButLast is K-1.
func (s *curve) allButLast() reg.Register {
	n := GP64()
	LEAQ(Mem{Base: s.count, Disp: -1}, n)
	return n
}

// row0 is the first row of parameters.
func (s *curve) row0() reg.Register {
	p := GP64()
	MOVQ(s.params, p)
	return p
}

// softmax leaves the exponentials of groups of K logits in rows of scratch memory, and gives the sums of each group. They are the first
// parameters; next is the row that follows.
func (s *curve) softmax(groups int) (sum []vecs, next reg.Register) {
	next = s.row0()
	var top []vecs
	for g := range groups {
		most := s.a(s.k("minusInf"))
		s.each(s.count, func(b bins) {
			v := s.load(next)
			multiply(v, s.of(scaleC))
			b.set(g, v)
			do(VMAXPS, v, most, most) // NaN in v stays
			ADDQ(s.stride, next)
		})
		top, sum = append(top, most), append(sum, s.none())
	}
	s.each(s.count, func(b bins) {
		var x vecs
		for g := range groups {
			v := s.a(b.row(g, 0))
			subFrom(v, top[g])
			x = append(x, v...)
		}
		p, power := s.expNegatives(x)
		timesPlus(p, power, power)
		for g := range groups {
			e := p[g*s.sides():][:s.sides()]
			b.set(g, e)
			addTo(sum[g], e)
		}
	})
	return sum, next
}

// found is the bin that a search ends in, or where it lies among exponentials of groups of parts.
type found struct {
	bin          vecs   // its number
	before, size []vecs // by group: sum up to it, and its own
	u0, u1       vecs   // values at the knots at both ends, where a search looks at them
}

// search goes along the bins up to the first of which beyond does not hold: it says whether a value is beyond bin i-1, for the sums of the
// exponentials up to bin i. knots is the row of what is known at knots, or -1.
func (s *curve) search(groups, knots int, beyond func(sum []vecs, i operand) conds) *found {
	first := bins{s, s.work}
	f := &found{bin: s.none()}
	var sum []vecs
	for g := range groups {
		f.size, f.before, sum = append(f.size, s.a(first.row(g, 0))), append(f.before, s.none()), append(sum, s.none())
	}
	if knots >= 0 {
		f.u0, f.u1 = s.a(first.row(knots, 0)), s.a(first.row(knots, 1))
	}
	i := s.zero()
	s.each(s.allButLast(), func(at bins) {
		VADDPS(s.c("one"), i, i)
		for g := range sum {
			addTo(sum[g], at.row(g, 0))
		}
		is := beyond(sum, same{i})
		s.where(is, same{i}, f.bin)
		for g := range sum {
			s.where(is, sum[g], f.before[g])
			s.where(is, at.row(g, 1), f.size[g])
		}
		if knots >= 0 {
			s.where(is, at.row(knots, 1), f.u0)
			s.where(is, at.row(knots, 2), f.u1)
		}
	})
	return f
}

// spread is where the bin begins and how long it is, by what exponentials of a group are multiplied by. The last bin ends with the domain.
func (s *curve) spread(f *found, g int, to operand) (at, length vecs) {
	at = s.begin(to, f.before[g], f.bin)
	length = s.a(s.of(partC))
	addProduct(length, f.size[g], to)
	s.where(s.compare(equal, f.bin, s.of(lastC)), s.minus(s.a(s.of(hiC)), at), length)
	return at, length
}

// readKnots copies what the parameters from next on say of the knots to a row of scratch memory: of Tails, 0 stands at both ends.
func (s *curve) readKnots(row int, next reg.Register) {
	b := s.bin0()
	b.set(row, s.none())
	s.skipFixed(b)
	s.eachFrom(b, s.knots, func(b bins) {
		b.set(row, s.load(next))
		ADDQ(s.stride, next)
	})
	all := s.label()
	CMPQ(s.knots, s.count)
	JG(LabelRef(all))
	end := GP64()
	MOVQ(s.count, end)
	SHLQ(Imm(s.binShift()), end)
	ADDQ(s.work, end)
	bins{s, end}.set(row, s.a(bins{s, s.work}.row(row, 0)))
	Label(all)
}

// binShift is the logarithm of a bin's bytes in a row.
func (s *curve) binShift() uint64 {
	if s.wide {
		return 7
	}
	return 5
}

// skipFixed moves b from bin 0 to the one whose left knot is the first with a parameter: of Tails, 1.
func (s *curve) skipFixed(b bins) {
	free := s.label()
	CMPQ(s.knots, s.count)
	JGE(LabelRef(free))
	b.next()
	Label(free)
}

// byExponential is the gradient of a logit by its exponential, before the bin, in it and behind it: with e the exponentials, S their sum
// and g the gradients of parts, grad/S * (g - sum(g*e)/S).
func (s *curve) byExponential(inv, gBefore, gHere, before, size operand) (parts [3]operand) {
	mean := s.times(s.a(gBefore), before)
	addProduct(mean, s.a(gHere), size)
	multiply(mean, inv)
	k := s.times(s.a(inv), s.of(gradC))
	outside := s.outside()
	for i, p := range []vecs{s.minus(s.a(gBefore), mean), s.minus(s.a(gHere), mean), s.negated(mean)} {
		multiply(p, k)
		s.zeroWhere(outside, p)
		parts[i] = s.hold(p)
	}
	return parts
}

// setLogits leaves the gradients of the logits of all groups and gives the row that follows.
func (s *curve) setLogits(bin operand, parts ...[3]operand) reg.Register {
	rows := []reg.Register{s.row0()}
	for range parts[1:] {
		next := GP64()
		MOVQ(s.count, next)
		IMULQ(s.stride, next)
		ADDQ(rows[len(rows)-1], next)
		rows = append(rows, next)
	}
	i, found := s.zero(), s.a(bin)
	s.each(s.count, func(at bins) {
		here, before := s.compare(equal, found, same{i}), s.compare(above, found, same{i})
		for g, row := range rows {
			v := s.a(parts[g][2])
			s.where(before, parts[g][0], v)
			s.where(here, parts[g][1], v)
			multiply(v, at.row(g, 0))
			s.store(v, row)
			ADDQ(s.stride, row)
		}
		VADDPS(s.c("one"), i, i)
	})
	return rows[len(rows)-1]
}

// leave stores results, or the argument where a spline leaves it alone.
func (s *curve) leave(y, ld vecs) {
	outside := s.outside()
	s.where(outside, s.arg, y)
	s.store(y, s.x)
	s.zeroWhere(outside, ld)
	s.store(ld, s.d)
}

// leaveBack stores where a spline or its inverse takes the argument, and the gradient there, or both as they were.
func (s *curve) leaveBack(x, dx vecs) {
	outside := s.outside()
	s.where(outside, s.arg, x)
	s.where(outside, s.load(s.d), dx)
	s.store(x, s.x)
	s.store(dx, s.d)
}

// outside is where a spline leaves its argument alone.
func (s *curve) outside() conds {
	v := s.a(s.arg)
	return s.either(s.compare(below, v, s.of(loC)), s.compare(above, v, s.of(hiC)))
}

// begin is where bin i begins: lo + i*part + to*sum.
func (s *curve) begin(to operand, sum vecs, i operand) vecs {
	v := s.a(s.of(loC))
	do(VFMADD231PS, s.of(partC), i, v)
	addProduct(v, sum, to)
	return v
}
