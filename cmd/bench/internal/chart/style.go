package chart

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// newPlot has logarithmic axes, a grid and letters without serifs.
func newPlot(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	for _, s := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label, &p.Legend.TextStyle} {
		s.Font.Variant = "Sans"
	}
	p.Legend.TextStyle.Font.Size = vg.Points(8)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Scale, a.Tick.Marker = plot.LogScale{}, powers{}
	}
	p.Add(plotter.NewGrid())
	return p
}

// powers marks 1, 2 and 5 times the powers of ten.
type powers struct{}

func (powers) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v < low*0.999 || v > high*1.001 {
				continue
			}
			label := ""
			if m == 1 || m == 2 || m == 5 {
				label = fmt.Sprintf("%g", math.Round(v*1e6)/1e6)
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: label})
		}
	}
	return ticks
}

// hue is one of those of Okabe and Ito, "Color Universal Design", 2008, which eyes of all kinds tell apart.
func hue(i int) color.Color {
	all := [...]color.RGBA{{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {230, 159, 0, 255}, {86, 180, 233, 255}}
	return all[i%len(all)]
}

// shape changes when all hues have been used.
func shape(i int) draw.GlyphDrawer {
	all := [...]draw.GlyphDrawer{draw.CircleGlyph{}, draw.PyramidGlyph{}, draw.BoxGlyph{}, draw.RingGlyph{}}
	return all[i/6%len(all)]
}

// Save writes a picture as PNG and as SVG; path has no ending.
func Save(p *plot.Plot, path string) error {
	for _, ending := range []string{".png", ".svg"} {
		if err := p.Save(18*vg.Centimeter, 11*vg.Centimeter, path+ending); err != nil {
			return err
		}
	}
	return nil
}
