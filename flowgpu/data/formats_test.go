package data

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuflow/flowgpu/internal/npy"
)

func openSets(t *testing.T, name string, o OpenOptions) (train, test *Set) {
	t.Helper()
	a, b, err := OpenWith(name, o)
	if err != nil {
		t.Fatal(err)
	}
	var sets [2]*Set
	for i, s := range []Source{a, b} {
		set, ok := held(s)
		if !ok {
			t.Fatalf("%s is a %T, which no set can hold", s.Info().Name, s)
		}
		if err := set.Check(); err != nil {
			t.Error(err)
		}
		sets[i] = set
	}
	return sets[0], sets[1]
}

func TestOpenOptions(t *testing.T) {
	for want, o := range map[string]OpenOptions{
		"images of -1x0":                {Height: -1},
		"images of 0x16385":             {Width: 16385},
		`fit "stretch": must be crop`:   {Fit: "stretch"},
		"2 channels: must be 1":         {Channels: 2},
		"17 bits: must be 1 to 16":      {Bits: 17},
		"a held-out share of 1":         {Validation: 1},
		`layout "hwc": must be nhw`:     {Layout: "hwc"},
		`bad files "ignore": must be`:   {BadFiles: "ignore"},
		"Report, which is to be told":   {BadFiles: "skip"},
		"-1 workers: must be at least ": {Workers: -1},
	} {
		_, _, err := OpenWith("digits", o)
		wantError(t, err, `data "digits"`, want)
	}
}

// The options hold for every format: here the digits, 8x8 of 17 levels, and images of 2x3 of 256.
func TestOpenWithFits(t *testing.T) {
	plain, _, err := Digits()
	if err != nil {
		t.Fatal(err)
	}
	padded, _ := openSets(t, "digits", OpenOptions{Height: 9, Width: 16, Fit: "pad"})
	want, err := plain.Pad(9, 16)
	if err != nil {
		t.Fatal(err)
	}
	if padded.H != 9 || padded.W != 16 || !slices.Equal(padded.Pixels, want.Pixels) || !slices.Equal(padded.Labels, plain.Labels) {
		t.Error("padding on opening is not that of Pad")
	}
	if cut, _ := openSets(t, "digits", OpenOptions{Height: 1, Fit: "crop"}); cut.H != 1 || cut.W != 8 || !slices.Equal(cut.Pixels[:8], plain.Pixels[3*8:4*8]) {
		t.Errorf("cropped to %dx%d: %v", cut.H, cut.W, cut.Pixels[:8])
	}
	_, _, err = OpenWith("digits", OpenOptions{Bits: 3})
	wantError(t, err, "digits train: image 0 17 intensities are no whole number of bits")
	_, _, err = OpenWith("digits", OpenOptions{Height: 6})
	wantError(t, err, "digits train: image 0 is of 8x8 pixels", "not 6x8", "crop, resize or pad")
	_, _, err = OpenWith("digits", OpenOptions{Height: 1 << 14, Width: 1 << 14, Fit: "pad"})
	wantError(t, err, "1497 images", "are too many values")

	dir := t.TempDir()
	write(t, dir, small())
	five, test := openSets(t, dir, OpenOptions{Bits: 5, Channels: 3})
	if five.Levels != 32 || test.Levels != 32 || five.C != 3 || five.Pixels[2*18+5] != 31 || five.Pixels[2*18+17] != 31 || five.Pixels[2*18+3] != 15>>3 {
		t.Errorf("5 bits, 3 channels: %+v", five)
	}
	same, _ := openSets(t, dir, OpenOptions{Bits: 8})
	if same.Levels != 256 || same.Pixels[17] != 255 {
		t.Errorf("8 bits of 8: %+v", same)
	}
}

// cifar is a file of records that begin with these labels; pixel p of channel c of record i is i + p + 50 c.
func cifar(labels ...[]byte) (b []byte) {
	for i, l := range labels {
		b = append(b, l...)
		for j := range cifarImage {
			b = append(b, byte(i+j%1024+50*(j/1024)))
		}
	}
	return b
}

