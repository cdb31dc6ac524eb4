package ptx

import (
	"encoding/binary"
	"math"
)

// fastForms are faster ways to do the instructions that fill the inner loops of kernels. Each gives the same bits as the
// form in the tables (the payloads of NaNs aside), which a test checks.
var fastForms = func() map[string]func(x *call) exec {
	out := map[string]func(x *call) exec{
		"fma.rn.f32": fastFMA,
		"add.f32":    words2(fastAddF), "add.rn.f32": words2(fastAddF),
		"sub.f32": words2(fastSubF), "sub.rn.f32": words2(fastSubF),
		"mul.f32": words2(fastMulF), "mul.rn.f32": words2(fastMulF),
		"max.f32": words2(fastMaxF), "min.f32": words2(fastMinF),
		"add.s32": words2(fastAdd), "add.u32": words2(fastAdd),
		"sub.s32": words2(fastSub), "sub.u32": words2(fastSub),
		"mul.lo.s32": words2(fastMul), "mul.lo.u32": words2(fastMul),
		"and.b32": words2(fastAnd), "or.b32": words2(fastOr), "xor.b32": words2(fastXor),
		"shl.b32": words2(fastShl), "shr.u32": words2(fastShrU), "shr.s32": words2(fastShrS),
		"add.s64": longs2(fastAdd64), "add.u64": longs2(fastAdd64),
		"mul.wide.s32": fastMulWide, "mul.wide.u32": fastMulWide,
		"mad.lo.s32": fastMad, "mad.lo.u32": fastMad,
		"shl.b64":     fastShl64,
		"cvt.u64.u32": fastWiden, "cvt.s64.s32": fastWiden,
		"cvt.u32.u64": fastNarrow,
	}
	for _, t := range []string{"b32", "u32", "s32", "f32"} {
		out["mov."+t], out["selp."+t] = fastMov, fastSelp
		for cmp := range relations {
			if compares(cmp, typeOf[t]) {
				out["setp."+cmp+"."+t] = fastSetp
			}
		}
	}
	for _, t := range []string{"b64", "u64", "s64", "f64"} {
		out["mov."+t] = fastMov
	}
	return out
}()

// words2 and longs2 are "d, a, b" on rows of 32 and of 64 bits.
func words2(f func(d, a, b *[32]uint32, m uint32)) func(x *call) exec {
	return func(x *call) exec {
		t := x.fastType()
		d, a, b := x.dst("d", t).row, x.src("a", t).row, x.src("b", t).row
		return func(w *warp, m uint32) { f(&w.words[d], &w.words[a], &w.words[b], m) }
	}
}

func longs2(f func(d, a, b *[32]uint64, m uint32)) func(x *call) exec {
	return func(x *call) exec {
		t := x.fastType()
		d, a, b := x.dst("d", t).row, x.src("a", t).row, x.src("b", t).row
		return func(w *warp, m uint32) { f(&w.longs[d], &w.longs[a], &w.longs[b], m) }
	}
}

// fastType is the type at the end of the opcode.
func (x *call) fastType() typ {
	_, parts := splitOpcode(x.st.opcode)
	return typeOf[parts[len(parts)-1]]
}

func fastAddF(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = math.Float32bits(math.Float32frombits(a[l]) + math.Float32frombits(b[l]))
		}
	}
}

func fastSubF(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = math.Float32bits(math.Float32frombits(a[l]) - math.Float32frombits(b[l]))
		}
	}
}

func fastMulF(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = math.Float32bits(math.Float32frombits(a[l]) * math.Float32frombits(b[l]))
		}
	}
}

func fastMaxF(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 == 0 {
			continue
		}
		switch u, v := math.Float32frombits(a[l]), math.Float32frombits(b[l]); {
		case u > v || v != v:
			d[l] = a[l]
		case u < v || u != u:
			d[l] = b[l]
		default: // equal: of two zeros, the positive
			d[l] = a[l] & b[l]
		}
	}
}

