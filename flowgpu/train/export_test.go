package train

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuflow/flowgpu"
	"cuflow/flowgpu/weights"
)

// sameBits says whether two arrays agree in every bit.
func sameBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

func section(t *testing.T, s *saved, name string) []float32 {
	t.Helper()
	data, err := s.c.Section(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestExportImport: what goes out in either format comes back in every bit, and does what the run did.
func TestExportImport(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(*Config){
		"glow":      func(*Config) {},
		"no ema":    func(c *Config) { c.Adam.EMADecay = 0 },
		"shuffled":  func(c *Config) { c.Model.Permutation = "shuffle" },
		"realnvp":   realnvp,
		"two seeds": func(c *Config) { c.Seed = 1<<63 + 5 },
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			change(&c)
			dir := start(t, c)
			want, err := Evaluate(ctx, dir, Detail{}, Use{}, quiet())
			if err != nil {
				t.Fatal(err)
			}
			for _, format := range []string{"safetensors", "npz"} {
				x, err := Export(dir, Exporting{Format: format}, quiet())
				if err != nil {
					t.Fatal(err)
				}
				if x.Path != filepath.Join(dir, "weights."+format) || x.Format != format || x.Arrays < 10 || x.Values < 1000 {
					t.Errorf("%+v", x)
				}
				if averaged := c.Adam.EMADecay > 0; (x.Weights == weights.EMA) != averaged {
					t.Errorf("%s weights of a run that averages: %v", x.Weights, averaged)
				}
				out := filepath.Join(t.TempDir(), "a", "run")
				im, err := Import(x.Path, Importing{Out: out}, quiet())
				if err != nil {
					t.Fatal(err)
				}
				if im.Dir != out || im.Arrays != x.Arrays || im.Preset != c.Preset {
					t.Errorf("%+v", im)
				}
				s := checkpoint(t, dir)
				s.chosen()
				back := checkpoint(t, out)
				if !sameBits(section(t, back, "values"), section(t, s, "values")) || !sameBits(section(t, back, "fixed"), section(t, s, "fixed")) {
					t.Error("the weights have changed on the way")
				}
				if back.Config != s.Config || back.Position.Step != 0 || back.Position.Imported != "weights."+format {
					t.Errorf("%+v, exported %+v", back.extra, s.extra)
				}
				got, err := Evaluate(ctx, out, Detail{}, Use{}, quiet())
				if err != nil || *got != *want {
					t.Errorf("scored %+v, exported %+v; %v", got, want, err)
				}
				var told bytes.Buffer
				if err := Inspect(out, &told); err != nil || !strings.Contains(told.String(), "imported from weights."+format) {
					t.Errorf("%v\n%s", err, told.String())
				}
			}
		})
	}
}

// TestExportRaw: the last weights are others than the averaged ones.
func TestExportRaw(t *testing.T) {
	dir := start(t, tiny(t))
	out := filepath.Join(t.TempDir(), "w.npz") // the name tells the format
	x, err := Export(dir, Exporting{Weights: weights.Raw, Out: out}, quiet())
	if err != nil || x.Format != "npz" || x.Weights != weights.Raw {
		t.Fatalf("%+v, %v", x, err)
	}
	back := filepath.Join(t.TempDir(), "run")
	if _, err := Import(out, Importing{Out: back}, quiet()); err != nil {
		t.Fatal(err)
	}
	s, b := checkpoint(t, dir), checkpoint(t, back)
	values := section(t, b, "values")
	if !sameBits(values, section(t, s, "values")) || sameBits(values, section(t, s, "ema")) {
		t.Error("not the last weights")
	}
	f, err := readWeights(out)
	if err != nil || f.Meta[weights.MetaWeights] != weights.Raw || f.Meta[metaStep] != "12" || f.Config != s.c.Model {
		t.Errorf("%+v of %+v, %v", f.Meta, f.Config, err)
	}
}

