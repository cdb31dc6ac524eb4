package plot

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"math"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

// dot of the page at a place of a panel's data.
func (f *Figure) dot(p placed, x, y float64) image.Point {
	px := float64(p.Min.X) + p.x.share(x)*float64(p.Size().X)
	py := float64(p.Min.Y) + p.y.share(y)*float64(p.Size().Y)
	return image.Pt(int(2*px), int(2*(float64(f.h)-py)))
}

func near(a, b color.Color, tolerance float64) bool {
	r, g, bl, _ := a.RGBA()
	u, v, w, _ := b.RGBA()
	off := func(p, q uint32) float64 { return math.Abs(float64(p)-float64(q)) / 257 }
	return off(r, u) <= tolerance && off(g, v) <= tolerance && off(bl, w) <= tolerance
}

// TestHeatIsWhereItIs: the colour at a point of the picture is that of the density there.
func TestHeatIsWhereItIs(t *testing.T) {
	plane := bentPlane(Grid{-5, 5, -3, 7, 300, 300}, Points{})
	f, err := Heat(plane)
	if err != nil {
		t.Fatal(err)
	}
	img := f.raster().Image()
	linear, nats := f.panels[0], f.panels[2]
	_, top, _ := span(plane.LogP)
	for _, at := range [][2]float64{{0, -1}, {1, -0.5}, {-2, 1}, {2, 1.5}, {3, 4.2}, {-3.5, 6.1}, {0, 5}} {
		logp := logBent(at[0], at[1])
		if got, want := img.At(f.dot(linear, at[0], at[1]).X, f.dot(linear, at[0], at[1]).Y), viridis(math.Exp(logp-top)); !near(got, want, 8) {
			t.Errorf("density at %v is drawn %v, want %v", at, got, want)
		}
		if got, want := img.At(f.dot(nats, at[0], at[1]).X, f.dot(nats, at[0], at[1]).Y), viridis((logp-top+depth)/depth); !near(got, want, 8) {
			t.Errorf("log-density at %v is drawn %v, want %v", at, got, want)
		}
	}
}

// TestUnitsAreEquallyLong: in pictures of the plane a unit of x and one of y take as many points, unless columns have nothing to do with
// each other.
func TestUnitsAreEquallyLong(t *testing.T) {
	z := normals(500, 1)
	x := z.through(bent)
	samples, err := Samples([2]string{}, x, x)
	if err != nil {
		t.Fatal(err)
	}
	heat, err := Heat(bentPlane(Grid{-4, 4, -3, 2, 20, 20}, x))
	if err != nil {
		t.Fatal(err)
	}
	grids, err := Grids(bentWarp())
	if err != nil {
		t.Fatal(err)
	}
	strip, err := Strip("", bentFrames(100))
	if err != nil {
		t.Fatal(err)
	}
	for name, panels := range map[string][]placed{
		"samples": samples.panels, "heat": {heat.panels[0], heat.panels[2]}, "grids": grids.panels, "strip": strip.panels,
	} {
		for i, p := range panels {
			ux, uy := float64(p.Size().X)/(p.x.high-p.x.low), float64(p.Size().Y)/(p.y.high-p.y.low)
			if math.Abs(ux/uy-1) > 1e-9 {
				t.Errorf("%s, panel %d: %g points are a unit of x, %g one of y", name, i, ux, uy)
			}
		}
	}
	wide := x.through(func(a, b float64) (float64, float64) { return 1000 * a, b })
	f, err := Samples([2]string{}, wide, wide)
	if err != nil {
		t.Fatal(err)
	}
	p := f.panels[0]
	if spanX := p.x.high - p.x.low; spanX > 15000 || p.Size().X < 200 {
		t.Errorf("a wide column is shown over %g on %g points", spanX, p.Size().X)
	}
}