func fastMinF(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 == 0 {
			continue
		}
		switch u, v := math.Float32frombits(a[l]), math.Float32frombits(b[l]); {
		case u < v || v != v:
			d[l] = a[l]
		case u > v || u != u:
			d[l] = b[l]
		default: // equal: of two zeros, the negative
			d[l] = a[l] | b[l]
		}
	}
}

func fastAdd(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] + b[l]
		}
	}
}

func fastSub(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] - b[l]
		}
	}
}

func fastMul(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] * b[l]
		}
	}
}

func fastAnd(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] & b[l]
		}
	}
}

func fastOr(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] | b[l]
		}
	}
}

func fastXor(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] ^ b[l]
		}
	}
}

func fastShl(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] << b[l]
		}
	}
}

func fastShrU(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] >> b[l]
		}
	}
}

func fastShrS(d, a, b *[32]uint32, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = uint32(int32(a[l]) >> b[l])
		}
	}
}

func fastAdd64(d, a, b *[32]uint64, m uint32) {
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l] + b[l]
		}
	}
}

// fastFMA rounds once, as the instruction does. float64 holds the product of two float32s, so a single addition in float64
// is one rounding too many only where its result lies halfway between two float32s, or where float32 is subnormal; these
// cases go the long way.
func fastFMA(x *call) exec {
	t := typeOf["f32"]
	d, a, b, c := x.dst("d", t).row, x.src("a", t).row, x.src("b", t).row, x.src("c", t).row
	return func(w *warp, m uint32) {
		d, a, b, c := &w.words[d], &w.words[a], &w.words[b], &w.words[c]
		for l := range d {
			if m>>l&1 == 0 {
				continue
			}
			p := float64(math.Float32frombits(a[l])) * float64(math.Float32frombits(b[l]))
			z := float64(math.Float32frombits(c[l]))
			s := p + z
			pattern := math.Float64bits(s)
			if pattern&(1<<29-1) == 1<<28 || pattern<<1-1 < (1023-126)<<53-1 {
				d[l] = math.Float32bits(sum(p, z).float32(nearest))
				continue
			}
			d[l] = math.Float32bits(float32(s))
		}
	}
}

func fastMad(x *call) exec {
	t := typeOf["u32"]
	d, a, b, c := x.dst("d", t).row, x.src("a", t).row, x.src("b", t).row, x.src("c", t).row
	return func(w *warp, m uint32) {
		d, a, b, c := &w.words[d], &w.words[a], &w.words[b], &w.words[c]
		for l := range d {
			if m>>l&1 != 0 {
				d[l] = a[l]*b[l] + c[l]
			}
		}
	}
}

func fastMulWide(x *call) exec {
	t := x.fastType()
	signed := t.kind == 's'
	d, a, b := x.dst("d", t.double()).row, x.src("a", t).row, x.src("b", t).row
	return func(w *warp, m uint32) {
		d, a, b := &w.longs[d], &w.words[a], &w.words[b]
		if signed {
			for l := range d {
				if m>>l&1 != 0 {
					d[l] = uint64(int64(int32(a[l])) * int64(int32(b[l])))
				}
			}
			return
		}
		for l := range d {
			if m>>l&1 != 0 {
				d[l] = uint64(a[l]) * uint64(b[l])
			}
		}
	}
}

func fastShl64(x *call) exec {
	t := typeOf["b64"]
	d, a, b := x.dst("d", t).row, x.src("a", t).row, x.src("b", typeOf["u32"]).row
	return func(w *warp, m uint32) {
		d, a, b := &w.longs[d], &w.longs[a], &w.words[b]
		for l := range d {
			if m>>l&1 != 0 {
				d[l] = a[l] << b[l]
			}
		}
	}
}

