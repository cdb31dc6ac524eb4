package ptx

import "strings"

// call is one statement being decoded by its form.
type call struct {
	*body
	st   *statement
	form *form
	mods map[string]string
	in   *inst
}

func (x *call) fail(format string, args ...any) { fail(x.st.line, format, args...) }

// has tells whether a modifier is there.
func (x *call) has(name string) bool { return x.mods[name] != "" }

// typ is the type that a modifier names.
func (x *call) typ(name string) typ {
	t, ok := typeOf[x.mods[name]]
	if !ok {
		panic("ptx: no type in modifier " + name + " of " + x.form.syntax)
	}
	return t
}

// arg is the operand that the form calls name, brackets and all, or nil where it was left out.
func (x *call) arg(name string) *operand {
	for i, n := range x.form.operands {
		if n == name {
			if i < len(x.st.args) {
				return &x.st.args[i]
			}
			return nil
		}
	}
	panic("ptx: no operand " + name + " in " + x.form.syntax)
}

// src is where an operand's 32 values come from: a row of registers.
type src struct {
	row  int
	wide bool // a row of 64-bit registers
	t    typ  // what is read from it
}

// at is the value in lane l: the type's bits, with zeros above.
func (s src) at(w *warp, l int) uint64 {
	if s.wide {
		return w.longs[s.row][l] & s.t.mask()
	}
	return uint64(w.words[s.row][l]) & s.t.mask()
}

// extended is the value in lane l, widened to 64 bits by its type.
func (s src) extended(w *warp, l int) uint64 { return s.t.extend(s.at(w, l)) }

// dst is where a result goes.
type dst struct {
	row  int
	wide bool
	t    typ // of the register
}

func (d dst) put(w *warp, l int, v uint64) {
	if d.wide {
		w.longs[d.row][l] = v
	} else {
		w.words[d.row][l] = uint32(v & d.t.mask())
	}
}

// row gives the register's row, and makes one at the first use.
func (b *body) row(r *register) int {
	if r.row < 0 {
		switch {
		case r.t.kind == 'p':
			r.row = b.k.preds
			b.k.preds++
		case r.t.wide():
			r.row = b.k.longs
			b.k.longs++
		default:
			r.row = b.k.words
			b.k.words++
		}
	}
	return r.row
}

func (b *body) fresh(wide bool) int {
	return b.row(&register{typ{'b', map[bool]int{false: 32, true: 64}[wide]}, -1})
}

// rowKey names a row that no instruction writes.
type rowKey struct {
	wide  bool
	value uint64
	name  string // a special register, or "image" or "dynamic" where the launch adds the start of the variables
}

// constant is a row that holds one value in all lanes.
type constant struct {
	row   int
	wide  bool
	value uint64
	base  string // what the launch adds: "image", "dynamic" or ""
}

// special is a row that holds a special register.
type special struct {
	row  int
	wide bool
	name string
}

func (b *body) constant(wide bool, value uint64, base string) int {
	key := rowKey{wide, value, base}
	r, ok := b.rows[key]
	if !ok {
		r = b.fresh(wide)
		b.rows[key] = r
		b.k.constants = append(b.k.constants, constant{r, wide, value, base})
	}
	return r
}

func (b *body) special(wide bool, name string) int {
	key := rowKey{wide: wide, name: name}
	r, ok := b.rows[key]
	if !ok {
		r = b.fresh(wide)
		b.rows[key] = r
		b.k.specials = append(b.k.specials, special{r, wide, name})
	}
	return r
}

// src decodes an operand that an instruction reads as type t: a register of t's width, a literal, a special register or
// the address of a variable.
func (x *call) src(name string, t typ) src { return x.source(x.arg(name), t, false) }

// srcWide is src for ld, st and cvt, whose registers may be wider than the type.
func (x *call) srcWide(name string, t typ) src { return x.source(x.arg(name), t, true) }