// TestResumeImported: a run of imported weights trains from them as a new one does from its own, and can be resumed again.
func TestResumeImported(t *testing.T) {
	ctx, dir := context.Background(), start(t, tiny(t))
	x, err := Export(dir, Exporting{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "run")
	if _, err := Import(x.Path, Importing{Out: out}, quiet()); err != nil {
		t.Fatal(err)
	}
	before := section(t, checkpoint(t, out), "values")
	r, err := Resume(ctx, out, func(*Config) {}, quiet())
	if err != nil || r.Steps != 12 {
		t.Fatalf("%+v, %v", r, err)
	}
	after := checkpoint(t, out)
	if sameBits(section(t, after, "values"), before) || after.Position.Imported != "weights.safetensors" {
		t.Errorf("not trained: %+v", after.Position)
	}
	if first := lines(t, out)[0]; !strings.Contains(first, `"step":3`) {
		t.Errorf("the log begins with %s", first)
	}
	if r, err := Resume(ctx, out, func(c *Config) { c.Steps = 14 }, quiet()); err != nil || r.Steps != 14 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestImportIntoPreset: the preset's settings, where its model is the file's.
func TestImportIntoPreset(t *testing.T) {
	p, err := Preset("glow-digits")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Steps, c.Warmup, c.Batch, c.Device, c.EvalEvery, c.SampleEvery, c.CheckpointEvery, c.LR = 2, 0, 16, "cpu", 0, 0, 0, 1e-4
	x, err := Export(start(t, c), Exporting{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "run")
	if _, err := Import(x.Path, Importing{Out: out, Preset: "digits", Data: "digits"}, quiet()); err != nil {
		t.Fatal(err)
	}
	if got := checkpoint(t, out).Config; got.Steps != p.Steps || got.Batch != p.Batch || got.Model != p.Model {
		t.Errorf("%+v, the preset has %+v", got, p.Config)
	}

	// A file without a word about its model is taken by its arrays; one that says nothing needs a preset.
	f, err := readWeights(x.Path)
	if err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.safetensors")
	writeWeights(t, bare, &weights.File{Arrays: f.Arrays})
	if _, err := Import(bare, Importing{Out: filepath.Join(t.TempDir(), "run"), Preset: "digits"}, quiet()); err != nil {
		t.Error(err)
	}
	_, err = Import(bare, Importing{Out: filepath.Join(t.TempDir(), "run")}, quiet())
	wantError(t, err, false, bare, "no settings", "--preset")
}

func writeWeights(t *testing.T, path string, f *weights.File) {
	t.Helper()
	var b bytes.Buffer
	if err := weights.WriteSafetensors(&b, f); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestExportErrors(t *testing.T) {
	c := tiny(t)
	c.Adam.EMADecay = 0
	dir := start(t, c)
	for _, tc := range []struct {
		x     Exporting
		usage bool
		want  []string
	}{
		{Exporting{Format: "onnx"}, true, []string{`"onnx"`, "safetensors or npz"}},
		{Exporting{Weights: "last"}, true, []string{`"last"`, "best, ema or raw"}},
		{Exporting{Weights: "best"}, false, []string{"no best weights", "--patience", "--weights"}},
		{Exporting{Weights: "ema"}, false, []string{"no averaged weights", "--weights raw"}},
		{Exporting{Out: filepath.Join(dir, "none", "w.npz")}, false, []string{"w.npz"}},
	} {
		_, err := Export(dir, tc.x, quiet())
		wantError(t, err, tc.usage, tc.want...)
	}
}

func TestExportHidesPlaces(t *testing.T) {
	dir := start(t, tiny(t))
	s := checkpoint(t, dir)
	s.Config.Data = "/home/somebody/photos"
	f, err := s.weights(weights.EMA, quiet())
	if err != nil || strings.Contains(f.Meta[metaSettings], "somebody") {
		t.Fatalf("%v, %v", f, err)
	}
	file, out := filepath.Join(dir, "w.safetensors"), filepath.Join(t.TempDir(), "run")
	writeWeights(t, file, f)
	if _, err := Import(file, Importing{Out: out}, quiet()); err != nil {
		t.Fatal(err)
	}
	if got := checkpoint(t, out).Config.Data; got != "digits" {
		t.Errorf("the data is %q, the preset's digits", got)
	}
	data := t.TempDir()
	if _, err := Import(file, Importing{Out: filepath.Join(out, "b"), Data: data}, quiet()); err != nil {
		t.Fatal(err)
	}
	if got := checkpoint(t, filepath.Join(out, "b")).Config.Data; got != data {
		t.Errorf("the data is %q, not %q", got, data)
	}
}

func TestImportErrors(t *testing.T) {
	dir := start(t, tiny(t))
	x, err := Export(dir, Exporting{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(x.Path)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	file := func(content []byte) string {
		n++
		path := filepath.Join(dir, strings.Repeat("x", n))
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changed := func(change func(*weights.File)) string {
		f, err := readWeights(x.Path)
		if err != nil {
			t.Fatal(err)
		}
		change(f)
		path := file(nil)
		writeWeights(t, path, f)
		return path
	}
	for _, tc := range []struct {
		name, file string
		im         Importing
		usage      bool
		want       []string
	}{
		{"missing", filepath.Join(dir, "none"), Importing{}, false, []string{"none", "no such file"}},
		{"folder", dir, Importing{}, false, []string{"is a folder"}},
		{"empty", file(nil), Importing{}, false, []string{"cut short"}},
		{"cut short", file(content[:len(content)/2]), Importing{}, false, []string{"cut short"}},
		{"a zip", file([]byte("PK and so on")), Importing{}, false, []string{"npz"}},
		{"preset", x.Path, Importing{Preset: "glow-moon"}, true, []string{`"glow-moon"`}},
		{"another architecture", x.Path, Importing{Preset: "glow-digits"}, false,
			[]string{"another model than preset glow-digits", "levels 1 instead of 2", "hidden 8 instead of 64", "--preset"}},
		{"another kind", x.Path, Importing{Preset: "glow-mnist"}, false, []string{"height 8 instead of 32", "intensities 17 instead of 256"}},
		{"settings of a later version", changed(func(f *weights.File) { f.Meta[metaSettings] = `{"wings":2}` }), Importing{}, false, []string{"wings", "--preset"}},
		{"bad settings", changed(func(f *weights.File) { f.Meta[metaSettings] = `{}` }), Importing{}, false, []string{"settings that cannot be", "unknown kind of model"}},
		{"an array less", changed(func(f *weights.File) { f.Arrays = f.Arrays[1:] }), Importing{}, false, []string{"do not fit Glow", "is missing"}},
		{"an array more", changed(func(f *weights.File) {
			f.Arrays = append(f.Arrays, flowgpu.Array{Name: "wings", Shape: []int{1}, Data: []float32{1}})
		}), Importing{}, false, []string{"no parameter wings"}},
		{"another shape", changed(func(f *weights.File) { f.Arrays[0].Shape = []int{1, 4} }), Importing{}, false, []string{"has shape [1 4]"}},
		{"NaN", changed(func(f *weights.File) { f.Arrays[0].Data[2] = float32(math.NaN()) }), Importing{}, false, []string{"holds NaN at index 2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "run")
			tc.im.Out = out
			_, err := Import(tc.file, tc.im, quiet())
			wantError(t, err, tc.usage, tc.want...)
			if _, err := os.Stat(out); err == nil {
				t.Error("a run that was not made left a folder")
			}
		})
	}
	_, err = Import(x.Path, Importing{Out: dir}, quiet())
	wantError(t, err, false, "holds a run already", "--out")
}
