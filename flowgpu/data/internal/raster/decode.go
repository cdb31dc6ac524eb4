package raster

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/gif" // the formats that image.Decode is to know
	_ "image/jpeg"
	_ "image/png"
	"io"
	"io/fs"
	"os"

	_ "golang.org/x/image/bmp"
	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// Header is what a file says of its picture before the pixels.
type Header struct {
	H, W   int
	Levels int  // 2, 4 or 16 for grey PNGs of 1, 2 or 4 bits, 65536 for 16 bits in any format, otherwise 256
	Grey   bool // red, green and blue are the same by format; a palette is never grey
	Alpha  bool // there is an alpha channel or a transparent colour (of a TIFF only one that the colours are not multiplied with)

	format string
}

// ReadHeader reads the beginning of a PNG, JPEG, GIF, BMP, TIFF or WebP file. The content counts, not the file's name.
func ReadHeader(path string) (Header, error) {
	f, err := open(path)
	if err != nil {
		return Header{}, err
	}
	defer f.Close()
	return readHeader(f)
}

// open leaves the path out of the error: whoever names the picture does so anyway.
func open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if p := new(fs.PathError); errors.As(err, &p) {
		err = p.Err
	}
	return f, err
}

func readHeader(f io.ReadSeeker) (Header, error) {
	c, format, err := image.DecodeConfig(bufio.NewReader(f))
	if err != nil {
		return Header{}, err
	}
	if c.Width < 1 || c.Height < 1 || c.Width > MaxSide || c.Height > MaxSide {
		return Header{}, fmt.Errorf("%s: %dx%d pixels (height, width): each must be 1 to %d", format, c.Height, c.Width, MaxSide)
	}
	h := Header{H: c.Height, W: c.Width, Levels: 256, format: format}
	switch c.ColorModel {
	case color.GrayModel:
		h.Grey = true
	case color.Gray16Model:
		h.Grey, h.Levels = true, 1<<16
	case color.RGBA64Model:
		h.Levels = 1 << 16
	case color.NRGBA64Model:
		h.Alpha, h.Levels = true, 1<<16
	case color.NRGBAModel, color.NYCbCrAModel:
		h.Alpha = true
	}
	if p, ok := c.ColorModel.(color.Palette); ok {
		h.Alpha = !opaque(p)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Header{}, err
	}
	switch format {
	case "png":
		h.completePNG(bufio.NewReader(f))
	case "webp":
		h.completeWebP(f)
	}
	return h, nil
}

func opaque(p color.Palette) bool {
	for _, c := range p {
		if _, _, _, a := c.RGBA(); a != 0xffff {
			return false
		}
	}
	return true
}

// completePNG finds what Go's decoder keeps to itself: a grey picture's depth, grey with alpha, and a transparent colour,
// which is a chunk of its own before the pixels. Where the file ends early the decoder will say so.
func (h *Header) completePNG(r *bufio.Reader) {
	const grey, greyAlpha = 0, 4
	r.Discard(8)
	var head [8]byte // a chunk's length and name
	var depth, kind byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		length := int(binary.BigEndian.Uint32(head[:]))
		switch name := string(head[4:]); name {
		case "IHDR":
			fields, err := r.Peek(10) // width, height, depth, kind
			if err != nil {
				return
			}
			depth, kind = fields[8], fields[9]
			h.Grey = kind == grey || kind == greyAlpha
			if kind == grey {
				h.Levels = 1 << depth
			}
		case "tRNS":
			h.Alpha = true
			if depth < 8 {
				h.Levels = 256 // decoded as colour with alpha
			}
			return
		case "IDAT", "IEND":
			return
		}
		if _, err := r.Discard(length + 4); err != nil { // and the checksum
			return
		}
	}
}

// completeWebP finds whether alpha is used: Go's decoder calls every lossless picture one with alpha.
func (h *Header) completeWebP(r io.Reader) {
	var b [25]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return
	}
	switch string(b[12:16]) {
	case "VP8L":
		h.Alpha = b[24]&0x10 != 0 // after a byte of signature and 14 bits each of width and height
	case "VP8X":
		h.Alpha = b[20]&0x10 != 0
	}
}

// Decode reads a file's picture.
func Decode(path string) (Image, error) {
	f, err := open(path)
	if err != nil {
		return Image{}, err
	}
	defer f.Close()
	return Read(f)
}

