package data

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"runtime"

	"cuflow/flowgpu/data/internal/raster"
)

// files is a Source of picture files that have no more in common than what they are made to be.
type files struct {
	info  Info
	paths []string
	fit   raster.Fit
}

// OpenFiles makes picture files, in the order given, samples of to.C, to.H, to.W and to.Levels: what a trained model takes,
// as against OpenWith, which asks the pictures. fit is as in OpenOptions. Where the levels are a power of two, low bits are
// dropped; else (the digits' 17) an intensity becomes the nearest level. Headers are read now, pixels when they are wanted.
// The error names the file that cannot be used.
func OpenFiles(paths []string, to Info, fit string) (Source, error) {
	if len(paths) == 0 {
		return nil, errors.New("no pictures")
	}
	to.N, to.Classes = len(paths), 0
	f := &files{info: to, paths: paths, fit: raster.Fit{C: to.C, H: to.H, W: to.W, How: fit, From: 256}}
	if depth, whole := raster.Depth(to.Levels); whole {
		f.fit.From, f.fit.Bits = max(256, to.Levels), depth
	}
	if err := (OpenOptions{Fit: fit}).check(); err != nil {
		return nil, err
	}
	for _, path := range paths {
		h, err := raster.ReadHeader(path)
		if err == nil {
			err = f.fit.Check(h.H, h.W)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return f, nil
}

// ListPictures gives the paths of all pictures in a folder and those below it, by their names, in order. What else is there
// is passed over.
func ListPictures(root string) ([]string, error) {
	paths, err := walk(root, OpenOptions{})
	for i, p := range paths {
		paths[i] = filepath.Join(root, filepath.FromSlash(p))
	}
	return paths, err
}

func (f *files) Info() Info { return f.info }

func (f *files) Label(int) int32 { panic("data: Label of files, which have none") }

func (f *files) Load(dst []float32, sample, i, n int) error {
	m, err := decode(f.paths[sample], f.fit)
	if err != nil {
		return fmt.Errorf("%s: %w", f.paths[sample], err)
	}
	if m.Levels != f.info.Levels {
		scale := float64(f.info.Levels-1) / float64(m.Levels-1)
		for j, v := range m.Pix { // decoded for this call alone
			m.Pix[j] = uint16(math.Round(float64(v) * scale))
		}
	}
	put(dst, m.Pix, m.C, i, n)
	return nil
}

func (f *files) Fill(dst []float32, from, n int) error {
	if from < 0 || n < 0 || from+n > f.info.N || len(dst) < n*f.info.D() {
		panic("data: Fill out of range")
	}
	return parallel(runtime.GOMAXPROCS(0), n, func(i int) error { return f.Load(dst, from+i, i, n) })
}
