package neon

import "fmt"

// The instructions on vectors, by GNU's name: the word with all registers 0, and the lanes that the registers are named with.
// Sources: Arm Architecture Reference Manual for A-profile, C7.2; the test has GNU's assembler agree.

// form is an instruction without its registers.
type form struct {
	word  uint32
	lanes string
}

// three is d = a op b.
var three = map[string]form{
	"add":   {0x4ea08400, "4s"},
	"sub":   {0x6ea08400, "4s"},
	"mul":   {0x4ea09c00, "4s"},
	"smax":  {0x4ea06400, "4s"},
	"smin":  {0x4ea06c00, "4s"},
	"cmeq":  {0x6ea08c00, "4s"},
	"cmgt":  {0x4ea03400, "4s"},
	"add64": {0x4ee08400, "2d"},
	"fadd":  {0x4e20d400, "4s"},
	"fsub":  {0x4ea0d400, "4s"},
	"fmul":  {0x6e20dc00, "4s"},
	"fdiv":  {0x6e20fc00, "4s"},
	"fmax":  {0x4e20f400, "4s"},
	"fmin":  {0x4ea0f400, "4s"},
	"faddp": {0x6e20d400, "4s"},
	"fcmeq": {0x4e20e400, "4s"},
	"fcmgt": {0x6ea0e400, "4s"},
	"fcmge": {0x6e20e400, "4s"},
	"and":   {0x4e201c00, "16b"},
	"bic":   {0x4e601c00, "16b"},
	"orr":   {0x4ea01c00, "16b"},
	"eor":   {0x6e201c00, "16b"},
	"zip1":  {0x4e803800, "4s"},
	"zip2":  {0x4e807800, "4s"},
	"uzp1":  {0x4e801800, "4s"},
	"uzp2":  {0x4e805800, "4s"},
	"zip1d": {0x4ec03800, "2d"},
	"zip2d": {0x4ec07800, "2d"},
	"uzp1h": {0x4e401800, "8h"},
}

// three1 is the same on the first lane alone.
var three1 = map[string]uint32{
	"fadd": 0x1e202800, "fsub": 0x1e203800, "fmul": 0x1e200800, "fdiv": 0x1e201800, "fmax": 0x1e204800, "fmin": 0x1e205800,
}

// change is d = d op a op b.
var change = map[string]form{
	"fmla": {0x4e20cc00, "4s"},
	"fmls": {0x4ea0cc00, "4s"},
	"bsl":  {0x6e601c00, "16b"}, // d ? a : b, bit by bit
	"bit":  {0x6ea01c00, "16b"}, // b ? a : d
}

// two is d = op a.
var two = map[string]form{
	"fneg":   {0x6ea0f800, "4s"},
	"fabs":   {0x4ea0f800, "4s"},
	"fsqrt":  {0x6ea1f800, "4s"},
	"frintn": {0x4e218800, "4s"},
	"frintm": {0x4e219800, "4s"},
	"frintp": {0x4ea18800, "4s"},
	"frintz": {0x4ea19800, "4s"},
	"fcvtns": {0x4e21a800, "4s"},
	"fcvtzs": {0x4ea1b800, "4s"},
	"scvtf":  {0x4e21d800, "4s"},
	"mvn":    {0x6e205800, "16b"},
	"rev64":  {0x4ea00800, "4s"},
}

// shifts, of 32 bits; see shift.
var shifts = map[string]uint32{"shl": 0x4f005400, "ushr": 0x6f000400, "sshr": 0x4f000400}

// names of GNU's that are not ours, which tell lanes apart.
var names = map[string]string{"add64": "add", "zip1d": "zip1", "zip2d": "zip2", "uzp1h": "uzp1"}

func name(op string) string {
	if n, ok := names[op]; ok {
		return n
	}
	return op
}

// v3 is d = a op b.
func (x *translation) v3(op string, d, a, b register) {
	f, ok := three[op]
	if !ok {
		panic("no word for " + op)
	}
	x.emit(instruction{text: fmt.Sprintf("%s v@0.%s, v@1.%[2]s, v@2.%[2]s", name(op), f.lanes), word: f.word,
		args: []arg{out(d, 0), in(a, 5), in(b, 16)}})
}

// v31 is v3 of the first lane.
func (x *translation) v31(op string, d, a, b register) {
	x.emit(instruction{text: op + " s@0, s@1, s@2", word: three1[op], args: []arg{out(d, 0), in(a, 5), in(b, 16)}})
}

// v3d is d = d op a op b.
func (x *translation) v3d(op string, d, a, b register) {
	f, ok := change[op]
	if !ok {
		panic("no word for " + op)
	}
	x.emit(instruction{text: fmt.Sprintf("%s v@0.%s, v@1.%[2]s, v@2.%[2]s", op, f.lanes), word: f.word,
		args: []arg{both(d, 0), in(a, 5), in(b, 16)}})
}

// v2 is d = op a.
func (x *translation) v2(op string, d, a register) {
	f, ok := two[op]
	if !ok {
		panic("no word for " + op)
	}
	x.emit(instruction{text: fmt.Sprintf("%s v@0.%s, v@1.%[2]s", op, f.lanes), word: f.word, args: []arg{out(d, 0), in(a, 5)}})
}

