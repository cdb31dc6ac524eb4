package raster

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

// file writes a picture's file.
func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func encoded(t *testing.T, encode func(io.Writer, image.Image) error, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tiffEncode(w io.Writer, m image.Image) error { return tiff.Encode(w, m, nil) }
func gifEncode(w io.Writer, m image.Image) error  { return gif.Encode(w, m, nil) }
func jpegEncode(w io.Writer, m image.Image) error {
	return jpeg.Encode(w, m, &jpeg.Options{Quality: 100})
}

// area is a picture's area away from the origin, so that one that is taken for (0, 0) shows.
var area = image.Rect(5, 3, 5+4, 3+3)

// paint sets all pixels of a picture of 4x3, and is the planes that they must be read as.
func paint(c int, set func(x, y int, v [4]uint16), value func(x, y, c int) uint16) (pix []uint16) {
	pix = make([]uint16, c*12)
	for y := range 3 {
		for x := range 4 {
			var v [4]uint16
			for i := range c {
				v[i] = value(x, y, i)
				pix[i*12+y*4+x] = v[i]
			}
			set(area.Min.X+x, area.Min.Y+y, v)
		}
	}
	return pix
}

func eight(x, y, c int) uint16   { return uint16(60*x+17*y+5*c) & 255 }
func sixteen(x, y, c int) uint16 { return uint16(16001*x + 4003*y + 1007*c + 1) }
func withAlpha(of func(x, y, c int) uint16) func(x, y, c int) uint16 {
	return func(x, y, c int) uint16 {
		if c == 3 {
			return of(x, y, c) | 1 // never nothing, as nothing has no colour
		}
		return of(x, y, c)
	}
}

func TestDecodeExactly(t *testing.T) {
	gray, gray16 := image.NewGray(area), image.NewGray16(area)
	nrgba, nrgba64 := image.NewNRGBA(area), image.NewNRGBA64(area)
	rgb, rgb64 := image.NewRGBA(area), image.NewRGBA64(area)
	grayPix := paint(1, func(x, y int, v [4]uint16) { gray.SetGray(x, y, color.Gray{Y: uint8(v[0])}) }, eight)
	gray16Pix := paint(1, func(x, y int, v [4]uint16) { gray16.SetGray16(x, y, color.Gray16{Y: v[0]}) }, sixteen)
	nrgbaPix := paint(4, func(x, y int, v [4]uint16) {
		nrgba.SetNRGBA(x, y, color.NRGBA{uint8(v[0]), uint8(v[1]), uint8(v[2]), uint8(v[3])})
	}, withAlpha(eight))
	nrgba64Pix := paint(4, func(x, y int, v [4]uint16) {
		nrgba64.SetNRGBA64(x, y, color.NRGBA64{v[0], v[1], v[2], v[3]})
	}, withAlpha(sixteen))
	rgbPix := paint(3, func(x, y int, v [4]uint16) {
		rgb.SetRGBA(x, y, color.RGBA{uint8(v[0]), uint8(v[1]), uint8(v[2]), 255})
	}, eight)
	rgb64Pix := paint(3, func(x, y int, v [4]uint16) { rgb64.SetRGBA64(x, y, color.RGBA64{v[0], v[1], v[2], 0xffff}) }, sixteen)
	palette := image.NewPaletted(area, color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{200, 100, 50, 255}, color.NRGBA{9, 8, 7, 128}})
	palette.SetColorIndex(area.Min.X+1, area.Min.Y, 1)
	palettePix := slices.Concat(slices.Repeat([]uint16{1}, 12), slices.Repeat([]uint16{2}, 12), slices.Repeat([]uint16{3}, 12))
	palettePix[1], palettePix[13], palettePix[25] = 200, 100, 50
	opaquePalette := *palette
	opaquePalette.Palette = palette.Palette[:2]

	for _, tc := range []struct {
		name    string
		content []byte
		c       int
		pix     []uint16
		head    Header
	}{
		{"png grey", encoded(t, png.Encode, gray), 1, grayPix, Header{Levels: 256, Grey: true}},
		{"png grey 16", encoded(t, png.Encode, gray16), 1, gray16Pix, Header{Levels: 1 << 16, Grey: true}},
		{"png rgb", encoded(t, png.Encode, rgb), 3, rgbPix, Header{Levels: 256}},
		{"png rgb 16", encoded(t, png.Encode, rgb64), 3, rgb64Pix, Header{Levels: 1 << 16}},
		{"png rgba", encoded(t, png.Encode, nrgba), 4, nrgbaPix, Header{Levels: 256, Alpha: true}},
		{"png rgba 16", encoded(t, png.Encode, nrgba64), 4, nrgba64Pix, Header{Levels: 1 << 16, Alpha: true}},
		{"png palette", encoded(t, png.Encode, &opaquePalette), 3, palettePix, Header{Levels: 256}},
		{"png palette with alpha unused", encoded(t, png.Encode, palette), 3, palettePix, Header{Levels: 256, Alpha: true}},
		{"gif", encoded(t, gifEncode, &opaquePalette), 3, palettePix, Header{Levels: 256}},
		{"bmp grey is a palette", encoded(t, bmp.Encode, gray), 3, slices.Repeat(grayPix, 3), Header{Levels: 256}},
		{"bmp rgb", encoded(t, bmp.Encode, rgb), 3, rgbPix, Header{Levels: 256}},
		{"tiff grey", encoded(t, tiffEncode, gray), 1, grayPix, Header{Levels: 256, Grey: true}},
		{"tiff grey 16", encoded(t, tiffEncode, gray16), 1, gray16Pix, Header{Levels: 1 << 16, Grey: true}},
		{"tiff rgba", encoded(t, tiffEncode, nrgba), 4, nrgbaPix, Header{Levels: 256, Alpha: true}},
		{"tiff rgba 16", encoded(t, tiffEncode, nrgba64), 4, nrgba64Pix, Header{Levels: 1 << 16, Alpha: true}},
		{"tiff rgb 16", encoded(t, tiffEncode, rgb64), 3, rgb64Pix, Header{Levels: 1 << 16}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := file(t, tc.content)
			h, err := ReadHeader(path)
			if err != nil {
				t.Fatal(err)
			}
			h.format, tc.head.H, tc.head.W = "", 3, 4
			if h != tc.head {
				t.Errorf("header %+v, want %+v", h, tc.head)
			}
			m, err := Decode(path)
			if err != nil {
				t.Fatal(err)
			}
			if m.C != tc.c || m.H != 3 || m.W != 4 || m.Levels != tc.head.Levels || !slices.Equal(m.Pix, tc.pix) {
				t.Errorf("got %+v, want %d channels of %v", m, tc.c, tc.pix)
			}
		})
	}
}

