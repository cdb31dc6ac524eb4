package plot

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot/vg"
)

// Points and heat are drawn into images of their own, so that an SVG or a PDF with thousands of points stays small. Their pixels
// are those of a PNG.

// pixels is an image of the frame's size.
func (f frame) pixels() *image.NRGBA {
	of := func(v vg.Length) int { return int(math.Round(float64(v) / float64(vg.Inch) * dotsPerInch)) }
	w, h := of(f.Size().X), of(f.Size().Y)
	if f.pdf != nil {
		w = f.pdf.width(w)
	}
	return image.NewNRGBA(image.Rect(0, 0, w, h))
}

// fill lays an image over the frame.
func (f frame) fill(img *image.NRGBA) {
	if f.pdf != nil {
		flip(img)
	}
	f.DrawImage(f.Rectangle, img)
}

// dots are points, each a disc.
type dots struct {
	xs, ys []float64
	radius vg.Length
	fill   color.NRGBA
	fills  []color.NRGBA // of each point; nil: fill
}

func (d dots) draw(f frame) {
	img := f.pixels()
	w, h := float64(img.Rect.Dx()), float64(img.Rect.Dy())
	r := float64(d.radius) / float64(vg.Inch) * dotsPerInch
	for i := range d.xs {
		x, y := f.p.x.share(d.xs[i]), f.p.y.share(d.ys[i])
		if !(x >= 0 && x <= 1 && y >= 0 && y <= 1) {
			continue
		}
		c := d.fill
		if d.fills != nil {
			c = d.fills[i]
		}
		disc(img, x*w, (1-y)*h, r, c)
	}
	f.fill(img)
}

// disc blends a disc into an image; its rim, one pixel wide, fades.
func disc(img *image.NRGBA, cx, cy, r float64, c color.NRGBA) {
	b := img.Rect
	for y := max(int(cy-r-1), 0); y <= min(int(cy+r+1), b.Max.Y-1); y++ {
		for x := max(int(cx-r-1), 0); x <= min(int(cx+r+1), b.Max.X-1); x++ {
			cover := min(max(r+0.5-math.Hypot(float64(x)+0.5-cx, float64(y)+0.5-cy), 0), 1)
			if cover > 0 {
				over(img.Pix[img.PixOffset(x, y):], c, cover*float64(c.A)/255)
			}
		}
	}
}

// over lays a colour of a share of opacity over a pixel (Porter and Duff, "Compositing digital images", 1984).
func over(pixel []uint8, c color.NRGBA, share float64) {
	below := float64(pixel[3]) / 255
	all := share + below*(1-share)
	of := func(old, new uint8) uint8 {
		return uint8((float64(new)*share+float64(old)*below*(1-share))/all + 0.5)
	}
	pixel[0], pixel[1], pixel[2] = of(pixel[0], c.R), of(pixel[1], c.G), of(pixel[2], c.B)
	pixel[3] = uint8(255*all + 0.5)
}

// heat colours a grid of values, those between its points by straight lines: low is dark, high is bright.
type heat struct {
	Grid
	values    []float64
	low, high float64
}

func (h heat) draw(f frame) {
	img := f.pixels()
	w, rows := img.Rect.Dx(), img.Rect.Dy()
	for j := range rows {
		y := f.p.y.low + (1-(float64(j)+0.5)/float64(rows))*(f.p.y.high-f.p.y.low)
		for i := range w {
			x := f.p.x.low + (float64(i)+0.5)/float64(w)*(f.p.x.high-f.p.x.low)
			img.SetNRGBA(i, j, viridis((h.between(h.values, x, y)-h.low)/(h.high-h.low)))
		}
	}
	f.fill(img)
}
