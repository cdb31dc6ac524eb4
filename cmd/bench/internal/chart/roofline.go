// Package chart draws measurements: what a device's peaks allow, and how time grows with size.
package chart

import (
	"errors"
	"fmt"
	"image/color"

	"cuflow/device/meter"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Roofline shows work by the arithmetic that it does for each byte it moves, under what a device can do: Williams, Waterman and
// Patterson, "Roofline: an insightful visual performance model", 2009.
type Roofline struct {
	Title, Device string
	Peaks         meter.Peaks
	Points        []Work
}

// Work is a point: arithmetic, traffic and time.
type Work struct {
	Name         string
	Flops, Bytes int64
	Ms           float64
}

// intensity is operations a byte.
func (w Work) intensity() float64 { return float64(w.Flops) / float64(w.Bytes) }

// speed is in GFLOP/s.
func (w Work) speed() float64 { return float64(w.Flops) / w.Ms / 1e6 }

// Plot draws it on logarithmic axes. Work without products has no place there.
func (r Roofline) Plot() (*plot.Plot, error) {
	if !(r.Peaks.GFLOPS > 0 && r.Peaks.GBs() > 0) {
		return nil, errors.New("a roofline needs the device's peaks")
	}
	p := newPlot(r.Title+"\n"+r.Device, "operations a byte", "GFLOP/s")
	ridge := r.Peaks.GFLOPS / r.Peaks.GBs()
	low, high, least := ridge/8, ridge*8, r.Peaks.GFLOPS/8
	for i, w := range r.Points {
		if w.Flops == 0 || w.Bytes == 0 || !(w.Ms > 0) {
			continue
		}
		low, high, least = min(low, w.intensity()/2), max(high, w.intensity()*2), min(least, w.speed()/2)
		dot, err := plotter.NewScatter(plotter.XYs{{X: w.intensity(), Y: w.speed()}})
		if err != nil {
			return nil, err
		}
		dot.GlyphStyle = draw.GlyphStyle{Color: hue(i), Radius: vg.Points(3.5), Shape: shape(i)}
		p.Add(dot)
		p.Legend.Add(w.Name, dot)
	}
	roof, err := plotter.NewLine(plotter.XYs{{X: low, Y: low * r.Peaks.GBs()}, {X: ridge, Y: r.Peaks.GFLOPS}, {X: high, Y: r.Peaks.GFLOPS}})
	if err != nil {
		return nil, err
	}
	roof.LineStyle = draw.LineStyle{Color: color.Gray{Y: 60}, Width: vg.Points(1.5)}
	p.Add(roof)
	p.Legend.Add(fmt.Sprintf("peaks: %.0f GFLOP/s, %.1f GB/s", r.Peaks.GFLOPS, r.Peaks.GBs()), roof)
	p.X.Min, p.X.Max = low, high
	p.Y.Min, p.Y.Max = min(least, low*r.Peaks.GBs()), 2*r.Peaks.GFLOPS
	return p, nil
}
