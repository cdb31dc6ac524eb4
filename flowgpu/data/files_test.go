package data

import (
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writePicture encodes a picture as PNG and gives its path.
func writePicture(t *testing.T, path string, img image.Image) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOpenFiles: pictures of any kind become what a model takes.
func TestOpenFiles(t *testing.T) {
	dir := t.TempDir()
	area := image.Rect(0, 0, 3, 2)
	grey, deep, red := image.NewGray(area), image.NewGray16(area), image.NewRGBA(area)
	for i := range 6 {
		grey.Pix[i] = uint8(51 * i)
		deep.SetGray16(i%3, i/3, color.Gray16{Y: uint16(0x3333 * i)})
		red.Set(i%3, i/3, color.RGBA{R: 255, A: 255})
	}
	paths := []string{
		writePicture(t, filepath.Join(dir, "grey.png"), grey),
		writePicture(t, filepath.Join(dir, "deep.png"), deep),
		writePicture(t, filepath.Join(dir, "red.png"), red),
	}
	luma := func(v float32) []float32 { return []float32{v, v, v, v, v, v} }
	for _, tc := range []struct {
		name   string
		levels int
		want   []float32 // grey.png, deep.png
		red    float32
	}{
		{"8 bits", 256, []float32{0, 51, 102, 153, 204, 255}, 76},
		{"5 bits", 32, []float32{0, 6, 12, 19, 25, 31}, 9},
		{"1 bit", 2, []float32{0, 0, 0, 1, 1, 1}, 0},
		{"16 bits", 1 << 16, []float32{0, 0x3333, 0x6666, 0x9999, 0xcccc, 0xffff}, 19595},
		{"17 levels", 17, []float32{0, 3, 6, 10, 13, 16}, 5}, // rounded 16 v/255
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := OpenFiles(paths, Info{C: 1, H: 2, W: 3, Levels: tc.levels}, "")
			if err != nil {
				t.Fatal(err)
			}
			if info := s.Info(); info.N != 3 || info.Levels != tc.levels || info.Classes != 0 {
				t.Errorf("info %+v", info)
			}
			x := make([]float32, 18)
			if err := s.Fill(x, 0, 3); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(x[:6], tc.want) || !slices.Equal(x[6:12], tc.want) {
				t.Errorf("grey is %v and %v, want %v", x[:6], x[6:12], tc.want)
			}
			if !slices.Equal(x[12:], luma(tc.red)) {
				t.Errorf("red is %v, want %v", x[12:], tc.red)
			}
		})
	}
	s, err := OpenFiles(paths[2:], Info{C: 3, H: 4, W: 4, Levels: 256}, "pad")
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 48)
	if err := s.Load(x, 0, 0, 1); err != nil || x[1*4] != 255 || x[0] != 0 || x[16+4] != 0 {
		t.Errorf("padded red is %v, %v", x, err)
	}
}

func TestOpenFilesErrors(t *testing.T) {
	dir := t.TempDir()
	good := writePicture(t, filepath.Join(dir, "good.png"), image.NewGray(image.Rect(0, 0, 8, 8)))
	bad := filepath.Join(dir, "bad.png")
	if err := os.WriteFile(bad, []byte("no picture"), 0o666); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(dir, "cut.png")
	if err := os.WriteFile(cut, content[:len(content)-20], 0o666); err != nil {
		t.Fatal(err)
	}
	as := Info{C: 1, H: 8, W: 8, Levels: 256}
	for _, tc := range []struct {
		name  string
		paths []string
		to    Info
		fit   string
		want  []string
	}{
		{"none", nil, as, "", []string{"no pictures"}},
		{"missing", []string{good, filepath.Join(dir, "none.png")}, as, "", []string{"none.png", "no such file"}},
		{"not a picture", []string{good, bad}, as, "", []string{"bad.png", "unknown format"}},
		{"another size", []string{good}, Info{C: 1, H: 4, W: 8, Levels: 256}, "", []string{"good.png", "8x8", "4x8", "crop, resize or pad"}},
		{"too small", []string{good}, Info{C: 1, H: 16, W: 16, Levels: 256}, "crop", []string{"good.png", "too small to crop"}},
		{"fit", []string{good}, as, "stretch", []string{`"stretch"`, "crop, resize"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := OpenFiles(tc.paths, tc.to, tc.fit)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %v", want, err)
				}
			}
		})
	}
	s, err := OpenFiles([]string{good, cut}, as, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fill(make([]float32, 128), 0, 2); err == nil || !strings.Contains(err.Error(), "cut.png") {
		t.Errorf("a file that is cut short: %v", err)
	}
}

func TestListPictures(t *testing.T) {
	dir := t.TempDir()
	img := image.NewGray(image.Rect(0, 0, 2, 2))
	want := []string{filepath.Join(dir, "a.png"), filepath.Join(dir, "b", "c.PNG")}
	for _, p := range want {
		writePicture(t, p, img)
	}
	writePicture(t, filepath.Join(dir, ".hidden.png"), img)
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if got, err := ListPictures(dir); err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := ListPictures(filepath.Join(dir, "none")); err == nil {
		t.Error("no error")
	}
}
