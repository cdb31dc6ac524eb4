package train

import (
	"context"
	"encoding/csv"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"cuflow/flowgpu/data"
)

// table reads a file of scores.
func table(t *testing.T, path string) (names []string, logp []float64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || !slices.Equal(rows[0], []string{"name", "logp", "bits_per_dim"}) {
		t.Fatalf("%v, %v", rows, err)
	}
	for _, row := range rows[1:] {
		v, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		bits, err := strconv.ParseFloat(row[2], 64)
		if err != nil || math.Abs(bits+v/(64*math.Ln2)) > 1e-6 {
			t.Errorf("%v: %v", row, err)
		}
		names, logp = append(names, row[0]), append(logp, v)
	}
	return names, logp
}

// TestRate: one by one, images score what eval says of all, whichever way they are given.
func TestRate(t *testing.T) {
	ctx, dir := context.Background(), start(t, tiny(t))
	out := filepath.Join(dir, "scores.csv")
	want, err := Evaluate(ctx, dir, Detail{}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	r, err := Rate(ctx, dir, Rating{Images: []string{"test"}, CSV: out, Best: 3, Worst: 2, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if r.N != 300 || math.Abs(r.BitsPerDim-want.BitsPerDim) > 1e-12 || math.Abs(r.Stderr-want.Stderr) > 1e-12 || math.Abs(r.Nats-want.Nats) > 1e-9 {
		t.Errorf("%+v, evaluated %+v", r.Score, want.Score)
	}
	names, logp := table(t, out)
	if len(names) != 300 || names[0] != "test:0" || names[299] != "test:299" {
		t.Fatalf("%d names, %v ...", len(names), names[:3])
	}
	order := slices.Clone(logp)
	slices.Sort(order)
	extremes := func(list []RatedImage) (v []float64) {
		for _, i := range list {
			v = append(v, math.Round(1e4*i.LogP))
			at := slices.Index(names, i.Name)
			if at < 0 || math.Abs(logp[at]-i.LogP) > 1e-4 {
				t.Errorf("%s is not at %v", i.Name, i.LogP)
			}
		}
		return v
	}
	round := func(v ...float64) (w []float64) {
		for _, x := range v {
			w = append(w, math.Round(1e4*x))
		}
		return w
	}
	if got := extremes(r.Best); !slices.Equal(got, round(order[299], order[298], order[297])) {
		t.Errorf("best %v of %v", got, order[295:])
	}
	if got := extremes(r.Worst); !slices.Equal(got, round(order[0], order[1])) {
		t.Errorf("worst %v of %v", got, order[:5])
	}

	// Single images, a file of one, and a data set beside another.
	one := func(image string, seed *uint64) float64 {
		t.Helper()
		r, err := Rate(ctx, dir, Rating{Images: []string{image}, Seed: seed, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
		if err != nil || r.N != 1 || r.Stderr != 0 || len(r.Best)+len(r.Worst) != 0 {
			t.Fatalf("%s: %+v, %v", image, r, err)
		}
		return -r.Nats
	}
	if got := one("test:7", nil); math.Abs(got-logp[7]) > 1e-4 {
		t.Errorf("test:7 alone scores %v, among others %v", got, logp[7])
	}
	if got := one(digitFile(t, 0), nil); math.Abs(got-logp[0]) > 1e-4 {
		t.Errorf("a file of test:0 scores %v, the digit %v", got, logp[0])
	}
	seed := uint64(99)
	if got := one("test:7", &seed); got == one("test:7", nil) {
		t.Errorf("other noise scores %v too", got)
	}
	_, err = Rate(ctx, dir, Rating{Images: []string{"digits", "test:5"}, CSV: out, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if all, _ := table(t, out); len(all) != 1798 || all[0] != "digits train:0" || all[1797] != "test:5" || all[1796] != "digits test:299" {
		t.Errorf("%d images, from %s to %s", len(all), all[0], all[len(all)-1])
	}
}

func TestRateFolder(t *testing.T) {
	ctx, dir := context.Background(), start(t, tiny(t))
	a, b := digitFile(t, 0), digitFile(t, 1)
	folder := t.TempDir()
	for name, from := range map[string]string{"b.png": b, "a/x.png": a} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(from, filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	out, picture := filepath.Join(dir, "s.csv"), filepath.Join(dir, "s.png")
	r, err := Rate(ctx, dir, Rating{Images: []string{folder}, CSV: out, Best: 5, Worst: 1, Picture: picture, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
	if err != nil || len(r.Best) != 2 || len(r.Worst) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if names, _ := table(t, out); !slices.Equal(names, []string{filepath.Join(folder, "a", "x.png"), filepath.Join(folder, "b.png")}) {
		t.Errorf("names %v", names)
	}
	// Two images beside one, each under its title; the brightest pixels are the images'.
	if s := readPNG(t, picture).Bounds().Size(); s.X < gridWidth || s.Y < strip+8 {
		t.Errorf("the picture is %v", s)
	}
}

// TestRateClasses: a class-conditional model scores a picture as of the class that is given, and held-out images as of theirs.
func TestRateClasses(t *testing.T) {
	ctx, dir := context.Background(), conditional(t)
	_, test, err := data.Digits()
	if err != nil {
		t.Fatal(err)
	}
	file := digitFile(t, 0)
	rate := func(image string, class int) (float64, error) {
		r, err := Rate(ctx, dir, Rating{Images: []string{image}, Picking: Picking{Class: class}}, Use{}, quiet())
		if err != nil {
			return 0, err
		}
		return -r.Nats, nil
	}
	own, err := rate("test:0", AllClasses)
	if err != nil {
		t.Fatal(err)
	}
	label := int(test.Labels[0])
	if got, err := rate(file, label); err != nil || math.Abs(got-own) > 1e-4 {
		t.Errorf("as of its class %v, with its label %v; %v", got, own, err)
	}
	if got, err := rate(file, (label+1)%10); err != nil || math.Abs(got-own) < 1e-3 {
		t.Errorf("as of another class %v, with its label %v; %v", got, own, err)
	}
	_, err = rate(file, AllClasses)
	wantError(t, err, true, file, "--class")
	_, err = rate(file, 10)
	wantError(t, err, true, "--class is 10", "0 to 9")
}

func TestRateErrors(t *testing.T) {
	ctx, dir := context.Background(), start(t, tiny(t))
	large := pictureFile(t, image.NewGray(image.Rect(0, 0, 9, 8)))
	out := filepath.Join(dir, "out.csv")
	for _, tc := range []struct {
		name   string
		image  string
		change func(*Rating)
		usage  bool
		want   []string
	}{
		{"best", "test", func(r *Rating) { r.Best = -1 }, true, []string{"--best is -1"}},
		{"worst", "test", func(r *Rating) { r.Worst = maxGrid + 1 }, true, []string{"--worst is 4097"}},
		{"nothing to show", "test", func(r *Rating) { r.Picture = "x.png" }, true, []string{"--out", "--best and --worst"}},
		{"class", "test", func(r *Rating) { r.Class = 3 }, true, []string{"--class is 3", "no classes"}},
		{"missing", "nowhere", func(*Rating) {}, false, []string{"nowhere", "no such file or folder"}},
		{"size", large, func(*Rating) {}, false, []string{large, "8x9", "crop, resize or pad"}},
		{"index", "test:-1", func(*Rating) {}, true, []string{"test:-1", "test:299"}},
		{"empty folder", t.TempDir(), func(*Rating) {}, false, []string{"no pictures"}},
		{"csv", "test", func(r *Rating) { r.CSV = filepath.Join(dir, "none", "s.csv") }, false, []string{"s.csv"}},
		{"picture", "test", func(r *Rating) { r.Best, r.Picture = 1, filepath.Join(dir, "none", "s.png") }, false, []string{"s.png"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := Rating{Images: []string{tc.image}, Picking: Picking{Class: AllClasses}}
			tc.change(&r)
			_, err := Rate(ctx, dir, r, Use{}, quiet())
			wantError(t, err, tc.usage, tc.want...)
		})
	}
	// What is no number goes to the file, and fails.
	r := Rating{Images: []string{"test"}, CSV: out, Best: 2, Picture: filepath.Join(dir, "p.png"), Picking: Picking{Class: AllClasses}}
	_, err := Rate(ctx, breakModel(t, dir), r, Use{}, quiet())
	wantError(t, err, false, "300 of 300 images", "not finite", "test:0")
	names, logp := table(t, out)
	if len(names) != 300 || !math.IsNaN(logp[299]) {
		t.Errorf("%d lines, the last says %v", len(names), logp[len(logp)-1])
	}
	if _, err := Rate(&countdown{ctx, 2}, dir, Rating{Images: []string{"test"}, CSV: out, Picking: Picking{Class: AllClasses}}, Use{}, quiet()); err != ErrInterrupted {
		t.Errorf("stopped: %v", err)
	}
	if again, _ := table(t, out); len(again) != 300 {
		t.Error("an interrupted command left a part of a file")
	}
}
