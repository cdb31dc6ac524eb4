package data

import (
	"fmt"
	"path/filepath"

	"cuflow/flowgpu/data/internal/raster"
)

// streamFrom is from how many bytes of decoded pixels on a folder of pictures is not held in memory.
const streamFrom = 256 << 20

// picture is a file of a folder.
type picture struct {
	path  string // within the folder, with slashes
	label int32
}

// folder is a Source that reads each picture when it is wanted. It holds the files' names and nothing else.
type folder struct {
	info     Info
	root     string
	pictures []picture
	fit      raster.Fit
	workers  int
}

// openFolder reads a folder of pictures: the headers now, the pixels now or when they are wanted.
func openFolder(root string, o OpenOptions, stream int64) (train, test Source, err error) {
	l, err := list(root, o)
	if err != nil {
		return nil, nil, err
	}
	s := scan{root: root, o: o}
	fit, err := s.run(l.pictures)
	if err != nil {
		return nil, nil, err
	}
	levels := fit.From
	if fit.Bits > 0 {
		levels = 1 << fit.Bits
	}
	parts := [2]*folder{}
	for i, name := range []string{"train", "test"} {
		parts[i] = &folder{root: root, fit: fit, workers: o.workers(), info: Info{
			Name: baseName(root) + " " + name, C: fit.C, H: fit.H, W: fit.W, Levels: levels, Classes: len(l.classes)}}
	}
	for _, e := range s.entries {
		f := parts[0]
		if e.held {
			f = parts[1]
		}
		f.pictures = append(f.pictures, e.picture)
		f.info.N++
	}
	a, b := parts[0], parts[1]
	if err := checkSplit(baseName(root), a.info.N, b.info.N); err != nil {
		return nil, nil, err
	}
	if bytes := 2 * int64(a.info.N+b.info.N) * int64(a.info.D()); bytes >= stream {
		o.report("%s: %d + %d pictures, %d MB of pixels: read when they are wanted", root, a.info.N, b.info.N, bytes>>20)
		return a, b, nil
	}
	x, err := a.set()
	if err != nil {
		return nil, nil, err
	}
	y, err := b.set()
	if err != nil {
		return nil, nil, err
	}
	return x, y, nil
}

// decode reads one picture and makes it fit.
func decode(path string, fit raster.Fit) (raster.Image, error) {
	m, err := raster.Decode(path)
	if err != nil {
		return raster.Image{}, err
	}
	return fit.Apply(m)
}

func (f *folder) decode(sample int) (raster.Image, error) {
	path := filepath.Join(f.root, filepath.FromSlash(f.pictures[sample].path))
	m, err := decode(path, f.fit)
	if err == nil && m.Levels != f.info.Levels {
		err = fmt.Errorf("has %d intensities now, not %d: it was changed", m.Levels, f.info.Levels)
	}
	if err != nil {
		return raster.Image{}, badFile(path, err)
	}
	return m, nil
}

func (f *folder) Info() Info { return f.info }

func (f *folder) Label(sample int) int32 { return f.pictures[sample].label }

func (f *folder) Load(dst []float32, sample, i, n int) error {
	m, err := f.decode(sample)
	if err != nil {
		return err
	}
	put(dst, m.Pix, m.C, i, n)
	return nil
}

func (f *folder) Fill(dst []float32, from, n int) error {
	if from < 0 || n < 0 || from+n > f.info.N || len(dst) < n*f.info.D() {
		panic("data: Fill out of range")
	}
	return parallel(f.workers, n, func(i int) error { return f.Load(dst, from+i, i, n) })
}

// set reads all pictures.
func (f *folder) set() (*Set, error) {
	i := f.info
	s := &Set{Name: i.Name, C: i.C, H: i.H, W: i.W, Levels: i.Levels, N: i.N, Classes: i.Classes, Pixels: make([]uint16, i.N*i.D())}
	if i.Classes > 0 {
		s.Labels = make([]int32, i.N)
	}
	err := parallel(f.workers, i.N, func(sample int) error {
		m, err := f.decode(sample)
		if err != nil {
			return err
		}
		copy(s.Pixels[sample*i.D():], m.Pix)
		if s.Labels != nil {
			s.Labels[sample] = f.Label(sample)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, s.Check()
}