func (x *call) source(o *operand, t typ, wider bool) src {
	if o == nil || o.not {
		x.fail("%s: missing or negated operand", x.st.opcode)
	}
	switch o.kind {
	case opNumber:
		v, ok := o.value(t)
		if !ok {
			x.fail("literal %s where a %c%d should be", o.name, t.kind, t.bits)
		}
		return src{x.constant(t.wide(), v, ""), t.wide(), t}
	case opName:
		if r := x.st.scope.register(o.name); r != nil {
			x.checkWidth(o, r, t, wider)
			if o.offset != 0 {
				x.fail("register with offset outside brackets")
			}
			return src{x.row(r), r.t.wide(), t}
		}
		if bits, ok := specialRegisters[o.name]; ok {
			if t.bits != bits && !(wider && t.bits < bits) {
				x.fail("%s is of %d bits", o.name, bits)
			}
			return src{x.special(bits == 64, o.name), bits == 64, t}
		}
		if v := x.st.scope.variable(o.name); v != nil {
			if t.bits != 64 && (t.bits != 32 || v.space == "global" || v.space == "const") {
				x.fail("address of %s in %d bits", o.name, t.bits)
			}
			value, base := x.place(v)
			return src{x.constant(t.wide(), (value+uint64(o.offset))&t.mask(), base), t.wide(), t}
		}
		x.fail("%s is not declared", o.name)
	}
	x.fail("%s: an operand of the wrong kind", x.st.opcode)
	return src{}
}

// place gives a variable's address in its own space, and what the launch has to add to it.
func (x *call) place(v *variable) (uint64, string) {
	if v.late { // a module-level shared variable takes its place in each kernel that names it
		c := &variable{space: "shared", name: v.name}
		c.offset = uint64((x.k.shared + v.align - 1) / v.align * v.align)
		x.k.shared = int(c.offset) + v.size
		if x.k.shared > maxShared {
			x.fail("more than %d bytes of shared memory", maxShared)
		}
		top := x.st.scope
		for top.parent != x.globals {
			top = top.parent
		}
		top.declare(c, x.st.line)
		v = c
	}
	switch {
	case v.dynamic:
		return 0, "dynamic"
	case v.space == "global" || v.space == "const":
		return v.offset, "image"
	}
	return v.offset, ""
}

func (x *call) checkWidth(o *operand, r *register, t typ, wider bool) {
	if r.t.kind == 'p' || r.t.bits != t.bits && !(wider && r.t.bits > t.bits) {
		x.fail("%s: register %s is of %d bits, not %d", x.st.opcode, o.name, r.t.bits, t.bits)
	}
}

// dst decodes an operand that an instruction writes as type t.
func (x *call) dst(name string, t typ) dst { return x.target(x.arg(name), t, false) }

// dstWide is dst for ld and cvt.
func (x *call) dstWide(name string, t typ) dst { return x.target(x.arg(name), t, true) }

func (x *call) target(o *operand, t typ, wider bool) dst {
	switch o.kind {
	case opSink:
		return dst{x.fresh(t.wide()), t.wide(), t}
	case opName:
		if r := x.st.scope.register(o.name); r != nil && !o.not && o.offset == 0 {
			x.checkWidth(o, r, t, wider)
			return dst{x.row(r), r.t.wide(), r.t}
		}
	}
	x.fail("%s: %q is no register to write to", x.st.opcode, o.name)
	return dst{}
}

// predicate is a predicate operand, perhaps negated, or a constant.
type predicate struct {
	row  int
	flip uint32 // all ones where the operand is negated
}

func (p predicate) lanes(w *warp) uint32 { return w.preds[p.row] ^ p.flip }

func (x *call) pred(name string) predicate { return x.predicate(x.arg(name)) }

func (x *call) predicate(o *operand) predicate {
	if o != nil && o.kind == opName && o.offset == 0 {
		if r := x.st.scope.register(o.name); r != nil && r.t.kind == 'p' {
			p := predicate{row: x.row(r)}
			if o.not {
				p.flip = full
			}
			return p
		}
	}
	x.fail("%s: a predicate is missing", x.st.opcode)
	return predicate{}
}

// predDst decodes a predicate to write; a sink gives a row that nobody reads.
func (x *call) predDst(o *operand) int {
	if o.kind == opSink {
		return x.row(&register{typeOf["pred"], -1})
	}
	if o.not {
		x.fail("%s: a result cannot be negated", x.st.opcode)
	}
	return x.predicate(o).row
}

// vector decodes {a, b, c, d} of n elements, or a single operand where n is 1.
func (x *call) vector(name string, n int) []operand {
	o := x.arg(name)
	if o.kind == opVector && len(o.parts) == n {
		return o.parts
	}
	if n == 1 && o.kind != opVector {
		return []operand{*o}
	}
	x.fail("%s: operand %s should have %d elements", x.st.opcode, name, n)
	return nil
}

