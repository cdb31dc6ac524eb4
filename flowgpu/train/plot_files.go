package train

import (
	"encoding/csv"
	"fmt"
	"io"
	"path/filepath"
	"strconv"

	"cuflow/flowgpu/plot"
)

// figure draws a picture and writes it under a name.
func (a *artist) figure(name string, draw func() (*plot.Figure, error)) error {
	if a.ctx.Err() != nil {
		return ErrInterrupted
	}
	f, err := draw()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return a.file(name+"."+a.Format, func(w io.Writer) error { return f.Write(w, a.Format) })
}

// file writes a file so that its name holds the old one or the whole new one.
func (a *artist) file(name string, write func(io.Writer) error) error {
	path := filepath.Join(a.Dir, name)
	if err := replaceFile(path, write); err != nil {
		if diskFull(err) {
			return fmt.Errorf("%s: %w: make some space, or give another --out", path, err)
		}
		return fmt.Errorf("%s: %w", path, err)
	}
	a.done.Files = append(a.done.Files, path)
	return nil
}

// csv writes rows of numbers under a header, if they are wanted. each calls row for each of them; texts are what comes first.
func (a *artist) csv(name string, header []string, each func(row func(texts []string, values ...float64) error) error) error {
	if !a.CSV {
		return nil
	}
	return a.file(name+".csv", func(w io.Writer) error {
		c := csv.NewWriter(w)
		if err := c.Write(header); err != nil {
			return err
		}
		err := each(func(texts []string, values ...float64) error {
			line := append([]string(nil), texts...)
			for _, v := range values {
				line = append(line, strconv.FormatFloat(v, 'g', 9, 64))
			}
			return c.Write(line)
		})
		if err != nil {
			return err
		}
		c.Flush()
		return c.Error()
	})
}

// pointsCSV writes the held-out rows and the samples.
func (a *artist) pointsCSV() error {
	return a.csv("samples", append([]string{"set"}, a.names()...), func(row func([]string, ...float64) error) error {
		for _, set := range []struct {
			name string
			rows []float64
		}{{"data", a.rows}, {"samples", a.samples}} {
			for i := 0; i < len(set.rows); i += a.d {
				if err := row([]string{set.name}, set.rows[i:i+a.d]...); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
