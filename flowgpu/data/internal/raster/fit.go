package raster

import (
	"fmt"
	"image"

	"golang.org/x/image/draw"
)

// The ways to give a picture another size. Where an odd number of rows or columns is cut or added, the one more is at the
// bottom or the right.
const (
	Refuse = ""       // its size must be right
	Crop   = "crop"   // cut out the middle
	Resize = "resize" // scale until it just covers the size, then cut out the middle
	Pad    = "pad"    // put it in the middle of zeros
)

// Fit says what a picture is made to be.
type Fit struct {
	C, H, W int
	How     string // Refuse, Crop, Resize or Pad
	From    int    // a picture of fewer levels is spread over this many, v (From-1)/(Levels-1)
	Bits    int    // the depth to reduce to by dropping low bits, v >> (depth-Bits); 0 keeps all
}

// Apply makes a picture fit; m stays as it is. Steps are in this order: spread, channels, size, depth.
func (f Fit) Apply(m Image) (Image, error) {
	if err := f.Check(m.H, m.W); err != nil {
		return Image{}, err
	}
	m, err := m.spread(f.From).channels(f.C)
	if err != nil {
		return Image{}, err
	}
	return f.size(m).reduce(f.Bits)
}

// each gives the picture with every intensity replaced.
func (m Image) each(to func(v int) int) Image {
	pix := make([]uint16, len(m.Pix))
	for i, v := range m.Pix {
		pix[i] = uint16(to(int(v)))
	}
	m.Pix = pix
	return m
}

func (m Image) spread(levels int) Image {
	if m.Levels >= levels {
		return m
	}
	step := (levels - 1) / (m.Levels - 1) // whole for 2, 4 and 16 levels over 256
	m = m.each(func(v int) int { return v * step })
	m.Levels = levels
	return m
}

func (m Image) reduce(bits int) (Image, error) {
	if bits == 0 {
		return m, nil
	}
	depth, whole := Depth(m.Levels)
	switch {
	case !whole:
		return Image{}, fmt.Errorf("%d intensities are no whole number of bits: it cannot be reduced to %d", m.Levels, bits)
	case bits > depth:
		return Image{}, fmt.Errorf("has %d bits: it cannot be reduced to %d", depth, bits)
	case bits < depth:
		m = m.each(func(v int) int { return v >> (depth - bits) })
		m.Levels = 1 << bits
	}
	return m, nil
}

// channels makes colours grey by Rec. 601 luma (0.299 R + 0.587 G + 0.114 B, rounded), greys coloured by repeating them,
// and lays what has alpha over black where alpha is not wanted.
func (m Image) channels(c int) (Image, error) {
	if m.C == c {
		return m, nil
	}
	wrong := func(c int) bool { return c != 1 && c != 3 && c != 4 }
	if wrong(m.C) || wrong(c) {
		return Image{}, fmt.Errorf("%d channels cannot be made %d: only 1 (grey), 3 (RGB) and 4 (RGBA) can be turned into each other", m.C, c)
	}
	p, top := m.H*m.W, m.Levels-1
	out := Image{C: c, H: m.H, W: m.W, Levels: m.Levels, Pix: make([]uint16, c*p)}
	for i := range p {
		r, a := int(m.Pix[i]), top
		g, b := r, r
		if m.C >= 3 {
			g, b = int(m.Pix[p+i]), int(m.Pix[2*p+i])
		}
		if m.C == 4 {
			a = int(m.Pix[3*p+i])
		}
		if c < 4 { // over black
			r, g, b = (r*a+top/2)/top, (g*a+top/2)/top, (b*a+top/2)/top
		}
		switch c {
		case 1:
			out.Pix[i] = uint16((299*r + 587*g + 114*b + 500) / 1000)
		case 4:
			out.Pix[3*p+i] = uint16(a)
			fallthrough
		case 3:
			out.Pix[i], out.Pix[p+i], out.Pix[2*p+i] = uint16(r), uint16(g), uint16(b)
		}
	}
	return out, nil
}

