package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// idx is a file with the given magic number and sizes, then the values.
func idx(magic uint32, sizes []uint32, values ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, magic)
	for _, s := range sizes {
		b = binary.BigEndian.AppendUint32(b, s)
	}
	return append(b, values...)
}

func write(t *testing.T, dir string, files map[string][]byte) {
	t.Helper()
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// small is a folder of 3 train and 2 test images of 2x3.
func small() map[string][]byte {
	return map[string][]byte{
		"train-images-idx3-ubyte": idx(magicImages, []uint32{3, 2, 3}, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 255),
		"train-labels-idx1-ubyte": idx(magicLabels, []uint32{3}, 2, 0, 1),
		"t10k-images-idx3-ubyte":  idx(magicImages, []uint32{2, 2, 3}, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31),
		"t10k-labels-idx1-ubyte":  idx(magicLabels, []uint32{2}, 4, 1),
	}
}

func TestOpenIDX(t *testing.T) {
	for _, form := range []string{"plain", "gzip", "gzip without .gz", "both"} {
		t.Run(form, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "things")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, b := range small() {
				switch form {
				case "gzip":
					name, b = name+".gz", gz(b)
				case "gzip without .gz":
					b = gz(b)
				case "both":
					write(t, dir, map[string][]byte{name + ".gz": []byte("not read")})
				}
				write(t, dir, map[string][]byte{name: b})
			}
			train, test, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []*Set{train, test} {
				if err := s.Check(); err != nil {
					t.Error(err)
				}
			}
			if train.Name != "things train" || test.Name != "things test" || train.N != 3 || test.N != 2 || train.C != 1 || train.H != 2 || train.W != 3 {
				t.Errorf("wrong fields: %+v and %+v", train, test)
			}
			if train.Pixels[6] != 6 || train.Pixels[17] != 255 || test.Pixels[11] != 31 {
				t.Errorf("wrong pixels %v, %v", train.Pixels, test.Pixels)
			}
			if !slices.Equal(train.Labels, []int32{2, 0, 1}) || !slices.Equal(test.Labels, []int32{4, 1}) || train.Classes != 5 || test.Classes != 5 {
				t.Errorf("labels %v of %d, %v of %d classes", train.Labels, train.Classes, test.Labels, test.Classes)
			}
		})
	}
	t.Run("no labels", func(t *testing.T) {
		dir := t.TempDir()
		files := small()
		delete(files, "train-labels-idx1-ubyte")
		delete(files, "t10k-labels-idx1-ubyte")
		write(t, dir, files)
		train, test, err := OpenIDX(dir)
		if err != nil {
			t.Fatal(err)
		}
		if train.Labels != nil || test.Labels != nil || train.Classes != 0 || train.Check() != nil {
			t.Errorf("labels %v, %d classes", train.Labels, train.Classes)
		}
	})
}

