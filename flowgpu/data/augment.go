package data

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
)

// Augment changes training samples at random, each anew in every epoch. Held-out samples stay as they are: what a model
// scores on them is comparable with that of one trained without.
type Augment struct {
	Flip  bool // mirror every other sample, left to right
	Shift int  // move by up to so many pixels in both directions; the edge's pixels are repeated
}

// Check tells whether samples of that size can be so changed.
func (a Augment) Check(h, w int) error {
	if a.Shift < 0 || a.Shift >= min(h, w) {
		return fmt.Errorf("a shift by %d pixels: must be at least 0 and less than the sides of the %dx%d images", a.Shift, h, w)
	}
	return nil
}

// apply changes image i of a batch of n, [C][n][H][W], in place. It is a pure function of seed, epoch and sample, so that
// a run goes on with the very batches that it would have had; saved runs depend on it.
func (a Augment) apply(x []float32, f Info, i, n int, seed uint64, epoch, sample int) {
	if a == (Augment{}) {
		return
	}
	var words rand.PCG
	words.Seed(seed^0x5851f42d4c957f2d, uint64(epoch)<<32|uint64(sample)) // another stream than Order's
	mirror := words.Uint64()>>63 == 1 && a.Flip
	down, right := a.step(words.Uint64()), a.step(words.Uint64())
	for c := range f.C {
		plane := x[(c*n+i)*f.H*f.W:][:f.H*f.W]
		moveRows(plane, f.H, f.W, down)
		for y := range f.H {
			row := plane[y*f.W:][:f.W]
			move(row, right)
			if mirror {
				for l, r := 0, f.W-1; l < r; l, r = l+1, r-1 {
					row[l], row[r] = row[r], row[l]
				}
			}
		}
	}
}

// step is -Shift .. Shift, each as likely as the others.
func (a Augment) step(word uint64) int {
	j, _ := bits.Mul64(word, uint64(2*a.Shift+1))
	return int(j) - a.Shift
}

// moveRows moves a plane down (up where negative) and repeats its first (last) row.
func moveRows(plane []float32, h, w, down int) {
	row := func(y int) []float32 { return plane[y*w:][:w] }
	for y := h - 1; y >= 0 && down > 0; y-- {
		copy(row(y), row(max(y-down, 0)))
	}
	for y := 0; y < h && down < 0; y++ {
		copy(row(y), row(min(y-down, h-1)))
	}
}

// move moves a row right (left where negative) and repeats its first (last) pixel.
func move(row []float32, right int) {
	w := len(row)
	if right > 0 {
		copy(row[right:], row)
		for x := 1; x < right; x++ {
			row[x] = row[0]
		}
	} else if right < 0 {
		copy(row, row[-right:])
		for x := w + right; x < w-1; x++ {
			row[x] = row[w-1]
		}
	}
}
