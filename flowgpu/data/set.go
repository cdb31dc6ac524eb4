// Package data reads data sets of images and of vectors, puts them in order and cuts them into batches, and draws images as
// pictures. Vectors come from tables, or from toys whose densities are known.
//
// It is plain host code. Letters as everywhere: N samples, C channels, H W height and width, D = C*H*W dimensions.
// A set is kept sample by sample, [N][C][H][W]; a batch is channel-major, [C][N][H][W], as the devices take it.
package data

import (
	"fmt"
	"slices"
)

// Set is a data set of images of whole-number intensities 0 .. Levels-1, not to be changed once it is made: sets cut
// from it share its arrays.
type Set struct {
	Name    string // "digits train", "mnist test"
	C, H, W int
	Levels  int // 17 for the digits, 256 for 8-bit images
	N       int
	Pixels  []uint16 // [N][C][H][W]
	Bytes   []uint8  // the same instead of Pixels, where that is how a file has them
	Labels  []int32  // [N], each 0 .. Classes-1, or nil
	Classes int      // 0 without labels
}

// maxValues bounds the N*C*H*W of a set (8 GiB of pixels), so that a mistyped size is an error and not a full machine.
const maxValues = 1 << 32

// maxSide bounds an image's height and width.
const maxSide = 1 << 14

// D is the number of dimensions of a sample.
func (s *Set) D() int { return s.C * s.H * s.W }

// Check tells whether the set is what its fields say: sizes consistent, every pixel below Levels, every label below
// Classes.
func (s *Set) Check() error {
	switch {
	case s.C < 1 || s.H < 1 || s.W < 1 || s.H > maxSide || s.W > maxSide:
		return fmt.Errorf("data set %s: images of %dx%dx%d (channels, height, width): each must be at least 1, the sides at most %d",
			s.Name, s.C, s.H, s.W, maxSide)
	case s.N < 1:
		return fmt.Errorf("data set %s: no samples", s.Name)
	case s.Levels < 2 || s.Levels > 1<<16:
		return fmt.Errorf("data set %s: %d intensity levels: must be 2 to 65536", s.Name, s.Levels)
	case len(s.Pixels)+len(s.Bytes) != s.N*s.D() || s.Pixels != nil && s.Bytes != nil:
		return fmt.Errorf("data set %s: %d pixel values, but %d images of %dx%dx%d have %d",
			s.Name, len(s.Pixels)+len(s.Bytes), s.N, s.C, s.H, s.W, s.N*s.D())
	case s.Labels != nil && len(s.Labels) != s.N:
		return fmt.Errorf("data set %s: %d labels for %d images", s.Name, len(s.Labels), s.N)
	case s.Labels == nil && s.Classes != 0:
		return fmt.Errorf("data set %s: %d classes but no labels", s.Name, s.Classes)
	}
	if i, v, bad := s.tooBright(); bad {
		return fmt.Errorf("data set %s: image %d has the intensity %d, but with %d levels the largest is %d: give the right number of levels or repair the file",
			s.Name, i/s.D(), v, s.Levels, s.Levels-1)
	}
	if i := slices.IndexFunc(s.Labels, func(l int32) bool { return l < 0 || int(l) >= s.Classes }); i >= 0 {
		return fmt.Errorf("data set %s: image %d has the label %d, but the %d classes are 0 to %d",
			s.Name, i, s.Labels[i], s.Classes, s.Classes-1)
	}
	return nil
}

// tooBright finds the first value that is no intensity.
func (s *Set) tooBright() (i, v int, found bool) {
	if s.Bytes != nil && s.Levels < 256 {
		if i = slices.IndexFunc(s.Bytes, func(v uint8) bool { return int(v) >= s.Levels }); i >= 0 {
			return i, int(s.Bytes[i]), true
		}
	}
	if s.Pixels != nil && int(slices.Max(s.Pixels)) >= s.Levels {
		i = slices.IndexFunc(s.Pixels, func(v uint16) bool { return int(v) >= s.Levels })
		return i, int(s.Pixels[i]), true
	}
	return 0, 0, false
}

