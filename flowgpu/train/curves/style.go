package curves

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// hues are those of Okabe and Ito, "Color Universal Design", 2008, which eyes of all kinds tell apart, in an order that puts
// the most different ones first.
func hues() []color.RGBA {
	return []color.RGBA{
		{R: 0, G: 114, B: 178, A: 255},   // blue
		{R: 213, G: 94, B: 0, A: 255},    // vermilion
		{R: 0, G: 158, B: 115, A: 255},   // green
		{R: 204, G: 121, B: 167, A: 255}, // purple
		{R: 230, G: 159, B: 0, A: 255},   // orange
		{R: 86, G: 180, B: 233, A: 255},  // sky
	}
}

// faint is for curves of training, which are noisy; strong for what must be read over them.
func faint(hue int) color.Color  { return mix(hues()[hue%len(hues())], 255, 0.35) }
func strong(hue int) color.Color { return mix(hues()[hue%len(hues())], 0, 0.25) }

// mix blends a colour with a share of a grey.
func mix(c color.RGBA, grey, share float64) color.Color {
	of := func(v uint8) uint8 { return uint8((1-share)*float64(v) + share*grey + 0.5) }
	return color.RGBA{R: of(c.R), G: of(c.G), B: of(c.B), A: 255}
}

func grid() *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = color.Gray{Y: 225}, color.Gray{Y: 225}
	return g
}

// style sets fonts and lines.
func style(p *plot.Plot) {
	sans := func(s *text.Style, size vg.Length) {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
		s.Color = color.Gray{Y: 40}
	}
	sans(&p.Title.TextStyle, 14)
	p.Title.Padding = vg.Points(10)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		sans(&a.Label.TextStyle, 12)
		sans(&a.Tick.Label, 11)
		a.Label.Padding = vg.Points(6)
		a.Padding = 0
		a.Tick.Marker = ticks{}
		a.Tick.Length = vg.Points(4)
		a.LineStyle.Color, a.Tick.LineStyle.Color = color.Gray{Y: 120}, color.Gray{Y: 120}
	}
	sans(&p.Legend.TextStyle, 11)
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(5)
	p.Legend.ThumbnailWidth = vg.Points(28)
}
