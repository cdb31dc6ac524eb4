package events

import (
	"bytes"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

var start = time.Unix(1700000000, 250e6)

// TestBytes holds records to those that TensorBoard 2.21.0's own RecordWriter writes of its own Event messages.
func TestBytes(t *testing.T) {
	const wall = 1700000000.25
	for _, tc := range []struct {
		name string
		m    message
		want string
	}{
		{"version", versionEvent(wall), "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9"},
		{"start", startEvent(wall, 301), "100000000000000095fbfe180900001040fc54d94110ad023a020801cb79b93b"},
		{"scalar", scalarEvent(wall, 310, "val_bits_per_dim", 1.0625),
			"2700000000000000bbe1b1460900001040fc54d94110b6022a190a170a1076616c5f626974735f7065725f64696d150000883f30086e5f"},
		{"zero", scalarEvent(wall, 0, "zero", 0), "1800000000000000a37f4b220900001040fc54d9412a0d0a0b0a047a65726f1500000000a4f5e67c"},
		{"image", imageEvent(wall, 400, "samples", []byte("not really"), 3, 2, 1),
			"2d000000000000003c418afb0900001040fc54d9411090032a1f0a1d0a0773616d706c65732212080210031801220a6e6f74207265616c6c79df5894da"},
	} {
		if got := hex.EncodeToString(appendRecord(nil, tc.m)); got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", tc.name, got, tc.want)
		}
	}
}

func create(t *testing.T, dir string, at time.Time, done int) *Writer {
	t.Helper()
	w, err := Create(dir, at, done)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.f.Close() })
	return w
}

func ok(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func encoded(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	ok(t, png.Encode(&b, img))
	return b.Bytes()
}

func TestReadBack(t *testing.T) {
	dir := t.TempDir()
	w := create(t, dir, start, 0)
	w.now = func() time.Time { return start }
	box := image.Rect(0, 0, 5, 3)
	half := image.NewNRGBA(box)
	half.Set(1, 1, color.NRGBA{R: 255, A: 128})
	full := image.NewRGBA(box)
	for i := range full.Pix {
		full.Pix[i] = 255
	}
	grey, alpha, colour := encoded(t, image.NewGray(box)), encoded(t, half), encoded(t, full)
	const step = 1<<24 + 1
	path := filepath.Join(dir, "grid.png")
	ok(t, os.WriteFile(path, colour, 0o666),
		w.Scalar(step, "bits_per_dim", 2.125), w.Scalar(step, "lr", 0.001), w.Scalar(step, "drift", math.Inf(1)),
		w.Image(step, "samples", grey), w.Image(step, "alpha", alpha), w.ImageFile(step+1, "samples", path), w.Close())
	got := read(t, w.f.Name())
	want := []entry{
		{Version: "brain.Event:2"},
		{Step: 1, Start: true},
		{Step: step, Tag: "bits_per_dim", Scalar: 2.125},
		{Step: step, Tag: "lr", Scalar: 0.001},
		{Step: step, Tag: "drift", Scalar: float32(math.Inf(1))},
		{Step: step, Tag: "samples", W: 5, H: 3, Channel: 1, Picture: string(grey)},
		{Step: step, Tag: "alpha", W: 5, H: 3, Channel: 4, Picture: string(alpha)},
		{Step: step + 1, Tag: "samples", W: 5, H: 3, Channel: 3, Picture: string(colour)},
	}
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d: %+v", len(got), len(want), got)
	}
	for i, e := range got {
		switch {
		case i < 2 && math.Abs(time.Since(time.UnixMicro(int64(e.Wall*1e6))).Seconds()) > 60:
			t.Errorf("event %d is of %v", i, e.Wall)
		case i >= 2 && e.Wall != 1700000000.25:
			t.Errorf("event %d is of %v, want 1700000000.25", i, e.Wall)
		}
		e.Wall = 0
		if e != want[i] {
			t.Errorf("event %d is %+v, want %+v", i, e, want[i])
		}
	}
}