// shift is shl, ushr or sshr of lanes of 32 or 64 bits. The word has the size and the distance in one number.
func (x *translation) shift(op string, bits, n int, d, a register) {
	lanes := map[int]string{32: "4s", 64: "2d"}[bits]
	word := shifts[op]
	number := bits + n
	if op != "shl" {
		number = 2*bits - n
	}
	// The words in the table have bits that belong to no number.
	word = word&^(0x7f<<16) | uint32(number)<<16
	x.emit(instruction{text: fmt.Sprintf("%s v@0.%s, v@1.%[2]s, #%d", op, lanes, n), word: word, args: []arg{out(d, 0), in(a, 5)}})
}

// fmlaFirst is d += a * b[0], or minus that.
func (x *translation) fmlaFirst(op string, d, a, b register) {
	word := uint32(0x4f801000)
	if op == "fmls" {
		word = 0x4f805000
	}
	x.emit(instruction{text: op + " v@0.4s, v@1.4s, v@2.s[0]", word: word, args: []arg{both(d, 0), in(a, 5), in(b, 16)}})
}

func (x *translation) move(d, a register) {
	if x.classes[d] == general {
		x.emit(instruction{text: "MOVD R@1, R@0", args: []arg{out(d, 0), in(a, 0)}, move: true})
		return
	}
	// orr of a with itself: the second source has the same number.
	x.emit(instruction{text: "mov v@0.16b, v@1.16b", word: 0x4ea01c00, args: []arg{out(d, 0), in(a, 5), in(a, 16)}, move: true})
}

func (x *translation) clear(d register) {
	x.emit(instruction{text: "movi v@0.2d, #0", word: 0x6f00e400, args: []arg{out(d, 0)}})
}

// spread is d = a[lane] in all lanes.
func (x *translation) spread(d, a register, lane int) {
	x.emit(instruction{text: fmt.Sprintf("dup v@0.4s, v@1.s[%d]", lane), word: 0x4e040400 | uint32(lane)<<19, args: []arg{out(d, 0), in(a, 5)}})
}

// insert is d[to] = a[from], of 32 bits.
func (x *translation) insert(d register, to int, a register, from int) {
	x.emit(instruction{text: fmt.Sprintf("mov v@0.s[%d], v@1.s[%d]", to, from), word: 0x6e040400 | uint32(to)<<19 | uint32(from)<<13,
		args: []arg{both(d, 0), in(a, 5)}})
}

// insert64 is the same of 64 bits.
func (x *translation) insert64(d register, to int, a register, from int) {
	x.emit(instruction{text: fmt.Sprintf("mov v@0.d[%d], v@1.d[%d]", to, from), word: 0x6e080400 | uint32(to)<<20 | uint32(from)<<14,
		args: []arg{both(d, 0), in(a, 5)}})
}

// extract is the 16 bytes of a and b from byte n of a on.
func (x *translation) extract(d, a, b register, n int) {
	x.emit(instruction{text: fmt.Sprintf("ext v@0.16b, v@1.16b, v@2.16b, #%d", n), word: 0x6e000000 | uint32(n)<<11,
		args: []arg{out(d, 0), in(a, 5), in(b, 16)}})
}

// narrow keeps the lower half of every lane of 64, 32 or 16 bits.
func (x *translation) narrow(bits int, d, a register) {
	size := map[int]uint32{64: 2, 32: 1, 16: 0}[bits]
	lanes := map[int][2]string{64: {"2s", "2d"}, 32: {"4h", "4s"}, 16: {"8b", "8h"}}[bits]
	x.emit(instruction{text: fmt.Sprintf("xtn v@0.%s, v@1.%s", lanes[0], lanes[1]), word: 0x0e212800 | size<<22, args: []arg{out(d, 0), in(a, 5)}})
}

// products is the 64-bit products of the lower two lanes.
func (x *translation) products(d, a, b register) {
	x.emit(instruction{text: "umull v@0.2d, v@1.2s, v@2.2s", word: 0x2ea0c000, args: []arg{out(d, 0), in(a, 5), in(b, 16)}})
}

// below0 is all ones where the sign bit is set.
func (x *translation) below0(d, a register) {
	x.emit(instruction{text: "cmlt v@0.4s, v@1.4s, #0", word: 0x4ea0a800, args: []arg{out(d, 0), in(a, 5)}})
}

// toGeneral is the lower 64 bits of a.
func (x *translation) toGeneral(d, a register) {
	x.emit(instruction{text: "fmov x@0, d@1", word: 0x9e660000, args: []arg{out(d, 0), in(a, 5)}})
}

// fromGeneral makes a the lower bits of d, and the others 0.
func (x *translation) fromGeneral(d, a register, bits int) {
	if bits == 32 {
		x.emit(instruction{text: "fmov s@0, w@1", word: 0x1e270000, args: []arg{out(d, 0), in(a, 5)}})
		return
	}
	x.emit(instruction{text: "fmov d@0, x@1", word: 0x9e670000, args: []arg{out(d, 0), in(a, 5)}})
}
