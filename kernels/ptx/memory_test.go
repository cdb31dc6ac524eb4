package ptx

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestMemory(t *testing.T) {
	m := NewMemory(1000, true)
	a, b := room(t, m, 600), room(t, m, 300)
	if a%256 != 0 || b%256 != 0 || b < a+600+redZone || m.Used() != 900 {
		t.Errorf("allocations at %#x and %#x, %d used", a, b, m.Used())
	}
	if _, err := m.Alloc(101); err == nil || !strings.Contains(err.Error(), "out of memory") {
		t.Errorf("more than the limit: %v", err)
	}
	if _, err := m.Alloc(-1); err == nil {
		t.Error("a negative allocation")
	}
	got := make([]byte, 4)
	if err := m.CopyOut(got, a); err == nil || !strings.Contains(err.Error(), "byte 0 was never written") {
		t.Errorf("copy of fresh memory: %v", err)
	}
	if err := m.CopyIn(a, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	if err := m.CopyOut(got, a); err == nil || !strings.Contains(err.Error(), "byte 3 was never written") {
		t.Errorf("copy of a part fresh: %v", err)
	}
	if err := m.Fill(a+3, 1, 9); err != nil {
		t.Fatal(err)
	}
	if err := m.CopyOut(got, a); err != nil || !bytes.Equal(got, []byte{1, 2, 3, 9}) {
		t.Errorf("%v %v", got, err)
	}
	if err := m.Poison(a+1, 1); err != nil {
		t.Fatal(err)
	}
	if err := m.CopyOut(got, a); err == nil {
		t.Error("copy of poisoned memory")
	}
	if raw, err := m.Bytes(a, 4); err != nil || raw[1] != 0xA5 || cap(raw) != 4 || m.CopyOut(got, a) != nil {
		t.Errorf("%v %v", raw, err)
	}
	for _, bad := range []error{m.CopyIn(a+599, []byte{1, 2}), m.CopyOut(got, b+298), m.CopyIn(3, got), m.Fill(a, -1, 0), m.Free(a + 4), m.Free(12)} {
		if bad == nil {
			t.Error("a wrong access passed")
		}
	}
	if err := m.Free(a); err != nil || m.Used() != 300 {
		t.Errorf("%v, %d used", err, m.Used())
	}
	if err := m.Free(a); err == nil {
		t.Error("freed twice")
	}
	if err := m.CopyIn(a, got); err == nil || !strings.Contains(err.Error(), "use after free") {
		t.Errorf("copy to freed memory: %v", err)
	}
	if err := m.Free(0); err != nil {
		t.Error(err)
	}
	if c := room(t, m, 600); c <= b {
		t.Errorf("address %#x given out again", c)
	}
}

func TestUseAfterFree(t *testing.T) {
	mod, err := Parse("free.ptx", program{body: "mov.u32 %r1, 7;\nst.global.u32 [%i+8], %r1; ret;"}.text())
	if err != nil {
		t.Fatal(err)
	}
	m := NewMemory(1<<20, false)
	p := room(t, m, 64)
	l := Launch{Grid: [3]int{1, 1, 1}, Block: [3]int{1, 1, 1}, Args: []uint64{p, p}}
	if err := kernel(t, mod, "test").Run(m, l, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := m.Free(p); err != nil {
		t.Fatal(err)
	}
	var f *Fault
	if err := kernel(t, mod, "test").Run(m, l, Options{}); !errors.As(err, &f) || f.Kind != UseAfterFree || f.Line != 9 || f.Addr != p+8 {
		t.Errorf("%v, want a use after free at line 9", err)
	}
}