// withChunk puts a chunk before the first pixels of a PNG.
func withChunk(b []byte, name string, content ...byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	chunk = append(append(chunk, name...), content...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	at := bytes.Index(b, []byte("IDAT")) - 4
	return slices.Concat(b[:at], chunk, b[at:])
}

// lowPNG is a grey PNG of few bits: Go's encoder writes a palette of that depth, which is here made grey.
func lowPNG(t *testing.T, depth int, values [6]uint8) []byte {
	t.Helper()
	var p color.Palette
	for i := range 1 << depth {
		p = append(p, color.Gray{Y: uint8(i)})
	}
	m := image.NewPaletted(image.Rect(0, 0, 3, 2), p)
	copy(m.Pix, values[:])
	b := encoded(t, png.Encode, m)
	if b[24] != byte(depth) || b[25] != 3 {
		t.Fatalf("the encoder wrote depth %d, kind %d", b[24], b[25])
	}
	b[25] = 0
	binary.BigEndian.PutUint32(b[29:], crc32.ChecksumIEEE(b[12:29]))
	at := bytes.Index(b, []byte("PLTE")) - 4
	length := int(binary.BigEndian.Uint32(b[at:])) + 12
	return slices.Delete(b, at, at+length)
}

func TestDecodeFewBits(t *testing.T) {
	for depth, values := range map[int][6]uint8{1: {0, 1, 1, 0, 1, 0}, 2: {0, 1, 2, 3, 3, 1}, 4: {0, 15, 7, 8, 1, 14}} {
		path := file(t, lowPNG(t, depth, values))
		h, err := ReadHeader(path)
		if err != nil || h.Levels != 1<<depth || !h.Grey || h.Alpha {
			t.Errorf("%d bits: header %+v, %v", depth, h, err)
		}
		m, err := Decode(path)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			if m.C != 1 || m.Levels != 1<<depth || m.Pix[i] != uint16(v) {
				t.Errorf("%d bits: %+v, want %v", depth, m, values)
				break
			}
		}
	}
}

