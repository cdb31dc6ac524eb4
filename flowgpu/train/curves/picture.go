package curves

import (
	"fmt"

	"cuflow/flowgpu/data"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Of the pictures: sharp on today's screens at the size of a page.
const (
	dotsPerInch = 144
	border      = vg.Length(8)
	leastSide   = 1 * vg.Inch
	mostSide    = 40 * vg.Inch
)

// WritePNG draws p, w x h in size, with its legend to the right of the curves, so that path holds the old file or the whole
// new one.
func WritePNG(path string, p *plot.Plot, w, h vg.Length) error {
	if !(w >= leastSide && w <= mostSide && h >= leastSide && h <= mostSide) {
		return fmt.Errorf("%s: a picture of %.3g x %.3g inches: both must be from 1 to 40", path, w/vg.Inch, h/vg.Inch)
	}
	canvas := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(dotsPerInch))
	page := draw.New(canvas)
	page = draw.Crop(page, border, -border, border, -border)
	legend := p.Legend
	r := legend.Rectangle(page)
	left := r.Size().X + 2*border
	if left > w/2 {
		return fmt.Errorf("%s: the names of the curves take more than half of %.3g inches", path, w/vg.Inch)
	}
	bare := *p
	bare.Legend = plot.NewLegend()
	area := draw.Crop(page, 0, -left, 0, 0)
	bare.Draw(area)
	top := bare.DataCanvas(area).Max.Y
	legend.Draw(draw.Crop(page, page.Max.X-page.Min.X-r.Size().X, 0, 0, top-page.Max.Y))
	return data.WritePNG(path, canvas.Image())
}
