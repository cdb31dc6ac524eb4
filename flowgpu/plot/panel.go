package plot

import (
	"math"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// panel is one system of axes with what is drawn in it.
type panel struct {
	heading
	x, y  axis
	marks []mark // drawn in this order
	inset string // written in the upper right corner
}

// axis is one side of a panel.
type axis struct {
	label    string
	low      float64 // where it starts: left or below; it may fall
	high     float64
	ticks    []tick // nil: as many as fit
	bare     bool   // neither ticks nor label
	nameless bool   // ticks without names: another panel's axis, nearby, has them
	far      bool   // a y-axis whose names are on the right
}

// mark is something drawn in a panel.
type mark interface{ draw(frame) }

// frame is the inside of a panel on the page: marks draw on it, clipped to it.
type frame struct {
	draw.Canvas
	p   *panel
	pdf *pdfImages // nil: the page is no PDF
}

// at is where a point of the data lies.
func (f frame) at(x, y float64) vg.Point {
	return vg.Point{X: f.Canvas.X(f.p.x.share(x)), Y: f.Canvas.Y(f.p.y.share(y))}
}

// share is how far along the axis v lies: 0 at its start, 1 at its end.
func (a axis) share(v float64) float64 { return (v - a.low) / (a.high - a.low) }

const (
	tickLength = vg.Length(3.5)
	tickGap    = vg.Length(3)
	labelGap   = vg.Length(5)
	frameWidth = vg.Length(0.7)
)

// room is the ticks' greatest number on a side of that length.
func room(length, each vg.Length) int { return max(2, int(length/each)) }

func (a axis) marksX(width vg.Length) []tick {
	if a.bare {
		return nil
	}
	if a.ticks != nil {
		return a.ticks
	}
	return beside(min(a.low, a.high), max(a.low, a.high), width)
}

// beside gives as many ticks as leave room between their names, side by side on a width. Half of the first name and half of the last
// may hang over the ends.
func beside(low, high float64, width vg.Length) []tick {
	const gap = 12
	for most := min(room(width, 18), 10); ; most-- {
		all := ticks(low, high, most)
		apart := vg.Length(math.Inf(1))
		for i := 1; i < len(all); i++ {
			distance := width * vg.Length((all[i].at-all[i-1].at)/(high-low))
			apart = min(apart, distance-(tickStyle().Width(all[i].name)+tickStyle().Width(all[i-1].name))/2)
		}
		if apart >= gap || most == 1 {
			return all
		}
	}
}

func (a axis) marksY(height vg.Length) []tick {
	if a.bare {
		return nil
	}
	if a.ticks != nil {
		return a.ticks
	}
	return ticks(min(a.low, a.high), max(a.low, a.high), room(height, 22))
}

// margins is the space that a panel of a size needs around its frame.
func (p *panel) margins(w, h vg.Length) (left, right, below, above vg.Length) {
	s := tickStyle()
	if m := p.x.marksX(w); len(m) > 0 {
		below = tickLength
		if !p.x.nameless {
			below += tickGap + s.Font.Size
			right = s.Width(m[len(m)-1].name) / 2
			left = s.Width(m[0].name) / 2
		}
	}
	if p.x.label != "" {
		below += labelGap + labelStyle().Font.Size
	}
	side := vg.Length(0)
	if m := p.y.marksY(h); len(m) > 0 {
		side = tickLength
		if !p.y.nameless {
			widest := vg.Length(0)
			for _, t := range m {
				widest = max(widest, s.Width(t.name))
			}
			side += tickGap + widest
		}
	}
	if p.y.label != "" {
		side += labelGap + lineHeight(labelStyle())
	}
	if p.y.far {
		right = max(right, side)
	} else {
		left = max(left, side)
	}
	return left, right, below, p.height()
}

// draw puts the panel on the page, its frame at c.
func (p *panel) draw(c draw.Canvas, pdf *pdfImages) {
	f := frame{c, p, pdf}
	for _, m := range p.marks {
		m.draw(f)
	}
	if !p.x.bare || !p.y.bare {
		c.StrokeLines(stroke(grey(), frameWidth), []vg.Point{
			c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}, c.Min,
		})
	}
	f.axisX()
	f.axisY()
	p.heading.draw(c, vg.Point{X: c.Min.X, Y: c.Max.Y})
	if p.inset != "" {
		c.FillText(aligned(noteStyle(), text.XRight, text.YTop), vg.Point{X: c.Max.X - 4, Y: c.Max.Y - 3}, p.inset)
	}
}

func (f frame) axisX() {
	c, line := f.Canvas, stroke(grey(), frameWidth)
	y := c.Min.Y
	style := aligned(tickStyle(), text.XCenter, text.YTop)
	marks := f.p.x.marksX(c.Size().X)
	for _, t := range marks {
		at := c.X(f.p.x.share(t.at))
		c.StrokeLine2(line, at, y, at, y-tickLength)
		if !f.p.x.nameless {
			c.FillText(style, vg.Point{X: at, Y: y - tickLength - tickGap + 0.2*tickSize}, t.name)
		}
	}
	if len(marks) > 0 {
		y -= tickLength
		if !f.p.x.nameless {
			y -= tickGap + tickSize
		}
	}
	if f.p.x.label != "" {
		c.FillText(labelStyle(), vg.Point{X: c.Center().X, Y: y - labelGap + 0.2*labelSize}, fitted(labelStyle(), f.p.x.label, 1.05*c.Size().X))
	}
}

func (f frame) axisY() {
	c, line := f.Canvas, stroke(grey(), frameWidth)
	x, away, side := c.Min.X, vg.Length(-1), text.XRight
	if f.p.y.far {
		x, away, side = c.Max.X, 1, text.XLeft
	}
	style := aligned(tickStyle(), side, text.YCenter)
	widest := vg.Length(0)
	marks := f.p.y.marksY(c.Size().Y)
	for _, t := range marks {
		at := c.Y(f.p.y.share(t.at))
		c.StrokeLine2(line, x, at, x+away*tickLength, at)
		if !f.p.y.nameless {
			c.FillText(style, vg.Point{X: x + away*(tickLength+tickGap), Y: at + 0.1*tickSize}, t.name)
			widest = max(widest, style.Width(t.name))
		}
	}
	if len(marks) > 0 {
		x += away * tickLength
		if !f.p.y.nameless {
			x += away * (tickGap + widest)
		}
	}
	if f.p.y.label != "" {
		s := aligned(labelStyle(), text.XCenter, text.YBottom)
		s.Rotation = quarterTurn
		x += away * labelGap
		if f.p.y.far {
			x += lineHeight(s)
		}
		c.FillText(s, vg.Point{X: x, Y: c.Center().Y}, fitted(labelStyle(), f.p.y.label, 1.05*c.Size().Y))
	}
}
