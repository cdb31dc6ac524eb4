package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// paint is a PNG of h x w whose pixels tell which picture it is.
func paint(m image.Image, which int) []byte {
	b := m.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			v := uint8(11*which + 3*y + 5*x)
			switch m := m.(type) {
			case *image.Gray:
				m.SetGray(x, y, color.Gray{Y: v})
			case *image.Gray16:
				m.SetGray16(x, y, color.Gray16{Y: 250*uint16(v) + uint16(which)})
			case *image.RGBA:
				m.SetRGBA(x, y, color.RGBA{v, v + 1, v + 2, 255})
			case *image.NRGBA:
				m.SetNRGBA(x, y, color.NRGBA{v, v, v, 51})
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func rgb(h, w, which int) []byte  { return paint(image.NewRGBA(image.Rect(0, 0, w, h)), which) }
func gray(h, w, which int) []byte { return paint(image.NewGray(image.Rect(0, 0, w, h)), which) }

// tree writes a folder of files, sub-folders made as needed.
func tree(t *testing.T, files map[string][]byte) (root string) {
	t.Helper()
	root = filepath.Join(t.TempDir(), "photos")
	for name, b := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// many is n pictures in three sub-folders.
func many(n int, draw func(which int) []byte) map[string][]byte {
	files := map[string][]byte{}
	for i := range n {
		files[fmt.Sprintf("%s/%03d.png", []string{"cat", "dog", "eel"}[i%3], i)] = draw(i)
	}
	return files
}

// reports collects what is reported.
type reports []string

func (r *reports) add(line string) { *r = append(*r, line) }

func (r *reports) want(t *testing.T, lines ...string) {
	t.Helper()
	for i, l := range lines {
		if i >= len(*r) || !strings.Contains((*r)[i], l) {
			t.Errorf("reported %q, want %q", *r, lines)
			return
		}
	}
	if len(*r) != len(lines) {
		t.Errorf("reported %q, want %q", *r, lines)
	}
}

func TestFolder(t *testing.T) {
	files := many(40, func(i int) []byte { return rgb(4, 6, i) })
	files["notes.txt"] = []byte("notes")
	files[".hidden/x.png"] = []byte("not read")
	files["cat/._x.png"] = []byte("not read")
	root := tree(t, files)
	var lines reports
	train, test := openSets(t, root, OpenOptions{Labels: true, Validation: 0.3, Report: lines.add})
	lines.want(t, "no pictures by name or no files: notes.txt", "3 classes: cat, dog, eel")
	if train.Name != "photos train" || test.Name != "photos test" || train.N+test.N != 40 || train.C != 3 || train.H != 4 || train.W != 6 || train.Levels != 256 || train.Classes != 3 || test.Classes != 3 {
		t.Errorf("%+v, %+v", train.Info(), test.Info())
	}
	if test.N < 4 || test.N > 21 { // 12 and 3 standard deviations
		t.Errorf("%d of 40 held out, not about 12", test.N)
	}
	seen := map[int]bool{}
	for _, s := range []*Set{train, test} {
		last := -1
		for i := range s.N {
			which := int(s.image(i).Pix[0]) * 163 & 255 // 11 * 163 is 1 mod 256
			if int(s.Labels[i]) != which%3 {
				t.Errorf("picture %d has label %d", which, s.Labels[i])
			}
			if at := which%3*1000 + which; at <= last {
				t.Error("not in the order of the paths")
			} else {
				last = at
			}
			p := s.image(i).Pix
			if got, want := p[24+6+2], uint16(uint8(11*which+3+10)+1); got != want { // green at (2, 1)
				t.Errorf("picture %d has %d, want %d", which, got, want)
			}
			seen[which] = true
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d different pictures", len(seen))
	}

	// Without labels, and with the number of a link's file.
	if err := os.Symlink(filepath.Join(root, "cat", "000.png"), filepath.Join(root, "link.png")); err != nil {
		t.Fatal(err)
	}
	train, test = openSets(t, root, OpenOptions{})
	if train.Labels != nil || train.N+test.N != 41 {
		t.Errorf("labels %v, %d + %d pictures", train.Labels, train.N, test.N)
	}
	_, _, err := OpenWith(root, OpenOptions{Labels: true})
	wantError(t, err, "link.png is in no sub-folder", "no class")
}

func TestFolderThroughALink(t *testing.T) {
	root := tree(t, many(30, func(i int) []byte { return gray(2, 2, i) }))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	if train, test := openSets(t, link, OpenOptions{}); train.N+test.N != 30 || train.Name != "link train" {
		t.Errorf("%+v", train.Info())
	}
}

func TestFolderSplitIsStable(t *testing.T) {
	files := many(60, func(i int) []byte { return gray(2, 2, i) })
	held := func(files map[string][]byte, seed uint64) (paths []string) {
		_, test, err := openWith(tree(t, files), OpenOptions{Seed: seed, Validation: 0.25}, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range test.(*folder).pictures {
			paths = append(paths, p.path)
		}
		return paths
	}
	before := held(files, 1)
	if slices.Equal(before, held(files, 2)) {
		t.Error("another seed holds out the same")
	}
	for i := range 60 { // some of them before, some after the others
		files[fmt.Sprintf("%c/new%d.png", 'a'+i%26, i)] = gray(2, 2, i)
	}
	after := slices.DeleteFunc(held(files, 1), func(p string) bool { return strings.Contains(p, "new") })
	if !slices.Equal(before, after) {
		t.Errorf("new files moved others: %v, then %v", before, after)
	}
	// Runs that go on must find the same split: a change of this breaks them.
	o := OpenOptions{Seed: 5, Validation: 0.5}
	got := ""
	for i := range 16 {
		got += map[bool]string{true: "v", false: "t"}[o.heldOut(fmt.Sprintf("a/%d.png", i))]
	}
	if got != "vvtvtvttttvvvvtt" {
		t.Errorf("the split is %s, another than pinned", got)
	}
}

func TestFolderWithItsOwnSplit(t *testing.T) {
	files := map[string][]byte{
		"train/cat/1.png": gray(2, 2, 1), "train/dog/2.png": gray(2, 2, 2), "train/dog/deep/3.png": gray(2, 2, 3),
		"val/dog/4.png": gray(2, 2, 4), "valid/dog/5.png": gray(2, 2, 5), "6.png": gray(2, 2, 6),
	}
	var lines reports
	train, test := openSets(t, tree(t, files), OpenOptions{Labels: true, Report: lines.add})
	lines.want(t, "train and val are the split, and valid is not read", "outside of the split: 6.png, valid/dog/5.png", "2 classes: cat, dog")
	if train.N != 3 || test.N != 1 || !slices.Equal(train.Labels, []int32{0, 1, 1}) || test.Labels[0] != 1 || test.Pixels[0] != 44 {
		t.Errorf("%+v, %+v", train, test)
	}
	files["test/dog/7.png"] = gray(2, 2, 7)
	if _, test = openSets(t, tree(t, files), OpenOptions{}); test.N != 1 || test.Pixels[0] != 77 {
		t.Errorf("test is not the split: %+v", test)
	}
	_, _, err := OpenWith(tree(t, map[string][]byte{"train/1.png": gray(2, 2, 1), "val/readme": nil}), OpenOptions{})
	wantError(t, err, "photos: 1 samples to train with and 0 held out")
}

// Read at once or when wanted, by however many workers: the batches are the same.
func TestStreamingIsTheSame(t *testing.T) {
	files := many(50, func(i int) []byte { return rgb(5+i%3, 7, i) })
	root := tree(t, files)
	o := OpenOptions{Height: 5, Width: 6, Fit: "crop", Labels: true, Bits: 6, Workers: 3}
	set, setTest := openSets(t, root, o)
	var lines reports
	o.Report = lines.add
	stream, streamTest, err := openWith(root, o, 2*50*5*6*3)
	if err != nil {
		t.Fatal(err)
	}
	lines.want(t, "3 classes", "read when they are wanted")
	if stream.Info() != set.Info() || streamTest.Info() != setTest.Info() {
		t.Errorf("%+v, %+v", stream.Info(), set.Info())
	}
	a := Augment{Flip: true, Shift: 1}
	l := NewLoaderWith(set, 7, 3, 0, 0, LoaderOptions{Augment: a})
	defer l.Close()
	want := take(l, 15)
	for _, s := range []Source{set, stream} {
		for _, workers := range []int{0, 1, 2, 8} {
			l := NewLoaderWith(s, 7, 3, 0, 0, LoaderOptions{Workers: workers, Augment: a})
			for i, got := range take(l, 15) {
				if !equal(got, want[i]) {
					t.Errorf("%T, %d workers: batch %d is another", s, workers, i)
				}
			}
			if l.Err() != nil {
				t.Error(l.Err())
			}
			l.Close()
		}
	}
	x, y := make([]float32, setTest.N*setTest.D()), make([]float32, setTest.N*setTest.D())
	for from := 0; from < setTest.N; from += 4 {
		n := min(4, setTest.N-from)
		if err := errors.Join(setTest.Fill(x, from, n), streamTest.Fill(y, from, n)); err != nil || !slices.Equal(x, y) {
			t.Errorf("evaluation from %d differs, %v", from, err)
		}
	}
	wantPanic(t, "data: Fill out of range", func() { streamTest.Fill(x, 1, streamTest.Info().N) })
	if _, _, err := openWith(root, o, 2*50*5*6*3+1); err != nil || len(lines) != 3 {
		t.Errorf("one byte below the limit it streams: %q, %v", lines, err)
	}
}

func TestFolderTooLargeForOpen(t *testing.T) {
	// Open has no way to stream. The pictures need no pixels here: what the headers say is 268 MB.
	headers := pngFile(1<<13, 1<<13, 8, nil)
	_, _, err := Open(tree(t, map[string][]byte{"train/1.png": headers, "test/1.png": headers}))
	wantError(t, err, "photos", "too large to be held in memory")
}

func TestFolderSizes(t *testing.T) {
	root := tree(t, map[string][]byte{"train/a.png": gray(4, 9, 0), "train/b.png": gray(6, 5, 0), "test/c.png": gray(8, 8, 0)})
	for _, tc := range []struct {
		o    OpenOptions
		h, w int
	}{
		{OpenOptions{Fit: "crop"}, 4, 5},
		{OpenOptions{Fit: "crop", Width: 3}, 4, 3},
		{OpenOptions{Fit: "pad"}, 8, 9},
		{OpenOptions{Fit: "pad", Height: 16}, 16, 9},
		{OpenOptions{Fit: "resize", Height: 7, Width: 2}, 7, 2},
	} {
		if train, test := openSets(t, root, tc.o); train.H != tc.h || train.W != tc.w || test.H != tc.h || test.W != tc.w {
			t.Errorf("%+v gives %dx%d", tc.o, train.H, train.W)
		}
	}
	for _, tc := range []struct {
		o    OpenOptions
		want []string
	}{
		{OpenOptions{}, []string{"c.png is of 8x8 pixels (height, width), but", "a.png of 4x9", "give a height and a width, and one of crop, resize and pad"}},
		{OpenOptions{Height: 4, Width: 4}, []string{"a.png of 4x9", "one of crop"}},
		{OpenOptions{Fit: "resize"}, []string{"a.png of 4x9"}},
		{OpenOptions{Fit: "resize", Height: 4}, []string{"a.png of 4x9"}},
		{OpenOptions{Fit: "crop", Height: 5, Width: 5}, []string{"a.png: is of 4x9 pixels", "too small to crop 5x5", "skip bad files"}},
		{OpenOptions{Fit: "pad", Height: 8, Width: 8}, []string{"a.png: is of 4x9 pixels", "too large to be padded to 8x8"}},
	} {
		_, _, err := OpenWith(root, tc.o)
		wantError(t, err, tc.want...)
	}
	_, _, err := OpenWith(tree(t, many(9, func(i int) []byte { return gray(4, 6, i) })), OpenOptions{Height: 6, Width: 4})
	wantError(t, err, "the pictures are of 4x6 pixels (height, width), not 6x4", "crop, resize or pad")

	var lines reports
	train, test := openSets(t, root, OpenOptions{Fit: "crop", Height: 5, Width: 5, BadFiles: "skip", Report: lines.add})
	if train.N != 1 || test.N != 1 {
		t.Errorf("%d + %d pictures", train.N, test.N)
	}
	lines.want(t, "train and test", "left out: "+filepath.Join(root, "train", "a.png")+": is of 4x9 pixels", "1 of 3 pictures left out")
}

func TestFolderChannels(t *testing.T) {
	files := many(20, func(i int) []byte { return gray(2, 3, i) })
	if train, _ := openSets(t, tree(t, files), OpenOptions{}); train.C != 1 {
		t.Errorf("grey pictures have %d channels", train.C)
	}
	if train, _ := openSets(t, tree(t, files), OpenOptions{Channels: 3}); train.C != 3 || train.Pixels[0] != train.Pixels[12] {
		t.Errorf("grey pictures as RGB: %+v", train.Info())
	}
	files["cat/000.png"] = rgb(2, 3, 0)
	if train, _ := openSets(t, tree(t, files), OpenOptions{}); train.C != 3 {
		t.Errorf("with one in colour there are %d channels", train.C)
	}
	if train, _ := openSets(t, tree(t, files), OpenOptions{Channels: 1}); train.C != 1 {
		t.Errorf("%d channels, not 1", train.C)
	}
	root := tree(t, map[string][]byte{"train/a.png": rgb(2, 3, 0), "train/b.png": paint(image.NewNRGBA(image.Rect(0, 0, 3, 2)), 0), "test/c.png": rgb(2, 3, 0)})
	var lines reports
	black, _ := openSets(t, root, OpenOptions{Report: lines.add})
	lines.want(t, "the split", "1 pictures have an alpha channel, first train/b.png: they are laid over black; 4 channels keep it")
	if p := black.image(1).Pix; black.C != 3 || p[2] != 2 { // 10 * 51 / 255
		t.Errorf("over black: %v", p)
	}
	lines = nil
	alpha, _ := openSets(t, root, OpenOptions{Channels: 4, Report: lines.add})
	lines.want(t, "the split")
	if p, q := alpha.image(1).Pix, alpha.image(0).Pix; alpha.C != 4 || p[2] != 10 || p[18] != 51 || q[18] != 255 {
		t.Errorf("with alpha: %v, %v", p, q)
	}
}

func TestFolderDepths(t *testing.T) {
	deep := func(i int) []byte { return paint(image.NewGray16(image.Rect(0, 0, 3, 2)), i) }
	files := many(20, deep)
	root := tree(t, files)
	train, _ := openSets(t, root, OpenOptions{})
	stream, _, err := openWith(root, OpenOptions{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, train.N*6)
	if err := stream.Fill(x, 0, train.N); err != nil {
		t.Fatal(err)
	}
	for i := range train.N {
		which := train.image(i).Pix[0] % 250
		for p, v := range train.image(i).Pix {
			want := 250*uint16(uint8(11*which+3*uint16(p/3)+5*uint16(p%3))) + which
			if train.Levels != 1<<16 || v != want || x[i*6+p] != float32(want) {
				t.Fatalf("16 bits: picture %d, pixel %d is %d and %v, want %d", which, p, v, x[i*6+p], want)
			}
		}
	}
	five, _ := openSets(t, root, OpenOptions{Bits: 5})
	for i, v := range five.Pixels {
		if five.Levels != 32 || v != train.Pixels[i]>>11 {
			t.Fatalf("5 bits of 16: %d of %d", v, train.Pixels[i])
		}
	}

	// 8 and 16 bits do not go together unless both are reduced.
	root = tree(t, map[string][]byte{"train/a.png": gray(2, 3, 20), "train/b.png": deep(3), "test/c.png": deep(4)})
	_, _, err = OpenWith(root, OpenOptions{})
	wantError(t, err, "c.png has 16 bits, but", "a.png 8", "at most 8")
	_, _, err = OpenWith(root, OpenOptions{Bits: 10})
	wantError(t, err, "a.png has 8 bits: it cannot be reduced to 10")
	mixed, _ := openSets(t, root, OpenOptions{Bits: 8})
	if a, b := mixed.image(0).Pix[0], mixed.image(1).Pix[1]; mixed.Levels != 256 || a != 220 || b != (250*38+3)>>8 {
		t.Errorf("8 bits of 8 and of 16: %d and %d", a, b)
	}

	// Few bits stay what they are where all pictures have the same.
	low := many(20, func(i int) []byte { return fewBits(t, 2, []byte{byte(i) & 3, 3, 0, 1}) })
	train, _ = openSets(t, tree(t, low), OpenOptions{})
	if train.Levels != 4 || train.C != 1 || !slices.Equal(train.Pixels[1:4], []uint16{3, 0, 1}) {
		t.Errorf("2 bits: %d levels, %v", train.Levels, train.Pixels[:4])
	}
	root = tree(t, map[string][]byte{"train/a.png": low["cat/000.png"], "train/b.png": fewBits(t, 1, []byte{1, 0, 1, 1}), "test/c.png": low["cat/003.png"]})
	if train, _ = openSets(t, root, OpenOptions{}); train.Levels != 256 || !slices.Equal(train.Pixels, []uint16{0, 255, 0, 85, 255, 0, 255, 255}) {
		t.Errorf("2 bits and 1: %d levels, %v", train.Levels, train.Pixels)
	}
	if train, _ = openSets(t, root, OpenOptions{Bits: 1}); train.Levels != 2 || !slices.Equal(train.Pixels, []uint16{0, 1, 0, 0, 1, 0, 1, 1}) {
		t.Errorf("1 bit of 2 and 1: %d levels, %v", train.Levels, train.Pixels)
	}
}

// fewBits is a grey PNG of 2x2 and that depth. Go's encoder writes grey of 8 bits only, so this is written by hand.
func fewBits(t *testing.T, depth int, v []byte) []byte {
	t.Helper()
	var packed []byte
	for row := range 2 {
		packed = append(packed, 0, v[2*row]<<(8-depth)|v[2*row+1]<<(8-2*depth)) // no filter, then a byte of two pixels
	}
	return pngFile(2, 2, depth, packed)
}

func TestFolderBadFiles(t *testing.T) {
	good := func() map[string][]byte { return many(30, func(i int) []byte { return rgb(3, 4, i) }) }
	whole := rgb(3, 4, 7)
	bad := map[string][]byte{
		"cat/003.png":   []byte("<html>"),      // its header
		"dog/004.png":   whole[:len(whole)-30], // its pixels
		"eel/new.jpg":   nil,                   // empty
		"cat/wrong.gif": rgb(3, 4, 9),          // a PNG whatever its name: good
	}
	for _, stream := range []int64{0, streamFrom} {
		for name, content := range bad {
			files := good()
			files[name] = content
			root := tree(t, files)
			train, _, err := openWith(root, OpenOptions{Seed: 3}, stream)
			path := filepath.Join(root, filepath.FromSlash(name))
			switch {
			case strings.Contains(name, "wrong"):
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			case stream == 0 && strings.Contains(name, "004"): // its header is good: it is found when it is wanted
				if err != nil {
					t.Fatal(err)
				}
				checkLoaderFails(t, train, path)
			default:
				wantError(t, err, path, "repair or remove it, or skip bad files")
			}
		}

		files := good()
		for name, content := range bad {
			files[name] = content
		}
		root := tree(t, files)
		var lines reports
		train, test, err := openWith(root, OpenOptions{Seed: 3, BadFiles: "skip", Report: lines.add}, stream)
		if err != nil {
			t.Fatal(err)
		}
		if n := train.Info().N + test.Info().N; n != 29 {
			t.Errorf("%d pictures left of 32 with 3 bad", n)
		}
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "wanted") })
		lines.want(t, "left out: "+filepath.Join(root, "cat", "003.png"), "left out: "+filepath.Join(root, "eel", "new.jpg"),
			"left out: "+filepath.Join(root, "dog", "004.png"), "3 of 32 pictures left out")
	}
	_, _, err := OpenWith(tree(t, map[string][]byte{"a.png": nil, "b.png": nil}), OpenOptions{BadFiles: "skip", Report: func(string) {}})
	wantError(t, err, "none of the 2 pictures can be used")
	_, _, err = OpenWith(tree(t, map[string][]byte{"a.txt": nil}), OpenOptions{})
	wantError(t, err, "no pictures (.png .jpg", "no train-images-idx3-ubyte", `"scripts/data mnist"`)
	_, _, err = OpenWith(tree(t, map[string][]byte{"a.png": rgb(2, 2, 0)}), OpenOptions{})
	wantError(t, err, "photos", "another held-out share or seed")
}

// checkLoaderFails goes through an epoch with a picture that is bad: the batches before it come, then nil and its name.
func checkLoaderFails(t *testing.T, s Source, path string) {
	t.Helper()
	for _, workers := range []int{1, 4} {
		l := NewLoaderWith(s, 2, 0, 0, 0, LoaderOptions{Workers: workers})
		order, at := Order(s.Info().N, 0, 0, nil), -1
		for i, sample := range order {
			if strings.HasSuffix(path, filepath.FromSlash(s.(*folder).pictures[sample].path)) {
				at = i / 2
			}
		}
		if at < 0 {
			t.Fatal("the bad picture is held out: choose another seed")
		}
		for range at {
			if b := l.Next(); b == nil {
				t.Fatalf("no batch before the bad one: %v", l.Err())
			} else {
				l.Release(b)
			}
		}
		if b := l.Next(); b != nil {
			t.Error("a batch with a bad picture")
		}
		wantError(t, l.Err(), path, "not enough pixel data", "skip bad files")
		if b := l.Next(); b != nil {
			t.Error("a batch after a bad one")
		}
		l.Close()
		wantError(t, s.Fill(make([]float32, s.Info().N*s.Info().D()), 0, s.Info().N), path)
	}
}

// A picture that changes after the start is an error too.
func TestFolderChanges(t *testing.T) {
	root := tree(t, many(30, func(i int) []byte { return gray(3, 4, i) }))
	train, _, err := openWith(root, OpenOptions{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	dst := make([]float32, 12)
	path := filepath.Join(root, filepath.FromSlash(train.(*folder).pictures[0].path))
	for want, content := range map[string][]byte{
		"is of 4x4 pixels":      gray(4, 4, 0),
		"has 65536 intensities": paint(image.NewGray16(image.Rect(0, 0, 4, 3)), 0),
	} {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
		wantError(t, train.Load(dst, 0, 0, 1), path, want)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	wantError(t, train.Load(dst, 0, 0, 1), path, "no such file")
}

func TestFolderOfManyFormats(t *testing.T) {
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewRGBA(image.Rect(0, 0, 4, 3)), nil); err != nil {
		t.Fatal(err)
	}
	webp, err := os.ReadFile("internal/raster/testdata/opaque.webp") // 12x9
	if err != nil {
		t.Fatal(err)
	}
	train, test := openSets(t, tree(t, map[string][]byte{
		"train/a.JPG": jpg.Bytes(), "train/b.jpeg": jpg.Bytes(), "train/c.webp": webp, "test/d.png": rgb(5, 5, 1),
	}), OpenOptions{Height: 3, Width: 4, Fit: "crop"})
	if train.N != 3 || test.N != 1 || train.image(2).Pix[0] != 20*4 || train.image(2).Pix[12] != 28*3 {
		t.Errorf("%+v", train)
	}
}
