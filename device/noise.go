package device

import "math"

// Stream names one use of random numbers. Every noise value is a pure function of (Seed, ID, step, sample, element):
// the same on every backend, whatever the batch size or the number of cores, and nothing needs to be stored to go on.
//
// The two values step and sample come from a device buffer `at` = [step, first], whole numbers up to 2^24, so that a
// captured step can be replayed: sample n of the batch is first+n. Element e = c*P + p of a sample (channel c, pixel p)
// is word e%4 of Philox 4x32-10 at counter (e/4, first+n, step, ID) and key (low, high) of Seed.
type Stream struct {
	Seed uint64
	ID   uint32
}

// Philox is Philox 4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
func Philox(ctr [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85
	)
	for range 10 {
		p0, p1 := m0*uint64(ctr[0]), m1*uint64(ctr[2])
		ctr = [4]uint32{uint32(p1>>32) ^ ctr[1] ^ key[0], uint32(p1), uint32(p0>>32) ^ ctr[3] ^ key[1], uint32(p0)}
		key[0] += w0
		key[1] += w1
	}
	return ctr
}

// Words are the four random words that hold elements 4*block .. 4*block+3 of a sample.
func (s Stream) Words(block, sample, step uint32) [4]uint32 {
	return Philox([4]uint32{block, sample, step, s.ID}, [2]uint32{uint32(s.Seed), uint32(s.Seed >> 32)})
}

// UniformOf maps a word to [0, 1): 24 bits, exact in float32.
func UniformOf(word uint32) float32 { return float32(word>>8) * 0x1p-24 }

// NormalOf maps an element's word pair to N(0, 1) by Box and Muller. Elements 0, 1 of a block share words 0, 1 and
// elements 2, 3 share words 2, 3: the even one takes the cosine, the odd one the sine.
//
//	r = sqrt(-2 log((w_even>>8 + 1) 2^-24)),  a = 2 pi (w_odd>>8) 2^-24
func NormalOf(wEven, wOdd uint32) (even, odd float64) {
	r := math.Sqrt(-2 * math.Log(float64(wEven>>8+1)*0x1p-24))
	sin, cos := math.Sincos(2 * math.Pi * float64(wOdd>>8) * 0x1p-24)
	return r * cos, r * sin
}
