package device

import (
	"slices"
	"testing"
)

// filler notes what is filled.
type filler struct {
	Memory
	filled []Buffer
}

func (f *filler) Fill(x Buffer, _ float32) { f.filled = append(f.filled, x) }

// Gradients that lie one behind the other are cleared in one go, those that are added to not at all, and nothing between them.
func TestClearGradients(t *testing.T) {
	all := DeviceBuffer(1<<20, 1000)
	unit := func(set bool, at, w, gap, b int) Unit {
		return Unit{Set: set, DW: all.Slice(at, at+w), DB: all.Slice(at+w+gap, at+w+gap+b)}
	}
	for name, c := range map[string]struct {
		units []Unit
		want  [][2]int
	}{
		"one run":       {[]Unit{unit(true, 0, 32, 0, 8), unit(true, 40, 64, 0, 16)}, [][2]int{{0, 120}}},
		"a gap":         {[]Unit{unit(true, 0, 30, 2, 8), unit(true, 40, 64, 0, 16)}, [][2]int{{0, 30}, {32, 120}}},
		"one is added":  {[]Unit{unit(true, 0, 32, 0, 8), unit(false, 40, 64, 0, 16), unit(true, 120, 8, 0, 8)}, [][2]int{{0, 40}, {120, 136}}},
		"back to front": {[]Unit{unit(true, 40, 64, 0, 16), unit(true, 0, 32, 0, 8)}, [][2]int{{40, 120}, {0, 40}}},
		"all are added": {[]Unit{unit(false, 0, 32, 0, 8)}, nil},
	} {
		var f filler
		clearGradients(&f, c.units)
		var want []Buffer
		for _, r := range c.want {
			want = append(want, all.Slice(r[0], r[1]))
		}
		if !slices.EqualFunc(f.filled, want, func(a, b Buffer) bool { return a.addr == b.addr && a.n == b.n }) {
			t.Errorf("%s: filled %v, want %v", name, f.filled, want)
		}
	}
}