// Check tells whether a picture of h x w can be given the size.
func (f Fit) Check(h, w int) error {
	switch {
	case h == f.H && w == f.W:
		return nil
	case f.How == Refuse:
		return fmt.Errorf("is of %dx%d pixels (height, width), not %dx%d: choose crop, resize or pad", h, w, f.H, f.W)
	case f.How == Crop && (h < f.H || w < f.W):
		return fmt.Errorf("is of %dx%d pixels (height, width): too small to crop %dx%d out of it", h, w, f.H, f.W)
	case f.How == Pad && (h > f.H || w > f.W):
		return fmt.Errorf("is of %dx%d pixels (height, width): too large to be padded to %dx%d", h, w, f.H, f.W)
	}
	if sh, sw := f.scaled(h, w); f.How == Resize && (sh > MaxSide || sw > MaxSide) {
		return fmt.Errorf("is of %dx%d pixels (height, width): to cover %dx%d it would have to be scaled to %dx%d, above %d a side", h, w, f.H, f.W, sh, sw, MaxSide)
	}
	return nil
}

// scaled is the size nearest to that of an h x w picture scaled until it just covers f.H x f.W.
func (f Fit) scaled(h, w int) (int, int) {
	factor := max(float64(f.H)/float64(h), float64(f.W)/float64(w))
	return max(f.H, int(float64(h)*factor+0.5)), max(f.W, int(float64(w)*factor+0.5))
}

func (f Fit) size(m Image) Image {
	switch {
	case m.H == f.H && m.W == f.W:
		return m
	case f.How == Resize:
		return f.resize(m)
	case f.How == Crop:
		return f.moved(m, -((m.H - f.H) / 2), -((m.W - f.W) / 2))
	}
	return f.moved(m, (f.H-m.H)/2, (f.W-m.W)/2)
}

// empty is a black picture of the right size with the channels and levels of m.
func (f Fit) empty(m Image) Image {
	return Image{C: m.C, H: f.H, W: f.W, Levels: m.Levels, Pix: make([]uint16, m.C*f.H*f.W)}
}

// moved puts the corner of m at (top, left) of an empty picture.
func (f Fit) moved(m Image, top, left int) Image {
	out := f.empty(m)
	for c := range m.C {
		for y := max(0, top); y < min(f.H, top+m.H); y++ {
			src := m.Pix[(c*m.H+y-top)*m.W:][:m.W]
			copy(out.Pix[(c*f.H+y)*f.W+max(0, left):(c*f.H+y+1)*f.W], src[max(0, -left):])
		}
	}
	return out
}

// resize scales by one factor both ways, with the Catmull-Rom kernel (widened where the picture shrinks, so that every
// pixel counts), and computes of the result only the middle.
func (f Fit) resize(m Image) Image {
	out := f.empty(m)
	sh, sw := f.scaled(m.H, m.W)
	place := image.Rect(0, 0, sw, sh).Sub(image.Pt((sw-f.W)/2, (sh-f.H)/2))
	dst := image.NewGray16(image.Rect(0, 0, f.W, f.H))
	for c := range m.C {
		src := m.plane(c)
		draw.CatmullRom.Scale(dst, place, src, src.Bounds(), draw.Src, nil)
		for i := range f.H * f.W {
			v := int(dst.Pix[2*i])<<8 | int(dst.Pix[2*i+1])
			out.Pix[c*f.H*f.W+i] = uint16((v*(m.Levels-1) + 0x7fff) / 0xffff)
		}
	}
	return out
}

// plane is a channel as a grey picture, black to white: of 8 bits, which are scaled fastest, or else of 16.
func (m Image) plane(c int) image.Image {
	pix, area := m.Pix[c*m.H*m.W:][:m.H*m.W], image.Rect(0, 0, m.W, m.H)
	if m.Levels == 256 {
		g := image.NewGray(area)
		for i, v := range pix {
			g.Pix[i] = uint8(v)
		}
		return g
	}
	g, top := image.NewGray16(area), m.Levels-1
	for i, v := range pix {
		v := (int(v)*0xffff + top/2) / top
		g.Pix[2*i], g.Pix[2*i+1] = uint8(v>>8), uint8(v)
	}
	return g
}
