package curves

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

// falling is like a loss: far too high in its first steps, and then ever slower down to 1.
func falling(points int) Series {
	s := Series{Name: "falling"}
	for i := range points {
		x := float64(10 * (i + 1))
		s.add(x, 1+6*math.Exp(-x/40)+math.Exp(-x/300))
	}
	return s
}

func constant(value float64) Series {
	return Series{Name: "constant", Steps: []float64{0, 100}, Values: []float64{value, value}}
}

// TestFirstStepsAreCut: beside nearly all of the values, and all of the last ones, the axis shows little.
func TestFirstStepsAreCut(t *testing.T) {
	s := falling(200)
	p, err := Plot("", "steps", "bits/dim", []Series{s})
	if err != nil {
		t.Fatal(err)
	}
	shown := 0
	for _, v := range s.Values {
		if v >= p.Y.Min && v <= p.Y.Max {
			shown++
		}
	}
	if shown < 190 || p.Y.Max > 2.5 || p.Y.Min > slices.Min(s.Values) || p.Y.Min < 0.9 {
		t.Errorf("the axis from %g to %g shows %d of 200 values, from %g to %g", p.Y.Min, p.Y.Max, shown, slices.Min(s.Values), slices.Max(s.Values))
	}
	if p.X.Min != 0 || p.X.Max != 2000 {
		t.Errorf("the steps go from %g to %g", p.X.Min, p.X.Max)
	}
}

func TestNothingIsCutInVain(t *testing.T) {
	line := Series{Name: "line", Steps: []float64{1, 2, 3, 4}, Values: []float64{4, 3, 2, 1}}
	p, err := Plot("", "", "", []Series{line, constant(2)})
	if err != nil {
		t.Fatal(err)
	}
	if p.Y.Min > 1 || p.Y.Max < 4 {
		t.Errorf("values from 1 to 4 are cut to %g to %g", p.Y.Min, p.Y.Max)
	}
}

func TestBadCurves(t *testing.T) {
	for name, bad := range map[string][]Series{
		"nothing to plot":                        {{Name: "x"}, {Name: "y", Dashed: true}},
		`"x" has 2 steps and 1 values`:           {{Name: "x", Steps: []float64{1, 2}, Values: []float64{1}}},
		`"x" has the value NaN at step 2`:        {{Name: "x", Steps: []float64{2}, Values: []float64{math.NaN()}}},
		`"x" has the value +Inf at step 2`:       {{Name: "x", Steps: []float64{2}, Values: []float64{math.Inf(1)}}},
		`"x" has the value 1 at step +Inf`:       {{Name: "x", Steps: []float64{math.Inf(1)}, Values: []float64{1}}},
		`"x" has the value 1 at step -1`:         {{Name: "x", Steps: []float64{-1}, Values: []float64{1}}},
		"beyond 1e30":                            {constant(1e31)},
		`curve "y" has the value NaN at step 10`: {falling(3), {Name: "y", Steps: []float64{10}, Values: []float64{math.NaN()}}},
	} {
		if _, err := Plot("", "", "", bad); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("want %q, got %v", name, err)
		}
	}
}

func drawn(t *testing.T, title string, w, h vg.Length, s ...Series) image.Image {
	t.Helper()
	p, err := Plot(title, "steps", "bits/dim", s)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "curves.png")
	if err := WritePNG(path, p, w, h); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// pixels are those of a picture that have one colour.
func pixels(img image.Image, c color.Color) (all []image.Point) {
	want := color.RGBAModel.Convert(c)
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if color.RGBAModel.Convert(img.At(x, y)) == want {
				all = append(all, image.Pt(x, y))
			}
		}
	}
	return all
}

// TestLegendIsBesideTheCurves: a flat curve crosses the picture's middle; the names, above it, begin right of its end.
func TestLegendIsBesideTheCurves(t *testing.T) {
	img := drawn(t, "", 6*vg.Inch, 3*vg.Inch, constant(2))
	if got, want := img.Bounds().Size(), image.Pt(6*dotsPerInch, 3*dotsPerInch); got != want {
		t.Fatalf("the picture is %v, want %v", got, want)
	}
	end := 0
	for _, p := range pixels(img, faint(0)) {
		if p.Y > 100 { // below the legend
			end = max(end, p.X)
		}
	}
	names := 0
	for _, p := range pixels(img, color.Gray{Y: 40}) {
		if p.Y < 100 && p.X > img.Bounds().Dx()/2 {
			names++
			if p.X <= end {
				t.Fatalf("a name at %v, the curve goes to %d", p, end)
			}
		}
	}
	if end < img.Bounds().Dx()/2 || names == 0 {
		t.Errorf("the curve ends at %d, the names have %d pixels", end, names)
	}
}

