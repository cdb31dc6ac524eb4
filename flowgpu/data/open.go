package data

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const fetchHint = `fetch MNIST with "scripts/data mnist" or Fashion-MNIST with "scripts/data fashion"`

// Open is OpenWith no options, for data that is small enough to be held in memory.
func Open(name string) (train, test *Set, err error) {
	a, b, err := OpenWith(name, OpenOptions{})
	if err != nil {
		return nil, nil, err
	}
	train, isSet := held(a)
	test, areSets := held(b)
	if !isSet || !areSets {
		return nil, nil, fmt.Errorf("data %q: too large to be held in memory: open it with OpenWith", name)
	}
	return train, test, nil
}

// OpenWith gives the sets of that name. It is one of these, by what is found:
//
//	digits                  the built-in digits
//	folder of idx files     MNIST and its like: see OpenIDX
//	folder of CIFAR files   data_batch_*.bin and test_batch.bin, or train.bin and test.bin with the 100 fine labels
//	.npy or .npz file,      arrays of whole numbers of shape (N, H, W), (N, H, W, C) or (N, C, H, W). One array is split by
//	folder of .npy files    Validation; two named train and test, x_train and x_test, or train_images and test_images are a
//	                        split. Labels are train_labels, test_labels or y_train, y_test; those of images are labels.
//	                        uint8 has 256 levels, uint16 65536, bool 2, and any other type 256 where no value is above 255
//	                        and else 65536.
//	folder of pictures      PNG, JPEG, GIF, BMP, TIFF and WebP files, in sub-folders too. The folders train and test (or
//	                        val, or valid) are its split where both are there. 8 bits give 256 levels, 16 bits 65536; grey
//	                        PNGs of 1, 2 or 4 bits keep their 2, 4 or 16 if all pictures have the same depth, and are else
//	                        spread over 256. Of an animation or many pages the first is taken. Colour profiles and a
//	                        camera's orientation (EXIF) are not applied.
//
// A folder of pictures that decode to less than 256 MB is read into memory; of a larger one each picture is read when it is
// wanted. Everything else is held in memory as it is stored, and padded or cropped when it is wanted.
func OpenWith(name string, o OpenOptions) (train, test Source, err error) {
	return openWith(name, o, streamFrom)
}

// openWith is OpenWith that streams pictures from that number of bytes on.
func openWith(name string, o OpenOptions, stream int64) (train, test Source, err error) {
	if err := o.check(); err != nil {
		return nil, nil, fmt.Errorf("data %q: %w", name, err)
	}
	if name == "digits" {
		return fitted(o)(Digits())
	}
	if IsVectors(name) {
		return nil, nil, fmt.Errorf("data %q: vectors, not images: give a preset for vectors, such as realnvp-tab", name)
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf(`data %q: neither "digits" nor a folder that exists; %s, then give data/mnist or data/fashion`, name, fetchHint)
	case err != nil:
		return nil, nil, fmt.Errorf("data: %w", err)
	case !info.IsDir():
		if ext := strings.ToLower(filepath.Ext(name)); ext != ".npy" && ext != ".npz" {
			return nil, nil, fmt.Errorf("data %q: is a file; give the folder that holds the images or idx files, or a .npy or .npz file", name)
		}
		return fitted(o)(openArrays(name, o))
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, nil, fmt.Errorf("data: %w", err)
	}
	has := func(pattern string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
			ok, _ := filepath.Match(pattern, e.Name())
			return ok && !e.IsDir()
		})
	}
	switch {
	case has("train-images-idx3-ubyte*") || has("t10k-images-idx3-ubyte*"):
		return fitted(o)(OpenIDX(name))
	case has("data_batch_*.bin") || has("test_batch.bin") || has("train.bin") || has("test.bin"):
		return fitted(o)(openCIFAR(name))
	case has("*.npy"):
		return fitted(o)(openArrays(name, o))
	}
	return openFolder(name, o, stream)
}

// fitted gives the function that makes two sets what the options ask.
func fitted(o OpenOptions) func(train, test *Set, err error) (Source, Source, error) {
	return func(train, test *Set, err error) (Source, Source, error) {
		if err != nil {
			return nil, nil, err
		}
		var fit [2]Source
		for i, s := range []*Set{train, test} {
			if err := s.Check(); err != nil {
				return nil, nil, err
			}
			if fit[i], err = s.fitted(o); err != nil {
				return nil, nil, err
			}
		}
		a, b := fit[0].Info(), fit[1].Info()
		if a.C != b.C || a.H != b.H || a.W != b.W {
			return nil, nil, fmt.Errorf("data set %s has images of %dx%dx%d (channels, height, width), but %s of %dx%dx%d: they must agree",
				a.Name, a.C, a.H, a.W, b.Name, b.C, b.H, b.W)
		}
		return fit[0], fit[1], nil
	}
}

// baseName is the last part of a path, however it is given.
func baseName(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return filepath.Base(path)
}
