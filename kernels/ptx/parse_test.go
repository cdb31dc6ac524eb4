package ptx

import (
	"errors"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestModule(t *testing.T) {
	m := compiled(t)
	if got := m.Kernels(); !reflect.DeepEqual(got, []string{"coupling_forward", "gemm_bf16", "gemm_f32"}) {
		t.Errorf("kernels %v", got)
	}
	if m.Target() != "sm_80" || m.Version() != "8.1" {
		t.Errorf("target %s, version %s", m.Target(), m.Version())
	}
	k := kernel(t, m, "coupling_forward")
	want := []Param{{"coupling_forward_param_0", 8, 8}, {"coupling_forward_param_1", 8, 8}, {"coupling_forward_param_2", 8, 8},
		{"coupling_forward_param_3", 8, 8}, {"coupling_forward_param_4", 4, 4}, {"coupling_forward_param_5", 4, 4}, {"coupling_forward_param_6", 4, 4}}
	if got := k.Params(); !reflect.DeepEqual(got, want) {
		t.Errorf("parameters %v", got)
	}
	if k.SharedBytes() != 32 || k.LocalBytes() != 0 || k.MaxThreads() != 256 || k.Name() != "coupling_forward" {
		t.Errorf("%s: %d shared, %d local, %d threads", k.Name(), k.SharedBytes(), k.LocalBytes(), k.MaxThreads())
	}
	if _, err := m.Kernel("none"); err == nil {
		t.Error("a kernel that is not there")
	}
}

// TestErrors has texts that must not load, each with the line and a part of the reason.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ":1: no .version"},
		{"hello", `:1: "hello" is not supported`},
		{".version 8.1\n.target sm_80\n.address_size 32", ":3: addresses of 32 bits"},
		{".version 8.1\n.target sm_80\n.func f() {}", `:3: ".func" is not supported`},
		{".version 8.1\n.target sm_80\n.entry k() {", ":3: the text ends inside kernel k"},
		{".version 8.1\n.target sm_80\n.entry k() {}\n.entry k() {}", ":4: two kernels k"},
		{".version 8.1\n.target sm_80\n.entry k(.param .x32 p) {}", `no parameter can be of type ".x32"`},
		{".version 8.1\n.target sm_80\n.entry k(.param .b8 p[40000]) {}", "40000"},
		{".version 8.1\n.target sm_80\n.global .b8 v[99999999999999999999];", "number from 0 to"},
		{".version 8.1\n.target sm_80\n.global .b8 v[60000000][60000000];", "v is too large"},
		{".version 8.1\n.target sm_80\n.global .b8 v[2] = {1, 2, 3};", ":3: more values"},
		{".version 8.1\n.target sm_80 /*", `"/*" is not supported`},
	} {
		_, err := Parse("m.ptx", c.text)
		if err == nil || !strings.HasPrefix(err.Error(), "m.ptx:") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.text, err, c.want)
		}
	}
	for _, c := range []struct{ body, want string }{
		{"frob.u32 %r1, %r2;", "unknown instruction frob.u32"},
		{"wgmma.fence.sync.aligned;", "unknown instruction wgmma"},
		{"add.u7 %r1, %r2, %r3;", "unknown modifiers or types in add.u7"},
		{"add.u32 %r1, %r2;", "add.u32 with 2 operands"},
		{"add.u32 %r1, %r2, %r3, %r4;", "add.u32 with 4 operands"},
		{"add.u32 %r1, %r2, %l3;", "register %l3 is of 64 bits, not 32"},
		{"add.u64 %l1, %l2, %r3;", "register %r3 is of 32 bits, not 64"},
		{"add.u32 %r1, %r2, %r99;", "%r99 is not declared"},
		{"add.u32 %r1, %r2, %r03;", "%r03 is not declared"},
		{"add.u32 %r1, %r2, %p1;", "register %p1"},
		{"add.u32 5, %r2, %r1;", "no register to write"},
		{"add.u32 %tid.x, %r2, %r1;", "no register to write"},
		{"add.f32 %f1, %f2, 1;", "literal 1 where a f32"},
		{"add.u32 %r1, %r2, 1.5;", "literal 1.5 where a u32"},
		{"add.u32 %r1, %r2, 0f3F8;", "no floating-point constant"},
		{"add.u32 %r1, %r2, 12ab;", "no number"},
		{"mov.u32 %r1, %clock;", "%clock is not declared"},
		{"mov.b64 %l1, {%r1, %r2, %r3};", "3 elements"},
		{"mov.b64 {%r1, %r2}, {%r1, %r2};", "from a vector to a vector"},
		{"ld.global.u32 %r1, [%r2];", "register %r2 holds no address"},
		{"ld.global.u32 %r1, %l2;", "address in brackets"},
		{"ld.global.v4.u64 %r1, [%l2];", "more than 16 bytes"},
		{"ld.global.v2.u32 %r1, [%l2];", "should have 2 elements"},
		{"ld.shared.u32 %r1, [out];", "out is in param memory"},
		{"st.const.u32 [%l1], %r1;", "unknown modifiers"},
		{"setp.lo.s32 %p1, %r1, %r2;", "no such comparison"},
		{"setp.num.u32 %p1, %r1, %r2;", "no such comparison"},
		{"setp.lt.b32 %p1, %r1, %r2;", "no such comparison"},
		{"selp.u32 %r1, %r2, %r3, %r4;", "a predicate is missing"},
		{"@%r1 bra x; x: ret;", "%r1 is no predicate"},
		{"bra nowhere;", "no label nowhere"},
		{"x: x: ret;", "two labels x"},
		{"{ inner: ret; } bra inner;", "no label inner"},
		{"cvt.f32.s32 %f1, %r1;", "unknown modifiers"},
		{"cvt.f32.f64 %f1, %l1;", "rounding mode"},
		{"cvt.rn.f64.f32 %l1, %f1;", "rounding mode"},
		{"cvt.rn.ftz.f32.s32 %f1, %r1;", "unknown modifiers"},
		{"cp.async.cg.shared.global [%r1], [%l1], 8;", "of this size"},
		{"atom.global.add.b32 %r1, [%l1], 1;", "no such atomic operation"},
		{"lop3.b32 %r1, %r2, %r3, %r4, 300;", "from 0 to 255"},
		{"mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3, %r4}, {%f1, %f2, %f3, %f4};", "operand a should have 4"},
		{".reg .b32 x; .reg .b32 x;", "x is declared twice"},
		{".shared .b8 big[300000];", "more than 262144 bytes of shared"},
		{".local .b8 big[9999999];", "more than 524288 bytes of local"},
		{"call f;", "unknown instruction call"},
		{"ret", "}"},
	} {
		_, err := Parse("m.ptx", program{body: "\n" + c.body}.text())
		if err == nil || !strings.HasPrefix(err.Error(), "m.ptx:9: ") && c.body != "ret" || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want line 9 and %s", c.body, err, c.want)
		}
	}
}

