package train

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"cuflow/flowgpu"
)

func TestDivergenceCostsNoCheckpoint(t *testing.T) {
	c := tiny(t)
	c.LR, c.Warmup, c.Adam.Clip, c.Steps, c.LogEvery = 10, 0, 0, 40, 7
	dir := t.TempDir()
	_, err := Start(context.Background(), c, dir, quiet())
	wantError(t, err, false, "training has diverged", "checkpoint of step", "train resume "+dir+" --lr", "--clip")
	s := checkpoint(t, dir)
	for _, part := range s.c.Sections {
		for i, v := range part.Data {
			if math.IsNaN(float64(v)) {
				t.Fatalf("%s[%d] is NaN in the checkpoint of step %d", part.Name, i, s.Position.Step)
			}
		}
	}
	if s.Position.Step != 0 {
		return // it got further before it diverged: fine, but nothing to go on from
	}
	if _, err := Resume(context.Background(), dir, func(c *Config) { c.LR = 1e-4 }, quiet()); err != nil {
		t.Errorf("with a lower rate: %v", err)
	}
}

func TestOccupiedFolder(t *testing.T) {
	dir := start(t, tiny(t))
	before, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(context.Background(), tiny(t), dir, quiet())
	wantError(t, err, false, dir, "train resume "+dir, "--out")
	if after, err := os.ReadFile(filepath.Join(dir, checkpointFile)); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the checkpoint has changed; %v", err)
	}
	if err := os.Remove(filepath.Join(dir, checkpointFile)); err != nil {
		t.Fatal(err)
	}
	_, err = Start(context.Background(), tiny(t), dir, quiet())
	wantError(t, err, false, "no checkpoint", "--out", logFile)

	file := filepath.Join(dir, logFile)
	_, err = Start(context.Background(), tiny(t), file, quiet())
	wantError(t, err, false, "--out", file)
}

func TestBadData(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		name   string
		change func(*Config)
		usage  bool
		want   []string
	}{
		{"no such folder", func(c *Config) { c.Data = filepath.Join(dir, "none") }, false, []string{"none", "scripts/data mnist"}},
		{"no idx files", func(c *Config) { c.Data = dir }, false, []string{"train-images-idx3-ubyte"}},
		{"other intensities", func(c *Config) { c.Model.Intensities = 256 }, false, []string{"8x8x1 with 17", "8x8x1 with 256", "--preset"}},
		{"other size", func(c *Config) { c.Model.Height, c.Model.Width = 16, 16 }, false, []string{"8x8x1", "16x16x1", "--pad 8"}},
		{"images too large", func(c *Config) { c.Model.Height, c.Fit = 4, pad }, false, []string{"8x8 pixels", "too large to be padded to 4x8"}},
		{"batch beyond the set", func(c *Config) { c.Batch = 1498 }, true, []string{"1497 samples", "1498"}},
		{"device", func(c *Config) { c.Device = "cpu:mmx" }, false, []string{"cpu:mmx", "cpu:generic"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, out := tiny(t), filepath.Join(dir, "out")
			tc.change(&c)
			_, err := Start(context.Background(), c, out, quiet())
			wantError(t, err, tc.usage, tc.want...)
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Error("a run that did not start left a folder")
			}
		})
	}
}

func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	for _, s := range []string{"first", "second, longer"} {
		if err := replaceFile(path, text(s)); err != nil {
			t.Fatal(err)
		}
	}
	full := func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of the th"); err != nil {
			return err
		}
		return syscall.ENOSPC
	}
	if err := replaceFile(path, full); !diskFull(err) {
		t.Errorf("a full disk gives %v", err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "second, longer" {
		t.Errorf("the file is now %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestBadCheckpoints(t *testing.T) {
	dir := start(t, tiny(t))
	good, err := os.ReadFile(filepath.Join(dir, checkpointFile))
	if err != nil {
		t.Fatal(err)
	}
	model := func(t *testing.T) []byte {
		be, err := openCPU("cpu")
		if err != nil {
			t.Fatal(err)
		}
		defer be.Close()
		m, err := flowgpu.New(be, tiny(t).Model)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		var b bytes.Buffer
		if err := m.Save(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	with := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] ^= v
		return b
	}
	for _, tc := range []struct {
		name    string
		content []byte
		want    []string
	}{
		{"empty", nil, []string{"cut short"}},
		{"cut in the header", good[:40], []string{"cut short"}},
		{"cut in the values", good[:len(good)/2], []string{"cut short"}},
		{"cut in the sum", good[:len(good)-1], []string{"cut short"}},
		{"flipped bit", with(good, len(good)/2, 16), []string{"damaged", "SHA-256"}},
		{"wrong magic", with(good, 0, 1), []string{"not a Cuflow checkpoint"}},
		{"another version", with(good, 8, 2), []string{"version 3", "version 1"}},
		{"longer", append(bytes.Clone(good), 0), []string{"damaged"}},
		{"a model alone", model(t), []string{"without a training run"}},
		{"a picture", []byte("\x89PNG\r\n\x1a\n and so on and so forth"), []string{"not a Cuflow checkpoint"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, checkpointFile)
			if err := os.WriteFile(path, tc.content, 0o666); err != nil {
				t.Fatal(err)
			}
			for name, use := range uses() {
				err := use(dir)
				wantError(t, err, false, append(tc.want, path)...)
				if t.Failed() {
					t.Fatal("by", name)
				}
			}
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, tc.content) {
				t.Errorf("the file has changed; %v", err)
			}
		})
	}
	for name, use := range uses() {
		wantError(t, use(filepath.Join(dir, "nowhere")), false, "no such folder", "--out")
		wantError(t, use(filepath.Join(dir, samplesFolder)), false, "no checkpoint.cuflow")
		if t.Failed() {
			t.Fatal("by", name)
		}
	}
}

// uses is everything that is done with a run's folder.
func uses() map[string]func(dir string) error {
	ctx := context.Background()
	return map[string]func(string) error{
		"resume": func(dir string) error {
			_, err := Resume(ctx, dir, func(*Config) {}, quiet())
			return err
		},
		"eval": func(dir string) error { _, err := Evaluate(ctx, dir, Detail{}, Use{}, quiet()); return err },
		"sample": func(dir string) error {
			return Sample(dir, &Sampling{N: 1, Temperatures: []float64{1}, Class: AllClasses, Picture: filepath.Join(dir, "x.png")}, Use{}, quiet())
		},
		"inspect": func(dir string) error { return Inspect(dir, io.Discard) },
	}
}
