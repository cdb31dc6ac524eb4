package train

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"cuflow/flowgpu/data"
)

// digitFile writes held-out digit i as a grey PNG of 8 bits, which a model of the digits reads back exactly.
func digitFile(t *testing.T, i int) string {
	t.Helper()
	_, test, err := data.Digits()
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	for j, v := range test.Pixels[64*i:][:64] {
		img.Pix[j] = uint8(math.Round(float64(v) * 255 / 16))
	}
	return pictureFile(t, img)
}

func pictureFile(t *testing.T, img image.Image) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "picture.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// cell is the grey value of pixel (x, y) of image i in a row of 8 wide images.
func cell(img image.Image, n, i, x, y int) uint8 {
	wide := (img.Bounds().Dx() + 1) / n // with the line between
	scale := (wide - 1) / 8
	return color.GrayModel.Convert(img.At(i*wide+x*scale, y*scale)).(color.Gray).Y
}

func TestInterpolate(t *testing.T) {
	dir := start(t, tiny(t))
	_, test, err := data.Digits()
	if err != nil {
		t.Fatal(err)
	}
	middles := map[string]uint8{}
	for path, want := range map[string]string{"": "spherical", "linear": "linear", "spherical": "spherical"} {
		picture := filepath.Join(dir, "path.png")
		r, err := Interpolate(dir, digitFile(t, 4), "test:7", Way{Steps: 5, Path: path, Picture: picture}, Use{}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		if r.Path != want || !(r.Ends < 1e-3) {
			t.Errorf("%q: %+v", path, r)
		}
		img := readPNG(t, picture)
		for i, sample := range map[int]int{0: 4, 4: 7} {
			for y := range 8 {
				for x := range 8 {
					v := float64(test.Pixels[64*sample+8*y+x])
					if got := cell(img, 5, i, x, y); got != uint8(math.Round(v*255/16)) {
						t.Fatalf("end %d is %d at (%d, %d), the digit %v", i, got, x, y, v)
					}
				}
			}
		}
		middle := 0
		for y := range 8 {
			for x := range 8 {
				middle += int(cell(img, 5, 2, x, y))
			}
		}
		middles[path] = uint8(middle / 64)
	}
	if middles[""] != middles["spherical"] {
		t.Errorf("the default's middle is %d, that of a sphere %d", middles[""], middles["spherical"])
	}
}

func TestBetween(t *testing.T) {
	a, b := []float32{3, 0}, []float32{0, 3}
	close := func(z []float32, x, y float64) bool {
		return math.Abs(float64(z[0])-x) < 1e-6 && math.Abs(float64(z[1])-y) < 1e-6
	}
	r := 3 / math.Sqrt2
	for _, tc := range []struct {
		t         float64
		spherical bool
		x, y      float64
	}{
		{0, true, 3, 0}, {1, true, 0, 3}, {0.5, true, r, r}, {1.0 / 3, true, 3 * math.Cos(math.Pi/6), 1.5},
		{0, false, 3, 0}, {1, false, 0, 3}, {0.5, false, 1.5, 1.5}, {0.25, false, 2.25, 0.75},
	} {
		if z := between(a, b, tc.t, tc.spherical); !close(z, tc.x, tc.y) {
			t.Errorf("at %v, spherical %v: %v, want (%v, %v)", tc.t, tc.spherical, z, tc.x, tc.y)
		}
	}
	// Where there is no one arc, the way is straight.
	for _, c := range [][]float32{{3, 0}, {-3, 0}, {0, 0}} {
		if z := between(a, c, 0.25, true); !close(z, 2.25+0.25*float64(c[0]), 0) {
			t.Errorf("to %v: %v", c, z)
		}
	}
}

// TestInterpolateLogistic: a sphere means nothing to a logistic prior.
func TestInterpolateLogistic(t *testing.T) {
	c := tiny(t)
	c.Model.Kind, c.Model.Prior, c.Model.Layout, c.Model.Net = "nice", "logistic", "evenodd", ""
	c.Model.Levels, c.Model.Coupling, c.Model.Permutation, c.Model.Depth = 0, "", "", 1
	dir := start(t, c)
	r, err := Interpolate(dir, "test:0", "test:1", Way{Steps: 3, Picture: filepath.Join(dir, "path.png")}, Use{}, quiet())
	if err != nil || r.Path != "linear" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestInterpolateErrors(t *testing.T) {
	dir := start(t, tiny(t))
	good := Way{Steps: 3, Picture: filepath.Join(dir, "path.png")}
	large := pictureFile(t, image.NewGray(image.Rect(0, 0, 9, 8)))
	for _, tc := range []struct {
		name, a, b string
		change     func(*Way)
		usage      bool
		want       []string
	}{
		{"steps", "test:0", "test:1", func(w *Way) { w.Steps = 1 }, true, []string{"--steps is 1", "2 to 256"}},
		{"path", "test:0", "test:1", func(w *Way) { w.Path = "scenic" }, true, []string{`"scenic"`, "linear or spherical"}},
		{"index", "test:0", "test:300", func(*Way) {}, true, []string{"test:300", "test:0 to test:299"}},
		{"no index", "train:x", "test:0", func(*Way) {}, true, []string{"train:x", "train:1496"}},
		{"many", "test:0", "test", func(*Way) {}, true, []string{"test holds 300 images", "give one"}},
		{"missing", "none.png", "test:0", func(*Way) {}, false, []string{"none.png", "no such file", "test or train"}},
		{"size", "test:0", large, func(*Way) {}, false, []string{large, "8x9", "8x8", "crop, resize or pad"}},
		{"fit", "test:0", large, func(w *Way) { w.Fit = "shrink" }, false, []string{`"shrink"`}},
		{"picture", "test:0", "test:1", func(w *Way) { w.Picture = filepath.Join(dir, "none", "x.png") }, false, []string{"x.png"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := good
			tc.change(&w)
			_, err := Interpolate(dir, tc.a, tc.b, w, Use{}, quiet())
			wantError(t, err, tc.usage, tc.want...)
		})
	}
	fitted := good
	fitted.Fit = "crop"
	if _, err := Interpolate(dir, "test:0", large, fitted, Use{}, quiet()); err != nil {
		t.Error(err)
	}
	_, err := Interpolate(breakModel(t, dir), "test:0", "test:1", good, Use{}, quiet())
	wantError(t, err, false, "not finite", "magenta")
	_, err = Interpolate(dir, "test:0", "test:1", good, Use{Data: filepath.Join(dir, "none")}, quiet())
	wantError(t, err, false, "none", "--data")
}

func TestReconstruct(t *testing.T) {
	dir := start(t, tiny(t))
	picture := filepath.Join(dir, "r.png")
	r, err := Reconstruct(dir, Mirror{N: 7, Picture: picture}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if r.N != 7 || !(0 < r.Mean && r.Mean < r.Largest && r.Largest < 1e-3) || r.Worst == "" {
		t.Errorf("%+v", r)
	}
	img := readPNG(t, picture)
	high := (img.Bounds().Dy() - 2*space) / 3
	if high <= strip+8 {
		t.Fatalf("three rows in %v", img.Bounds())
	}
	for y := strip; y < high; y++ { // f^-1(f(x)) looks like x
		for x := range img.Bounds().Dx() {
			if img.At(x, y) != img.At(x, y+high+space) {
				t.Fatalf("the rows differ at (%d, %d)", x, y)
			}
		}
	}
	r, err = Reconstruct(dir, Mirror{Images: []string{"test:299", digitFile(t, 1), "train"}, N: 5, Picture: picture}, Use{}, quiet())
	if err != nil || r.N != 5 {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := Reconstruct(conditional(t), Mirror{Images: []string{digitFile(t, 1)}, N: 5, Picture: picture}, Use{}, quiet()); err != nil {
		t.Errorf("class-conditional: %v", err)
	}

	_, err = Reconstruct(dir, Mirror{N: 0, Picture: picture}, Use{}, quiet())
	wantError(t, err, true, "--n is 0")
	_, err = Reconstruct(dir, Mirror{N: 4, Picture: filepath.Join(dir, "none", "r.png")}, Use{}, quiet())
	wantError(t, err, false, "r.png")
	_, err = Reconstruct(dir, Mirror{N: 4, Images: []string{dir}, Picture: filepath.Join(dir, "x")}, Use{}, quiet())
	wantError(t, err, false, "crop, resize or pad") // the run's own pictures
	_, err = Reconstruct(breakModel(t, dir), Mirror{N: 4, Picture: picture}, Use{}, quiet())
	wantError(t, err, false, "256 of 256", "not finite", "magenta")
}

// TestReconstructMeasures: the error is measured, not assumed, and the row says how much it is magnified.
func TestReconstructMeasures(t *testing.T) {
	c := tiny(t).Model
	x, back := make([]float32, 128), make([]float32, 128)
	back[3], back[64+5] = 0.5, -1.5
	r, err := Mirror{Picture: filepath.Join(t.TempDir(), "r.png")}.compare(c, x, back, []string{"a", "b"})
	if err != nil || r.Largest != 1.5 || r.Worst != "b" || math.Abs(r.Mean-2.0/128) > 1e-12 || r.N != 2 {
		t.Errorf("%+v, %v", r, err)
	}
}
