package plot

import (
	"image/color"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, tc := range []struct {
		low, high float64
		most      int
		want      string
	}{
		{0, 1, 6, "0 0.2 0.4 0.6 0.8 1.0"},
		{-4, 4.5, 9, "-4 -3 -2 -1 0 1 2 3 4"},
		{-1500, 1500, 7, "-1,500 -1,000 -500 0 500 1,000 1,500"},
		{1.001, 1.0023, 7, "1.0010 1.0012 1.0014 1.0016 1.0018 1.0020 1.0022"},
		{0, 4e9, 3, "0 2e+09 4e+09"},
		{2e-9, 6e-9, 4, "2e-09 3e-09 4e-09 5e-09 6e-09"},
		{0.31, 0.33, 2, "0.31 0.32 0.33"},
		{1, 1, 5, ""}, {2, 1, 5, ""}, {0, math.Inf(1), 5, ""}, {math.NaN(), 1, 5, ""},
	} {
		var got []string
		for _, tick := range ticks(tc.low, tc.high, tc.most) {
			got = append(got, tick.name)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("from %g to %g: %q, want %q", tc.low, tc.high, got, tc.want)
		}
	}
}

// TestViridis: it grows lighter in equal steps, by the lightness L* of CIELAB.
func TestViridis(t *testing.T) {
	if a, b := viridis(-1), viridis(2); a != (color.NRGBA{0x44, 0x01, 0x54, 255}) || b != (color.NRGBA{0xfd, 0xe7, 0x25, 255}) {
		t.Errorf("the ends are %v and %v", a, b)
	}
	lightness := func(c color.NRGBA) float64 {
		linear := func(v uint8) float64 {
			u := float64(v) / 255
			if u <= 0.04045 {
				return u / 12.92
			}
			return math.Pow((u+0.055)/1.055, 2.4)
		}
		return 116*math.Cbrt(0.2126*linear(c.R)+0.7152*linear(c.G)+0.0722*linear(c.B)) - 16
	}
	low, high := lightness(viridis(0)), lightness(viridis(1))
	for i := range 101 {
		s := float64(i) / 100
		if got, want := lightness(viridis(s)), low+s*(high-low); math.Abs(got-want) > 3 {
			t.Errorf("at %g the lightness is %g, want %g", s, got, want)
		}
	}
}

func TestHistogram(t *testing.T) {
	h := NewHistogram([]float64{0, 0.1, 0.5, 0.99, 1, 7, -3, math.NaN()}, 0, 1, 2)
	if len(h.Edges) != 3 || h.Edges[1] != 0.5 || math.Abs(h.Density[0]-2*2/8.) > 1e-15 || math.Abs(h.Density[1]-2*3/8.) > 1e-15 {
		t.Errorf("%+v", h)
	}
	r := rand.New(rand.NewPCG(1, 2))
	values := make([]float64, 5000)
	for i := range values {
		values[i] = r.NormFloat64()
	}
	if n := bins(values, -3, 3); n < 50 || n > 90 {
		t.Errorf("%d bins for 5000 normal values", n)
	}
	if n := bins(make([]float64, 10), -1, 1); n != 80 {
		t.Errorf("%d bins for a constant", n)
	}
	if n := bins(nil, 0, 1); n != 10 {
		t.Errorf("%d bins for nothing", n)
	}
}

func TestDistance(t *testing.T) {
	if d := Distance([]float64{1, 2, 3, 4}, []float64{4, 3, 2, 1}); d != 0 {
		t.Errorf("equal samples are %g apart", d)
	}
	if d := Distance([]float64{1, 2}, []float64{3, 4}); d != 1 {
		t.Errorf("separate samples are %g apart", d)
	}
	if d := Distance([]float64{1, 2, 3, 4}, []float64{2.5, 2.6, 2.7, 2.8}); d != 0.5 {
		t.Errorf("got %g, want 0.5", d)
	}
	if d := Distance([]float64{1, math.NaN(), 2}, []float64{2, 1, math.Inf(1)}); d != 0 {
		t.Errorf("with holes they are %g apart", d)
	}
	if d := Distance([]float64{math.NaN()}, []float64{2}); !math.IsNaN(d) {
		t.Errorf("from nothing it is %g", d)
	}
	if d := DistanceTo([]float64{0.9, 0.1}, func(x float64) float64 { return x }); math.Abs(d-0.4) > 1e-15 {
		t.Errorf("got %g, want 0.4", d)
	}
}

// TestUsual: in 95 of 100 cases, within what chance allows, samples of one distribution stay below.
func TestUsual(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	draw := func(n int) []float64 {
		v := make([]float64, n)
		for i := range v {
			v[i] = r.Float64()
		}
		return v
	}
	const cases = 2000
	two, one := 0, 0
	for range cases {
		a, b := draw(200), draw(300)
		if Distance(a, b) < Usual(200, 300) {
			two++
		}
		if DistanceTo(a, func(x float64) float64 { return x }) < Usual(200, 0) {
			one++
		}
	}
	for _, n := range []int{two, one} {
		if share := float64(n) / cases; share < 0.935 || share > 0.98 { // the limit law is a little high for few values
			t.Errorf("%g of the cases are below", share)
		}
	}
}

// TestGrid: values are found again where they belong, and straight lines between.
func TestGrid(t *testing.T) {
	g := Grid{X0: -1, X1: 3, Y0: 2, Y1: 4, NX: 5, NY: 3}
	if g.X(4) != 3 || g.Y(2) != 4 || g.Cell() != 1 || g.Len() != 15 {
		t.Errorf("%g %g %g", g.X(4), g.Y(2), g.Cell())
	}
	at := g.Points()
	if at[2*7] != 1 || at[2*7+1] != 3 { // row 1, column 2
		t.Errorf("point 7 is at %v", at[14:16])
	}
	values := make([]float64, g.Len())
	for i := range values {
		values[i] = 2*at[2*i] - 3*at[2*i+1]
	}
	for _, p := range [][2]float64{{-1, 2}, {3, 4}, {0.3, 2.9}, {2.99, 3.01}} {
		if got, want := g.between(values, p[0], p[1]), 2*p[0]-3*p[1]; math.Abs(got-want) > 1e-12 {
			t.Errorf("at %v it is %g, want %g", p, got, want)
		}
	}
	if got := g.between(values, 9, -9); got != 2*3-3*2 {
		t.Errorf("beyond the grid it is %g", got)
	}
}

// TestFitted: text is cut to a width and no more.
func TestFitted(t *testing.T) {
	s := labelStyle()
	if got := fitted(s, "short", 100); got != "short" {
		t.Errorf("got %q", got)
	}
	long := strings.Repeat("größe ", 30)
	got := fitted(s, long, 100)
	if s.Width(got) > 100 || s.Width(got) < 85 || !strings.HasSuffix(got, "...") || !strings.HasPrefix(long, strings.TrimSuffix(got, "...")) {
		t.Errorf("got %q of width %v", got, s.Width(got))
	}
}
