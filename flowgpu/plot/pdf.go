package plot

import (
	"image"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"gonum.org/v1/plot/vg/vgpdf"
)

// writePDF leaves out what differs between two files of one picture: the date, and the order of maps. fpdf has no way to ask for it
// on one document of gonum's, so that its defaults are set; they are the same every time.
func (f *Figure) writePDF(w io.Writer) error {
	fpdf.SetDefaultCreationDate(time.Unix(0, 0).UTC())
	fpdf.SetDefaultModificationDate(time.Unix(0, 0).UTC())
	fpdf.SetDefaultCatalogSort(true)
	c := vgpdf.New(f.w, f.h)
	f.draw(c, &pdfImages{})
	_, err := c.WriteTo(w)
	return err
}

// pdfImages makes up for two habits of the packages below, as of gonum/plot 0.17 and fpdf 0.11. fpdf sorts images by their width, and
// leaves those of one width in the order of a map: here no two are equally wide. And vgpdf draws images upside down.
type pdfImages struct{ widest int }

// width is one that no image before had, and not less than w.
func (p *pdfImages) width(w int) int {
	p.widest = max(w, p.widest+1)
	return p.widest
}

// flip turns an image upside down, in place.
func flip(img *image.NRGBA) {
	h := img.Rect.Dy()
	for y := range h / 2 {
		a, b := img.Pix[y*img.Stride:][:img.Stride], img.Pix[(h-1-y)*img.Stride:][:img.Stride]
		for i := range a {
			a[i], b[i] = b[i], a[i]
		}
	}
}
