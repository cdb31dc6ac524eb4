package plot

import (
	"cmp"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

const (
	quarterTurn = math.Pi / 2
	pageMargin  = vg.Length(10)
	panelGap    = vg.Length(14)
)

// Figure is a picture ready to be written.
type Figure struct {
	w, h   vg.Length
	panels []placed
	head   heading
	at     vg.Point // where the heading's foot is
}

// placed is a panel with its frame on the page, in points from the lower left.
type placed struct {
	*panel
	vg.Rectangle
}

// layout says how panels lie on a page.
type layout struct {
	head            heading // above all panels
	widths, heights []vg.Length
	gap             vg.Length // between panels, what is written around them included; 0: as usual
	left, right     vg.Length // least room beside every panel
}

// arrange lays panels out in rows and columns, the frames of a column as wide as its width and those of a row as high as its
// height, with room for what is written around each. A nil panel leaves its place empty.
func arrange(rows [][]*panel, l layout) *Figure {
	widths, heights, gap := l.widths, l.heights, cmp.Or(l.gap, panelGap)
	type space struct{ before, after vg.Length }
	columns, lines := make([]space, len(widths)), make([]space, len(heights))
	for i, row := range rows {
		for j, p := range row {
			if p == nil {
				continue
			}
			left, right, below, above := p.margins(widths[j], heights[i])
			left, right = max(left, l.left), max(right, l.right, p.width()-widths[j])
			columns[j] = space{max(columns[j].before, left), max(columns[j].after, right)}
			lines[i] = space{max(lines[i].before, above), max(lines[i].after, below)}
		}
	}
	whole := func(v vg.Length) vg.Length { return vg.Length(math.Ceil(float64(v))) } // frames begin at whole pixels
	x, lefts := pageMargin, make([]vg.Length, len(widths))
	for j, c := range columns {
		lefts[j] = x + whole(c.before)
		x = lefts[j] + widths[j] + whole(c.after)
		if j < len(columns)-1 {
			x += gap
		}
	}
	f := &Figure{w: max(x+pageMargin, whole(lefts[0]+l.head.width()+pageMargin)), head: l.head}
	y, tops := pageMargin, make([]vg.Length, len(heights)) // from the upper edge
	if h := l.head.height(); h > 0 {
		y += whole(h)
	}
	for i, line := range lines {
		tops[i] = y + whole(line.before)
		y = tops[i] + heights[i] + whole(line.after)
		if i < len(lines)-1 {
			y += gap
		}
	}
	f.h = y + pageMargin
	f.at = vg.Point{X: lefts[0], Y: f.h - pageMargin - whole(l.head.height())}
	for i, row := range rows {
		for j, p := range row {
			if p == nil {
				continue
			}
			low := vg.Point{X: lefts[j], Y: f.h - tops[i] - heights[i]}
			f.panels = append(f.panels, placed{p, vg.Rectangle{Min: low, Max: vg.Point{X: low.X + widths[j], Y: low.Y + heights[i]}}})
		}
	}
	return f
}

// draw draws all panels on white.
func (f *Figure) draw(canvas vg.CanvasSizer, pdf *pdfImages) {
	page := draw.New(canvas)
	page.SetColor(paper())
	page.Fill(page.Rectangle.Path())
	f.head.draw(page, f.at)
	for _, p := range f.panels {
		p.panel.draw(draw.Canvas{Canvas: page.Canvas, Rectangle: p.Rectangle}, pdf)
	}
}
