package data

import (
	"cmp"
	"fmt"

	"cuflow/flowgpu/data/internal/raster"
)

// image is one sample as a picture. It shares the set's pixels.
func (s *Set) image(i int) raster.Image {
	return raster.Image{C: s.C, H: s.H, W: s.W, Levels: s.Levels, Pix: s.Pixels[i*s.D():][:s.D()]}
}

// fitted is the set with the size, channels and depth of the options. A set that has them already is returned as it is.
func (s *Set) fitted(o OpenOptions) (*Set, error) {
	f := raster.Fit{C: cmp.Or(o.Channels, s.C), H: cmp.Or(o.Height, s.H), W: cmp.Or(o.Width, s.W), How: o.Fit, Bits: o.Bits}
	if f.C == s.C && f.H == s.H && f.W == s.W && f.Bits == 0 {
		return s, nil
	}
	first, err := f.Apply(s.image(0)) // what is wrong with one is wrong with all
	if err != nil {
		return nil, fmt.Errorf("data set %s: image 0 %w", s.Name, err)
	}
	out := *s
	out.C, out.H, out.W, out.Levels = first.C, first.H, first.W, first.Levels
	if int64(out.N) > maxValues/int64(out.D()) {
		return nil, fmt.Errorf("data set %s: %d images of %dx%dx%d (channels, height, width) would not fit in memory: give a smaller size",
			s.Name, s.N, out.C, out.H, out.W)
	}
	out.Pixels = make([]uint16, out.N*out.D())
	err = parallel(o.workers(), s.N, func(i int) error {
		m, err := f.Apply(s.image(i))
		if err != nil {
			return fmt.Errorf("data set %s: image %d %w", s.Name, i, err)
		}
		copy(out.Pixels[i*out.D():], m.Pix)
		return nil
	})
	return &out, err
}
