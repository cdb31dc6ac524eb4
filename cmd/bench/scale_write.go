package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cuflow/cmd/bench/internal/chart"
	"cuflow/cmd/bench/internal/show"
)

// writeSweep prints a sweep as a table.
func writeSweep(out io.Writer, sw sweep, w workload, s *scaling, points []point) error {
	if _, err := fmt.Fprintf(out, "%s: %s, batches of %d, memory %s, %s\n", sw.name, w.name, w.batch, w.mode, onDevice(s.be)); err != nil {
		return err
	}
	t, axis := show.Table{Left: 1}, sw.axis(w)
	if sw.name == "memory" {
		t.Add("mode", axis, "activations MiB", "in all MiB", "GFLOP/step")
		for _, p := range points {
			if p.Skipped != "" {
				t.Add(p.Series, fmt.Sprint(p.Value), "-", "-", "-")
				continue
			}
			t.Add(p.Series, fmt.Sprint(p.Value), show.Mebibytes(p.Activations), show.Mebibytes(p.Total), show.Number(float64(p.StepFlops)/1e9))
		}
	} else {
		against, reference := sw.reference()
		t.Add("series", axis, "ms a step", "min", "p95", "drift", "µs a sample", against, "GFLOP/s", "of peak", "MiB", "measured")
		for _, p := range points {
			t.Add(p.cells(func() float64 { return reference(points, p) })...)
		}
	}
	if err := t.Write(out); err != nil {
		return err
	}
	said := map[string]bool{} // the same of every mode
	for _, p := range points {
		if text := fmt.Sprintf("%s %d was not measured: %s\n", axis, p.Value, p.Skipped); p.Skipped != "" && !said[text] {
			said[text] = true
			fmt.Fprint(out, text)
		}
		if p.Warning != "" {
			fmt.Fprintf(out, "warning: %s: %s\n", strings.TrimSpace(fmt.Sprintf("%s %s %d", p.Series, axis, p.Value)), p.Warning)
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// reference says what points of the sweep are compared with, in the column of that name.
func (sw sweep) reference() (column string, of func([]point, point) float64) {
	first := func(points []point, same func(point) bool) float64 {
		return points[slices.IndexFunc(points, func(q point) bool { return q.Skipped == "" && same(q) })].MsPerSample
	}
	switch sw.name {
	case "cores":
		return "times faster", func(points []point, p point) float64 {
			return first(points, func(q point) bool { return q.Series == p.Series }) / p.MsPerSample
		}
	case "neighbour":
		return "of alone", func(points []point, p point) float64 {
			return p.MsPerSample / first(points, func(q point) bool { return q.Value == p.Value })
		}
	}
	return "of the first", func(points []point, p point) float64 {
		return p.MsPerSample / first(points, func(q point) bool { return true })
	}
}

// cells are the point's row; compared is what its time is to the reference's.
func (p point) cells(compared func() float64) []string {
	if p.Skipped != "" {
		return []string{p.Series, fmt.Sprint(p.Value), "-", "-", "-", "-", "-", "-", "-", "-", "-", "not measured"}
	}
	return []string{p.Series, fmt.Sprint(p.Value), show.Number(p.Median), show.Number(p.Min), show.Number(p.P95), show.Change(p.Drift), show.Number(1e3 * p.MsPerSample),
		fmt.Sprintf("%.2f", compared()), show.Number(p.GFLOPS), show.Percent(p.PeakShare), show.Mebibytes(p.Total),
		fmt.Sprintf("%d in %.1f s", p.TimedSteps, p.Seconds)}
}

// draw draws a sweep into the folder of --plot.
func (f *scaleFlags) draw(sw sweep, w workload, points []point) error {
	if f.plots == "" {
		return nil
	}
	l := chart.Lines{Title: fmt.Sprintf("%s: %s", w.name, sw.name), X: sw.axis(w), Y: "ms a sample"}
	if sw.name == "memory" {
		l.Y = "MiB of activations"
	}
	places := map[string]int{}
	for _, p := range points {
		if p.Skipped != "" {
			continue
		}
		at, known := places[p.Series]
		if !known {
			at = len(l.Series)
			places[p.Series], l.Series = at, append(l.Series, chart.Series{Name: p.Series})
		}
		y := p.MsPerSample
		if sw.name == "memory" {
			y = float64(p.Activations) / (1 << 20)
		}
		s := &l.Series[at]
		s.X, s.Y = append(s.X, float64(p.Value)), append(s.Y, y)
	}
	plot, err := l.Plot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.plots, 0o777); err != nil {
		return err
	}
	return chart.Save(plot, filepath.Join(f.plots, "scale-"+sw.name))
}
