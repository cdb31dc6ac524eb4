package data

import (
	"archive/zip"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuflow/flowgpu/internal/npy"
)

// arrays are the arrays of a file or a folder by name, to be read when wanted.
type arrays map[string]func() (npy.Array, error)

// openArrays reads a .npy file, a .npz file or the .npy files of a folder.
func openArrays(path string, o OpenOptions) (train, test *Set, err error) {
	all, done, err := listArrays(path)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	name := strings.TrimSuffix(baseName(path), filepath.Ext(path))
	var used []string
	open := func(part, images, labels string) (*Set, error) {
		used = append(used, images, labels)
		return all.set(name+part, images, labels, o.Layout)
	}

	// A split of its own, by the names that are common.
	for _, n := range [][4]string{
		{"train", "test", "train_labels", "test_labels"},
		{"train_images", "test_images", "train_labels", "test_labels"},
		{"x_train", "x_test", "y_train", "y_test"},
	} {
		if all[n[0]] == nil || all[n[1]] == nil {
			continue
		}
		if train, err = open(" train", n[0], n[2]); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if test, err = open(" test", n[1], n[3]); err != nil {
			return nil, nil, fmt.Errorf("%s: %w", path, err)
		}
		if (train.Labels == nil) != (test.Labels == nil) {
			return nil, nil, fmt.Errorf("%s: labels for only one of %s and %s; give both or neither", path, n[0], n[1])
		}
		train.Levels = max(train.Levels, test.Levels) // of types that do not tell, each part has what its values need
		train.Classes = max(train.Classes, test.Classes)
		test.Levels, test.Classes = train.Levels, train.Classes
		all.reportUnused(path, used, o)
		return train, test, nil
	}

	only := slices.Collect(maps.Keys(all))[0]
	if len(all) > 1 {
		if only = "images"; all[only] == nil {
			return nil, nil, fmt.Errorf("%s: cannot tell the images among the arrays %s: name two train and test, or one images", path, all.names())
		}
	}
	s, err := open("", only, "labels")
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	all.reportUnused(path, used, o)
	return s.split(o)
}

func (a arrays) names() string { return strings.Join(slices.Sorted(maps.Keys(a)), ", ") }

func (a arrays) reportUnused(path string, used []string, o OpenOptions) {
	rest := maps.Clone(a)
	for _, name := range used {
		delete(rest, name)
	}
	if len(rest) > 0 {
		o.report("%s: not read: %s", path, rest.names())
	}
}

// listArrays finds the arrays; done closes the file that they are in.
func listArrays(path string) (all arrays, done func(), err error) {
	all, done = arrays{}, func() {}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("data: %w", err)
	case info.IsDir():
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, nil, fmt.Errorf("data: %w", err)
		}
		for _, e := range entries {
			if name, ok := strings.CutSuffix(e.Name(), ".npy"); ok {
				all[name] = func() (npy.Array, error) { return readNPY(filepath.Join(path, e.Name())) }
			}
		}
	case strings.EqualFold(filepath.Ext(path), ".npz"):
		z, err := zip.OpenReader(path)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w: the file is truncated or damaged", path, err)
		}
		for _, f := range z.File {
			if name, ok := strings.CutSuffix(f.Name, ".npy"); ok {
				all[name] = func() (npy.Array, error) { return readZipped(f) }
			}
		}
		done = func() { z.Close() }
		if len(all) == 0 {
			done()
			return nil, nil, fmt.Errorf("%s: no arrays in it", path)
		}
	default:
		all["images"] = func() (npy.Array, error) { return readNPY(path) }
	}
	return all, done, nil
}

func readNPY(path string) (npy.Array, error) {
	f, err := os.Open(path)
	if err != nil {
		return npy.Array{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return npy.Array{}, err
	}
	return npy.Read(f, info.Size(), maxValues)
}

func readZipped(f *zip.File) (npy.Array, error) {
	r, err := f.Open()
	if err != nil {
		return npy.Array{}, err
	}
	defer r.Close()
	a, err := npy.Read(r, int64(f.UncompressedSize64), maxValues)
	if err != nil {
		return npy.Array{}, err
	}
	_, err = io.Copy(io.Discard, r) // to the end, where the checksum is
	return a, err
}

// set is a set of the named arrays; the labels may be missing.
func (a arrays) set(name, images, labels, layout string) (*Set, error) {
	pixels, err := a[images]()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", images, err)
	}
	s, err := imagesOf(pixels, layout)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", images, err)
	}
	s.Name = name
	if a[labels] == nil {
		return s, nil
	}
	l, err := a[labels]()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", labels, err)
	}
	if len(l.Values) != s.N || l.Shape[0] != s.N {
		return nil, fmt.Errorf("%s: of shape %s, but there are %d images in %s", labels, l, s.N, images)
	}
	for _, v := range l.Values {
		s.Labels = append(s.Labels, int32(v))
	}
	s.Classes = 1 + int(slices.Max(l.Values))
	return s, nil
}

// imagesOf takes an array as images. Three sizes are (N, H, W), unless the last is 1 to 4, which may as well be the
// channels of a single picture. Of four, the channels are the last or the second, whichever is 1, 3 or 4; where both are
// or neither is, the layout must be given.
func imagesOf(a npy.Array, layout string) (*Set, error) {
	if len(a.Shape) != 3 && len(a.Shape) != 4 {
		return nil, fmt.Errorf("of shape %s: images have three sizes, (N, H, W), or four, (N, H, W, C) or (N, C, H, W)", a)
	}
	last := a.Shape[len(a.Shape)-1]
	if layout == "" {
		isChannels := func(n int) bool { return n == 1 || n == 3 || n == 4 }
		switch four := len(a.Shape) == 4; {
		case !four && last > 4:
			layout = "nhw"
		case four && isChannels(last) && !isChannels(a.Shape[1]):
			layout = "nhwc"
		case four && isChannels(a.Shape[1]) && !isChannels(last):
			layout = "nchw"
		default:
			return nil, fmt.Errorf("of shape %s, which leaves open what each size is: give the layout, nhw, nhwc or nchw", a)
		}
	}
	if len(layout) != len(a.Shape) {
		return nil, fmt.Errorf("of shape %s, which is not of layout %s", a, layout)
	}
	s := &Set{N: a.Shape[0], C: 1, Levels: a.Levels, Pixels: a.Values}
	switch layout {
	case "nhw":
		s.H, s.W = a.Shape[1], last
	case "nchw":
		s.C, s.H, s.W = a.Shape[1], a.Shape[2], last
	case "nhwc":
		s.H, s.W, s.C = a.Shape[1], a.Shape[2], last
		s.Pixels = planar(a.Values, s.C, s.H*s.W)
	}
	return s, nil
}

// planar turns [N][P][C] into [N][C][P].
func planar(pixels []uint16, c, p int) []uint16 {
	if c == 1 {
		return pixels
	}
	out := make([]uint16, len(pixels))
	for i := 0; i < len(pixels); i += c * p {
		for j := range p {
			for k := range c {
				out[i+k*p+j] = pixels[i+j*c+k]
			}
		}
	}
	return out
}
