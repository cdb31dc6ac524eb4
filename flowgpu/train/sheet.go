package train

import (
	"image"
	"image/color"
	paint "image/draw"
	"math"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"
)

const (
	strip = 18 // height of a line of text above a picture
	space = 8  // between pictures
)

// titled puts a line of text over a picture, which is widened where the text needs it.
func titled(text string, img image.Image) image.Image {
	face := basicfont.Face7x13
	b := img.Bounds()
	width := max(b.Dx(), font.MeasureString(face, text).Ceil()+2)
	out := image.NewRGBA(image.Rect(0, 0, width, strip+b.Dy()))
	paint.Draw(out, out.Bounds(), image.Black, image.Point{}, paint.Src)
	paint.Draw(out, image.Rect(0, strip, b.Dx(), strip+b.Dy()), img, b.Min, paint.Src)
	pen := font.Drawer{Dst: out, Src: image.NewUniform(color.Gray{Y: 224}), Face: face, Dot: fixed.P(1, face.Ascent+2)}
	pen.DrawString(text)
	return out
}

// beside lays pictures out from left to right.
func beside(imgs ...image.Image) image.Image {
	return lay(imgs, func(at, size image.Point) image.Point { return image.Pt(at.X+size.X+space, 0) })
}

// stacked lays pictures out from top to bottom.
func stacked(imgs ...image.Image) image.Image {
	return lay(imgs, func(at, size image.Point) image.Point { return image.Pt(0, at.Y+size.Y+space) })
}

// lay puts pictures on black; next says where the one after a picture goes.
func lay(imgs []image.Image, next func(at, size image.Point) image.Point) image.Image {
	places, all, at := make([]image.Rectangle, len(imgs)), image.Rectangle{}, image.Point{}
	for i, img := range imgs {
		size := img.Bounds().Size()
		places[i] = image.Rectangle{Min: at, Max: at.Add(size)}
		all = all.Union(places[i])
		at = next(at, size)
	}
	out := image.NewRGBA(all)
	paint.Draw(out, all, image.Black, image.Point{}, paint.Src)
	for i, img := range imgs {
		paint.Draw(out, places[i], img, img.Bounds().Min, paint.Src)
	}
	return out
}

// square is how many columns make n images a square.
func square(n int) int { return int(math.Ceil(math.Sqrt(float64(n)))) }

// sheet draws a model's images, [n][C][H][W] intensities, in so many columns and about so many picture pixels wide.
func sheet(m flowgpu.Config, x []float32, columns, width int) image.Image {
	scale := max(1, width/(columns*m.Width))
	return data.Grid(x, len(x)/m.D(), m.Channels, m.Height, m.Width, m.Intensities, columns, scale)
}

// countBad counts what is no number.
func countBad(x []float32) (bad int) {
	for _, v := range x {
		if !finite(float64(v)) {
			bad++
		}
	}
	return bad
}

// separate turns a batch, [C][n][H][W], into images, [n][C][H][W].
func separate(m flowgpu.Config, batch []float32, n int, images []float32) {
	p := m.Height * m.Width
	for i := range n {
		for c := range m.Channels {
			copy(images[(i*m.Channels+c)*p:][:p], batch[(c*n+i)*p:])
		}
	}
}
