package ptx

import (
	"math"
	"strconv"
	"strings"
)

// variable is a named piece of memory; its offset is within its space (of the module's image for global and const).
type variable struct {
	space       string
	name        string
	offset      uint64
	dynamic     bool // extern .shared x[]: what the launch adds, after the static shared memory
	late        bool // module-level .shared: placed in a kernel when that kernel names it
	size, align int  // where late
}

// register is a declared register; its row in the register file is given out at the first use.
type register struct {
	t   typ
	row int // of the words, longs or predicates, by its width; -1 before the first use
}

// family is a declaration of many registers at once: %r<49>.
type family struct {
	prefix string
	count  int
	t      typ
}

// scope is what a pair of braces declares.
type scope struct {
	parent   *scope
	regs     map[string]*register
	families []family
	vars     map[string]*variable
	labels   map[string]int
	targets  map[string][]string // .branchtargets lists
}

func (s *scope) declare(v *variable, line int) {
	if s.vars == nil {
		s.vars = map[string]*variable{}
	}
	if s.vars[v.name] != nil {
		fail(line, "%s is declared twice", v.name)
	}
	s.vars[v.name] = v
}

func (s *scope) variable(name string) *variable {
	for ; s != nil; s = s.parent {
		if v := s.vars[name]; v != nil {
			return v
		}
	}
	return nil
}

func (s *scope) label(name string) (int, bool) {
	for ; s != nil; s = s.parent {
		if at, ok := s.labels[name]; ok {
			return at, true
		}
	}
	return 0, false
}

func (s *scope) branchTargets(name string) []string {
	for ; s != nil; s = s.parent {
		if list := s.targets[name]; list != nil {
			return list
		}
	}
	return nil
}

func (s *scope) register(name string) *register {
	stem := strings.TrimRight(name, "0123456789")
	index, err := strconv.Atoi(name[len(stem):])
	plain := err == nil && strconv.Itoa(index) == name[len(stem):]
	for ; s != nil; s = s.parent {
		if r := s.regs[name]; r != nil {
			return r
		}
		for _, f := range s.families {
			if plain && f.prefix == stem && index < f.count {
				return s.add(name, f.t)
			}
		}
	}
	return nil
}

func (s *scope) add(name string, t typ) *register {
	if s.regs == nil {
		s.regs = map[string]*register{}
	}
	r := &register{t, -1}
	s.regs[name] = r
	return r
}

type operandKind byte

const (
	opName    operandKind = iota // a register, a special register, a variable or a label: told apart when decoded
	opNumber                     // a literal
	opVector                     // {a, b}
	opAddress                    // [a+offset]
	opPair                       // p|q
	opSink                       // _
)

// operand is an operand as written.
type operand struct {
	kind   operandKind
	name   string
	line   int
	not    bool      // !p
	offset int64     // name+offset, [name+offset]
	parts  []operand // of a vector or a pair; an address's base, if it has one
	bits   uint64    // literal: as an integer, or a single's pattern
	real   float64   // literal: as a float
	float  bool
	single bool // 0f...: the pattern is exact, NaNs included
}

// value is the literal's bit pattern in type t.
func (o *operand) value(t typ) (uint64, bool) {
	if o.kind != opNumber {
		return 0, false
	}
	switch {
	case o.single && t.bits == 32:
		return o.bits, true
	case o.float && t.bits == 64 && (t.kind == 'f' || t.kind == 'b'):
		return math.Float64bits(o.real), true
	case o.float && t == typeOf["f32"]:
		return uint64(math.Float32bits(float32(o.real))), true
	case o.float:
		return 0, false
	case t == typeOf["f32"] || t == typeOf["f64"]:
		return 0, o.bits == 0
	}
	return o.bits & t.mask(), true
}

// statement is an instruction as written.
type statement struct {
	line   int
	text   string
	guard  string // predicate register of @p, or ""
	not    bool
	opcode string
	args   []operand
	scope  *scope
}

// body reads and decodes what is between a kernel's braces.
type body struct {
	*parser
	k     *Kernel
	stmts []statement
	rows  map[rowKey]int // rows that hold constants and special registers
}

