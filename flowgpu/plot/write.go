package plot

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// dotsPerInch makes pictures sharp on today's screens at the size of a page.
const dotsPerInch = 144

// Formats are those that a Figure is written in.
func Formats() []string { return []string{"png", "svg", "pdf"} }

// CheckFormat says which formats there are if it does not know one.
func CheckFormat(name string) error {
	if !slices.Contains(Formats(), name) {
		return fmt.Errorf("unknown format %q: use %s", name, strings.Join(Formats(), ", "))
	}
	return nil
}

// Write writes the picture in one of the Formats.
func (f *Figure) Write(w io.Writer, format string) error {
	switch format {
	case "png":
		return png.Encode(w, f.raster().Image())
	case "svg":
		return f.writeSVG(w)
	case "pdf":
		return f.writePDF(w)
	}
	return CheckFormat(format)
}

func (f *Figure) raster() *vgimg.Canvas {
	c := vgimg.NewWith(vgimg.UseWH(f.w, f.h), vgimg.UseDPI(dotsPerInch))
	f.draw(c, nil)
	return c
}

// writeSVG names other fonts of the same widths for readers who lack the one that was measured. Images are PNG, though gonum calls
// them what not all readers take.
func (f *Figure) writeSVG(w io.Writer) error {
	c := vgsvg.New(f.w, f.h)
	f.draw(c, nil)
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return err
	}
	const font = "font-family:Liberation Sans"
	_, err := strings.NewReplacer(font, font+",Arial,Helvetica,sans-serif", "data:image/jpg;", "data:image/png;").WriteString(w, b.String())
	return err
}