// TestPanelsDoNotOverlap: frames, and what is written around them, keep to themselves and to the page.
func TestPanelsDoNotOverlap(t *testing.T) {
	for name, draw := range pictures(t) {
		f, err := draw()
		if err != nil {
			t.Fatal(err)
		}
		var boxes []vg.Rectangle
		for _, p := range f.panels {
			left, right, below, above := p.margins(p.Size().X, p.Size().Y)
			b := vg.Rectangle{Min: vg.Point{X: p.Min.X - left, Y: p.Min.Y - below}, Max: vg.Point{X: p.Max.X + right, Y: p.Max.Y + above}}
			if b.Min.X < 0 || b.Min.Y < 0 || b.Max.X > f.w || b.Max.Y > f.h {
				t.Errorf("%s: a panel at %v leaves the page of %v x %v", name, b, f.w, f.h)
			}
			if w := p.width(); p.Min.X+w > f.w {
				t.Errorf("%s: the words of the panel %q are %v wide and leave the page", name, p.title, w)
			}
			for _, o := range boxes {
				if b.Min.X < o.Max.X && o.Min.X < b.Max.X && b.Min.Y < o.Max.Y && o.Min.Y < b.Max.Y {
					t.Errorf("%s: panels at %v and %v overlap", name, b, o)
				}
			}
			boxes = append(boxes, b)
		}
	}
}

// TestDots: a point is where its coordinates say, and one outside is not drawn.
func TestDots(t *testing.T) {
	p := &panel{x: axis{low: 0, high: 10}, y: axis{low: 0, high: 10}}
	p.marks = []mark{dots{xs: []float64{2, 7, 11, math.NaN()}, ys: []float64{8, 3, 5, 5}, radius: 3, fill: orange()}}
	f := arrange([][]*panel{{p}}, layout{widths: []vg.Length{100}, heights: []vg.Length{100}})
	img := f.raster().Image()
	for _, at := range [][2]float64{{2, 8}, {7, 3}} {
		d := f.dot(f.panels[0], at[0], at[1])
		if !near(img.At(d.X, d.Y), orange(), 2) {
			t.Errorf("at %v the picture is %v", at, img.At(d.X, d.Y))
		}
	}
	count := 0
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if near(img.At(x, y), orange(), 2) {
				count++
			}
		}
	}
	if want := 2 * math.Pi * 36; math.Abs(float64(count)-want) > 0.25*want { // two discs of six pixels' radius, without their rims
		t.Errorf("%d pixels are of the points' colour, want about %.0f", count, want)
	}
}

// TestSlicesHoldEqualMass, of a map that rises and of one that falls.
func TestSlicesHoldEqualMass(t *testing.T) {
	c, _ := mixture(10)
	for k := range slicesOfMass + 1 {
		if got, want := at(c.X, c.CDF, c.place(k)), float64(k)/slicesOfMass; k > 0 && k < slicesOfMass && math.Abs(got-want) > 1e-9 {
			t.Errorf("left of slice %d there is %g of the mass", k, got)
		}
	}
	for i := range c.Z {
		c.Z[i] = -c.Z[i]
	}
	f, err := Map(c)
	if err != nil {
		t.Fatal(err)
	}
	img := f.raster().Image()
	base, below := f.panels[0], f.panels[2]
	for k := range slicesOfMass {
		want := sliceColour(k)
		a, b := c.place(k), c.place(k+1)
		x := (a + b) / 2
		if k == 0 || k == slicesOfMass-1 {
			continue // half of these is next to nothing high
		}
		px := f.dot(below, x, math.Exp(at(c.X, c.LogP, x))/2)
		z := (at(c.X, c.Z, a) + at(c.X, c.Z, b)) / 2
		pz := f.dot(base, math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)/2, z)
		if got := img.At(px.X, px.Y); !near(got, want, 3) {
			t.Errorf("slice %d under p(x) is %v, want %v", k, got, want)
		}
		if got := img.At(pz.X, pz.Y); !near(got, want, 3) {
			t.Errorf("slice %d beside z is %v, want %v", k, got, want)
		}
	}
}