// FuzzParse holds that no text makes the parser, the decoder or a run panic or hang.
func FuzzParse(f *testing.F) {
	for _, p := range append(programs(), faults()...) {
		f.Add(p.text())
	}
	for _, c := range matrixCases() {
		f.Add(c.program())
	}
	text, err := os.ReadFile("testdata/nvrtc121_80.ptx")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) { survive(t, text) })
}

// TestMutations exchanges words between programs that are right, which reaches deeper than random bytes do.
func TestMutations(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 17))
	var texts []string
	for _, p := range append(programs(), faults()...) {
		texts = append(texts, p.text())
	}
	for _, c := range matrixCases() {
		texts = append(texts, c.program())
	}
	for _, c := range opCases() {
		texts = append(texts, c.program())
	}
	loaded := 0
	for range 6000 {
		words, others := lex(texts[r.IntN(len(texts))]), lex(texts[r.IntN(len(texts))])
		for range 1 + r.IntN(3) {
			i, from := r.IntN(len(words)-1), words
			if r.IntN(2) == 0 {
				from = others
			}
			switch r.IntN(20) {
			case 0:
				words[i].text = ""
			case 1:
				words[i].text += " " + words[i].text
			case 2:
				words[i].text = from[r.IntN(len(from))].text
			default: // a word that looks like it
				for range 100 {
					if w := from[r.IntN(len(from))]; len(w.text) > 1 && len(words[i].text) > 1 && w.text[:2] == words[i].text[:2] && w.text != words[i].text {
						words[i].text = w.text
						break
					}
				}
			}
		}
		var s strings.Builder
		for _, w := range words {
			s.WriteString(w.text + " ")
		}
		if survive(t, s.String()) {
			loaded++
		}
	}
	if loaded < 500 { // or else this test shows little
		t.Errorf("only %d of the mutations were valid modules", loaded)
	}
}

// survive parses a text and runs what is in it, and tells whether it was a module.
func survive(t *testing.T, text string) bool {
	m, err := Parse("fuzz.ptx", text)
	if err != nil {
		if !strings.HasPrefix(err.Error(), "fuzz.ptx:") {
			t.Fatalf("an error without its line: %v", err)
		}
		return false
	}
	for _, name := range m.Kernels() {
		k, err := m.Kernel(name)
		if err != nil {
			t.Fatal(err)
		}
		mem := NewMemory(1<<26, true)
		p, err := mem.Alloc(4096)
		if err != nil {
			t.Fatal(err)
		}
		l := Launch{Grid: [3]int{2, 1, 1}, Block: [3]int{40, 1, 1}}
		for _, q := range k.Params() {
			for range max(1, (q.Size+7)/8) {
				l.Args = append(l.Args, p)
			}
		}
		for _, o := range []Options{{Steps: 500, Workers: 1}, {Steps: 500, Workers: 1, Check: true, Races: true, Stats: &Stats{}}} {
			var fault *Fault
			if err := k.Run(mem, l, o); errors.As(err, &fault) && (fault.Line < 1 || fault.Kind.String() == "") {
				t.Fatalf("a fault without its place: %#v", fault)
			}
		}
	}
	return true
}