func TestOpenCIFAR(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cifar[10]") // a name that a pattern would misread
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string][]byte{
		"data_batch_2.bin": cifar([]byte{9}),
		"data_batch_1.bin": cifar([]byte{3}, []byte{0}),
		"test_batch.bin":   cifar([]byte{7}),
		"batches.meta.txt": []byte("airplane\n"),
	})
	train, test := openSets(t, dir, OpenOptions{})
	if train.N != 3 || test.N != 1 || train.Classes != 10 || train.Levels != 256 || train.Name != "cifar[10] train" || test.Name != "cifar[10] test" {
		t.Errorf("%+v", train.Info())
	}
	if !slices.Equal(train.Labels, []int32{3, 0, 9}) || test.Labels[0] != 7 {
		t.Errorf("labels %v, %v", train.Labels, test.Labels)
	}
	if at := train.image(1).Pix; at[0] != 1 || at[33] != 34 || at[1024] != 51 || at[2048+2] != 103 || train.C != 3 || train.H != 32 || train.W != 32 {
		t.Error("wrong pixels")
	}

	fine := t.TempDir()
	write(t, fine, map[string][]byte{"train.bin": cifar([]byte{1, 99}, []byte{2, 40}), "test.bin": cifar([]byte{3, 5})})
	train, test = openSets(t, fine, OpenOptions{Channels: 1})
	if train.Classes != 100 || test.Classes != 100 || !slices.Equal(train.Labels, []int32{99, 40}) || test.Labels[0] != 5 || train.C != 1 {
		t.Errorf("CIFAR-100: %+v", train.Info())
	}
}

func TestOpenCIFARBadFiles(t *testing.T) {
	for want, files := range map[string]map[string][]byte{
		"but no data_batch_1.bin":           {"test_batch.bin": cifar([]byte{1})},
		"test_batch.bin: no such file":      {"data_batch_1.bin": cifar([]byte{1})},
		"test.bin: no such file":            {"train.bin": cifar([]byte{1, 1})},
		"3072 bytes are not a number":       {"data_batch_1.bin": cifar([]byte{}), "test_batch.bin": cifar([]byte{1})},
		"test_batch.bin: 0 bytes":           {"data_batch_1.bin": cifar([]byte{1}), "test_batch.bin": {}},
		"the label 10, but there are 10":    {"data_batch_1.bin": cifar([]byte{10}), "test_batch.bin": cifar([]byte{1})},
		"test.bin: the label 100, but ther": {"train.bin": cifar([]byte{1, 1}), "test.bin": cifar([]byte{1, 100})},
	} {
		dir := t.TempDir()
		write(t, dir, files)
		_, _, err := OpenWith(dir, OpenOptions{})
		wantError(t, err, want)
	}
}

