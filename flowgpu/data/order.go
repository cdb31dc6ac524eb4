package data

import (
	"math/bits"
	"math/rand/v2"
)

// Order is the permutation of 0 .. n-1 in which epoch e (from 0) takes its samples: a pure function of n, seed and
// epoch, so that a run goes on from (seed, epoch, position) alone. It is written to dst if it has room for n.
//
// The shuffle is spelled out (Fisher and Yates, Lemire's multiply for the bounded number, words of PCG-DXSM) because
// saved runs depend on it; rand.Shuffle may change between releases.
func Order(n int, seed uint64, epoch int, dst []int32) []int32 {
	if cap(dst) < n {
		dst = make([]int32, n)
	}
	dst = dst[:n]
	for i := range dst {
		dst[i] = int32(i)
	}
	var words rand.PCG
	words.Seed(seed, uint64(epoch))
	for i := n - 1; i > 0; i-- {
		j, _ := bits.Mul64(words.Uint64(), uint64(i+1)) // 0 .. i, uneven by less than n/2^64
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}
