package data

import (
	"cmp"
	"fmt"

	"cuflow/flowgpu/data/internal/raster"
)

// image is one sample as a picture, not to be changed.
func (s *Set) image(i int) raster.Image {
	return raster.Image{C: s.C, H: s.H, W: s.W, Levels: s.Levels, Pix: s.pixels(i)}
}

// fitting is a set whose images are given the size, channels and depth of some options when they are wanted, so that a run need not
// wait for all of them, nor hold them twice. It is a Source.
type fitting struct {
	*Set
	fit  raster.Fit
	info Info
}

// fitted is the set as the options ask. A set that is so already is returned as it is.
func (s *Set) fitted(o OpenOptions) (Source, error) {
	f := raster.Fit{C: cmp.Or(o.Channels, s.C), H: cmp.Or(o.Height, s.H), W: cmp.Or(o.Width, s.W), How: o.Fit, Bits: o.Bits}
	if f.C == s.C && f.H == s.H && f.W == s.W && f.Bits == 0 {
		return s, nil
	}
	first, err := f.Apply(s.image(0)) // what is wrong with one is wrong with all
	if err != nil {
		return nil, fmt.Errorf("data set %s: image 0 %w", s.Name, err)
	}
	info := s.Info()
	info.C, info.H, info.W, info.Levels = first.C, first.H, first.W, first.Levels
	if int64(info.N) > maxValues/int64(info.D()) {
		return nil, fmt.Errorf("data set %s: %d images of %dx%dx%d (channels, height, width) are too many values: give a smaller size",
			s.Name, s.N, info.C, info.H, info.W)
	}
	return &fitting{Set: s, fit: f, info: info}, nil
}

func (f *fitting) Info() Info { return f.info }

func (f *fitting) Batches(batch int) (int, error) { return Batches(f, batch) }

func (f *fitting) Load(dst []float32, sample, i, n int) error {
	m, err := f.fit.Apply(f.image(sample))
	if err != nil {
		return fmt.Errorf("data set %s: image %d %w", f.Name, sample, err)
	}
	put(dst, m.Pix, m.C, i, n)
	return nil
}

func (f *fitting) Fill(dst []float32, from, n int) error {
	if from < 0 || n < 0 || from+n > f.N || len(dst) < n*f.info.D() {
		panic("data: Fill out of range")
	}
	for i := range n {
		if err := f.Load(dst, from+i, i, n); err != nil {
			return err
		}
	}
	return nil
}

// held is the source as a set in memory, if it was read from one.
func held(s Source) (*Set, bool) {
	if set, ok := s.(*Set); ok && set.Bytes == nil {
		return set, true
	} else if ok {
		s = &fitting{Set: set, fit: raster.Fit{C: set.C, H: set.H, W: set.W}, info: set.Info()}
	}
	f, ok := s.(*fitting)
	if !ok {
		return nil, false
	}
	out := *f.Set
	out.C, out.H, out.W, out.Levels = f.info.C, f.info.H, f.info.W, f.info.Levels
	out.Bytes, out.Pixels = nil, make([]uint16, 0, out.N*out.D())
	for i := range out.N {
		m, err := f.fit.Apply(f.image(i))
		if err != nil {
			return nil, false
		}
		out.Pixels = append(out.Pixels, m.Pix...)
	}
	return &out, true
}
