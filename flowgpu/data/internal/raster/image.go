// Package raster decodes picture files into whole-number intensities and makes them fit a sample: its channels, its size
// and its depth.
package raster

import "math/bits"

// MaxSide bounds a picture's height and width, so that a damaged header cannot ask for all memory.
const MaxSide = 1 << 14

// Image is one picture: intensities 0 .. Levels-1. C is 1 for grey, 3 for red, green, blue, and 4 with alpha, which the
// colours are not multiplied with.
type Image struct {
	C, H, W int
	Levels  int
	Pix     []uint16 // [C][H][W]
}

// Depth is the number of bits of that many levels, and whether they fill these bits.
func Depth(levels int) (n int, whole bool) {
	n = bits.Len(uint(levels - 1))
	return n, levels == 1<<n
}
