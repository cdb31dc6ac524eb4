package curves

import (
	"errors"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Plot draws curves over steps. Curves without a point are left out; at least one must have some. The vertical axis is cut
// where a run's first steps would flatten the rest.
func Plot(title, xlabel, ylabel string, curves []Series) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, xlabel, ylabel
	style(p)
	var drawn []Series
	var solid, dashed []plot.Plotter
	hue := -1
	for _, s := range curves {
		if err := s.check(); err != nil {
			return nil, err
		}
		if !s.Dashed || hue < 0 {
			hue++
		}
		if s.Len() == 0 {
			continue
		}
		drawn = append(drawn, s)
		line, points := s.plotters(hue)
		if s.Dashed {
			dashed = append(dashed, line, points)
		} else {
			solid = append(solid, line, points)
		}
		p.Legend.Add(s.Name, line, points)
	}
	if len(drawn) == 0 {
		return nil, errors.New("there is nothing to plot")
	}
	p.Add(grid())
	p.Add(slices.Concat(solid, dashed)...) // dashed ones are on top
	return p, setSpan(p, drawn)
}

// manyPoints are too many to mark each.
const manyPoints = 60

func (s Series) plotters(hue int) (*plotter.Line, *plotter.Scatter) {
	xys := make(plotter.XYs, s.Len())
	for i := range xys {
		xys[i].X, xys[i].Y = s.Steps[i], s.Values[i]
	}
	line, points := &plotter.Line{XYs: xys}, &plotter.Scatter{XYs: xys}
	line.Color, line.Width = faint(hue), vg.Points(1.1)
	if s.Dashed {
		line.Color, line.Width, line.Dashes = strong(hue), vg.Points(1.6), []vg.Length{vg.Points(5), vg.Points(3)}
	}
	if s.Dashed && s.Len() <= manyPoints || s.Len() == 1 {
		points.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: vg.Points(2.6), Shape: draw.CircleGlyph{}}
	}
	return line, points
}
