package plot

import (
	"bytes"
	"encoding/xml"
	"flag"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var show = flag.String("show", "", "folder to write all pictures into, for a person to look at")

// pictures are all kinds there are, and words that each must have on it.
func pictures(t *testing.T) map[string]func() (*Figure, error) {
	t.Helper()
	c, data := mixture(2000)
	exact := c
	exact.Exact = c.LogP
	z := normals(1500, 2)
	return map[string]func() (*Figure, error){
		"density": func() (*Figure, error) { return Density(c, data) },
		"exact":   func() (*Figure, error) { return Density(exact, data) },
		"cdf":     func() (*Figure, error) { return CDF(c, data) },
		"map":     func() (*Figure, error) { return Map(c) },
		"stages":  func() (*Figure, error) { return Stages(c, throughUniform(c)) },
		"heat":    func() (*Figure, error) { return Heat(bentPlane(Grid{-5, 5, -3, 7, 200, 200}, z.through(bent))) },
		"heats": func() (*Figure, error) {
			p := bentPlane(Grid{-5, 5, -3, 7, 100, 100}, z.through(bent))
			p.Exact = p.LogP
			return Heat(p)
		},
		"samples": func() (*Figure, error) {
			return Samples([2]string{"width (mm)", "length (mm)"}, z.through(bent), normals(1500, 4).through(bent))
		},
		"grids":     func() (*Figure, error) { return Grids(bentWarp()) },
		"layers":    func() (*Figure, error) { return Strip("From latent to data, layer by layer", bentFrames(1500)) },
		"pairs":     func() (*Figure, error) { return Pairs(table(1500)) },
		"marginals": func() (*Figure, error) { return Marginals("Columns", table(1500)) },
	}
}

func written(t *testing.T, f *Figure, err error, format string) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestSameBytes: the same arrays give the same file, in every format, and one that its readers take.
func TestSameBytes(t *testing.T) {
	for name, draw := range pictures(t) {
		for _, format := range Formats() {
			f, err := draw()
			first := written(t, f, err, format)
			f, err = draw()
			if !bytes.Equal(first, written(t, f, err, format)) {
				t.Errorf("%s.%s differs the second time", name, format)
			}
			if err := readable(first, format, f); err != "" {
				t.Errorf("%s.%s: %s", name, format, err)
			}
			if *show != "" {
				if err := os.WriteFile(filepath.Join(*show, name+"."+format), first, 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// readable says what is wrong with a file.
func readable(b []byte, format string, f *Figure) string {
	switch format {
	case "png":
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			return err.Error()
		}
		if got, want := img.Bounds().Size(), image.Pt(int(2*f.w), int(2*f.h)); got != want { // 144 dots per inch of 72 points
			return "it has the wrong size: " + got.String() + ", not " + want.String()
		}
	case "svg":
		d := xml.NewDecoder(bytes.NewReader(b))
		for {
			_, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				return err.Error()
			}
		}
		b = regexp.MustCompile(`base64,[^"]*`).ReplaceAll(b, nil)
		if strings.Contains(string(b), "NaN") || strings.Contains(string(b), "Inf") {
			return "it has a place that is no number"
		}
	case "pdf":
		if !bytes.HasPrefix(b, []byte("%PDF-")) || !bytes.HasSuffix(bytes.TrimSpace(b), []byte("%%EOF")) {
			return "it does not begin and end as a PDF does"
		}
	}
	return ""
}

// TestWords: what a picture must say is in its SVG as text.
func TestWords(t *testing.T) {
	all := pictures(t)
	for name, words := range map[string][]string{
		"density":   {"height (m)", "density", "data (2,000 values)", "learned p(x)"},
		"exact":     {"density that drew the data"},
		"cdf":       {"height (m)", "Kolmogorov-Smirnov distance 0.0", "below 0.0304 in 95", "share of the mass below x"},
		"map":       {"z (latent)", "height (m)", "|dz/dx|", "p(x)", "Base p(z)"},
		"stages":    {"after mixture", "after normal (latent)"},
		"heat":      {"width (mm)", "length (mm)", "nats; lines hold 50, 90, 99% of the mass"},
		"heats":     {"Density that drew the data"},
		"samples":   {"1,500 points", "1,500 samples"},
		"grids":     {"width (mm)", "z1 (latent)", "A grid in data space ...", "A grid in latent space ..."},
		"layers":    {"latent z", "inverse of scale", "data x"},
		"pairs":     {"carat", "depth (%)", "price (USD)", "width (mm)", "KS 0.0", "below 0.050 in 95"},
		"marginals": {"carat", "depth (%)", "price (USD)", "width (mm)", "KS 0.0"},
	} {
		f, err := all[name]()
		text := string(written(t, f, err, "svg"))
		for _, w := range words {
			if escaped := strings.ReplaceAll(w, "<", "&lt;"); !strings.Contains(text, escaped) {
				t.Errorf("%s does not say %q", name, w)
			}
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	c, data := mixture(50)
	f, err := Density(c, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(io.Discard, "jpeg"); err == nil || !strings.Contains(err.Error(), `unknown format "jpeg": use png, svg, pdf`) {
		t.Errorf("got %v", err)
	}
}

// TestAnyName: a column may be called anything.
func TestAnyName(t *testing.T) {
	c, data := mixture(50)
	for _, name := range []string{"", "<&\">", "größe", "Δt (µs)", "高さ", strings.Repeat("long ", 60), "a\nb"} {
		c.Name = name
		for _, format := range Formats() {
			f, err := Density(c, data)
			if got := readable(written(t, f, err, format), format, f); got != "" {
				t.Errorf("%q as %s: %s", name, format, got)
			}
		}
	}
}
