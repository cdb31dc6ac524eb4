package train

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cuflow/flowgpu"
	"cuflow/flowgpu/plot"
)

// oddTable writes a table of four columns of whole numbers, real ones, and names that are none of ours.
func oddTable(t *testing.T) string {
	t.Helper()
	noise := rng(3)
	text := "count,weight (kg),größe,<x&y>\n"
	for range 600 {
		a, b, c := noise.NormFloat64(), noise.NormFloat64(), noise.NormFloat64()
		text += fmt.Sprintf("%d,%.7f,%.7f,%.7f\n", int(20+5*a), 70+10*b+3.1234567*a, c, 1e4*math.Exp(a))
	}
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func plotted(t *testing.T, dir string, p Plotting) *Plotted {
	t.Helper()
	done, err := Plot(context.Background(), dir, p, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// contents of the files that were written, by name.
func contents(t *testing.T, done *Plotted) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, path := range done.Files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = b
	}
	return all
}

// TestPlotPlane: all pictures of a flow of the plane, their numbers, and the same bytes a second time.
func TestPlotPlane(t *testing.T) {
	dir := start(t, tinyVectors(t, "two-moons:2000"))
	p := Plotting{N: 300, Seed: 5, Format: "svg", CSV: true}
	done := plotted(t, dir, p)
	files := contents(t, done)
	for _, name := range []string{"density.svg", "samples.svg", "grids.svg", "layers.svg", "layers.gif", "density.csv", "samples.csv", "grids.csv", "layers.csv"} {
		if len(files[name]) < 1000 {
			t.Errorf("%s has %d bytes", name, len(files[name]))
		}
		if _, err := os.Stat(filepath.Join(dir, "plots", name)); err != nil {
			t.Error(err)
		}
	}
	if len(files) != 9 {
		t.Errorf("%d files", len(files))
	}
	if i := done.Integral; i == nil || math.Abs(i.Value-1) > Tolerance || i.D != 2 {
		t.Errorf("integral %+v", i)
	}
	if d := done.Distances; len(d) != 2 || d[0].Column != "x" || !(d[0].KS > 0 && d[0].KS < 1) || math.Abs(d[1].Usual-1.358*math.Sqrt(2./300)) > 1e-4 {
		t.Errorf("distances %+v", d)
	}
	if done.Rows != 300 || done.N != 300 {
		t.Errorf("%d rows, %d samples", done.Rows, done.N)
	}
	p.Dir = t.TempDir()
	for name, b := range contents(t, plotted(t, dir, p)) {
		if !bytes.Equal(b, files[name]) {
			t.Errorf("%s differs the second time", name)
		}
	}
	p.Dir, p.Seed = t.TempDir(), 6
	if bytes.Equal(contents(t, plotted(t, dir, p))["samples.csv"], files["samples.csv"]) {
		t.Error("another seed gives the same samples")
	}
	checkPlaneCSV(t, files["density.csv"])
}

// checkPlaneCSV adds the density up: what the picture shows is nearly all of it.
func checkPlaneCSV(t *testing.T, text []byte) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(rows[0], " ") != "x y log_p exact_log_p" || len(rows) != 1+onPlane*onPlane {
		t.Fatalf("%d rows, %v", len(rows), rows[0])
	}
	value := func(row, column int) float64 {
		v, err := strconv.ParseFloat(rows[row][column], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	cell := (value(2, 0) - value(1, 0)) * (value(1+onPlane, 1) - value(1, 1))
	model, exact := 0.0, 0.0
	for i := 1; i < len(rows); i++ {
		model, exact = model+cell*math.Exp(value(i, 2)), exact+cell*math.Exp(value(i, 3))
	}
	if model < 0.95 || model > 1.01 || exact < 0.95 || exact > 1.01 {
		t.Errorf("the model's density on the picture is %g, the exact one %g", model, exact)
	}
}

// TestPlotLine: all pictures of a flow of the line, under a base on the real line and under one on (0, 1).
func TestPlotLine(t *testing.T) {
	for prior, latent := range map[string]string{"standard": "z", "uniform": "u"} {
		c := tinyVectors(t, "bimodal:2000")
		c.Model = flowgpu.Config{Kind: "chain", Channels: 1, Height: 1, Width: 1, Layers: "mixcdf(k=3)", Prior: prior, Seed: 1}
		dir := start(t, c)
		p := Plotting{N: 400, Seed: 5, Format: "svg", CSV: true}
		done := plotted(t, dir, p)
		files := contents(t, done)
		for _, name := range []string{"density.svg", "cdf.svg", "map.svg", "stages.svg", "density.csv", "stages.csv", "samples.csv"} {
			if len(files[name]) < 1000 {
				t.Errorf("%s: %s has %d bytes", prior, name, len(files[name]))
			}
		}
		if i := done.Integral; i == nil || math.Abs(i.Value-1) > 1e-5 || i.D != 1 {
			t.Errorf("%s: integral %+v", prior, i)
		}
		for _, words := range []string{latent + " (latent)", "|d" + latent + "/dx|"} {
			if !bytes.Contains(files["map.svg"], []byte(words)) {
				t.Errorf("%s: the map does not say %q", prior, words)
			}
		}
		checkCurve(t, files["density.csv"], prior == "uniform")
		p.Dir = t.TempDir()
		for name, b := range contents(t, plotted(t, dir, p)) {
			if !bytes.Equal(b, files[name]) {
				t.Errorf("%s: %s differs the second time", prior, name)
			}
		}
	}
}

// TestPlotOfNoFlow: a mixture has a density and samples, and no map from data to a latent.
func TestPlotOfNoFlow(t *testing.T) {
	r, err := Preset("gmm-2d")
	if err != nil {
		t.Fatal(err)
	}
	for set, want := range map[string]string{"bimodal:500": "density.svg cdf.svg", "two-moons:500": "density.svg samples.svg"} {
		c := r.Config
		c.Data, c.Model.Components, c.Batch, c.Device = set, 4, 100, "cpu"
		done := plotted(t, start(t, c), Plotting{N: 200, Format: "svg"})
		var names []string
		for _, path := range done.Files {
			names = append(names, filepath.Base(path))
		}
		if strings.Join(names, " ") != want {
			t.Errorf("%s: files %v, want %s", set, names, want)
		}
		if i := done.Integral; i == nil || math.Abs(i.Value-1) > 1e-5 {
			t.Errorf("%s: integral %+v", set, i)
		}
	}
}

// checkCurve: the slope written is that of z over x, the distribution function that of the density, and under a uniform base both are
// the same as latent and density.
func checkCurve(t *testing.T, text []byte, uniform bool) {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil || strings.Join(rows[0], " ") != "x log_p cdf z log_slope exact_log_p" || len(rows) != 2+onCurve {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	var v [][6]float64
	for _, r := range rows[1:] {
		var w [6]float64
		for i, cell := range r {
			if w[i], err = strconv.ParseFloat(cell, 64); err != nil {
				t.Fatal(err)
			}
		}
		v = append(v, w)
	}
	for i := 50; i < len(v)-50; i += 37 {
		h := v[i+1][0] - v[i-1][0]
		if got, want := math.Exp(v[i][4]), (v[i+1][3]-v[i-1][3])/h; math.Abs(got-want) > 2e-3*(1+want) {
			t.Errorf("at %g the slope is %g, the difference of z says %g", v[i][0], got, want)
		}
		if got, want := math.Exp(v[i][1]), (v[i+1][2]-v[i-1][2])/h; math.Abs(got-want) > 2e-3*(1+want) {
			t.Errorf("at %g the density is %g, the difference of the distribution function says %g", v[i][0], got, want)
		}
		if uniform && (math.Abs(v[i][3]-v[i][2]) > 1e-4 || math.Abs(v[i][4]-v[i][1]) > 1e-4) {
			t.Errorf("at %g u is %g and its slope %g, under a uniform base it is the share %g and the density %g", v[i][0], v[i][3], v[i][4], v[i][2], v[i][1])
		}
	}
}

// TestPlotTable: of more columns pairs and marginals, of those that were chosen, under any name.
func TestPlotTable(t *testing.T) {
	dir := start(t, tinyVectors(t, oddTable(t)))
	done := plotted(t, dir, Plotting{N: 200, Format: "svg", CSV: true})
	files := contents(t, done)
	if len(files) != 3 || len(done.Distances) != 4 || done.Integral != nil {
		t.Errorf("%d files, %+v", len(files), done)
	}
	for _, words := range []string{"count", "weight (kg)", "größe", "&lt;x&amp;y&gt;"} {
		if !bytes.Contains(files["pairs.svg"], []byte(words)) || !bytes.Contains(files["marginals.svg"], []byte(words)) {
			t.Errorf("%s is not in the pictures", words)
		}
	}
	// Whole numbers are spread over their step: samples of the model are not whole, and neither is the data beside them.
	rows, err := csv.NewReader(bytes.NewReader(files["samples.csv"])).ReadAll()
	if err != nil || len(rows) != 1+done.Rows+200 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	whole := 0
	for _, r := range rows[1 : 1+done.Rows] {
		if v, err := strconv.ParseFloat(r[1], 64); err != nil || v == math.Floor(v) {
			whole++
		}
	}
	if whole > done.Rows/10 {
		t.Errorf("%d of %d counts are whole", whole, done.Rows)
	}
	done = plotted(t, dir, Plotting{Dir: t.TempDir(), N: 50, Format: "svg", Columns: []string{"count", "größe"}})
	pairs := contents(t, done)["pairs.svg"]
	if bytes.Contains(pairs, []byte("weight (kg)")) || !bytes.Contains(pairs, []byte("größe")) {
		t.Error("columns were not chosen")
	}
}

func TestPlotFormats(t *testing.T) {
	dir := start(t, tinyVectors(t, "two-moons:2000"))
	for format, head := range map[string]string{"png": "\x89PNG", "pdf": "%PDF-", "svg": "<?xml"} {
		for name, b := range contents(t, plotted(t, dir, Plotting{Dir: t.TempDir(), N: 50, Format: format})) {
			if want := head; name != "layers.gif" && !bytes.HasPrefix(b, []byte(want)) {
				t.Errorf("%s begins with %q", name, b[:8])
			}
		}
	}
}

// TestPlotErrors: what cannot be drawn is an error that says what to do.
func TestPlotErrors(t *testing.T) {
	dir := start(t, tinyVectors(t, oddTable(t)))
	images, plane := start(t, tiny(t)), start(t, tinyVectors(t, "two-moons:2000"))
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	good := Plotting{Dir: t.TempDir(), N: 50, Format: "png"}
	with := func(change func(*Plotting)) Plotting {
		p := good
		change(&p)
		return p
	}
	for _, tc := range []struct {
		dir   string
		p     Plotting
		want  string
		usage bool
	}{
		{images, good, "draw images from it with `train sample", true},
		{t.TempDir(), good, "no checkpoint.cuflow in this folder", false},
		{filepath.Join(dir, "none"), good, "no such folder", false},
		{dir, with(func(p *Plotting) { p.Format = "jpeg" }), `--format: unknown format "jpeg": use png, svg, pdf`, true},
		{dir, with(func(p *Plotting) { p.N = 9 }), "--n is 9", true},
		{dir, with(func(p *Plotting) { p.N = 1 << 20 }), "--n is 1048576", true},
		{dir, with(func(p *Plotting) { p.Columns = []string{"count", "colour"} }), `no column "colour"`, true},
		{dir, with(func(p *Plotting) { p.Columns = []string{"count"} }), "give 2 to 12", true},
		{dir, with(func(p *Plotting) { p.Columns = []string{"count", "count"} }), "given twice", true},
		{plane, with(func(p *Plotting) { p.Columns = []string{"x", "y"} }), "which is of more than two", true},
		{dir, with(func(p *Plotting) { p.Dir = file }), "--out", false},
	} {
		_, err := Plot(context.Background(), tc.dir, tc.p, Use{}, quiet())
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("want %q, got %v", tc.want, err)
		}
		if errors.As(err, &UsageError{}) != tc.usage {
			t.Errorf("%v: a mistake in what was asked for: %v, want %v", err, !tc.usage, tc.usage)
		}
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Plot(stopped, dir, good, Use{}, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Errorf("a plot that was stopped gives %v", err)
	}
}

// gaussian is a density [n][d] of one standard deviation about a middle, of some mass.
func gaussian(d int, middle, std, mass float64) density {
	return func(points []float64) ([]float64, error) {
		p := make([]float64, len(points)/d)
		for i := range p {
			squares := 0.0
			for _, v := range points[i*d : (i+1)*d] {
				squares += (v - middle) * (v - middle) / (std * std)
			}
			p[i] = mass * math.Exp(-squares/2) / math.Pow(std*math.Sqrt(2*math.Pi), float64(d))
		}
		return p, nil
	}
}

// TestIntegrals: of known densities, narrow and wide beside what they are looked for in, and of one that is none.
func TestIntegrals(t *testing.T) {
	ctx := context.Background()
	for _, tc := range []struct{ middle, std, mass float64 }{{0.5, 0.2, 1}, {0.3, 0.01, 1}, {0, 4, 1}, {0.5, 0.2, 0.9}} {
		i, g, err := gaussian(1, tc.middle, tc.std, tc.mass).integrateLine(ctx, 0, 1)
		if err != nil || math.Abs(i.Value-tc.mass) > 1e-6 {
			t.Errorf("%+v: %v, %v", tc, i.Value, err)
		}
		cdf := g.cdf()
		k := int((tc.middle - g.low) / g.step())
		if cdf[0] != 0 || math.Abs(cdf[len(cdf)-1]-1) > 1e-12 || math.Abs(cdf[k]-0.5) > 1e-3+g.step()/tc.std {
			t.Errorf("%+v: the distribution function goes from %g by %g in the middle to %g", tc, cdf[0], cdf[k], cdf[len(cdf)-1])
		}
		j, err := gaussian(2, tc.middle, tc.std, tc.mass).integratePlane(ctx, plot.Grid{X0: -0.5, X1: 1.5, Y0: -0.5, Y1: 1.5})
		if err != nil || math.Abs(j.Value-tc.mass) > 1e-5 {
			t.Errorf("%+v on the plane: %v, %v", tc, j.Value, err)
		}
		if off := strings.Contains(j.String(), "off by more than"); off != (tc.mass != 1) {
			t.Errorf("%+v is told as %q", tc, j)
		}
	}
	edge := density(func(points []float64) ([]float64, error) { // jumps at both ends
		p := make([]float64, len(points))
		for i, v := range points {
			if v >= 0.1 && v <= 0.6 {
				p[i] = 2
			}
		}
		return p, nil
	})
	if i, _, err := edge.integrateLine(ctx, 0.1, 0.6); err != nil || math.Abs(i.Value-1) > Tolerance {
		t.Errorf("a uniform density integrates to %v, %v", i.Value, err)
	}
	bad := errors.New("bad")
	fails := density(func([]float64) ([]float64, error) { return nil, bad })
	if _, _, err := fails.integrateLine(ctx, 0, 1); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
	if _, err := fails.integratePlane(ctx, plot.Grid{X1: 1, Y1: 1}); !errors.Is(err, bad) {
		t.Errorf("got %v", err)
	}
}

func TestSpread(t *testing.T) {
	for _, tc := range []struct {
		n, most int
		want    string
	}{{3, 5, "[0 1 2]"}, {9, 3, "[0 4 8]"}, {1, 4, "[0]"}, {33, 5, "[0 8 16 24 32]"}} {
		if got := fmt.Sprint(spread(tc.n, tc.most)); got != tc.want {
			t.Errorf("%d of %d: %s, want %s", tc.most, tc.n, got, tc.want)
		}
	}
}