// fastWiden is cvt.u64.u32 and cvt.s64.s32 between registers of just these widths.
func fastWiden(x *call) exec {
	from, to := x.typ("atype"), x.typ("dtype")
	d, a := x.dstWide("d", to), x.srcWide("a", from)
	if a.wide {
		return x.form.build(x)
	}
	signed := from.kind == 's'
	return func(w *warp, m uint32) {
		d, a := &w.longs[d.row], &w.words[a.row]
		for l := range d {
			if m>>l&1 == 0 {
				continue
			}
			if signed {
				d[l] = uint64(int32(a[l]))
			} else {
				d[l] = uint64(a[l])
			}
		}
	}
}

func fastNarrow(x *call) exec {
	d, a := x.dstWide("d", x.typ("dtype")), x.srcWide("a", x.typ("atype"))
	if d.wide {
		return x.form.build(x)
	}
	return func(w *warp, m uint32) {
		d, a := &w.words[d.row], &w.longs[a.row]
		for l := range d {
			if m>>l&1 != 0 {
				d[l] = uint32(a[l])
			}
		}
	}
}

func fastMov(x *call) exec {
	t := x.fastType()
	if x.arg("d").kind == opVector || x.arg("a").kind == opVector {
		return mov(x)
	}
	d, a := x.dst("d", t).row, x.src("a", t).row
	if t.wide() {
		return func(w *warp, m uint32) { move(&w.longs[d], &w.longs[a], m) }
	}
	return func(w *warp, m uint32) { move(&w.words[d], &w.words[a], m) }
}

func move[T uint32 | uint64](d, a *[32]T, m uint32) {
	if m == full {
		*d = *a
		return
	}
	for l := range d {
		if m>>l&1 != 0 {
			d[l] = a[l]
		}
	}
}

func fastSelp(x *call) exec {
	t := x.fastType()
	d, a, b, c := x.dst("d", t).row, x.src("a", t).row, x.src("b", t).row, x.pred("c")
	return func(w *warp, m uint32) {
		yes := c.lanes(w)
		d, a, b := &w.words[d], &w.words[a], &w.words[b]
		for l := range d {
			if m>>l&1 != 0 {
				d[l] = b[l] ^ (a[l]^b[l])&-(yes>>l&1)
			}
		}
	}
}

// fastSetp compares all lanes at once and then takes those of m.
func fastSetp(x *call) exec {
	t, r := x.fastType(), relations[x.mods["cmp"]]
	x.comparison() // refuses what the type does not have
	to := x.arg("p")
	if to.kind == opPair {
		return setp(x)
	}
	p, a, b := x.predDst(to), x.src("a", t).row, x.src("b", t).row
	less, equal, greater, unordered := -uint32(truth(r.less)), -uint32(truth(r.equal)), -uint32(truth(r.greater)), -uint32(truth(r.unordered))
	order := orderU
	switch t.kind {
	case 's':
		order = orderS
	case 'f':
		order = orderF
	}
	return func(w *warp, m uint32) {
		lt, eq, gt := order(&w.words[a], &w.words[b])
		w.setPred(p, m, lt&less|eq&equal|gt&greater|^(lt|eq|gt)&unordered)
	}
}

func orderU(a, b *[32]uint32) (lt, eq, gt uint32) {
	for l := range a {
		d := int64(a[l]) - int64(b[l])
		lt |= uint32(uint64(d)>>63) << l
		gt |= uint32(uint64(-d)>>63) << l
	}
	return lt, ^(lt | gt), gt
}

func orderS(a, b *[32]uint32) (lt, eq, gt uint32) {
	for l := range a {
		d := int64(int32(a[l])) - int64(int32(b[l]))
		lt |= uint32(uint64(d)>>63) << l
		gt |= uint32(uint64(-d)>>63) << l
	}
	return lt, ^(lt | gt), gt
}

