package train

import (
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sbinet/npyio/npz"
)

// conditional is a tiny run of a class-conditional model.
func conditional(t *testing.T) string {
	t.Helper()
	c := tiny(t)
	c.Model.Classes = 10
	c.LR, c.Warmup = 1e-2, 0 // far enough for the classes to differ
	c.Adam.EMADecay = 0
	return start(t, c)
}

func readPNG(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// readArray reads one array of an .npz file.
func readArray[T any](t *testing.T, path, name string) (shape []int, values []T) {
	t.Helper()
	r, err := npz.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Read(name+".npy", &values); err != nil {
		t.Fatal(err)
	}
	return r.Header(name + ".npy").Descr.Shape, values
}

func TestSampleTemperatures(t *testing.T) {
	dir := start(t, tiny(t))
	at := func(name string, temperatures ...float64) (string, string) {
		picture, arrays := filepath.Join(dir, name+".png"), filepath.Join(dir, name+".npz")
		g := Sampling{N: 6, Temperatures: temperatures, Seed: 1 << 63, Class: AllClasses, Picture: picture, Arrays: arrays}
		if err := Sample(dir, &g, Use{}, quiet()); err != nil {
			t.Fatal(err)
		}
		return picture, arrays
	}
	onePicture, one := at("one", 0.7)
	allPicture, all := at("all", 0, 0.7, 1)

	shape, x := readArray[float32](t, all, "continuous")
	if !slices.Equal(shape, []int{3, 6, 1, 8, 8}) {
		t.Fatalf("shape %v", shape)
	}
	_, single := readArray[float32](t, one, "continuous")
	block := len(x) / 3
	if !slices.Equal(x[block:2*block], single) {
		t.Error("temperature 0.7 beside others is not temperature 0.7")
	}
	if !slices.Equal(x[:64], x[64:128]) {
		t.Error("images of temperature 0 differ")
	}
	shape, pixels := readArray[uint8](t, all, "rounded")
	if !slices.Equal(shape, []int{3, 6, 1, 8, 8}) {
		t.Fatalf("shape %v", shape)
	}
	for i, v := range x {
		if want := min(max(math.Floor(float64(v)), 0), 16); float64(pixels[i]) != want {
			t.Fatalf("value %d is %v, rounded %d", i, v, pixels[i])
		}
	}
	if shape, v := readArray[float64](t, all, "temperature"); !slices.Equal(shape, []int{3}) || !slices.Equal(v, []float64{0, 0.7, 1}) {
		t.Errorf("temperatures %v of shape %v", v, shape)
	}
	var seed uint64
	r, err := npz.Open(all)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Read("seed.npy", &seed); err != nil || seed != 1<<63 || len(r.Header("seed.npy").Descr.Shape) != 0 {
		t.Errorf("seed %d, %v", seed, err)
	}
	if slices.Contains(r.Keys(), "class.npy") {
		t.Error("classes of a model that has none")
	}

	// Blocks lie side by side below a line of text; one block has none.
	a, b := readPNG(t, onePicture).Bounds(), readPNG(t, allPicture)
	if a.Dx() < 3*8 || a.Dy() >= a.Dx() {
		t.Errorf("one block of 3 x 2 images is %v", a)
	}
	if s := b.Bounds().Size(); s.X < 3*s.Y {
		t.Errorf("three blocks are %v", s)
	}
	bright := 0
	for x := range 100 {
		for y := range strip {
			if r, _, _, _ := b.At(x, y).RGBA(); r > 0x8000 {
				bright++
			}
		}
	}
	if bright < 50 {
		t.Errorf("%d bright pixels where the temperature should be written", bright)
	}
}

func TestSampleClasses(t *testing.T) {
	dir := conditional(t)
	at := func(class int) []float32 {
		arrays := filepath.Join(dir, "x.npz")
		g := Sampling{N: 20, Temperatures: []float64{1}, Seed: 3, Class: class, Picture: filepath.Join(dir, "x.png"), Arrays: arrays}
		if err := Sample(dir, &g, Use{}, quiet()); err != nil {
			t.Fatal(err)
		}
		shape, classes := readArray[int32](t, arrays, "class")
		for i, c := range classes {
			want := int32(class)
			if class == AllClasses {
				want = int32(i % 10) // one per column
			}
			if c != want || !slices.Equal(shape, []int{20}) {
				t.Errorf("asked for %d, image %d is of class %d", class, i, c)
			}
		}
		_, x := readArray[float32](t, arrays, "continuous")
		return x
	}
	all, threes := at(AllClasses), at(3)
	image := func(x []float32, i int) []float32 { return x[64*i:][:64] }
	for i := range 20 {
		same := slices.Equal(image(all, i), image(threes, i))
		if want := i%10 == 3; same != want {
			t.Errorf("image %d of all classes is that of class 3: %v, want %v", i, same, want)
		}
	}
	if b := readPNG(t, filepath.Join(dir, "x.png")).Bounds(); b.Dx() > 2*b.Dy() {
		t.Errorf("20 images of one class are %v", b)
	}
	g := Sampling{N: 20, Temperatures: []float64{1}, Class: AllClasses, Picture: filepath.Join(dir, "x.png")}
	if err := Sample(dir, &g, Use{}, quiet()); err != nil {
		t.Fatal(err)
	}
	if b := readPNG(t, g.Picture).Bounds(); b.Dx() < 4*b.Dy() {
		t.Errorf("two rows of ten classes are %v", b)
	}
	for class, want := range map[int]string{10: "the model knows 0 to 9", -2: "the model knows 0 to 9"} {
		g.Class = class
		wantError(t, Sample(dir, &g, Use{}, quiet()), true, "--class is", want)
	}
	wantError(t, Sample(start(t, tiny(t)), &Sampling{N: 1, Temperatures: []float64{1}, Class: 3, Picture: g.Picture}, Use{}, quiet()), true, "--class is 3", "no classes")
}

func TestSampleErrors(t *testing.T) {
	dir := start(t, tiny(t))
	picture := filepath.Join(dir, "x.png")
	for _, tc := range []struct {
		name   string
		change func(*Sampling)
		usage  bool
		want   []string
	}{
		{"none", func(g *Sampling) { g.N = 0 }, true, []string{"--n is 0"}},
		{"too many", func(g *Sampling) { g.N = maxGrid + 1 }, true, []string{"--n is 4097", "1 to 4096"}},
		{"NaN", func(g *Sampling) { g.Temperatures = []float64{1, math.NaN()} }, true, []string{"--temperature is NaN", "from 0 to 10"}},
		{"picture", func(g *Sampling) { g.Picture = filepath.Join(dir, "none", "x.png") }, false, []string{"x.png"}},
		{"arrays", func(g *Sampling) { g.Arrays = filepath.Join(dir, "none", "x.npz") }, false, []string{"arrays", "x.npz"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := Sampling{N: 4, Temperatures: []float64{1}, Class: AllClasses, Picture: picture}
			tc.change(&g)
			wantError(t, Sample(dir, &g, Use{}, quiet()), tc.usage, tc.want...)
		})
	}
	if err := Sample(dir, &Sampling{N: 5, Temperatures: []float64{1}, Class: AllClasses, Picture: picture}, Use{Device: "cpu:generic"}, quiet()); err != nil {
		t.Error(err)
	}
	// A broken model is told, and drawn.
	broken := breakModel(t, dir)
	g := Sampling{N: 4, Temperatures: []float64{1}, Class: AllClasses, Picture: picture}
	wantError(t, Sample(broken, &g, Use{}, quiet()), false, "256 of 256", "not finite", "magenta", picture)
	if c := readPNG(t, picture).At(0, 0); !isMagenta(c.RGBA()) {
		t.Errorf("the picture is %v", c)
	}
}

func isMagenta(r, g, b, _ uint32) bool { return r == 0xffff && g == 0 && b == 0xffff }

// breakModel makes a run of NaN weights.
func breakModel(t *testing.T, dir string) string {
	t.Helper()
	s := checkpoint(t, dir)
	for _, part := range s.c.Sections {
		if part.Name == "fixed" {
			continue // orders and signs, which ops rely on
		}
		for i := range part.Data {
			part.Data[i] = float32(math.NaN())
		}
	}
	out := filepath.Join(t.TempDir(), checkpointFile)
	if err := replaceFile(out, s.c.Write); err != nil {
		t.Fatal(err)
	}
	return out
}
