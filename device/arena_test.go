package device

import "testing"

func TestArenaIsAStack(t *testing.T) {
	mem := make([]float32, 64)
	a := NewArena(HostBuffer(mem))
	first := a.Take(5)
	mark := a.Mark()
	second := a.Take(17)
	a.Release(mark)
	third := a.Take(3)
	for _, c := range []struct {
		name  string
		b     Buffer
		len   int
		start int
	}{{"first", first, 5, 0}, {"second", second, 17, 16}, {"third, after Release", third, 3, 16}} {
		if c.b.Len() != c.len || len(c.b.Host()) != c.len || &c.b.Host()[0] != &mem[c.start] {
			t.Errorf("%s: %d float32s, want %d from %d", c.name, c.b.Len(), c.len, c.start)
		}
		if got := cap(c.b.Host()); got != c.len {
			t.Errorf("%s: capacity %d reaches into the next piece", c.name, got)
		}
	}
	if a.Mark() != 32 || a.High() != 48 {
		t.Errorf("top %d, high %d, want 32 and 48", a.Mark(), a.High())
	}
}

func TestArenaTakesNothing(t *testing.T) {
	a := NewArena(HostBuffer(make([]float32, 16)))
	if b := a.Take(0); !b.Nil() || a.Mark() != 0 {
		t.Errorf("Take(0) gave %d float32s and moved the top to %d", b.Len(), a.Mark())
	}
}

func TestArenaTakesAllAndNoMore(t *testing.T) {
	a := NewArena(DeviceBuffer(0x1000, 48))
	a.Take(16)
	if b := a.Take(32); b.Addr() != 0x1000+4*16 || b.Len() != 32 {
		t.Errorf("second piece: %d float32s at %#x", b.Len(), b.Addr())
	}
	defer func() {
		if recover() == nil {
			t.Error("a piece beyond the end did not panic")
		}
	}()
	a.Take(1)
}

// A dry run on a counting arena must need exactly what the same run on memory does.
func TestCountingArena(t *testing.T) {
	step := func(a *Arena) (lengths []int) {
		outer := a.Mark()
		for _, n := range []int{1, 33, 16} {
			lengths = append(lengths, a.Take(n).Len())
		}
		inner := a.Mark()
		lengths = append(lengths, a.Take(100).Len())
		a.Release(inner)
		lengths = append(lengths, a.Take(7).Len())
		a.Release(outer)
		return lengths
	}
	dry := NewCountingArena()
	lengths := step(dry)
	if want := 16 + 48 + 16 + 112; dry.High() != want || dry.Mark() != 0 {
		t.Errorf("high %d, top %d, want %d and 0", dry.High(), dry.Mark(), want)
	}
	real := NewArena(HostBuffer(make([]float32, dry.High())))
	for i, n := range step(real) {
		if n != lengths[i] {
			t.Errorf("piece %d: %d float32s, %d in the dry run", i, n, lengths[i])
		}
	}
	if b := NewCountingArena().Take(4); b.Host() != nil || b.Addr() != 0 || b.Nil() {
		t.Error("a counted piece has memory, or no length")
	}
}
