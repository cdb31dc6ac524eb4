package data

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
)

var (
	magenta = color.RGBA{R: 255, B: 255, A: 255}
	grey64  = grey(64)
)

func grey(v uint8) color.RGBA { return color.RGBA{R: v, G: v, B: v, A: 255} }

func wantPixel(t *testing.T, img image.Image, x, y int, want color.RGBA) {
	t.Helper()
	if got := color.RGBAModel.Convert(img.At(x, y)); got != want {
		t.Errorf("pixel (%d, %d) is %v, want %v", x, y, got, want)
	}
}

func TestGridGrey(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	pix := []float32{
		0, 16, 8, // image 0, top row
		-3, 99, 15.99,
		nan, inf, -inf, // image 1
		1, 2, 0.99,
		16.7, 4, 4, // image 2
		4, 4, 12,
	}
	img := Grid(pix, 3, 1, 2, 3, 17, 2, 4)
	if want := image.Rect(0, 0, 2*12+1, 2*8+1); img.Bounds() != want {
		t.Fatalf("bounds %v, want %v", img.Bounds(), want)
	}
	for _, p := range []struct {
		image, x, y int
		want        color.RGBA
	}{
		{0, 0, 0, grey(0)}, {0, 1, 0, grey(255)}, {0, 2, 0, grey(128)}, // 8/16 of 255 is 127.5
		{0, 0, 1, grey(0)}, {0, 1, 1, grey(255)}, {0, 2, 1, grey(239)}, // 15/16
		{1, 0, 0, magenta}, {1, 1, 0, grey(255)}, {1, 2, 0, grey(0)},
		{1, 0, 1, grey(16)}, {1, 1, 1, grey(32)}, {1, 2, 1, grey(0)},
		{2, 0, 0, grey(255)}, {2, 1, 0, grey(64)}, {2, 2, 1, grey(191)},
	} {
		left, top := p.image%2*13+p.x*4, p.image/2*9+p.y*4
		wantPixel(t, img, left, top, p.want)
		wantPixel(t, img, left+3, top+3, p.want) // the far corner of the enlarged pixel
	}
	wantPixel(t, img, 12, 3, grey64)  // the line between columns
	wantPixel(t, img, 3, 8, grey64)   // and between rows
	wantPixel(t, img, 20, 12, grey64) // the place of a fourth image
}

func TestGridChannels(t *testing.T) {
	nan := float32(math.NaN())
	rgb := []float32{255, nan, 0, 0, 128, 7, nan, 0, 0, 0, 0, nan} // [1][3][1][4]
	img := Grid(rgb, 1, 3, 1, 4, 256, 8, 1)
	if want := image.Rect(0, 0, 4, 1); img.Bounds() != want {
		t.Fatalf("bounds %v, want %v", img.Bounds(), want)
	}
	wantPixel(t, img, 0, 0, color.RGBA{R: 255, G: 128, B: 0, A: 255})
	wantPixel(t, img, 1, 0, magenta) // red is NaN
	wantPixel(t, img, 2, 0, magenta) // green
	wantPixel(t, img, 3, 0, magenta) // blue

	two := []float32{10, 200, 20, 100} // [2][2][1][1]: the first channels are 10 and 20
	img = Grid(two, 2, 2, 1, 1, 256, 8, 1)
	wantPixel(t, img, 0, 0, grey(10))
	wantPixel(t, img, 2, 0, grey(20))

	wantPanic(t, "data: Grid of a wrong shape", func() { Grid(two, 3, 2, 1, 1, 256, 8, 1) })
	wantPanic(t, "data: Grid of a wrong shape", func() { Grid(two, 2, 2, 1, 1, 256, 0, 1) })
}

func TestWritePNG(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.png")
	for _, v := range []float32{0, 5} { // the second time over the first
		if err := WritePNG(path, Grid([]float32{v}, 1, 1, 1, 1, 256, 1, 3)); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		wantPixel(t, img, 2, 2, grey(uint8(v)))
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("files left in the folder: %v, %v", left, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o400 == 0 || info.Mode().Perm()&0o111 != 0 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	wantError(t, WritePNG(filepath.Join(dir, "none", "a.png"), Grid(nil, 0, 1, 1, 1, 2, 1, 1)), "picture", "none")
}