// TestColours: a validation is in the darker tone of its training; another run is in another hue.
func TestColours(t *testing.T) {
	dashed := func(v float64) Series { s := constant(v); s.Dashed = true; return s }
	img := drawn(t, "two runs", 6*vg.Inch, 3*vg.Inch, constant(1), dashed(2), constant(3), dashed(4))
	height := func(c color.Color) (sum int) { // of the curve, above the picture's lower edge
		all := slices.DeleteFunc(pixels(img, c), func(p image.Point) bool { return p.X > img.Bounds().Dx()/2 })
		for _, p := range all {
			sum += img.Bounds().Dy() - p.Y
		}
		return sum / max(1, len(all))
	}
	got := []int{height(faint(0)), height(strong(0)), height(faint(1)), height(strong(1))}
	if got[0] == 0 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != 4 {
		t.Errorf("curves of 1, 2, 3, 4 are at heights %v", got)
	}
	if n := len(pixels(img, faint(2))) + len(pixels(img, strong(2))); n > 0 {
		t.Errorf("%d pixels of a third hue", n)
	}
}

// TestOddCurves: whatever is finite is drawn.
func TestOddCurves(t *testing.T) {
	one := Series{Name: "one", Steps: []float64{0}, Values: []float64{0}}
	close := Series{Name: "close", Steps: []float64{1, 2}, Values: []float64{1, math.Nextafter(1, 2)}}
	wide := Series{Name: "wide", Steps: []float64{1, 1e30}, Values: []float64{-1e30, 1e30}}
	fine := Series{Name: "fine", Steps: []float64{1, 2}, Values: []float64{1e-300, 2e-300}}
	for _, s := range []Series{one, close, wide, fine, constant(0), constant(-5), constant(1e30)} {
		if n := len(pixels(drawn(t, s.Name, 4*vg.Inch, 3*vg.Inch, s), faint(0))); n < 10 {
			t.Errorf("%s: %d pixels", s.Name, n)
		}
	}
}

func TestBadPictures(t *testing.T) {
	p, err := Plot("", "", "", []Series{falling(5)})
	if err != nil {
		t.Fatal(err)
	}
	for _, side := range []vg.Length{0, -1, vg.Length(math.NaN()), vg.Length(math.Inf(1)), 1e9} {
		if err := WritePNG(filepath.Join(t.TempDir(), "x.png"), p, 4*vg.Inch, side); err == nil || !strings.Contains(err.Error(), "from 1 to 40") {
			t.Errorf("height %v gives %v", side, err)
		}
	}
	if err := WritePNG(filepath.Join(t.TempDir(), "none", "x.png"), p, 4*vg.Inch, 3*vg.Inch); err == nil || !strings.Contains(err.Error(), "none") {
		t.Errorf("no such folder gives %v", err)
	}
	long := falling(5)
	long.Name = strings.Repeat("long ", 30)
	if p, err = Plot("", "", "", []Series{long}); err != nil {
		t.Fatal(err)
	}
	if err := WritePNG(filepath.Join(t.TempDir(), "x.png"), p, 4*vg.Inch, 3*vg.Inch); err == nil || !strings.Contains(err.Error(), "names of the curves") {
		t.Errorf("a long name gives %v", err)
	}
}

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		low, high float64
		want      string
	}{
		{0, 2000, "0 500 1,000 1,500 2,000"},
		{0, 100000, "0 20,000 40,000 60,000 80,000 100,000"},
		{0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{1.38, 2.42, "1.4 1.6 1.8 2.0 2.2 2.4"},
		{1.38, 4.82, "1.5 2.0 2.5 3.0 3.5 4.0 4.5"},
		{-1500, 1500, "-1,500 -1,000 -500 0 500 1,000 1,500"},
		{1.001, 1.0023, "1.0010 1.0012 1.0014 1.0016 1.0018 1.0020 1.0022"},
		{0, 4e9, "0 5e+08 1e+09 1.5e+09 2e+09 2.5e+09 3e+09 3.5e+09 4e+09"},
	} {
		var got []string
		for _, tick := range (ticks{}).Ticks(tc.low, tc.high) {
			got = append(got, tick.Label)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("from %g to %g: %q, want %q", tc.low, tc.high, got, tc.want)
		}
	}
}