// array is a .npy file.
func array(shape []int, values ...byte) []byte {
	var b bytes.Buffer
	if err := npy.Write(&b, shape, values); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func count(n int) (v []byte) {
	for i := range n {
		v = append(v, byte(i))
	}
	return v
}

func TestArrayLayouts(t *testing.T) {
	a := func(shape ...int) npy.Array {
		n := 1
		for _, d := range shape {
			n *= d
		}
		v := make([]uint16, n)
		for i := range v {
			v[i] = uint16(i)
		}
		return npy.Array{Shape: shape, Values: v, Levels: 256}
	}
	for _, tc := range []struct {
		shape   []int
		layout  string
		c, h, w int // of the set
		second  int // the value that follows the first in the first plane
	}{
		{[]int{2, 5, 6}, "", 1, 5, 6, 1},
		{[]int{2, 5, 3}, "nhw", 1, 5, 3, 1},
		{[]int{2, 5, 6, 1}, "", 1, 5, 6, 1},
		{[]int{2, 5, 6, 3}, "", 3, 5, 6, 3},
		{[]int{2, 5, 6, 4}, "", 4, 5, 6, 4},
		{[]int{2, 3, 5, 6}, "", 3, 5, 6, 1},
		{[]int{2, 1, 5, 6}, "", 1, 5, 6, 1},
		{[]int{2, 3, 5, 4}, "nchw", 3, 5, 4, 1},
		{[]int{2, 3, 5, 4}, "nhwc", 4, 3, 5, 4},
		{[]int{2, 5, 6, 2}, "nhwc", 2, 5, 6, 2},
	} {
		s, err := imagesOf(a(tc.shape...), tc.layout)
		if err != nil {
			t.Errorf("%v %q: %v", tc.shape, tc.layout, err)
			continue
		}
		if s.N != 2 || s.C != tc.c || s.H != tc.h || s.W != tc.w || int(s.Pixels[1]) != tc.second || s.Pixels[s.D()] != uint16(s.D()) {
			t.Errorf("%v %q: %+v begins %v", tc.shape, tc.layout, s.Info(), s.Pixels[:4])
		}
	}
	for _, tc := range []struct {
		shape  []int
		layout string
		want   string
	}{
		{[]int{2, 25}, "", "of shape (2, 25): images have three sizes"},
		{[]int{1, 2, 3, 4, 5}, "", "of shape (1, 2, 3, 4, 5): images have"},
		{[]int{9, 8, 3}, "", "of shape (9, 8, 3), which leaves open what each size is: give the layout"},
		{[]int{9, 3, 8, 3}, "", "leaves open"},
		{[]int{9, 8, 8, 7}, "", "leaves open"},
		{[]int{9, 8, 8}, "nhwc", "of shape (9, 8, 8), which is not of layout nhwc"},
		{[]int{9, 8, 8, 3}, "nhw", "not of layout nhw"},
	} {
		_, err := imagesOf(a(tc.shape...), tc.layout)
		wantError(t, err, tc.want)
	}
}

func TestOpenArrays(t *testing.T) {
	// A folder with a split and labels, and one array that is not read.
	dir := filepath.Join(t.TempDir(), "patches")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, dir, map[string][]byte{
		"train.npy":        array([]int{3, 2, 5, 3}, count(90)...),
		"test.npy":         array([]int{1, 2, 5, 3}, count(30)...),
		"train_labels.npy": array([]int{3, 1}, 2, 0, 1),
		"test_labels.npy":  array([]int{1}, 4),
		"mean.npy":         array([]int{1}, 4),
	})
	var lines []string
	train, test := openSets(t, dir, OpenOptions{Report: func(s string) { lines = append(lines, s) }})
	if train.Name != "patches train" || train.N != 3 || test.N != 1 || train.C != 3 || train.H != 2 || train.W != 5 || train.Classes != 5 || test.Classes != 5 {
		t.Errorf("%+v, %+v", train.Info(), test.Info())
	}
	if !slices.Equal(train.Labels, []int32{2, 0, 1}) || !slices.Equal(train.Pixels[:3], []uint16{0, 3, 6}) || train.Pixels[10] != 1 {
		t.Errorf("labels %v, pixels %v", train.Labels, train.Pixels[:11])
	}
	if len(lines) != 1 || !strings.Contains(lines[0], "not read: mean") {
		t.Errorf("reported %q", lines)
	}

	// One file, split by number: nothing is lost, and the split of the first samples does not depend on the later ones.
	file := filepath.Join(t.TempDir(), "grey.npy")
	write(t, filepath.Dir(file), map[string][]byte{"grey.npy": array([]int{200, 1, 5}, slices.Repeat(count(100), 10)...)})
	train, test = openSets(t, file, OpenOptions{Validation: 0.2, Seed: 1})
	if train.N+test.N != 200 || test.N < 20 || test.N > 60 || train.Name != "grey train" { // 40 and 3.5 standard deviations
		t.Errorf("%d + %d samples of %s", train.N, test.N, train.Name)
	}
	write(t, filepath.Dir(file), map[string][]byte{"grey.npy": array([]int{400, 1, 5}, slices.Repeat(count(100), 20)...)})
	more, moreTest := openSets(t, file, OpenOptions{Validation: 0.2, Seed: 1})
	if !slices.Equal(more.Pixels[:train.N*5], train.Pixels) || !slices.Equal(moreTest.Pixels[:test.N*5], test.Pixels) {
		t.Error("more samples have moved others")
	}

	// What NumPy wrote, compressed.
	train, test = openSets(t, "testdata/numpy.npz", OpenOptions{})
	if train.N != 2 || test.N != 1 || train.Pixels[49] != 49 || test.Pixels[24] != 124 || train.Classes != 0 {
		t.Errorf("npz: %+v, %+v", train, test)
	}
}

