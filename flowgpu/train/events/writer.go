package events

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Writer writes one event file. It is not for use by several goroutines at once. After an error of writing, all that
// follows fails with the same error.
type Writer struct {
	f   *os.File
	out *bufio.Writer
	now func() time.Time // of the events
}

// Create starts an event file in the folder dir for a run that has done so many steps: 0 where it is new. What earlier event
// files of the folder say of later steps no longer counts.
func Create(dir string, start time.Time, done int) (*Writer, error) {
	name, err := fileName(dir, start)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	w := newWriter(f, time.Now)
	if err := w.begin(done); err != nil {
		f.Close()
		return nil, err
	}
	return w, nil
}

const prefix = "events.out.tfevents."

// fileName is events.out.tfevents.<seconds since 1970>.<host>. TensorBoard reads by name, so that the seconds are put beyond
// those of all files there, whatever became of the clock.
func fileName(dir string, start time.Time) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	at := start.Unix()
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		seconds, _, _ := strings.Cut(rest, ".")
		if s, err := strconv.ParseInt(seconds, 10, 64); ours && err == nil {
			at = max(at, s+1)
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost" // the name of a file is no reason to fail
	}
	return fmt.Sprintf("%s%010d.%s", prefix, at, host), nil
}

func newWriter(f *os.File, now func() time.Time) *Writer { return &Writer{f, bufio.NewWriter(f), now} }

// begin writes what every file begins with. The first file of a run has a start event too: one reader in TensorBoard takes a
// run's first for no restart.
func (w *Writer) begin(done int) error {
	if err := w.write(versionEvent(w.wall())); err != nil {
		return err
	}
	if err := w.write(startEvent(w.wall(), done+1)); err != nil {
		return err
	}
	return w.Flush()
}

// Scalar adds a value, which TensorBoard keeps as a float32.
func (w *Writer) Scalar(step int, tag string, v float64) error {
	return w.write(scalarEvent(w.wall(), step, tag, float32(v)))
}

// Line adds every number of a line of a log, a struct or a map, under the name that its JSON has, but for the step itself.
func (w *Writer) Line(step int, line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return fmt.Errorf("events of step %d: %w", step, err)
	}
	var values map[string]float64
	if err := json.Unmarshal(text, &values); err != nil {
		return fmt.Errorf("events of step %d: %w", step, err)
	}
	delete(values, "step")
	for _, tag := range slices.Sorted(maps.Keys(values)) {
		if err := w.Scalar(step, tag, values[tag]); err != nil {
			return err
		}
	}
	return nil
}

// Image adds a picture, the bytes of a PNG file.
func (w *Writer) Image(step int, tag string, picture []byte) error {
	c, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return fmt.Errorf("image %s of step %d: %w", tag, step, err)
	}
	return w.write(imageEvent(w.wall(), step, tag, picture, c.Width, c.Height, channels(c.ColorModel)))
}

// channels of a PNG's pixels: what Summary.Image calls its colorspace.
func channels(m color.Model) int {
	switch m {
	case color.GrayModel, color.Gray16Model:
		return 1
	case color.NRGBAModel, color.NRGBA64Model:
		return 4
	}
	return 3
}

// ImageFile adds the PNG file at path.
func (w *Writer) ImageFile(step int, tag, path string) error {
	picture, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return w.Image(step, tag, picture)
}

// Flush lets readers of the file see what was added.
func (w *Writer) Flush() error { return w.out.Flush() }

// Sync makes what was added durable.
func (w *Writer) Sync() error {
	if err := w.Flush(); err != nil {
		return err
	}
	return w.f.Sync()
}

// Close flushes and closes the file.
func (w *Writer) Close() error { return errors.Join(w.Flush(), w.f.Close()) }

func (w *Writer) write(m message) error {
	_, err := w.out.Write(appendRecord(nil, m))
	return err
}

// wall is the time of an event in seconds since 1970.
func (w *Writer) wall() float64 { return float64(w.now().UnixMicro()) / 1e6 }