// TestMovie: pictures that hold only what changed add up to whole ones, from the first frame to the last.
func TestMovie(t *testing.T) {
	frames := bentFrames(300)
	var b bytes.Buffer
	if err := Movie(&b, frames); err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := Movie(&again, frames); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("a second time the movie differs (%v)", err)
	}
	g, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	if want := len(frames) + (len(frames)-1)*between; len(g.Image) != want {
		t.Fatalf("%d pictures, want %d", len(g.Image), want)
	}
	if first, last := g.Delay[0], g.Delay[len(g.Delay)-1]; first != still || last != ending || g.Delay[1] != moving {
		t.Errorf("delays are %v", g.Delay)
	}
	shown := slices.Clone(g.Image[0].Pix)
	for _, p := range g.Image[1:] {
		for i, v := range p.Pix {
			if v != 0 {
				shown[i] = v
			}
		}
	}
	fills := quarters(frames[0].Points)
	windows, err := windowsOf(frames)
	if err != nil {
		t.Fatal(err)
	}
	page := layout{widths: []vg.Length{movieSide}, heights: []vg.Length{movieSide}}
	for _, f := range frames {
		page.right = max(page.right, framePanel(f, windows[0], fills, movieSide).width()-movieSide)
	}
	last := arrange([][]*panel{{framePanel(frames[2], windows[2], fills, movieSide)}}, page)
	want := quantised(last.raster().Image(), palette(fills))
	if !bytes.Equal(shown, want.Pix) {
		t.Error("the pictures do not add up to the last frame")
	}
	off := 0.0
	whole := last.raster().Image()
	for i, v := range want.Pix {
		c := want.Palette[v].(color.NRGBA)
		r, g, bl, _ := whole.At(i%want.Stride, i/want.Stride).RGBA()
		off += math.Abs(float64(c.R)-float64(r>>8)) + math.Abs(float64(c.G)-float64(g>>8)) + math.Abs(float64(c.B)-float64(bl>>8))
	}
	if off /= float64(3 * len(want.Pix)); off > 1 {
		t.Errorf("colours are off by %g of 255 on average", off)
	}
}

// TestMovieOfSizes: frames that are each seen through a window of their own, with names of ticks as wide as it takes, give pictures of
// one size.
func TestMovieOfSizes(t *testing.T) {
	frames := bentFrames(50)
	frames[1].Points = frames[1].through(func(a, b float64) (float64, float64) { return 1e5 * a, 1e-4 * b })
	frames[2].Points = frames[2].through(func(a, b float64) (float64, float64) { return a, 12345 * b })
	frames[2].Name = strings.Repeat("a long name ", 6)
	var b bytes.Buffer
	if err := Movie(&b, frames); err != nil {
		t.Fatal(err)
	}
	g, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range g.Image {
		if p.Rect != g.Image[0].Rect || p.Rect.Dx() != g.Config.Width {
			t.Errorf("picture %d is %v, the first %v", i, p.Rect, g.Image[0].Rect)
		}
	}
}

// TestQuarters: the colours are shared out evenly, and say quarter and distance.
func TestQuarters(t *testing.T) {
	p := normals(4000, 9)
	fills := quarters(p)
	count := map[color.NRGBA]int{}
	for _, c := range fills {
		count[c]++
	}
	if len(count) != 8 {
		t.Fatalf("%d colours", len(count))
	}
	for c, n := range count {
		if n < 400 || n > 600 {
			t.Errorf("%d of 4000 points are %v", n, c)
		}
	}
}

// TestWindows: frames of one size are seen through one window, frames that would be tiny in it each through its own.
func TestWindows(t *testing.T) {
	frames := bentFrames(500)
	w, err := windowsOf(frames)
	if err != nil || !same(w) {
		t.Errorf("windows %v, %v", w, err)
	}
	frames[2].Points = frames[2].through(func(a, b float64) (float64, float64) { return 100 * a, 100 * b })
	if w, err = windowsOf(frames); err != nil || same(w) || w[0].x1 > 10 || w[2].x1 < 100 {
		t.Errorf("windows %v, %v", w, err)
	}
}

