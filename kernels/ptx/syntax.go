package ptx

import (
	"fmt"
	"strings"
)

// form is one line of the PTX manual: the syntax of an instruction and what it does.
//
// The syntax is written as the manual writes it: an opcode with its modifiers, the operands, and for each modifier that
// stands for several the set it stands for. Braces mean that a modifier or operand may be left out.
//
//	add{.rnd}{.ftz}{.sat}.f32  d, a, b;   .rnd = { .rn, .rz };
type form struct {
	syntax string
	build  func(x *call) exec

	base     string // opcode without its modifiers
	segments []segment
	operands []string
	optional int // how many of the operands, at the end, may be left out
}

type segment struct {
	name     string
	optional bool
	set      []string // what it may read; its own name where it stands for itself
}

// exec does an instruction for the lanes in m.
type exec func(w *warp, m uint32)

// parseForm reads a form's syntax. The table is part of this package, so a mistake in it panics, in the first test.
func parseForm(f form) form {
	clauses := strings.Split(f.syntax, ";")
	sets := map[string][]string{}
	for _, c := range clauses[1:] {
		name, list, ok := strings.Cut(c, "=")
		if !ok {
			if strings.TrimSpace(c) != "" {
				panic("ptx: bad clause in " + f.syntax)
			}
			continue
		}
		for _, w := range strings.Split(strings.Trim(strings.TrimSpace(list), "{}"), ",") {
			key := strings.Trim(strings.TrimSpace(name), ".")
			sets[key] = append(sets[key], strings.TrimPrefix(strings.TrimSpace(w), "."))
		}
	}
	opcode, operands, _ := strings.Cut(strings.TrimSpace(clauses[0]), " ")
	optional := false
	for i, part := range strings.Split(strings.NewReplacer("{", "\x00", "}", "").Replace(opcode), ".") {
		if i == 0 {
			f.base, optional = strings.TrimSuffix(part, "\x00"), strings.HasSuffix(part, "\x00")
			continue
		}
		s := segment{name: strings.TrimSuffix(part, "\x00"), optional: optional}
		optional = strings.HasSuffix(part, "\x00")
		if s.set = sets[s.name]; s.set == nil {
			s.set = []string{s.name}
		}
		f.segments = append(f.segments, s)
	}
	must, may, _ := strings.Cut(operands, "{,")
	for _, list := range []string{must, strings.TrimSuffix(strings.TrimSpace(may), "}")} {
		for _, o := range strings.Split(list, ",") {
			if o = strings.TrimSpace(o); o != "" {
				f.operands = append(f.operands, o)
			}
		}
	}
	if may != "" {
		f.optional = strings.Count(may, ",") + 1
	}
	return f
}

// match reads an opcode's modifiers by the form's syntax: what each one reads, or nil where they do not fit.
func (f *form) match(parts []string) map[string]string {
	out := map[string]string{}
	if matchFrom(f.segments, parts, out) {
		return out
	}
	return nil
}

func matchFrom(segments []segment, parts []string, out map[string]string) bool {
	if len(segments) == 0 {
		return len(parts) == 0
	}
	s := segments[0]
	if len(parts) > 0 {
		for _, w := range s.set {
			if w == parts[0] {
				out[s.name] = w
				if matchFrom(segments[1:], parts[1:], out) {
					return true
				}
				delete(out, s.name)
				break
			}
		}
	}
	return s.optional && matchFrom(segments[1:], parts, out)
}

// splitOpcode cuts at the dots; the :: of .L2::128B stays inside its part.
func splitOpcode(op string) (string, []string) {
	parts := strings.Split(op, ".")
	return parts[0], parts[1:]
}

// forms is the instruction set, by opcode base.
var forms = index(integerForms, logicForms, floatForms, compareForms, moveForms, convertForms, memoryForms, asyncForms,
	atomicForms, warpForms, barrierForms, matrixForms, controlForms)

func index(lists ...[]form) map[string][]*form {
	out := map[string][]*form{}
	for _, l := range lists {
		for _, f := range l {
			p := parseForm(f)
			out[p.base] = append(out[p.base], &p)
		}
	}
	return out
}

// decode finds the form of every statement and builds its instruction.
func (b *body) decode() {
	b.rows = map[rowKey]int{}
	k := b.k
	k.code = make([]inst, 0, len(b.stmts))
	for i := range b.stmts {
		st := &b.stmts[i]
		in := inst{guard: -1, line: st.line, text: st.text, sync: syncNone}
		if st.guard != "" {
			r := st.scope.register(st.guard)
			if r == nil || r.t.kind != 'p' {
				fail(st.line, "%s is no predicate", st.guard)
			}
			in.guard, in.negate = b.row(r), st.not
		}
		x := b.lookup(st)
		x.in = &in
		in.exec = x.build()
		k.code = append(k.code, in)
	}
}

// lookup finds the form that a statement has.
func (b *body) lookup(st *statement) *call {
	base, parts := splitOpcode(st.opcode)
	list := forms[base]
	if list == nil {
		fail(st.line, "unknown instruction %s", st.opcode)
	}
	why := "unknown modifiers or types in " + st.opcode
	for _, f := range list {
		mods := f.match(parts)
		if mods == nil {
			continue
		}
		n := len(st.args)
		if n > len(f.operands) || n < len(f.operands)-f.optional {
			why = fmt.Sprintf("%s with %d operands", st.opcode, n)
			continue
		}
		return &call{body: b, st: st, form: f, mods: mods}
	}
	fail(st.line, "%s", why)
	return nil
}

func (x *call) build() exec {
	if fast := fastForms[x.st.opcode]; fast != nil && !x.plain {
		return fast(x)
	}
	return x.form.build(x)
}
