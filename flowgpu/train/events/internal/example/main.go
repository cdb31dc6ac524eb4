// Command example writes a folder like that of a run which died after step 34 and was resumed from its checkpoint of step 20:
// log.jsonl and pictures as they are in the end, and the event files of both processes, the first cut short inside a record.
// scripts/check-events reads them with TensorBoard.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"log"
	"os"
	"path/filepath"
	"time"

	"cuflow/flowgpu/data"
	"cuflow/flowgpu/train/events"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("example: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: example FOLDER")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func write(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "samples"), 0o777); err != nil {
		return err
	}
	r := run{dir: dir}
	if err := r.train(0, 34, 1); err != nil {
		return err
	}
	if err := cutShort(dir); err != nil {
		return err
	}
	r.lines = r.lines[:20] // as the log is cut back
	if err := r.train(20, 50, 2); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "log.jsonl"), r.log(), 0o666)
}

type run struct {
	dir   string
	lines []map[string]float64
}

// train logs the steps after done, as one process does. Another slope gives other values and pictures.
func (r *run) train(done, last int, slope float64) error {
	w, err := events.Create(r.dir, time.Now(), done)
	if err != nil {
		return err
	}
	for step := done + 1; step <= last; step++ {
		if err := r.step(w, step, slope); err != nil {
			return errors.Join(err, w.Close())
		}
	}
	return w.Close()
}

func (r *run) step(w *events.Writer, step int, slope float64) error {
	line := map[string]float64{"step": float64(step), "bits_per_dim": 1 + slope/float64(step), "grad_norm": 0}
	if step%5 == 0 {
		line["val_bits_per_dim"] = 1.1 + slope/float64(step)
	}
	r.lines = append(r.lines, line)
	if err := w.Line(step, line); err != nil {
		return err
	}
	if step%10 != 0 {
		return nil
	}
	path := filepath.Join(r.dir, "samples", fmt.Sprintf("step-%06d.png", step))
	if err := data.WritePNG(path, picture(step, slope)); err != nil {
		return err
	}
	return w.ImageFile(step, "samples", path)
}

func picture(step int, slope float64) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, 20, 10))
	for i := range step {
		img.Set(i%20, i/20, color.RGBA{R: uint8(100 * slope), G: uint8(step), A: 255})
	}
	return img
}

func (r *run) log() (text []byte) {
	for _, l := range r.lines {
		line, err := json.Marshal(l)
		if err != nil {
			panic(err) // no value here is NaN
		}
		text = append(append(text, line...), '\n')
	}
	return text
}

// cutShort takes the end off the only event file, as a crash may.
func cutShort(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil {
		return err
	}
	info, err := os.Stat(files[0])
	if err != nil {
		return err
	}
	return os.Truncate(files[0], info.Size()-7)
}
