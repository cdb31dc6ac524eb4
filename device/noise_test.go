package device

import (
	"math"
	"testing"
)

// The vectors are those of Random123's kat_vectors, "philox4x32 10".
func TestPhiloxKnownAnswers(t *testing.T) {
	for _, c := range []struct {
		ctr  [4]uint32
		key  [2]uint32
		want [4]uint32
	}{
		{
			[4]uint32{}, [2]uint32{},
			[4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
		}, {
			[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, [2]uint32{0xffffffff, 0xffffffff},
			[4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
		}, {
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := Philox(c.ctr, c.key); got != c.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", c.ctr, c.key, got, c.want)
		}
	}
}

func TestWordsAreTheDocumentedCounter(t *testing.T) {
	s := Stream{Seed: 0x299f31d0_a4093822, ID: 0x03707344}
	want := [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1} // Random123's third vector
	if got := s.Words(0x243f6a88, 0x85a308d3, 0x13198a2e); got != want {
		t.Errorf("Words = %x, want %x", got, want)
	}
}

func TestUniformOf(t *testing.T) {
	for _, c := range []struct {
		word uint32
		want float32
	}{
		{0, 0}, {255, 0}, {256, 0x1p-24}, {1 << 31, 0.5}, {0xffffffff, 1 - 0x1p-24},
	} {
		if got := UniformOf(c.word); got != c.want {
			t.Errorf("UniformOf(%#x) = %v, want %v", c.word, got, c.want)
		}
	}
}

// Mean 0, variance 1, third moment 0, fourth moment 3, and no correlation within the pair: each within five standard
// errors of a sample of 2*n.
func TestNormalOfMoments(t *testing.T) {
	const n = 1 << 17
	s := Stream{Seed: 7, ID: 1}
	var m [5]float64
	var cross float64
	for i := range uint32(n / 2) {
		w := s.Words(i, 0, 0)
		for _, pair := range [2][2]uint32{{w[0], w[1]}, {w[2], w[3]}} {
			even, odd := NormalOf(pair[0], pair[1])
			cross += even * odd
			for k := range m {
				m[k] += math.Pow(even, float64(k)) + math.Pow(odd, float64(k))
			}
		}
	}
	for k, c := range map[int]struct{ want, variance float64 }{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		if got, allowed := m[k]/m[0], 5*math.Sqrt(c.variance/m[0]); !(math.Abs(got-c.want) <= allowed) {
			t.Errorf("moment %d of %v numbers is %v, want %v within %v", k, m[0], got, c.want, allowed)
		}
	}
	if got, allowed := cross/n, 5/math.Sqrt(n); !(math.Abs(got) <= allowed) {
		t.Errorf("the two of a pair correlate by %v, want 0 within %v", got, allowed)
	}
}

func TestNormalOfExtremeWords(t *testing.T) {
	words := []uint32{0, 1, 255, 256, 1 << 8, 1 << 31, 0xfffffeff, 0xffffff00, 0xffffffff}
	farthest := math.Sqrt(48 * math.Ln2) // of 24 bits
	for _, a := range words {
		for _, b := range words {
			even, odd := NormalOf(a, b)
			if r := math.Hypot(even, odd); !(r <= farthest*(1+1e-12)) {
				t.Errorf("NormalOf(%#x, %#x) = %v, %v: at a distance of %v, want at most %v", a, b, even, odd, r, farthest)
			}
		}
	}
	if even, odd := NormalOf(0, 0); !(math.Abs(even-farthest) <= 1e-12) || odd != 0 {
		t.Errorf("NormalOf(0, 0) = %v, %v, want %v, 0", even, odd, farthest)
	}
	if even, odd := NormalOf(0xffffffff, 1<<30); even != 0 || odd != 0 {
		t.Errorf("NormalOf(all ones, ...) = %v, %v, want a radius of 0", even, odd)
	}
	if even, odd := NormalOf(0, 1<<30); !(math.Abs(even) <= 1e-12) || !(math.Abs(odd-farthest) <= 1e-12) {
		t.Errorf("a quarter turn gives %v, %v, want 0, %v", even, odd, farthest)
	}
}
