// Package neon compiles avo programs for arm64. A kernel is written once, in the instructions of AVX2; here every register of
// eight float32s becomes two of NEON's four, every instruction the few that do the same to both, and avo's own printer writes
// what Go's assembler reads. Go's assembler lacks most of NEON's arithmetic, so instructions on vectors are words, with what
// they mean in GNU's syntax beside them.
//
// What differs from AVX2: a NaN in either operand of a minimum or a maximum stays, and of two zeros a maximum is the positive one
// and a minimum the negative; conversions to whole numbers saturate; the upper half of a register is not cleared by instructions
// on its lower half. A mask of loads and stores becomes jumps where it has not all lanes.
package neon

import (
	"fmt"

	"github.com/mmcloughlin/avo/attr"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
)

// Compile takes the place of pass.Compile. Its functions use AVX, AVX2 and FMA3 at most.
func Compile(table string) pass.Interface {
	return pass.Concat(pass.Verify, pass.Func(func(f *ir.File) error { return compile(f, table) }), pass.Func(pass.IncludeTextFlagHeader))
}

func compile(f *ir.File, table string) error {
	data := newPool(table)
	var sections []ir.Section
	for _, s := range f.Sections {
		if g, ok := s.(*ir.Global); ok {
			data.global(g)
		}
	}
	for _, s := range f.Sections {
		fn, ok := s.(*ir.Function)
		if !ok {
			continue
		}
		if err := translate(fn, data); err != nil {
			return fmt.Errorf("%s: %w", fn.Name, err)
		}
		sections = append(sections, fn)
	}
	if len(data.bytes) > 0 {
		sections = append(sections, data.section())
	}
	f.Sections = sections
	return nil
}

// translate replaces a function's code.
func translate(fn *ir.Function, data *pool) (err error) {
	defer func() {
		if u, ok := recover().(unknown); ok {
			err = fmt.Errorf("package neon knows nothing like %s", string(u))
		}
	}()
	x := newTranslation(fn, data)
	x.run()
	code, frame, err := allocate(x.code, x.classes)
	if err != nil {
		return err
	}
	fn.Nodes, fn.LocalSize = code, frame
	return nil
}

// unknown is what there is no translation of.
type unknown string

// pool is the table of constants of a file: one symbol, so that one register reaches all of them.
type pool struct {
	name   string
	bytes  []byte
	at     map[string]int    // where a value begins, by its bytes
	values map[string][]byte // of avo's symbols
}

func newPool(name string) *pool {
	return &pool{name: name, at: map[string]int{}, values: map[string][]byte{}}
}

// global takes a symbol's data.
func (p *pool) global(g *ir.Global) {
	b := make([]byte, g.Size)
	for _, d := range g.Data {
		v := uint64(immediate(d.Value))
		for i := range d.Value.Bytes() {
			b[d.Offset+i] = byte(v >> (8 * i))
		}
	}
	p.values[g.Symbol.Name] = b
}

// uniform says whether all of a symbol's four-byte words are the same.
func (p *pool) uniform(symbol string) bool {
	b := p.values[symbol]
	if len(b) == 0 || len(b)%16 != 0 {
		return false
	}
	for i := range b {
		if b[i] != b[i%4] {
			return false
		}
	}
	return true
}

// of is where a symbol's data begins; of one that is uniform there are 16 bytes.
func (p *pool) of(symbol string) int {
	b, ok := p.values[symbol]
	if !ok {
		panic(unknown("symbol " + symbol))
	}
	if p.uniform(symbol) {
		b = b[:16]
	}
	return p.put(b)
}

// put is where these bytes, a multiple of 16, begin.
func (p *pool) put(b []byte) int {
	at, ok := p.at[string(b)]
	if !ok {
		at = len(p.bytes)
		p.at[string(b)] = at
		p.bytes = append(p.bytes, b...)
	}
	return at
}

// words is put of 32-bit words.
func (p *pool) words(w ...uint32) int {
	var b []byte
	for _, v := range w {
		b = append(b, byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return p.put(b)
}

func (p *pool) symbol() operand.Symbol { return operand.NewStaticSymbol(p.name) }

func (p *pool) section() *ir.Global {
	g := ir.NewGlobal(p.symbol())
	g.Attributes = attr.RODATA | attr.NOPTR
	for i := 0; i < len(p.bytes); i += 4 {
		b := p.bytes[i:]
		g.Append(operand.U32(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24))
	}
	return g
}

// immediate is the value of a constant.
func immediate(c operand.Constant) int64 {
	switch v := c.(type) {
	case operand.U8:
		return int64(v)
	case operand.U16:
		return int64(v)
	case operand.U32:
		return int64(v)
	case operand.U64:
		return int64(v)
	case operand.I8:
		return int64(v)
	case operand.I16:
		return int64(v)
	case operand.I32:
		return int64(v)
	case operand.I64:
		return int64(v)
	}
	panic(unknown("constant " + c.Asm()))
}