// A grey PNG may have alpha, as a channel or as one transparent shade; Go decodes both as colours.
func TestDecodeGreyWithAlpha(t *testing.T) {
	path := file(t, withChunk(lowPNG(t, 2, [6]uint8{0, 1, 2, 3, 3, 1}), "tRNS", 0, 2)) // shade 2 of 3 is transparent
	h, err := ReadHeader(path)
	if err != nil || h.Levels != 256 || !h.Grey || !h.Alpha {
		t.Errorf("header %+v, %v", h, err)
	}
	m, err := Decode(path)
	if err != nil {
		t.Fatal(err)
	}
	grey, alpha := []uint16{0, 85, 170, 255, 255, 85}, []uint16{255, 255, 0, 255, 255, 255}
	if want := slices.Concat(grey, grey, grey, alpha); m.C != 4 || m.Levels != 256 || !slices.Equal(m.Pix, want) {
		t.Errorf("got %+v, want %v", m, want)
	}
}

func TestDecodeJPEG(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 16, 8))
	for i := range gray.Pix {
		gray.Pix[i] = 77
	}
	m, err := Decode(file(t, encoded(t, jpegEncode, gray)))
	if err != nil || m.C != 1 || m.H != 8 || m.W != 16 || slices.Max(m.Pix) != 77 || slices.Min(m.Pix) != 77 {
		t.Errorf("grey: %+v, %v", m, err)
	}
	red := image.NewRGBA(image.Rect(0, 0, 8, 16))
	for y := range 16 {
		for x := range 8 {
			red.SetRGBA(x, y, color.RGBA{250, 10, 30, 255})
		}
	}
	m, err = Decode(file(t, encoded(t, jpegEncode, red)))
	if err != nil || m.C != 3 || m.H != 16 || m.W != 8 {
		t.Fatalf("%+v, %v", m, err)
	}
	for c, want := range []uint16{250, 10, 30} {
		if got := m.Pix[c*128]; got+1 < want || got > want+1 { // JPEG rounds
			t.Errorf("channel %d is %d, not %d", c, got, want)
		}
	}
}

