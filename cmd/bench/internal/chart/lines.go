package chart

import (
	"errors"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Lines shows how something grows with a size, on logarithmic axes: a line for each series.
type Lines struct {
	Title, X, Y string
	Series      []Series
}

// Series is points joined in ascending X.
type Series struct {
	Name string
	X, Y []float64
}

// Plot draws it. Values must be above 0.
func (l Lines) Plot() (*plot.Plot, error) {
	p := newPlot(l.Title, l.X, l.Y)
	drawn, falls := 0, 0
	for i, s := range l.Series {
		var points plotter.XYs
		for j := range s.X {
			if !(s.X[j] > 0 && s.Y[j] > 0) {
				return nil, errors.New("what is not above 0 has no place on a logarithmic axis: " + s.Name)
			}
			points = append(points, plotter.XY{X: s.X[j], Y: s.Y[j]})
		}
		if len(points) == 0 {
			continue
		}
		drawn += len(points)
		if points[len(points)-1].Y < points[0].Y {
			falls++
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: hue(i), Width: vg.Points(1.2)}
		dots.GlyphStyle = draw.GlyphStyle{Color: hue(i), Radius: vg.Points(2.2), Shape: draw.CircleGlyph{}}
		p.Add(line, dots)
		if s.Name != "" {
			p.Legend.Add(s.Name, line, dots)
		}
	}
	if drawn == 0 {
		return nil, errors.New("there is nothing to draw")
	}
	p.Legend.Top, p.Legend.Left = true, 2*falls < len(l.Series) // where the lines are not
	widen(&p.X)
	widen(&p.Y)
	return p, nil
}

// widen leaves room beside the outermost points.
func widen(a *plot.Axis) { a.Min, a.Max = a.Min/1.25, a.Max*1.25 }