// TestBadArrays: what cannot be drawn is an error that says why.
func TestBadArrays(t *testing.T) {
	c, data := mixture(50)
	short, falling, noMap := c, c, c
	short.CDF = c.CDF[1:]
	falling.X = slices.Clone(c.X)
	falling.X[3] = -9
	noMap.Z, noMap.LogSlope = nil, nil
	plane := bentPlane(Grid{-1, 1, -1, 1, 5, 5}, Points{})
	wrong, nan := plane, plane
	wrong.LogP = plane.LogP[1:]
	nan.LogP = slices.Repeat([]float64{math.NaN()}, 25)
	uneven := table(20)
	uneven[1].Samples = uneven[1].Samples[1:]
	frames := bentFrames(20)
	frames[1].Points = normals(5, 1)
	warp := bentWarp()
	warp.DataImage = PointsOf(nil)
	errOf := func(_ *Figure, err error) error { return err }
	for want, err := range map[string]error{
		"CDF has 1600 values at 1601 places":  errOf(Density(short, data)),
		"ascending":                           errOf(CDF(falling, data)),
		"no flow has no map":                  errOf(Map(noMap)),
		"no data to draw":                     errOf(Density(c, nil)),
		"24 values on a grid of 5 x 5":        errOf(Heat(wrong)),
		"the density has no finite values":    errOf(Heat(nan)),
		"no points to draw":                   errOf(Samples([2]string{}, Points{}, Points{})),
		`"depth (%)" has 20 values and 19`:    errOf(Pairs(uneven)),
		"no columns":                          errOf(Marginals("", nil)),
		`"inverse of scale" has 5 points`:     errOf(Strip("", frames)),
		"two frames":                          Movie(&bytes.Buffer{}, frames[:1]),
		"0 points for 17 lines of 200":        errOf(Grids(warp)),
		"no stages":                           errOf(Stages(c, nil)),
		`stage "x" has 0 places and 0 densit`: errOf(Stages(c, []Stage{{Name: "x"}})),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestHolesAreLeftOut: a model may have no density beyond its base's support, and no latent.
func TestHolesAreLeftOut(t *testing.T) {
	c, data := mixture(100)
	for i := range 300 {
		c.LogP[i], c.Z[i], c.LogSlope[i] = math.Inf(-1), math.NaN(), math.NaN()
		c.LogP[1600-i], c.Z[1600-i], c.LogSlope[1600-i] = math.Inf(-1), math.Inf(1), math.Inf(-1)
	}
	for name, draw := range map[string]func() (*Figure, error){
		"density": func() (*Figure, error) { return Density(c, data) },
		"map":     func() (*Figure, error) { return Map(c) },
		"stages":  func() (*Figure, error) { return Stages(c, []Stage{{"data", c.X, c.LogP}, {"z", c.Z, c.LogP}}) },
	} {
		f, err := draw()
		if got := readable(written(t, f, err, "svg"), "svg", f); got != "" {
			t.Errorf("%s: %s", name, got)
		}
	}
	p := bentPlane(Grid{-5, 5, -3, 7, 50, 50}, Points{})
	for i := range 1000 {
		p.LogP[i] = math.NaN()
	}
	f, err := Heat(p)
	written(t, f, err, "png")

	z, columns := normals(100, 1), table(100)
	z.X[3], z.Y[5], columns[1].Samples[7] = math.NaN(), math.Inf(1), math.NaN()
	f, err = Samples([2]string{"a", "b"}, normals(100, 2), z)
	written(t, f, err, "png")
	f, err = Pairs(columns)
	if text := string(written(t, f, err, "svg")); strings.Contains(text, "KS NaN") || readable([]byte(text), "svg", f) != "" {
		t.Error("one sample that is no number spoils the picture of pairs")
	}
}