func TestOpenIDXBadFiles(t *testing.T) {
	const trainImages, trainLabels, testImages, testLabels = "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
	damaged := gz(small()[testImages])
	damaged[len(damaged)-5] ^= 1 // in the trailing sum
	const again = "delete the file and fetch it again"
	for _, tc := range []struct {
		name, file string
		content    []byte // nil removes the file
		want       []string
	}{
		{"missing images", testImages, nil, []string{"no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz", `"scripts/data mnist"`}},
		{"one labels file", testLabels, nil, []string{"labels for only one"}},
		{"empty", trainImages, []byte{}, []string{trainImages, "truncated", "header has 16 bytes", again}},
		{"labels as images", trainImages, small()[trainLabels], []string{trainImages, "not an idx file of images", "0x00000801, not 0x00000803", `"scripts/data mnist"`}},
		{"images as labels", testLabels, small()[testImages], []string{testLabels, "not an idx file of labels"}},
		{"a web page", trainImages, []byte("<!DOCTYPE html><html>"), []string{"not an idx file of images", "0x3c21444f"}},
		{"truncated", trainImages, small()[trainImages][:30], []string{"truncated", "18 values", "[3 2 3]", "ends after 14", again}},
		{"truncated gzip", testImages, gz(small()[testImages])[:30], []string{testImages, "truncated", again}},
		{"damaged gzip", testImages, damaged, []string{testImages, "damaged", "checksum", again}},
		{"gzip header alone", testImages, []byte{0x1f, 0x8b, 8}, []string{"damaged or truncated gzip", again}},
		{"trailing bytes", trainLabels, append(small()[trainLabels], 0), []string{trainLabels, "3 values", "more follow", again}},
		{"no images", trainImages, idx(magicImages, []uint32{0, 2, 3}), []string{"nothing in it", again}},
		{"no rows", trainImages, idx(magicImages, []uint32{3, 0, 3}), []string{"nothing in it"}},
		{"huge count", trainImages, idx(magicImages, []uint32{1 << 31, 2, 3}, 1, 2), []string{"12884901888 values", "more than the 4294967296"}},
		{"huge sides", trainImages, idx(magicImages, []uint32{1<<32 - 1, 1<<32 - 1, 1<<32 - 1}, 1, 2), []string{"at most 16384 rows"}},
		{"other size", testImages, idx(magicImages, []uint32{2, 1, 1}, 1, 2), []string{"2x3", "1x1", "one data set"}},
		{"other count", testLabels, idx(magicLabels, []uint32{1}, 1), []string{testLabels, "1 labels, but 2 images in", testImages}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			files := small()
			if tc.content == nil {
				delete(files, tc.file)
			} else {
				files[tc.file] = tc.content
			}
			write(t, dir, files)
			_, _, err := OpenIDX(dir)
			wantError(t, err, tc.want...)
		})
	}
	t.Run("a folder where a file should be", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, trainImages), 0o755); err != nil {
			t.Fatal(err)
		}
		_, _, err := OpenIDX(dir)
		wantError(t, err, trainImages, "is a directory")
	})
}

func TestOpen(t *testing.T) {
	train, _, err := Open("digits")
	if err != nil || train.N != 1497 {
		t.Errorf("digits: %v", err)
	}
	_, _, err = Open(filepath.Join(t.TempDir(), "mnist"))
	wantError(t, err, "mnist", `neither "digits" nor a folder`, `"scripts/data mnist"`)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, _, err = Open(file)
	wantError(t, err, "is a file; give the folder")
	_, _, err = Open(filepath.Join(file, "below"))
	wantError(t, err, "not a directory")
	_, _, err = Open(t.TempDir())
	wantError(t, err, "no train-images-idx3-ubyte", "scripts/data fashion")
}

// Every way to cut a file short is an error, in both forms and for both kinds.
func TestTruncatedAnywhere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, name := range []string{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"} {
		magic := uint32(magicImages)
		if name == "train-labels-idx1-ubyte" {
			magic = magicLabels
		}
		for form, whole := range map[string][]byte{"plain": small()[name], "gzip": gz(small()[name])} {
			for n := range len(whole) + 1 {
				if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
					t.Fatal(err)
				}
				_, _, err := readIDX(path, magic)
				if n == len(whole) {
					if err != nil {
						t.Errorf("%s %s whole: %v", name, form, err)
					}
					continue
				}
				wantError(t, err, path, "truncated", "fetch it again")
			}
		}
	}
}

// A header that claims much gets memory only for the bytes that follow it.
func TestHeaderIsNotBelieved(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	claim := idx(magicImages, []uint32{1 << 31, 1, 2}, 1, 2, 3)
	if err := os.WriteFile(path, claim, 0o644); err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := readIDX(path, magicImages)
	runtime.ReadMemStats(&after)
	wantError(t, err, "truncated", "4294967296 values", "ends after 3")
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("%d bytes allocated", got)
	}
}

func FuzzReadIDX(f *testing.F) {
	for _, b := range small() {
		f.Add(b)
		f.Add(gz(b))
	}
	path := filepath.Join(f.TempDir(), "file")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		for _, magic := range []uint32{magicImages, magicLabels} {
			size, values, err := readIDX(path, magic)
			if err != nil {
				continue
			}
			n := 1
			for _, s := range size {
				n *= s
			}
			if n != len(values) {
				t.Errorf("sizes %v with %d values", size, len(values))
			}
		}
	})
}