// A GIF's frame may cover a part of the picture; what it leaves is transparent. The frames after the first are not read.
func TestDecodeGIFFrame(t *testing.T) {
	p := color.Palette{color.RGBA{10, 20, 30, 255}, color.RGBA{40, 50, 60, 255}}
	part := image.NewPaletted(image.Rect(1, 1, 3, 2), p)
	later := image.NewPaletted(image.Rect(0, 0, 4, 3), p[1:])
	var b bytes.Buffer
	err := gif.EncodeAll(&b, &gif.GIF{Image: []*image.Paletted{part, later}, Delay: []int{0, 0}, Config: image.Config{Width: 4, Height: 3, ColorModel: p}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(file(t, b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	want := []uint16{0, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0, 0}
	if m.C != 4 || m.H != 3 || m.W != 4 || !slices.Equal(m.Pix[36:], want) || m.Pix[5] != 10 || m.Pix[24+6] != 30 {
		t.Errorf("got %+v", m)
	}
}

func TestDecodeWebP(t *testing.T) {
	for name, alpha := range map[string]bool{"alpha.webp": true, "opaque.webp": false, "lossyalpha.webp": true, "lossy.webp": false} {
		h, err := ReadHeader(filepath.Join("testdata", name))
		if err != nil || h.Alpha != alpha || h.Levels != 256 || h.Grey {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	for name, c := range map[string]int{"alpha.webp": 4, "opaque.webp": 3, "lossyalpha.webp": 4} {
		m, err := Decode(filepath.Join("testdata", name))
		if err != nil || m.C != c || m.H != 9 || m.W != 12 {
			t.Fatalf("%s: %dx%dx%d, %v", name, m.C, m.H, m.W, err)
		}
		for y := range 9 {
			for x := range 12 {
				want := [4]uint16{uint16(20 * x), uint16(28 * y), uint16(7 * x * y & 255), uint16(255 - 2*x*y)}
				for i := range c {
					if got := m.Pix[(i*9+y)*12+x]; got != want[i] && !(name == "lossyalpha.webp" && i < 3) {
						t.Errorf("%s: channel %d at (%d, %d) is %d, want %d", name, i, x, y, got, want[i])
					}
				}
			}
		}
	}
	// Lossy pixels are libwebp's, not the stretched ones of a decoder that takes video's luma for JPEG's.
	m, err := Decode("testdata/lossy.webp")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Decode("testdata/lossy.png")
	if err != nil {
		t.Fatal(err)
	}
	if m.C != 3 || m.H != 13 || m.W != 17 || !slices.Equal(m.Pix, want.Pix) {
		t.Errorf("got %v, want %v", m.Pix, want.Pix)
	}
}

func TestBadFiles(t *testing.T) {
	good := encoded(t, png.Encode, image.NewGray(image.Rect(0, 0, 20, 20)))
	huge := slices.Clone(good)
	binary.BigEndian.PutUint32(huge[16:], 1<<20)
	binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
	damaged := slices.Clone(good)
	damaged[bytes.Index(good, []byte("IDAT"))+6] ^= 1
	for name, tc := range map[string]struct {
		content []byte
		header  bool // already this is bad
		want    []string
	}{
		"empty":            {nil, true, []string{"unknown format"}},
		"text":             {[]byte("hello"), true, []string{"unknown format"}},
		"header truncated": {good[:20], true, []string{"unexpected EOF"}},
		"pixels truncated": {good[:len(good)-20], false, []string{"png", "unexpected EOF"}},
		"damaged":          {damaged, false, []string{"png", "checksum"}},
		"huge":             {huge, true, []string{"png: 20x1048576 pixels (height, width): each must be 1 to 16384"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, tc.content)
			_, err := ReadHeader(path)
			if tc.header {
				wantError(t, err, tc.want...)
			} else if err != nil {
				t.Errorf("header: %v", err)
			}
			_, err = Decode(path)
			wantError(t, err, tc.want...)
		})
	}
	_, err := Decode(filepath.Join(t.TempDir(), "none.png"))
	wantError(t, err, "no such file")
	if strings.Contains(err.Error(), "none.png") {
		t.Errorf("error %q names the file, which the caller does", err)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*p*")
	if err != nil || len(files) == 0 {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	path := filepath.Join(f.TempDir(), "picture")
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if h, err := ReadHeader(path); err != nil || h.H*h.W > 1<<20 {
			return
		}
		m, err := Decode(path)
		if err != nil {
			return
		}
		if len(m.Pix) != m.C*m.H*m.W || int(slices.Max(m.Pix)) >= m.Levels {
			t.Errorf("%dx%dx%d, %d levels, %d pixels up to %d", m.C, m.H, m.W, m.Levels, len(m.Pix), slices.Max(m.Pix))
		}
	})
}
