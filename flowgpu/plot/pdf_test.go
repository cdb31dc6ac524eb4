package plot

import (
	"bytes"
	"compress/zlib"
	"io"
	"strconv"
	"strings"
	"testing"
)

// TestImagesInPDFs: the packages below still have the habits that pdfImages makes up for: the matrix under which an image is drawn turns
// it upside down. An image's own upper edge is at 1 of its vertical axis (ISO 32000-1, section 8.9.5).
func TestImagesInPDFs(t *testing.T) {
	z := normals(50, 1)
	f, err := Samples([2]string{}, z, z)
	b := written(t, f, err, "pdf")
	images := 0
	for part := range bytes.SplitSeq(b, []byte("stream\n")) {
		r, err := zlib.NewReader(bytes.NewReader(part))
		if err != nil {
			continue // no compressed stream
		}
		text, err := io.ReadAll(r)
		if err != nil || !bytes.Contains(text, []byte(" cm")) {
			continue
		}
		for _, up := range imagesUpright(t, string(text)) {
			images++
			if up {
				t.Error("an image is drawn upright: it must not be turned any more")
			}
		}
	}
	if images != 3 { // data; data and samples
		t.Errorf("%d images", images)
	}
}

// imagesUpright follows the vertical scale of the matrices of a content stream.
func imagesUpright(t *testing.T, text string) (upright []bool) {
	t.Helper()
	scale, stack := 1.0, []float64(nil)
	fields := strings.Fields(text)
	for i, word := range fields {
		switch word {
		case "q":
			stack = append(stack, scale)
		case "Q":
			scale, stack = stack[len(stack)-1], stack[:len(stack)-1]
		case "cm":
			d, err := strconv.ParseFloat(fields[i-3], 64)
			if err != nil {
				t.Fatal(err)
			}
			scale *= d
		case "Do":
			upright = append(upright, scale > 0)
		}
	}
	return upright
}