func (b *body) read(s *scope) {
	depth := 1
	s = &scope{parent: s}
	for depth > 0 {
		t := b.next()
		switch {
		case t.kind == 0:
			fail(t.line, "the text ends inside kernel %s", b.k.name)
		case t.text == "{":
			depth++
			s = &scope{parent: s}
		case t.text == "}":
			depth--
			s = s.parent
		case t.text == ";":
		case t.text == ".reg":
			b.registers(s)
		case t.text == ".shared" || t.text == ".local":
			s.declare(b.variable(t.text[1:], b.k), t.line)
		case t.text == ".loc":
			b.pos--
			b.skipLine()
		case t.text == ".pragma":
			b.next()
			b.expect(";")
		case t.text == "@":
			b.statement(s, t)
		case t.kind == 'w' && b.peek().text == ":":
			b.next()
			if b.accept(".branchtargets") {
				b.branchTargets(s, t)
				break
			}
			if s.labels == nil {
				s.labels = map[string]int{}
			}
			if _, twice := s.labels[t.text]; twice {
				fail(t.line, "two labels %s", t.text)
			}
			s.labels[t.text] = len(b.stmts)
		case t.kind == 'w' && t.text[0] != '.':
			b.pos--
			b.statement(s, t)
		default:
			fail(t.line, "%q is not supported in a kernel", t.text)
		}
	}
	b.stmts = append(b.stmts, statement{line: b.toks[b.pos-1].line, text: "}", opcode: "ret", scope: s})
}

func (b *body) branchTargets(s *scope, t token) {
	if s.targets == nil {
		s.targets = map[string][]string{}
	}
	for {
		s.targets[t.text] = append(s.targets[t.text], b.word())
		if !b.accept(",") {
			break
		}
	}
	b.expect(";")
}

// registers reads what follows .reg: a type, and names or families of names.
func (b *body) registers(s *scope) {
	tw := b.peek()
	t, ok := typeOf[strings.TrimPrefix(b.word(), ".")]
	if !ok {
		fail(tw.line, "no register can be of type %q", tw.text)
	}
	for {
		name := b.word()
		if b.accept("<") {
			s.families = append(s.families, family{name, b.count(1 << 24), t})
			b.expect(">")
		} else {
			if s.regs[name] != nil {
				fail(tw.line, "%s is declared twice", name)
			}
			s.add(name, t)
		}
		if !b.accept(",") {
			break
		}
	}
	b.expect(";")
}

// statement reads {@{!}p} opcode {operand {, operand}} ;
func (b *body) statement(s *scope, first token) {
	st := statement{line: first.line, scope: s}
	from := b.pos
	if first.text == "@" {
		from--
		st.not = b.accept("!")
		st.guard = b.word()
	}
	st.opcode = b.word()
	if !b.accept(";") {
		for {
			st.args = append(st.args, b.operand())
			if !b.accept(",") {
				break
			}
		}
		b.expect(";")
	}
	var text strings.Builder
	for i, t := range b.toks[from : b.pos-1] {
		tight := i == 0 || strings.Contains(",;]}|:", t.text) || strings.Contains("@[{!|-", b.toks[from+i-1].text)
		if !tight && t.text != "+" && b.toks[from+i-1].text != "+" {
			text.WriteByte(' ')
		}
		text.WriteString(t.text)
	}
	st.text = text.String()
	b.stmts = append(b.stmts, st)
}

func (b *body) operand() operand {
	o := b.simple()
	if b.accept("|") {
		second := b.simple()
		return operand{kind: opPair, line: o.line, parts: []operand{o, second}}
	}
	return o
}

func (b *body) simple() operand {
	t := b.peek()
	o := operand{name: t.text, line: t.line}
	switch {
	case t.kind == '{':
		b.next()
		o.kind = opVector
		for {
			e := b.simple()
			if e.kind == opVector || e.kind == opAddress {
				fail(t.line, "a vector inside a vector")
			}
			o.parts = append(o.parts, e)
			if !b.accept(",") {
				break
			}
		}
		b.expect("}")
	case t.kind == '[':
		b.next()
		o.kind = opAddress
		if b.peek().kind == 'w' {
			o.parts = []operand{{name: b.next().text, line: t.line}}
		} else {
			o.offset = b.offset()
		}
		for b.peek().text == "+" || b.peek().text == "-" {
			b.accept("+")
			o.offset += b.offset()
		}
		b.expect("]")
	case t.kind == '!':
		b.next()
		o.name, o.not = b.word(), true
	case t.text == "_":
		b.next()
		o.kind = opSink
	case t.kind == 'w':
		b.next()
		if b.accept("+") {
			o.offset = b.offset()
		}
	default:
		return b.literal()
	}
	return o
}

func (b *body) offset() int64 {
	o := b.literal()
	if o.float {
		fail(o.line, "an offset of %s", o.name)
	}
	return int64(o.bits)
}
