package chart

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuflow/device/meter"
)

func TestRoofline(t *testing.T) {
	r := Roofline{Title: "a step", Device: "cpu", Peaks: meter.Peaks{GFLOPS: 100, Copy: 10}, Points: []Work{
		{"product", 1e9, 1e6, 20}, {"copy", 0, 1e6, 1}, {"small", 1e6, 1e6, 0.1},
	}}
	p, err := r.Plot()
	if err != nil {
		t.Fatal(err)
	}
	// The point of most operations a byte, 1000, lies on the picture, and the one of none nowhere.
	if p.X.Max < 1000 || p.X.Min > 1 || p.Y.Max < 100 || p.Y.Min > 10 {
		t.Errorf("axes from %v to %v and from %v to %v", p.X.Min, p.X.Max, p.Y.Min, p.Y.Max)
	}
	path := filepath.Join(t.TempDir(), "roofline")
	if err := Save(p, path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + ".svg")
	if err != nil || !strings.Contains(string(text), "product") || strings.Contains(string(text), ">copy") {
		t.Errorf("the SVG names what it should not, or not what it should: %v", err)
	}
	image, err := os.ReadFile(path + ".png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(image)); err != nil {
		t.Error(err)
	}
	if _, err := (Roofline{}).Plot(); err == nil {
		t.Error("a roofline without peaks")
	}
}

func TestLines(t *testing.T) {
	p, err := Lines{"t", "x", "y", []Series{{"falls", []float64{1, 10}, []float64{5, 1}}, {"empty", nil, nil}}}.Plot()
	if err != nil || p.X.Min > 1 || p.X.Max < 10 || p.Y.Min > 1 || p.Y.Max < 5 {
		t.Errorf("%v: axes from %v to %v and from %v to %v", err, p.X.Min, p.X.Max, p.Y.Min, p.Y.Max)
	}
	if _, err := (Lines{Series: []Series{{"zero", []float64{1}, []float64{0}}}}).Plot(); err == nil || !strings.Contains(err.Error(), "zero") {
		t.Errorf("a zero on a logarithmic axis: %v", err)
	}
	if _, err := (Lines{}).Plot(); err == nil {
		t.Error("nothing is drawn")
	}
}

func TestTicks(t *testing.T) {
	labels := ""
	for _, tick := range (powers{}).Ticks(0.09, 11) {
		labels += " " + tick.Label
	}
	if got := strings.Join(strings.Fields(labels), " "); got != "0.1 0.2 0.5 1 2 5 10" {
		t.Errorf("ticks are %s", got)
	}
}
