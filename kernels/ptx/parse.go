package ptx

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Limits on what a text may declare. They are those of the largest GPUs or above, and keep a wrong text from asking for all
// of the host's memory.
const (
	maxShared  = 256 << 10
	maxLocal   = 512 << 10
	maxImage   = 64 << 20
	maxParams  = 32764
	maxThreads = 1024
)

// Parse reads a module and decodes every kernel in it. An error names file and line; an instruction that this package does
// not know is an error here and not later.
func Parse(name, text string) (*Module, error) { return parse(name, text, false) }

// parse leaves the fast forms out where plain is set.
func parse(name, text string, plain bool) (m *Module, err error) {
	p := &parser{toks: lex(text), mod: &Module{name: name, kernels: map[string]*Kernel{}}, globals: &scope{}, plain: plain}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(syntaxError)
			if !ok {
				panic(r)
			}
			m, err = nil, fmt.Errorf("%s:%d: %s", name, e.line, e.what)
		}
	}()
	p.module()
	return p.mod, nil
}

// syntaxError is thrown by the parser and the decoder, and caught by Parse.
type syntaxError struct {
	line int
	what string
}

func fail(line int, format string, args ...any) {
	panic(syntaxError{line, fmt.Sprintf(format, args...)})
}

type parser struct {
	toks    []token
	pos     int
	mod     *Module
	globals *scope
	plain   bool
}

func (p *parser) peek() token { return p.toks[p.pos] }

func (p *parser) next() token {
	t := p.toks[p.pos]
	if p.pos < len(p.toks)-1 {
		p.pos++
	}
	return t
}

// accept takes the next token if it reads so.
func (p *parser) accept(text string) bool {
	if p.peek().text == text && p.peek().kind != 0 {
		p.next()
		return true
	}
	return false
}

func (p *parser) expect(text string) {
	if t := p.peek(); !p.accept(text) {
		fail(t.line, "%q where %q should be", t.text, text)
	}
}

func (p *parser) word() string {
	t := p.next()
	if t.kind != 'w' {
		fail(t.line, "%q where a name should be", t.text)
	}
	return t.text
}

// count reads a non-negative integer of at most most.
func (p *parser) count(most int) int {
	t := p.next()
	v, ok := integer(t.text)
	if t.kind != '0' || !ok || v > uint64(most) {
		fail(t.line, "%q where a number from 0 to %d should be", t.text, most)
	}
	return int(v)
}

// align reads an alignment, a power of two.
func (p *parser) align() int {
	line := p.peek().line
	a := p.count(1 << 12)
	if a == 0 || a&(a-1) != 0 {
		fail(line, "alignment of %d", a)
	}
	return a
}

func integer(s string) (uint64, bool) {
	s = strings.TrimRight(s, "U")
	if len(s) > 1 && s[0] == '0' && s[1] >= '0' && s[1] <= '9' {
		s = "0o" + s[1:]
	}
	v, err := strconv.ParseUint(s, 0, 64)
	return v, err == nil && !strings.Contains(s, "_")
}

func (p *parser) module() {
	for {
		t := p.peek()
		switch {
		case t.kind == 0:
			if p.mod.version == "" || p.mod.target == "" {
				fail(t.line, "no .version or no .target: not a PTX module")
			}
			return
		case t.text == ".version":
			p.next()
			p.mod.version = p.next().text
		case t.text == ".target":
			p.next()
			p.mod.target = p.word()
			for p.accept(",") {
				p.word()
			}
		case t.text == ".address_size":
			p.next()
			if n := p.count(64); n != 64 {
				fail(t.line, "addresses of %d bits: only 64 are supported", n)
			}
		case t.text == ".visible" || t.text == ".weak" || t.text == ".extern":
			p.next()
		case t.text == ".entry":
			p.next()
			p.entry()
		case t.text == ".global" || t.text == ".const" || t.text == ".shared":
			p.next()
			p.globals.declare(p.variable(t.text[1:], nil), t.line)
		case t.text == ".file":
			p.skipLine()
		case t.text == ".section":
			p.skipSection()
		default:
			fail(t.line, "%q is not supported at module level", t.text)
		}
	}
}

func (p *parser) skipLine() {
	for line := p.peek().line; p.peek().kind != 0 && p.peek().line == line; {
		p.next()
	}
}

func (p *parser) skipSection() {
	for p.peek().kind != 0 && p.peek().text != "{" {
		p.next()
	}
	for p.peek().kind != 0 && p.next().text != "}" {
	}
}

