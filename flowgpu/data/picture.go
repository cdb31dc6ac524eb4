package data

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"

	"github.com/google/renameio/v2"
)

// gap is the width in pixels of the line between two images of a grid.
const gap = 1

// Grid draws images side by side as one picture, from left to right and then down.
//
//	pix    [n][C][H][W] intensities, as a model gives them: rounded down, limited to 0 .. levels-1, then spread over
//	       black to white. NaN is drawn magenta, so that it cannot pass for a dark pixel.
//	c      1 is grey, 3 is red, green, blue; of any other number the first channel is drawn, in grey
//	columns, scale  images in a row at most; picture pixels per image pixel and side
func Grid(pix []float32, n, c, h, w, levels, columns, scale int) image.Image {
	if n < 0 || c < 1 || h < 1 || w < 1 || levels < 2 || columns < 1 || scale < 1 || len(pix) < n*c*h*w {
		panic("data: Grid of a wrong shape")
	}
	columns = max(1, min(columns, n))
	rows := (n + columns - 1) / columns
	cellH, cellW := h*scale+gap, w*scale+gap
	img := image.NewRGBA(image.Rect(0, 0, columns*cellW-gap, max(1, rows*cellH-gap)))
	draw.Draw(img, img.Bounds(), image.NewUniform(color.Gray{Y: 64}), image.Point{}, draw.Src)

	green, blue := 0, 0 // offsets of the channels from the first
	if c == 3 {
		green, blue = h*w, 2*h*w
	}
	for i := range n {
		left, top := i%columns*cellW, i/columns*cellH
		for y := range h {
			for x := range w {
				p := pix[i*c*h*w+y*w+x:]
				dot := image.Rect(x*scale, y*scale, (x+1)*scale, (y+1)*scale).Add(image.Pt(left, top))
				draw.Draw(img, dot, image.NewUniform(shade(p[0], p[green], p[blue], levels)), image.Point{}, draw.Src)
			}
		}
	}
	return img
}

// shade is the colour of three intensities.
func shade(r, g, b float32, levels int) color.RGBA {
	if r != r || g != g || b != b {
		return color.RGBA{R: 255, B: 255, A: 255}
	}
	of := func(v float32) uint8 {
		top := float64(levels - 1)
		return uint8(math.Round(255 * min(max(math.Floor(float64(v)), 0), top) / top))
	}
	return color.RGBA{R: of(r), G: of(g), B: of(b), A: 255}
}

// WritePNG writes a picture so that path holds the old file or the whole new one, never a part.
func WritePNG(path string, img image.Image) error {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return fmt.Errorf("picture %s: %w", path, err)
	}
	if err := renameio.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("picture %s: %w", path, err)
	}
	return nil
}