// Read reads a picture: of an animation or a file of many pages the first. Colours are what the file says, without
// colour management: profiles and gamma are not applied, nor is a camera's note that the picture lies on its side (EXIF
// orientation). CMYK becomes RGB by the plain rule, (1-c)(1-k).
func Read(f io.ReadSeeker) (Image, error) {
	h, err := readHeader(f) // the size is known to be sound before there is memory for the pixels
	if err != nil {
		return Image{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return Image{}, err
	}
	m, format, err := image.Decode(bufio.NewReader(f))
	if err != nil {
		return Image{}, err
	}
	if whole := image.Rect(0, 0, h.W, h.H); format == "gif" && m.Bounds() != whole { // a frame that covers a part
		canvas := image.NewNRGBA(whole)
		draw.Draw(canvas, m.Bounds(), m, m.Bounds().Min, draw.Src)
		m = canvas
	}
	if b := m.Bounds(); b.Dx() != h.W || b.Dy() != h.H {
		return Image{}, fmt.Errorf("%s: a header of %dx%d (height, width), but a picture of %dx%d", format, h.H, h.W, b.Dy(), b.Dx())
	}
	return convert(m, h), nil
}

// convert takes a decoder's picture apart into planes.
func convert(src image.Image, h Header) Image {
	m := Image{C: 4, H: h.H, W: h.W, Levels: 256}
	switch src.(type) {
	case *image.Gray:
		m.C, m.Levels = 1, h.Levels
	case *image.Gray16:
		m.C, m.Levels = 1, 1<<16
	case *image.RGBA64, *image.NRGBA64:
		m.Levels = 1 << 16
	}
	if o, ok := src.(interface{ Opaque() bool }); ok && m.C == 4 && o.Opaque() {
		m.C = 3
	}
	p := m.H * m.W
	m.Pix = make([]uint16, m.C*p)
	at, left, top := colours(src, h), src.Bounds().Min.X, src.Bounds().Min.Y
	for y := range m.H {
		for x := range m.W {
			c := at(left+x, top+y)
			for i := range m.C {
				m.Pix[i*p+y*m.W+x] = c[i]
			}
		}
	}
	return m
}

// colours gives the function that reads a pixel: red or grey, green, blue, alpha as far as there are any.
func colours(src image.Image, h Header) func(x, y int) [4]uint16 {
	switch s := src.(type) {
	case *image.Gray:
		step := 255 / uint16(h.Levels-1) // the decoder spreads 1, 2 and 4 bits over 8: 255, 85 or 17 a step
		return func(x, y int) [4]uint16 { return [4]uint16{uint16(s.GrayAt(x, y).Y) / step} }
	case *image.Gray16:
		return func(x, y int) [4]uint16 { return [4]uint16{s.Gray16At(x, y).Y} }
	case *image.NRGBA:
		return func(x, y int) [4]uint16 { return of8(s.NRGBAAt(x, y)) }
	case *image.NRGBA64:
		return func(x, y int) [4]uint16 { return of16(s.NRGBA64At(x, y)) }
	case *image.RGBA:
		return func(x, y int) [4]uint16 {
			c := s.RGBAAt(x, y)
			if c.A == 255 {
				return of8(color.NRGBA(c))
			}
			return of8(color.NRGBAModel.Convert(c).(color.NRGBA))
		}
	case *image.RGBA64:
		return func(x, y int) [4]uint16 { return of16(color.NRGBA64Model.Convert(s.RGBA64At(x, y)).(color.NRGBA64)) }
	case *image.YCbCr:
		if h.format == "webp" {
			return func(x, y int) [4]uint16 { return ofVideo(s.YCbCrAt(x, y)) }
		}
		return func(x, y int) [4]uint16 {
			c := s.YCbCrAt(x, y)
			r, g, b := color.YCbCrToRGB(c.Y, c.Cb, c.Cr)
			return [4]uint16{uint16(r), uint16(g), uint16(b), 255}
		}
	case *image.NYCbCrA: // WebP alone has these
		return func(x, y int) [4]uint16 {
			c := ofVideo(s.YCbCrAt(x, y))
			c[3] = uint16(s.NYCbCrAAt(x, y).A)
			return c
		}
	default: // palettes, CMYK
		return func(x, y int) [4]uint16 { return of8(color.NRGBAModel.Convert(src.At(x, y)).(color.NRGBA)) }
	}
}

func of8(c color.NRGBA) [4]uint16 {
	return [4]uint16{uint16(c.R), uint16(c.G), uint16(c.B), uint16(c.A)}
}

func of16(c color.NRGBA64) [4]uint16 { return [4]uint16{c.R, c.G, c.B, c.A} }

// ofVideo turns the colour of a lossy WebP file into red, green, blue. Its luma goes from 16 to 235 (ITU-R BT.601, as in
// video) and not, as in JPEG, from 0 to 255, which is what the decoder's type stands for: read as that, black would be 16
// and white 235. The sums are those of libwebp (src/dsp/yuv.h), so that the pixels are those of `dwebp -nofancy`.
func ofVideo(c color.YCbCr) [4]uint16 {
	y, u, v := int(c.Y)*19077>>8, int(c.Cb), int(c.Cr)
	clip := func(v int) uint16 { return uint16(min(max(v>>6, 0), 255)) }
	return [4]uint16{clip(y + v*26149>>8 - 14234), clip(y - u*6419>>8 - v*13320>>8 + 8708), clip(y + u*33050>>8 - 17685), 255}
}