// variable reads what follows .global, .const, .shared or .local:
//
//	{.align n} .type name {[n]...} { = value or {values} } ;
func (p *parser) variable(space string, k *Kernel) *variable {
	line := p.peek().line
	v := &variable{space: space}
	align := 0
	if p.accept(".align") {
		align = p.align()
	}
	tw := p.peek()
	t, ok := typeOf[strings.TrimPrefix(p.word(), ".")]
	if !ok || t.kind == 'p' {
		fail(tw.line, "no variable can be of type %q", tw.text)
	}
	align = max(align, t.size())
	v.name = p.word()
	n, open := 1, false
	for p.accept("[") {
		if p.accept("]") {
			open = true
			continue
		}
		c := p.count(maxImage)
		if c != 0 && n > maxImage/c {
			fail(line, "%s is too large", v.name)
		}
		n *= c
		p.expect("]")
	}
	size := n * t.size()
	if open {
		size = 0
	}
	place := func(top *int, most int) {
		v.offset = uint64((*top + align - 1) / align * align)
		*top = int(v.offset) + size
		if *top > most {
			fail(line, "more than %d bytes of %s memory", most, space)
		}
	}
	var values []byte
	switch {
	case space == "shared" && open:
		v.dynamic = true
	case open:
		fail(line, "%s has no size", v.name)
	case space == "shared" && k == nil:
		v.late, v.size, v.align = true, size, align
	case space == "shared":
		place(&k.shared, maxShared)
	case space == "local":
		place(&k.local, maxLocal)
	default:
		if p.accept("=") {
			values = p.initialiser(t, n)
		}
		top := len(p.mod.image)
		place(&top, maxImage)
		p.mod.image = append(p.mod.image, make([]byte, top-len(p.mod.image))...)
		copy(p.mod.image[v.offset:], values)
		if space == "const" {
			p.mod.readOnly = append(p.mod.readOnly, span{v.offset, v.offset + uint64(size)})
		}
	}
	p.expect(";")
	return v
}

// initialiser reads the values of a variable of n elements, a list or a single one.
func (p *parser) initialiser(t typ, n int) []byte {
	var out []byte
	one := func() {
		o := p.literal()
		bits, ok := o.value(t)
		if !ok {
			fail(o.line, "%q is no initial value of this type", o.name)
		}
		if len(out) >= n*t.size() {
			fail(o.line, "more values than the variable has elements")
		}
		for i := 0; i < t.size(); i++ {
			out = append(out, byte(bits>>(8*i)))
		}
	}
	if !p.accept("{") {
		one()
		return out
	}
	for !p.accept("}") {
		one()
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	return out
}

// literal reads a number, with its sign.
func (p *parser) literal() operand {
	neg := p.accept("-")
	t := p.next()
	o := operand{kind: opNumber, name: t.text, line: t.line}
	if t.kind != '0' {
		fail(t.line, "%q where a number should be", t.text)
	}
	s := t.text
	low := strings.ToLower(s)
	switch {
	case strings.HasPrefix(low, "0f") || strings.HasPrefix(low, "0d"):
		digits, width := s[2:], 8
		if low[1] == 'd' {
			width = 16
		}
		v, err := strconv.ParseUint(digits, 16, 64)
		if err != nil || len(digits) != width {
			fail(t.line, "%q is no floating-point constant", s)
		}
		o.real, o.float = math.Float64frombits(v), true
		if width == 8 {
			o.real = float64(math.Float32frombits(uint32(v)))
			o.single, o.bits = true, v
		}
	default:
		if v, ok := integer(s); ok {
			o.bits = v
			break
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !strings.ContainsAny(s, ".eE") || strings.HasPrefix(low, "0x") {
			fail(t.line, "%q is no number", s)
		}
		o.real, o.float = v, true
	}
	if neg {
		o.bits = -o.bits
		o.real = -o.real
		if o.single {
			o.bits = (-o.bits) ^ 1<<31
		}
	}
	return o
}

// entry reads a kernel: name, parameters, directives, body.
func (p *parser) entry() {
	line := p.peek().line
	k := &Kernel{name: p.word(), module: p.mod}
	if p.mod.kernels[k.name] != nil {
		fail(line, "two kernels %s", k.name)
	}
	top := &scope{parent: p.globals}
	if p.accept("(") {
		for !p.accept(")") {
			p.param(k, top)
			if !p.accept(",") {
				p.expect(")")
				break
			}
		}
	}
	for !p.accept("{") {
		t := p.next()
		switch t.text {
		case ".maxntid", ".reqntid":
			k.maxBlock, k.exactDim = [3]int{p.count(maxThreads), 1, 1}, t.text == ".reqntid"
			for i := 1; i < 3 && p.accept(","); i++ {
				k.maxBlock[i] = p.count(maxThreads)
			}
		case ".minnctapersm", ".maxnreg":
			p.count(1 << 16)
		case ".pragma":
			p.next()
			p.expect(";")
		default:
			fail(t.line, "%q is not supported before a kernel's body", t.text)
		}
	}
	b := &body{parser: p, k: k}
	b.read(top)
	b.decode()
	p.mod.kernels[k.name] = k
}

// param reads one parameter:
//
//	.param {.align n} .type {.ptr {.space} {.align n}} name {[n]}
func (p *parser) param(k *Kernel, s *scope) {
	line := p.peek().line
	p.expect(".param")
	align := 0
	if p.accept(".align") {
		align = p.align()
	}
	tw := p.word()
	t, ok := typeOf[strings.TrimPrefix(tw, ".")]
	if !ok || t.kind == 'p' {
		fail(line, "no parameter can be of type %q", tw)
	}
	if p.accept(".ptr") {
		for p.accept(".global") || p.accept(".shared") || p.accept(".const") || p.accept(".local") {
		}
		if p.accept(".align") {
			p.align()
		}
	}
	q := param{Param: Param{Name: p.word(), Size: t.size(), Align: max(align, t.size())}}
	if p.accept("[") {
		q.Size *= p.count(maxParams)
		p.expect("]")
	}
	q.offset = (k.paramSize + q.Align - 1) / q.Align * q.Align
	k.paramSize = q.offset + q.Size
	if k.paramSize > maxParams {
		fail(line, "more than %d bytes of parameters", maxParams)
	}
	k.params = append(k.params, q)
	s.declare(&variable{space: "param", name: q.Name, offset: uint64(q.offset)}, line)
}