func (x *call) sources(name string, n int, t typ, wider bool) []src {
	out := make([]src, n)
	for i, o := range x.vector(name, n) {
		out[i] = x.source(&o, t, wider)
	}
	return out
}

func (x *call) targets(name string, n int, t typ, wider bool) []dst {
	out := make([]dst, n)
	for i, o := range x.vector(name, n) {
		out[i] = x.target(&o, t, wider)
	}
	return out
}

// address is an operand in brackets: a row of addresses and an offset.
type address struct {
	row  int
	wide bool
	off  uint64
}

func (a address) at(w *warp, l int) uint64 {
	if a.wide {
		return w.longs[a.row][l] + a.off
	}
	return uint64(w.words[a.row][l] + uint32(a.off)) // addresses of 32 bits wrap at 32 bits
}

func (x *call) address(name, space string) address {
	o := x.arg(name)
	if o.kind != opAddress {
		x.fail("%s: %s should be an address in brackets", x.st.opcode, name)
	}
	if len(o.parts) == 0 {
		return address{x.constant(true, uint64(o.offset), ""), true, 0}
	}
	base := &o.parts[0]
	if r := x.st.scope.register(base.name); r != nil {
		if r.t.kind == 'p' || r.t.bits != 64 && (r.t.bits != 32 || space == "global" || space == "") {
			x.fail("%s: register %s holds no address", x.st.opcode, base.name)
		}
		return address{x.row(r), r.t.wide(), uint64(o.offset)}
	}
	v := x.st.scope.variable(base.name)
	if v == nil {
		x.fail("%s is not declared", base.name)
	}
	value, from := x.place(v)
	switch {
	case v.space == space:
	case space == "" && v.space == "shared":
		value += sharedWindow
	case space == "" && v.space == "local":
		value += localWindow
	case space == "" && (v.space == "global" || v.space == "const"):
	default:
		x.fail("%s: %s is in %s memory", x.st.opcode, base.name, v.space)
	}
	return address{x.constant(true, value, from), true, uint64(o.offset)}
}

// specialRegisters are the read-only registers that a kernel can name, with their width.
var specialRegisters = func() map[string]int {
	out := map[string]int{}
	for _, n := range strings.Fields("tid.x tid.y tid.z ntid.x ntid.y ntid.z ctaid.x ctaid.y ctaid.z nctaid.x nctaid.y nctaid.z " +
		"laneid warpid nwarpid lanemask_eq lanemask_le lanemask_lt lanemask_ge lanemask_gt dynamic_smem_size total_smem_size") {
		out["%"+n] = 32
	}
	return out
}()

// value is what a special register holds in thread t of a block.
func (b *block) value(name string, t int) uint32 {
	lane, dim := uint32(t%32), b.launch.Block
	tid := b.thread(t)
	switch name {
	case "%tid.x":
		return uint32(tid[0])
	case "%tid.y":
		return uint32(tid[1])
	case "%tid.z":
		return uint32(tid[2])
	case "%ntid.x":
		return uint32(dim[0])
	case "%ntid.y":
		return uint32(dim[1])
	case "%ntid.z":
		return uint32(dim[2])
	case "%ctaid.x":
		return uint32(b.at[0])
	case "%ctaid.y":
		return uint32(b.at[1])
	case "%ctaid.z":
		return uint32(b.at[2])
	case "%nctaid.x":
		return uint32(b.launch.Grid[0])
	case "%nctaid.y":
		return uint32(b.launch.Grid[1])
	case "%nctaid.z":
		return uint32(b.launch.Grid[2])
	case "%laneid":
		return lane
	case "%warpid":
		return uint32(t / 32)
	case "%nwarpid":
		return uint32(len(b.warps))
	case "%lanemask_eq":
		return 1 << lane
	case "%lanemask_lt":
		return 1<<lane - 1
	case "%lanemask_le":
		return 2<<lane - 1
	case "%lanemask_ge":
		return -(1 << lane)
	case "%lanemask_gt":
		return -(2 << lane)
	case "%dynamic_smem_size":
		return uint32(b.launch.Shared)
	case "%total_smem_size":
		return uint32(len(b.shared))
	}
	panic("ptx: special register " + name)
}
