package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// pictureFolder writes a folder of n grey PNGs of h x w, value by number of picture and pixel, in train/ and test/ and there in
// one folder a class.
func pictureFolder(t *testing.T, n, h, w, classes int, value func(i, p int) uint8) string {
	t.Helper()
	root := t.TempDir()
	for i := range n {
		m := image.NewGray(image.Rect(0, 0, w, h))
		for p := range h * w {
			m.SetGray(p%w, p/w, color.Gray{Y: value(i, p)})
		}
		part := "train"
		if i%4 == 0 {
			part = "test"
		}
		dir := filepath.Join(root, part, fmt.Sprintf("class%d", i%classes))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.png", i)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// mixed is a picture's pixel without a pattern.
func mixed(i, p int) uint8 { return uint8((i*7919 + p*104729 + i*p*31) >> 3) }

// uniform is a run of a model that is uniform over the cube and stays so: the standard logistic density of the logit of x is
// the derivative's inverse, and couplings start as the identity.
func uniform(t *testing.T, dataset string, h, w, intensities int) Config {
	c := tiny(t)
	c.Data = dataset
	c.Model = flowgpu.Config{Kind: "nice", Channels: 1, Height: h, Width: w, Intensities: intensities, Steps: 2, Hidden: 4, Depth: 1, Logit: 1e-6}
	c.Batch, c.Steps, c.LR, c.Adam.EMADecay = 4, 1, 1e-12, 0
	return c
}

// TestUniformModelScoresItsBits: a uniform model scores log2 of the intensities, whatever the depth is reduced to.
func TestUniformModelScoresItsBits(t *testing.T) {
	dir := pictureFolder(t, 40, 6, 10, 2, mixed)
	for _, bits := range []int{0, 8, 5, 1} {
		c := uniform(t, dir, 6, 10, 256)
		want := 8.0
		if bits > 0 {
			c.Bits, c.Model.Intensities, want = bits, 1<<bits, float64(bits)
		}
		r, err := Start(context.Background(), c, t.TempDir(), quiet())
		if err != nil {
			t.Fatal(err)
		}
		if r.Score.N != 10 || math.Abs(r.Score.BitsPerDim-want) > 1e-4 { // float32 logs, 60 of them
			t.Errorf("--bits %d: %v, want %v bits/dim", bits, r.Score, want)
		}
	}
}

// TestBitsAreExact: what the model sees are the upper bits and nothing else.
func TestBitsAreExact(t *testing.T) {
	c := uniform(t, pictureFolder(t, 40, 6, 10, 1, mixed), 6, 10, 32)
	c.Bits = 5
	train, _, err := c.openData(nil)
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 60)
	for i := range train.Info().N {
		if err := train.Fill(x, i, 1); err != nil {
			t.Fatal(err)
		}
		number := i + i/3 + 1 // every fourth is held out
		for p, v := range x {
			if want := float32(mixed(number, p) >> 3); v != want {
				t.Fatalf("image %d, pixel %d is %v, want %v", number, p, v, want)
			}
		}
	}
}

func TestFit(t *testing.T) {
	dir := pictureFolder(t, 20, 9, 15, 1, mixed)
	c := uniform(t, dir, 8, 12, 256)
	for _, tc := range []struct {
		fit  string
		h, w int
		want []string
	}{
		{"crop", 8, 12, nil}, {"resize", 6, 8, nil}, {"pad", 10, 16, nil}, {"", 9, 15, nil},
		{"", 8, 12, []string{"9x15x1", "8x12x1", "--fit crop, resize or pad", "--pad 15"}},
		{"crop", 10, 12, []string{"too small to crop"}},
		{"pad", 8, 16, []string{"too large to be padded"}},
	} {
		c.Fit, c.Model.Height, c.Model.Width = tc.fit, tc.h, tc.w
		train, test, err := c.openData(nil)
		if tc.want != nil {
			wantError(t, err, false, tc.want...)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []data.Info{train.Info(), test.Info()} {
			if s.H != tc.h || s.W != tc.w {
				t.Errorf("fit %q gives %dx%d, want %dx%d", tc.fit, s.H, s.W, tc.h, tc.w)
			}
		}
	}
}

func TestChannels(t *testing.T) {
	c := tiny(t)
	c.Model.Channels = 3
	_, _, err := c.openData(nil)
	wantError(t, err, false, "8x8x1", "8x8x3", "--channels 3", "--channels 1")
	c.Channels = 3
	train, _, err := c.openData(nil)
	if err != nil || train.Info().C != 3 {
		t.Errorf("%+v, %v", train, err)
	}
}

func TestHintOfBits(t *testing.T) {
	_, _, err := uniform(t, pictureFolder(t, 20, 6, 6, 1, mixed), 6, 6, 32).openData(nil)
	wantError(t, err, false, "with 256 intensities", "with 32", "--bits 8")
	c := tiny(t)
	c.Bits, c.Model.Intensities = 4, 16
	_, _, err = c.openData(nil)
	wantError(t, err, false, "17 intensities are no whole number of bits")
}

// TestValidationShare: the share that is held out is by file, the same for every seed.
func TestValidationShare(t *testing.T) {
	dir := pictureFolder(t, 400, 2, 2, 1, mixed)
	if err := os.Rename(filepath.Join(dir, "test"), filepath.Join(dir, "more")); err != nil {
		t.Fatal(err)
	}
	held := func(share float64, seed uint64) int {
		c := uniform(t, dir, 2, 2, 256)
		c.Validation, c.Seed = share, seed
		train, test, err := c.openData(nil)
		if err != nil || train.Info().N+test.Info().N != 400 {
			t.Fatalf("%v, %v, %v", train, test, err)
		}
		return test.Info().N
	}
	if n := held(0, 1); n < 20 || n > 60 || n != held(0.1, 2) {
		t.Errorf("%d of 400 held out, %d with another seed", n, held(0.1, 2))
	}
	if n := held(0.5, 1); n < 160 || n > 240 {
		t.Errorf("%d of 400 held out, want about half", n)
	}
}

func TestBadFiles(t *testing.T) {
	dir := pictureFolder(t, 40, 6, 6, 1, mixed)
	bad := filepath.Join(dir, "train", "class0", "0001.png")
	if err := os.WriteFile(bad, []byte("\x89PNG\r\n\x1a\nno more"), 0o666); err != nil {
		t.Fatal(err)
	}
	c := uniform(t, dir, 6, 6, 256)
	for _, c.BadFiles = range []string{"", "fail"} {
		_, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
		wantError(t, err, false, bad)
	}
	c.BadFiles = "skip"
	var out bytes.Buffer
	if _, err := Start(context.Background(), c, t.TempDir(), Env{Open: cpufallback.Open, Out: &out}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"note ", "left out: " + bad, "29 images to train on"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// TestNotesAreKeptFromResults: what is to be known about the data does not get into output that programs read.
func TestNotesAreKeptFromResults(t *testing.T) {
	var notes bytes.Buffer
	Env{Notes: &notes}.note("one\n")
	Env{}.note("two")
	if got := notes.String(); got != "note: one\n\n" {
		t.Errorf("noted %q", got)
	}
}

// TestAugmentation: flips and shifts change training, not what is held out, and a stopped run goes on with the very same.
func TestAugmentation(t *testing.T) {
	plain := tiny(t)
	plain.Steps, plain.EvalEvery, plain.SampleEvery, plain.CheckpointEvery = 6, 0, 0, 0
	flipped, shifted := plain, plain
	flipped.Flip, shifted.Shift = true, 2
	var scores []float64
	for _, c := range []Config{plain, flipped, shifted} {
		dir := start(t, c)
		s := checkpoint(t, dir)
		scores = append(scores, s.Position.Final.BitsPerDim)

		again := t.TempDir()
		if _, err := Start(&countdown{context.Background(), 3}, c, again, quiet()); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if _, err := Resume(context.Background(), again, func(*Config) {}, quiet()); err != nil {
			t.Fatal(err)
		}
		wantSameRun(t, again, dir)
	}
	if scores[0] == scores[1] || scores[0] == scores[2] || scores[1] == scores[2] {
		t.Errorf("runs without, with flips and with shifts score %v: alike", scores)
	}
}

func TestWorkersChangeNothing(t *testing.T) {
	c := tiny(t)
	one := start(t, c)
	c.Workers = 3
	three := start(t, c)
	a, b := checkpoint(t, one), checkpoint(t, three)
	for i, s := range a.c.Sections {
		for j, v := range s.Data {
			if v != b.c.Sections[i].Data[j] {
				t.Fatalf("%s[%d] is %v, not %v", s.Name, j, b.c.Sections[i].Data[j], v)
			}
		}
	}
}

// failing is a set one of whose images cannot be read.
type failing struct {
	*data.Set
	bad int
}

var errDisk = errors.New("input/output error")

func (f failing) Load(dst []float32, sample, i, n int) error {
	if sample == f.bad {
		return errDisk
	}
	return f.Set.Load(dst, sample, i, n)
}

func (f failing) Fill(dst []float32, from, n int) error {
	if from <= f.bad && f.bad < from+n {
		return errDisk
	}
	return f.Set.Fill(dst, from, n)
}

// TestUnreadableImage: a run that meets an image that cannot be read keeps all it has done, and goes on when that is mended.
func TestUnreadableImage(t *testing.T) {
	c := tiny(t)
	c.CheckpointEvery = 0
	straight := start(t, c)
	c = checkpoint(t, straight).Config // device and defaults filled in
	train, test, err := data.Digits()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name        string
		train, test data.Source
		step        int
	}{
		{"in training", failing{train, int(data.Order(train.N, c.Seed, 0, nil)[7*c.Batch])}, test, 7},
		{"in validation", train, failing{test, 40}, 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			be, err := openCPU(c.Device)
			if err != nil {
				t.Fatal(err)
			}
			defer be.Close()
			m, err := flowgpu.New(be, c.Model)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			r := &run{cfg: c, dir: filepath.Join(t.TempDir(), "run"), saved: -1, show: &display{out: &bytes.Buffer{}}}
			err = r.with(m, sources{tc.train, tc.test, tc.test}, func() error {
				return errors.Join(occupy(r.dir), r.initialise(), r.save(), r.loop(context.Background()))
			})
			wantError(t, err, false, fmt.Sprintf("step %d: ", tc.step), "input/output error", "train resume "+r.dir)
			if _, err := Resume(context.Background(), r.dir, func(*Config) {}, quiet()); err != nil {
				t.Fatal(err)
			}
			wantSameRun(t, r.dir, straight)
		})
	}
}
