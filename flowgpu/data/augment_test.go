package data

import (
	"slices"
	"testing"
)

// augmented is the sample after Augment, alone and as image 1 of a batch of 3, which must agree.
func augmented(t *testing.T, a Augment, s *Set, sample int, seed uint64, epoch int) []float32 {
	t.Helper()
	alone := make([]float32, s.D())
	s.Load(alone, sample, 0, 1)
	a.apply(alone, s.Info(), 0, 1, seed, epoch, sample)
	batch := make([]float32, 3*s.D())
	s.Load(batch, sample, 1, 3)
	a.apply(batch, s.Info(), 1, 3, seed, epoch, sample)
	p := s.H * s.W
	for i, v := range batch {
		c, n := i/p/3, i/p%3
		want := float32(0) // the neighbours are left alone
		if n == 1 {
			want = alone[c*p+i%p]
		}
		if v != want {
			t.Fatalf("image 1 of 3 has %v at %d, alone %v", v, i, want)
		}
	}
	return alone
}

// moved is the definition: pixel (y, x) is that of (y-down, x-right) or of the nearest pixel of the edge, then mirrored.
func moved(s *Set, sample, down, right int, mirror bool) []float32 {
	out := make([]float32, s.D())
	for c := range s.C {
		for y := range s.H {
			for x := range s.W {
				fromX := x
				if mirror {
					fromX = s.W - 1 - x
				}
				fromY := min(max(y-down, 0), s.H-1)
				fromX = min(max(fromX-right, 0), s.W-1)
				out[(c*s.H+y)*s.W+x] = float32(s.image(sample).Pix[(c*s.H+fromY)*s.W+fromX])
			}
		}
	}
	return out
}

func TestAugment(t *testing.T) {
	s := numbered(2000, 2, 4, 5)
	a := Augment{Flip: true, Shift: 2}
	seen := map[[3]int]int{}
	for sample := range s.N {
		got := augmented(t, a, s, sample, 7, 3)
		var found [][3]int
		for down := -2; down <= 2; down++ {
			for right := -2; right <= 2; right++ {
				for mirror := range 2 {
					if slices.Equal(got, moved(s, sample, down, right, mirror == 1)) {
						found = append(found, [3]int{down, right, mirror})
					}
				}
			}
		}
		if len(found) != 1 {
			t.Fatalf("sample %d became %v, which is %d of the moves", sample, got, len(found))
		}
		seen[found[0]]++
	}
	if len(seen) != 50 {
		t.Errorf("%d of the 50 moves came", len(seen))
	}
	for m, n := range seen {
		if n < 10 || n > 75 { // 40 and 5 standard deviations of 6.3
			t.Errorf("move %v came %d times, not about 40", m, n)
		}
	}
}

func TestAugmentIsAPureFunction(t *testing.T) {
	s := numbered(64, 1, 6, 6)
	a := Augment{Flip: true, Shift: 3}
	all := func(seed uint64, epoch int) (x []float32) {
		for sample := range s.N {
			x = append(x, augmented(t, a, s, sample, seed, epoch)...)
		}
		return x
	}
	if !slices.Equal(all(1, 2), all(1, 2)) {
		t.Error("the second time it is another")
	}
	if slices.Equal(all(1, 2), all(1, 3)) || slices.Equal(all(1, 2), all(2, 2)) {
		t.Error("another epoch or seed gives the same")
	}
	// Saved runs go on with these: a change of them breaks such runs.
	row := &Set{C: 1, H: 1, W: 5, N: 8, Levels: 6, Pixels: slices.Repeat([]uint16{1, 2, 3, 4, 5}, 8)}
	var got []float32
	for sample := range row.N {
		got = append(got, augmented(t, Augment{Flip: true, Shift: 2}, row, sample, 9, 1)[2])
	}
	if want := []float32{1, 4, 4, 1, 2, 4, 5, 2}; !slices.Equal(got, want) {
		t.Errorf("the middle pixels are %v, pinned %v", got, want)
	}
}

func TestAugmentNothing(t *testing.T) {
	s := numbered(8, 3, 4, 5)
	for sample := range s.N {
		if got := augmented(t, Augment{}, s, sample, 1, 2); !slices.Equal(got, moved(s, sample, 0, 0, false)) {
			t.Errorf("sample %d became %v", sample, got)
		}
	}
	for _, tc := range []struct {
		shift int
		ok    bool
	}{{0, true}, {3, true}, {4, false}, {-1, false}} {
		if err := (Augment{Shift: tc.shift}).Check(4, 9); (err == nil) != tc.ok {
			t.Errorf("shift %d of 4x9 images: %v", tc.shift, err)
		}
	}
	wantError(t, Augment{Shift: 9}.Check(4, 9), "a shift by 9 pixels", "less than the sides of the 4x9 images")
}

func TestLoaderAugments(t *testing.T) {
	s := numbered(10, 2, 4, 4)
	a := Augment{Flip: true, Shift: 1}
	l := NewLoaderWith(s, 4, 5, 0, 0, LoaderOptions{Augment: a})
	defer l.Close()
	p := s.H * s.W
	for _, b := range take(l, 5) {
		for i, sample := range b.labels {
			want := augmented(t, a, s, int(sample), 5, b.epoch)
			for c := range s.C {
				if got := b.x[(c*4+i)*p:][:p]; !slices.Equal(got, want[c*p:][:p]) {
					t.Fatalf("epoch %d, sample %d, channel %d: %v, want %v", b.epoch, sample, c, got, want[c*p:][:p])
				}
			}
		}
	}
	wantPanic(t, "data: NewLoader: shift out of range", func() { NewLoaderWith(s, 4, 5, 0, 0, LoaderOptions{Augment: Augment{Shift: 4}}) })
}
