package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// line joins points; where one is not finite there is a gap. Points that cannot be told from the one before are passed over.
type line struct {
	xs, ys []float64
	style  draw.LineStyle
}

func (l line) draw(f frame) {
	var run []vg.Point
	flush := func() {
		if len(run) > 1 {
			f.StrokeLines(l.style, f.ClipLinesXY(run)...)
		}
		run = nil
	}
	for i := range l.xs {
		p := f.at(l.xs[i], l.ys[i])
		if !finite(float64(p.X)) || !finite(float64(p.Y)) {
			flush()
			continue
		}
		if n := len(run); n > 0 && i < len(l.xs)-1 && math.Hypot(float64(p.X-run[n-1].X), float64(p.Y-run[n-1].Y)) < tooNear {
			continue
		}
		run = append(run, p)
	}
	flush()
}

// tooNear is a distance in points that is no fifth of a pixel.
const tooNear = 0.1

// area fills what lies between two curves over the same xs; lows nil means 0. With across, xs run along the y-axis instead.
type area struct {
	xs, lows, highs []float64
	fill            color.Color
	across          bool
}

func (a area) draw(f frame) {
	at := f.at
	if a.across {
		at = func(x, y float64) vg.Point { return f.at(y, x) }
	}
	var outline []vg.Point
	for i, x := range a.xs {
		outline = append(outline, at(x, a.highs[i]))
	}
	for i := len(a.xs) - 1; i >= 0; i-- {
		low := 0.0
		if a.lows != nil {
			low = a.lows[i]
		}
		outline = append(outline, at(a.xs[i], low))
	}
	f.FillPolygon(a.fill, f.ClipPolygonXY(outline))
}

func finite(v float64) bool { return !math.IsNaN(v - v) }

// span is the least and the greatest of finite values; ok is false where there are none.
func span(values []float64) (low, high float64, ok bool) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	return low, high, low <= high
}