// pixels are those of a sample; the set's own, unless it has bytes.
func (s *Set) pixels(sample int) []uint16 {
	d := s.D()
	if s.Bytes == nil {
		return s.Pixels[sample*d:][:d]
	}
	pix := make([]uint16, d)
	for i, v := range s.Bytes[sample*d:][:d] {
		pix[i] = uint16(v)
	}
	return pix
}

// Head is the first n samples, or all of them where there are fewer.
func (s *Set) Head(n int) *Set {
	t := *s
	t.N = min(n, s.N)
	if s.Bytes != nil {
		t.Bytes = s.Bytes[:t.N*s.D()]
	} else {
		t.Pixels = s.Pixels[:t.N*s.D()]
	}
	if s.Labels != nil {
		t.Labels = s.Labels[:t.N]
	}
	return &t
}

// Pad puts each image in the middle of an h x w one whose other pixels are 0, the background; an odd row or column more
// goes to the bottom or the right. The padded image is then what is modelled: D = C*h*w, and its likelihood is as exact
// as any other's. A model of padded images gives an image at least the probability that it gives its padded form, so
// bits/dim of the padded images times (padded D / D) is an upper bound of bits/dim of the images themselves.
// A set of that size already is returned as it is.
func (s *Set) Pad(h, w int) (*Set, error) {
	if h == s.H && w == s.W {
		return s, nil
	}
	if h < s.H || w < s.W {
		return nil, fmt.Errorf("data set %s: cannot pad %dx%d images to %dx%d (height, width): give a size at least as large", s.Name, s.H, s.W, h, w)
	}
	if h > maxSide || w > maxSide || int64(s.N)*int64(s.C)*int64(h)*int64(w) > maxValues {
		return nil, fmt.Errorf("data set %s: %d images padded to %dx%d (height, width) would not fit in memory: give a smaller size", s.Name, s.N, h, w)
	}
	t := *s
	t.H, t.W = h, w
	t.Bytes, t.Pixels = nil, make([]uint16, s.N*t.D())
	top, left := (h-s.H)/2, (w-s.W)/2
	for i := range s.N {
		pix := s.pixels(i)
		for row := range s.C * s.H {
			c, y := row/s.H, row%s.H
			copy(t.Pixels[((i*s.C+c)*h+top+y)*w+left:], pix[row*s.W:][:s.W])
		}
	}
	return &t, nil
}

// Batches is the number of full batches in an epoch. A set smaller than one batch is an error.
func (s *Set) Batches(batch int) (int, error) { return Batches(s, batch) }

// Info is what the set's fields say.
func (s *Set) Info() Info {
	return Info{Name: s.Name, C: s.C, H: s.H, W: s.W, Levels: s.Levels, N: s.N, Classes: s.Classes}
}

// Label is Labels[sample].
func (s *Set) Label(sample int) int32 { return s.Labels[sample] }

// Fill writes samples from .. from+n-1 to dst as one batch, [C][n][H][W]. It always succeeds.
func (s *Set) Fill(dst []float32, from, n int) error {
	if from < 0 || n < 0 || from+n > s.N || len(dst) < n*s.D() {
		panic("data: Fill out of range")
	}
	for i := range n {
		s.Load(dst, from+i, i, n)
	}
	return nil
}

// Load writes a sample as image i of a batch of n. It always succeeds.
func (s *Set) Load(dst []float32, sample, i, n int) error {
	if d := s.D(); s.Bytes != nil {
		put(dst, s.Bytes[sample*d:][:d], s.C, i, n)
	} else {
		put(dst, s.Pixels[sample*d:][:d], s.C, i, n)
	}
	return nil
}

// put writes an image, [C][H*W], as image i of a batch of n, [C][n][H*W].
func put[T uint8 | uint16](dst []float32, pixels []T, channels, i, n int) {
	p := len(pixels) / channels
	for c := range channels {
		row := dst[(c*n+i)*p:][:p]
		for j, v := range pixels[c*p:][:p] {
			row[j] = float32(v)
		}
	}
}
