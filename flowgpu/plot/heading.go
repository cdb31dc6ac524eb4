package plot

import (
	"image/color"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// heading is what is written above a panel or a page, flush left.
type heading struct {
	title  string
	notes  []string // lines under the title
	legend []entry  // in one row under the notes
}

// entry is one row of a legend.
type entry struct {
	name   string
	colour color.Color
	shape  shape
}

type shape int

const (
	patch shape = iota
	stripe
	dashed
	dot
)

const (
	titleGap  = vg.Length(7) // below a heading
	swatch    = vg.Length(16)
	swatchGap = vg.Length(5)
	entryGap  = vg.Length(14)
)

func (e entry) width() vg.Length {
	if e.shape == dot {
		return 7
	}
	return swatch
}

// legendHeight is what a legend takes with the gap to what is above it.
func legendHeight() vg.Length { return 1.4 * lineHeight(legendStyle()) }

// height is what the heading takes with the gap below it; 0 if there is none.
func (h heading) height() (all vg.Length) {
	if h.title != "" {
		all += lineHeight(titleStyle())
	}
	all += vg.Length(len(h.notes)) * lineHeight(noteStyle())
	if len(h.legend) > 0 {
		all += legendHeight()
	}
	if all > 0 {
		all += titleGap
	}
	return all
}

// width is that of the longest line.
func (h heading) width() (widest vg.Length) {
	widest = titleStyle().Width(h.title)
	for _, n := range h.notes {
		widest = max(widest, noteStyle().Width(n))
	}
	row := vg.Length(0)
	for _, e := range h.legend {
		row += e.width() + swatchGap + legendStyle().Width(e.name) + entryGap
	}
	return max(widest, row)
}

// draw writes the legend, the notes and the title, from a foot upwards.
func (h heading) draw(c draw.Canvas, foot vg.Point) {
	foot.Y += titleGap
	if len(h.legend) > 0 {
		h.drawLegend(c, foot)
		foot.Y += legendHeight()
	}
	for i := len(h.notes) - 1; i >= 0; i-- {
		c.FillText(noteStyle(), foot, h.notes[i])
		foot.Y += lineHeight(noteStyle())
	}
	if h.title != "" {
		c.FillText(titleStyle(), foot, h.title)
	}
}

func (h heading) drawLegend(c draw.Canvas, at vg.Point) {
	s := legendStyle()
	x, y, middle := at.X, at.Y, at.Y+0.33*legendSize
	for _, e := range h.legend {
		w := e.width()
		switch e.shape {
		case patch:
			box := vg.Rectangle{Min: vg.Point{X: x, Y: y - 1}, Max: vg.Point{X: x + w, Y: y + 0.75*legendSize}}
			c.SetColor(e.colour)
			c.Fill(box.Path())
		case stripe:
			c.StrokeLine2(stroke(e.colour, 2), x, middle, x+w, middle)
		case dashed:
			c.StrokeLine2(stroke(e.colour, 1.6, 4, 2.5), x, middle, x+w, middle)
		case dot:
			c.DrawGlyphNoClip(draw.GlyphStyle{Color: e.colour, Radius: 3, Shape: draw.CircleGlyph{}}, vg.Point{X: x + w/2, Y: middle})
		}
		x += w + swatchGap
		c.FillText(s, vg.Point{X: x, Y: y}, e.name)
		x += s.Width(e.name) + entryGap
	}
}
