package plot

import (
	"bytes"
	"fmt"
	"image/gif"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg"
)

// drift is a Gaussian that goes from the origin to (2, 1) and becomes narrower, in n moments.
func drift(g Grid, n int) (all []Moment) {
	for k := range n {
		t := float64(k) / float64(n-1)
		cx, cy, s := 2*t, t, 1-t/2
		m := Moment{Name: fmt.Sprintf("t = %.2f", 1-t), Points: Points{[]float64{cx, cx + s}, []float64{cy, cy - s}}}
		for p := g.Points(); len(p) > 0; p = p[2:] {
			x, y := (p[0]-cx)/s, (p[1]-cy)/s
			m.LogP = append(m.LogP, -(x*x+y*y)/2-2*math.Log(s))
		}
		all = append(all, m)
	}
	return all
}

// TestMoments: each panel shows the density of its time in full colours, the particles where they are then, and where they have been.
func TestMoments(t *testing.T) {
	g := Grid{-3, 4, -3, 4, 80, 80}
	all := drift(g, 7)
	f, err := Moments("A title", g, all)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.panels) != 7 {
		t.Fatalf("%d panels", len(f.panels))
	}
	img := f.raster().Image()
	for k, p := range f.panels {
		m := all[k]
		at := f.dot(p, m.X[0], m.Y[0])
		if got := img.At(at.X, at.Y); !near(got, orange(), 8) {
			t.Errorf("%s: a particle is drawn %v", m.Name, got)
		}
		s := 1 - float64(k)/12
		at = f.dot(p, m.X[0]-s, m.Y[0]-s) // away from all particles and their ways
		if got, want := img.At(at.X, at.Y), viridis(math.Exp(-1-2*math.Log(s)-brightest(m.LogP))); !near(got, want, 8) {
			t.Errorf("%s: the density is drawn %v, want %v", m.Name, got, want)
		}
	}
	last := f.panels[6]
	on, off := f.dot(last, 0.5, 0.25), f.dot(last, 0.5, 0.9)
	if r, _, _, _ := img.At(on.X, on.Y).RGBA(); r>>8 < 120 {
		t.Errorf("where the first particle has been is drawn %v", img.At(on.X, on.Y))
	}
	if r, _, _, _ := img.At(off.X, off.Y).RGBA(); r>>8 > 90 {
		t.Errorf("where none has been is drawn %v", img.At(off.X, off.Y))
	}
}

// TestBrightest: a spike, and places without a density, leave the colours of all other places as they are.
func TestBrightest(t *testing.T) {
	logp := make([]float64, 1000)
	for i := range logp {
		logp[i] = float64(i) / 1000
	}
	if got := brightest(logp); got < 0.99 || got > 0.999 {
		t.Errorf("from %v on", got)
	}
	was := brightest(logp)
	logp[3], logp[4] = 50, math.Inf(-1)
	if got := brightest(logp); math.Abs(got-was) > 0.003 {
		t.Errorf("a spike takes it from %v to %v", was, got)
	}
}

// TestPassing: pictures that hold only what changed add up to the whole last one, and the same moments give the same bytes.
func TestPassing(t *testing.T) {
	g := Grid{-3, 4, -2, 3, 40, 30}
	all := drift(g, 5)
	var b, again bytes.Buffer
	if err := Passing(&b, g, all); err != nil {
		t.Fatal(err)
	}
	if err := Passing(&again, g, all); err != nil || !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Errorf("a second time it differs (%v)", err)
	}
	movie, err := gif.DecodeAll(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(movie.Image) != 5 || movie.Delay[0] != ending || movie.Delay[1] != standing || movie.Delay[4] != ending {
		t.Fatalf("%d pictures, delays %v", len(movie.Image), movie.Delay)
	}
	shown := movie.Image[0].Pix
	for _, p := range movie.Image[1:] {
		for i, v := range p.Pix {
			if v != 0 {
				shown[i] = v
			}
		}
	}
	w, h := momentSides(g)
	page := layout{widths: []vg.Length{w}, heights: []vg.Length{h}}
	for i := range all {
		p := momentPanel(g, all[:i+1])
		left, right, _, _ := p.margins(w, h)
		page.left, page.right = max(page.left, left), max(page.right, right, p.width()-w)
	}
	want := quantised(arrange([][]*panel{{momentPanel(g, all)}}, page).raster().Image(), momentPalette())
	if !bytes.Equal(shown, want.Pix) {
		t.Error("the pictures do not add up to the last moment")
	}
}

func TestBadMoments(t *testing.T) {
	g := Grid{-3, 4, -2, 3, 9, 9}
	for want, change := range map[string]func(all []Moment) []Moment{
		"two moments":      func(all []Moment) []Moment { return all[:1] },
		"80 values":        func(all []Moment) []Moment { all[1].LogP = all[1].LogP[1:]; return all },
		"has 1 particles":  func(all []Moment) []Moment { all[2].Points = PointsOf([]float64{0, 0}); return all },
		"no finite values": func(all []Moment) []Moment { all[0].LogP = nan(81); return all },
	} {
		if _, err := Moments("", g, change(drift(g, 3))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
		if err := Passing(&bytes.Buffer{}, g, change(drift(g, 3))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func nan(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = math.NaN()
	}
	return v
}
