package ptx

import (
	"os"
	"testing"
)

// statements are the instructions of a module, as written.
func statements(t *testing.T, text string) []statement {
	p := &parser{toks: lex(text), mod: &Module{name: "test.ptx", kernels: map[string]*Kernel{}}, globals: &scope{}}
	var out []statement
	for p.peek().kind != 0 && p.peek().text != ".entry" {
		p.next()
	}
	for p.accept(".entry") {
		b := &body{parser: p, k: &Kernel{}}
		for !p.accept("{") {
			p.next()
		}
		b.read(&scope{parent: p.globals})
		out = append(out, b.stmts...)
		for p.peek().kind != 0 && p.peek().text != ".entry" {
			p.next()
		}
	}
	return out
}

// TestEveryFormIsTested holds the tests to the tables: every form, and every fast form, is in a test that checks its result.
func TestEveryFormIsTested(t *testing.T) {
	seen, fast := map[*form]bool{}, map[string]bool{}
	use := func(text string) {
		for _, st := range statements(t, text) {
			base, parts := splitOpcode(st.opcode)
			fast[st.opcode] = true
			for _, f := range forms[base] {
				if n := len(st.args); f.match(parts) != nil && n <= len(f.operands) && n >= len(f.operands)-f.optional {
					seen[f] = true
					break
				}
			}
		}
	}
	for _, c := range opCases() {
		use(c.program())
	}
	for _, p := range append(programs(), faults()...) {
		use(p.text())
	}
	for _, c := range matrixCases() {
		use(c.program())
	}
	text, err := os.ReadFile("testdata/nvrtc121_80.ptx")
	if err != nil {
		t.Fatal(err)
	}
	use(string(text))
	for _, list := range forms {
		for _, f := range list {
			if !seen[f] {
				t.Errorf("no test of %s", f.syntax)
			}
		}
	}
	for op := range fastForms {
		if !fast[op] {
			t.Errorf("no test of the fast form of %s", op)
		}
	}
}