func TestOpenArraysOfTypesThatDoNotTell(t *testing.T) {
	dir := t.TempDir()
	wide := array([]int{1, 1, 5}, 1, 2, 3, 4, 5)
	wide = bytes.Replace(wide, []byte("'|u1', "), []byte("'<i4',"), 1) // one byte less for the header, so:
	wide = append(slices.Insert(wide, len(wide)-5-1, ' '), make([]byte, 15)...)
	copy(wide[len(wide)-20:], []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 4, 0, 0})
	write(t, dir, map[string][]byte{"x_train.npy": array([]int{1, 1, 5}, 1, 2, 3, 4, 5), "x_test.npy": wide})
	train, test := openSets(t, dir, OpenOptions{})
	if train.Levels != 1<<16 || test.Levels != 1<<16 || !slices.Equal(test.Pixels, []uint16{1, 2, 3, 4, 1024}) {
		t.Errorf("%+v, %+v", train, test)
	}
}

func TestOpenArraysBadFiles(t *testing.T) {
	images := array([]int{2, 5, 5}, count(50)...)
	for _, tc := range []struct {
		files map[string][]byte
		want  []string
	}{
		{map[string][]byte{"a.npy": images, "b.npy": images}, []string{"cannot tell the images among the arrays a, b", "name two train and test"}},
		{map[string][]byte{"train.npy": images, "test.npy": images, "train_labels.npy": array([]int{2}, 0, 1)}, []string{"labels for only one of train and test"}},
		{map[string][]byte{"train.npy": images, "test.npy": images, "train_labels.npy": array([]int{3}, 0, 1, 2)}, []string{"train_labels: of shape (3,), but there are 2 images in train"}},
		{map[string][]byte{"train.npy": images, "test.npy": images[:100]}, []string{"test: the file was cut short"}},
		{map[string][]byte{"train.npy": images, "test.npy": array([]int{1, 6, 6}, count(36)...)}, []string{"train has images of 1x5x5", "test of 1x6x6", "must agree"}},
		{map[string][]byte{"images.npy": images}, []string{"samples to train with and", "held out"}},
	} {
		dir := t.TempDir()
		write(t, dir, tc.files)
		_, _, err := OpenWith(dir, OpenOptions{Validation: 1e-9})
		wantError(t, err, append(tc.want, filepath.Base(dir))...)
	}

	dir := t.TempDir()
	var empty, stored bytes.Buffer
	zip.NewWriter(&empty).Close()
	z := zip.NewWriter(&stored)
	f, err := z.CreateHeader(&zip.FileHeader{Name: "images.npy", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	f.Write(images)
	z.Close()
	damaged := stored.Bytes()
	damaged[bytes.Index(damaged, images)+len(images)-1] ^= 1 // a pixel
	write(t, dir, map[string][]byte{"text.npz": []byte("text"), "empty.npz": empty.Bytes(), "damaged.npz": damaged})
	for name, want := range map[string]string{"text.npz": "truncated or damaged", "empty.npz": "no arrays in it", "damaged.npz": "images: zip: checksum error"} {
		_, _, err := OpenWith(filepath.Join(dir, name), OpenOptions{})
		wantError(t, err, name, want)
	}
}