func TestLine(t *testing.T) {
	type Part struct {
		Val float64 `json:"val_loss"`
	}
	w := create(t, t.TempDir(), start, 0)
	ok(t, w.Line(3, struct {
		Step  int      `json:"step"`
		N     int      `json:"n"`
		Loss  float64  `json:"loss"`
		Drift *float64 `json:"drift,omitempty"`
		*Part
	}{Step: 3, N: 7, Loss: 0.5, Part: &Part{0.25}}))
	for _, bad := range []any{map[string]float64{"loss": math.NaN()}, map[string]string{"loss": "low"}} {
		if err := w.Line(4, bad); err == nil || !strings.Contains(err.Error(), "events of step 4") {
			t.Errorf("%v gives %v", bad, err)
		}
	}
	ok(t, w.Close())
	got := map[string]float32{}
	for _, e := range read(t, w.f.Name())[2:] {
		if e.Step != 3 {
			t.Errorf("%+v, want step 3", e)
		}
		got[e.Tag] = e.Scalar
	}
	if want := map[string]float32{"n": 7, "loss": 0.5, "val_loss": 0.25}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestFlush: readers see what was flushed, and no half of a record before.
func TestFlush(t *testing.T) {
	w := create(t, t.TempDir(), start, 0)
	if n := len(read(t, w.f.Name())); n != 2 {
		t.Errorf("%d events in a new file, want 2", n)
	}
	ok(t, w.Scalar(1, "loss", 1), w.Flush())
	if n := len(read(t, w.f.Name())); n != 3 {
		t.Errorf("%d events after Flush, want 3", n)
	}
	ok(t, w.Scalar(2, "loss", 1), w.Sync())
	if n := len(read(t, w.f.Name())); n != 4 {
		t.Errorf("%d events after Sync, want 4", n)
	}
	ok(t, w.Close())
}

// TestResumedRun: the file of a resumed run is read after all others, whatever the clock says, and says from where on it counts.
func TestResumedRun(t *testing.T) {
	dir := t.TempDir()
	ok(t, os.WriteFile(filepath.Join(dir, "events.out.tfevents.soon.host"), nil, 0o666), os.WriteFile(filepath.Join(dir, "99999999999"), nil, 0o666))
	last := ""
	for i, at := range []time.Time{start, start, start.Add(time.Hour), start.Add(-time.Hour), start.Add(time.Hour)} {
		w := create(t, dir, at, 10*i)
		ok(t, w.Close())
		name := filepath.Base(w.f.Name())
		if i == 0 && !strings.HasPrefix(name, "events.out.tfevents.1700000000.") {
			t.Errorf("the first file is %s", name)
		}
		if name <= last {
			t.Errorf("%s comes after %s", name, last)
		}
		if e := read(t, w.f.Name())[1]; !e.Start || e.Step != 10*i+1 {
			t.Errorf("%s begins with %+v, want a start at step %d", name, e, 10*i+1)
		}
		last = name
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(filepath.Join(dir, "none"), start, 0); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "none") {
		t.Errorf("no such folder gives %v", err)
	}
	file := filepath.Join(dir, "file")
	ok(t, os.WriteFile(file, nil, 0o666))
	if _, err := Create(file, start, 0); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file for a folder gives %v", err)
	}
	w := create(t, dir, start, 0)
	if err := w.Image(7, "samples", []byte("GIF89a")); err == nil || !strings.Contains(err.Error(), "image samples of step 7") {
		t.Errorf("no PNG gives %v", err)
	}
	if err := w.ImageFile(7, "samples", filepath.Join(dir, "none.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such file gives %v", err)
	}
	ok(t, w.Scalar(8, "loss", 1), w.Close()) // what was refused has left no trace
	if got := read(t, w.f.Name()); len(got) != 3 || got[2].Step != 8 {
		t.Errorf("the file holds %+v", got)
	}
	if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full, which only Linux has")
	}
	full := func() *Writer {
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		ok(t, err)
		return newWriter(f, time.Now)
	}
	for name, use := range map[string]func(*Writer) error{
		"begin": func(w *Writer) error { return w.begin(0) },
		"flush": func(w *Writer) error { return errors.Join(w.Scalar(1, "loss", 1), w.Flush()) },
		"sync":  func(w *Writer) error { return errors.Join(w.Scalar(1, "loss", 1), w.Sync()) },
		"close": func(w *Writer) error { return errors.Join(w.Scalar(1, "loss", 1), w.Close()) },
		"later": func(w *Writer) error { w.Scalar(1, "loss", 1); w.Flush(); return w.Scalar(2, "loss", 1) },
	} {
		w := full()
		if err := use(w); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "/dev/full") {
			t.Errorf("%s: %v", name, err)
		}
		w.f.Close()
	}
}
