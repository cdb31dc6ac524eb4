package plot

import (
	"math"
	"testing"
)

func onGrid(g Grid, f func(x, y float64) float64) contours {
	c := contours{Grid: g}
	p := g.Points()
	for i := range g.Len() {
		c.values = append(c.values, f(p[2*i], p[2*i+1]))
	}
	return c
}

// TestCircle: of a cone a contour is one closed circle.
func TestCircle(t *testing.T) {
	c := onGrid(Grid{-2, 2, -2, 2, 101, 81}, math.Hypot)
	lines := c.at(1.3)
	if len(lines) != 1 {
		t.Fatalf("%d lines", len(lines))
	}
	p, length := lines[0], 0.0
	for i := range p.X {
		if r := math.Hypot(p.X[i], p.Y[i]); math.Abs(r-1.3) > 2e-3 {
			t.Errorf("at %g, %g the radius is %g", p.X[i], p.Y[i], r)
		}
		if i > 0 {
			length += math.Hypot(p.X[i]-p.X[i-1], p.Y[i]-p.Y[i-1])
		}
	}
	if n := p.Len() - 1; p.X[0] != p.X[n] || p.Y[0] != p.Y[n] || math.Abs(length-2*math.Pi*1.3) > 0.01 {
		t.Errorf("the line is %g long, from %g, %g to %g, %g", length, p.X[0], p.Y[0], p.X[n], p.Y[n])
	}
}

// TestOpenLines end at the grid's edge, and a level that no value reaches has none.
func TestOpenLines(t *testing.T) {
	c := onGrid(Grid{0, 1, 0, 1, 11, 7}, func(x, y float64) float64 { return x + 0.01*y })
	lines := c.at(0.234)
	if len(lines) != 1 || lines[0].Len() != 7 {
		t.Fatalf("%+v", lines)
	}
	for i, y := range lines[0].Y {
		if x := lines[0].X[i]; math.Abs(x+0.01*y-0.234) > 1e-12 {
			t.Errorf("a point at %g, %g", x, y)
		}
	}
	if ends := lines[0].Y[0] + lines[0].Y[6]; math.Abs(ends-1) > 1e-12 {
		t.Errorf("it goes from y = %g to %g", lines[0].Y[0], lines[0].Y[6])
	}
	if lines := c.at(7); len(lines) != 0 {
		t.Errorf("%d lines", len(lines))
	}
}

// TestSaddle: two hills that touch are two lines, or one around both, as the level says; no line crosses another.
func TestSaddle(t *testing.T) {
	c := onGrid(Grid{-3, 3, -3, 3, 60, 60}, func(x, y float64) float64 {
		return math.Exp(-(x-1)*(x-1)-(y-1)*(y-1)) + math.Exp(-(x+1)*(x+1)-(y+1)*(y+1))
	})
	for level, want := range map[float64]int{0.5: 2, 0.1: 1} {
		lines := c.at(level)
		if len(lines) != want {
			t.Errorf("at %g there are %d lines, want %d", level, len(lines), want)
		}
		for _, l := range lines {
			if n := l.Len() - 1; l.X[0] != l.X[n] || l.Y[0] != l.Y[n] {
				t.Errorf("at %g a line does not close", level)
			}
		}
	}
	checker := contours{Grid: Grid{0, 1, 0, 1, 2, 2}, values: []float64{1, 0, 0, 1}}
	if lines := checker.at(0.4); len(lines) != 2 {
		t.Errorf("a saddle has %d lines", len(lines))
	}
}