func orderF(a, b *[32]uint32) (lt, eq, gt uint32) {
	for l := range a {
		u, v := math.Float32frombits(a[l]), math.Float32frombits(b[l])
		if u < v {
			lt |= 1 << l
		}
		if u > v {
			gt |= 1 << l
		}
		if u == v {
			eq |= 1 << l
		}
	}
	return lt, eq, gt
}

// fastLoad is ld from global, shared or parameter memory to registers of 32 or 64 bits, without checkers or figures.
func fastLoad(s space, a address, d []dst, t typ) exec {
	if t.bits < 32 || s != global && s != shared && s != parameter {
		return nil
	}
	for _, e := range d {
		if e.wide != t.wide() {
			return nil
		}
	}
	n, total := len(d), len(d)*t.size()
	return func(w *warp, m uint32) {
		var words [4]*[32]uint32
		var longs [2]*[32]uint64
		for i, e := range d {
			if e.wide {
				longs[i] = &w.longs[e.row]
			} else {
				words[i] = &w.words[e.row]
			}
		}
		base, memory := w.near(s)
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			addr := a.at(w, l)
			var from []byte
			if off := addr - base; off < uint64(len(memory)) && off+uint64(total) <= uint64(len(memory)) && addr&uint64(total-1) == 0 {
				from = memory[off:]
			} else {
				from = w.reach(l, s, addr, total, load)
				base, memory = w.near(s)
			}
			switch {
			case t.bits == 64:
				for i := range n {
					longs[i][l] = binary.LittleEndian.Uint64(from[8*i:])
				}
			case n == 1:
				words[0][l] = binary.LittleEndian.Uint32(from)
			case n == 4:
				from = from[:16]
				words[0][l] = binary.LittleEndian.Uint32(from)
				words[1][l] = binary.LittleEndian.Uint32(from[4:])
				words[2][l] = binary.LittleEndian.Uint32(from[8:])
				words[3][l] = binary.LittleEndian.Uint32(from[12:])
			default:
				words[0][l] = binary.LittleEndian.Uint32(from)
				words[1][l] = binary.LittleEndian.Uint32(from[4:])
			}
		}
	}
}

// near is the memory that a space's accesses are likely in, and the address of its first byte: for global memory, the
// allocation touched last.
func (w *warp) near(s space) (uint64, []byte) {
	switch {
	case s == shared:
		return 0, w.b.shared
	case s == parameter:
		return 0, w.b.params
	case w.piece != nil:
		return w.piece.base, w.piece.data
	}
	return 0, nil
}

// fastStore is st to shared or global memory from registers of 32 bits, without checkers or figures.
func fastStore(s space, a address, from []src, t typ) exec {
	if t.bits != 32 || s != global && s != shared {
		return nil
	}
	for _, e := range from {
		if e.wide {
			return nil
		}
	}
	total := 4 * len(from)
	return func(w *warp, m uint32) {
		var words [4]*[32]uint32
		for i, e := range from {
			words[i] = &w.words[e.row]
		}
		for l := range 32 {
			if m>>l&1 == 0 {
				continue
			}
			to := w.storeTo(s, l, a.at(w, l), total)
			for i := range from {
				binary.LittleEndian.PutUint32(to[4*i:], words[i][l])
			}
		}
	}
}

var ones = [16]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}

// storeTo is reach for stores without checkers.
func (w *warp) storeTo(s space, l int, addr uint64, n int) []byte {
	if addr&uint64(n-1) == 0 {
		if b := w.b.shared; s == shared {
			if addr < uint64(len(b)) && addr+uint64(n) <= uint64(len(b)) {
				return b[addr:]
			}
		} else if p := w.piece; p != nil && len(w.b.k.module.readOnly) == 0 {
			if off := addr - p.base; off < p.size && off+uint64(n) <= p.size {
				if p.written != nil {
					copy(p.written[off:off+uint64(n)], ones[:])
				}
				return p.data[off:]
			}
		}
	}
	return w.reach(l, s, addr, n, store)
}
