package train

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"cuflow/flowgpu/plot"

	"gonum.org/v1/gonum/stat"
)

const (
	onPlane    = 300  // points of the heat map each way
	warpLines  = 15   // of a grid, each way
	warpPoints = 1500 // on each: a flow may stretch a line a hundredfold between modes
	moved2D    = 1500 // points that are followed through the layers, and lie beneath the grids
	mostFrames = 10   // of a strip
	mostMoved  = 16   // of a movie
)

// plane draws a density of two dimensions, samples over data, what the flow does to a grid, and points on their way through it.
func (a *artist) plane() error {
	var err error
	x0, x1 := extent(columnOf(a.rows, 2, 0), columnOf(a.samples, 2, 0))
	y0, y1 := extent(columnOf(a.rows, 2, 1), columnOf(a.samples, 2, 1))
	mx, my := (x1-x0)/2, (y1-y0)/2
	integral, err := density(a.density).integratePlane(a.ctx, plot.Grid{X0: x0 - mx, X1: x1 + mx, Y0: y0 - my, Y1: y1 + my})
	if err != nil {
		return err
	}
	a.done.Integral = &integral
	names := [2]string(a.names())
	points, samples := plot.PointsOf(a.rows), plot.PointsOf(a.samples)
	plane, err := a.heat(names, points, samples)
	if err != nil {
		return err
	}
	if err := a.figure("density", func() (*plot.Figure, error) { return plot.Heat(plane) }); err != nil {
		return err
	}
	if err := a.figure("samples", func() (*plot.Figure, error) { return plot.Samples(names, points, samples) }); err != nil {
		return err
	}
	if err := a.planeCSV(plane); err != nil {
		return err
	}
	if err := a.pointsCSV(); err != nil {
		return err
	}
	states, err := a.states(a.finiteSamples(moved2D))
	if err != nil || !flows(states) {
		return err
	}
	if err := a.grids(names); err != nil {
		return err
	}
	if a.m.Config().Kind == "ffjord" {
		if err := a.times(); err != nil {
			return err
		}
	}
	return a.layers(states)
}

// finiteSamples are the first n samples, without those that are no numbers.
func (a *artist) finiteSamples(n int) (all []float64) {
	for i := 0; i < len(a.samples) && len(all) < n*a.d; i += a.d {
		if s := a.samples[i : i+a.d]; countNotFinite(s) == 0 {
			all = append(all, s...)
		}
	}
	return all
}

// heat asks for the density where data and samples are.
func (a *artist) heat(names [2]string, data, samples plot.Points) (plot.Plane, error) {
	p := plot.Plane{Names: names}
	var err error
	if p.Grid, err = plot.GridAround(onPlane, data, samples); err != nil {
		return p, err
	}
	points := p.Points()
	if p.LogP, err = a.logDensity(points); err != nil {
		return p, err
	}
	if toy, ok := a.held.Toy(); ok {
		for i := 0; i < len(points); i += 2 {
			p.Exact = append(p.Exact, toy.LogDensity(points[i:i+2]))
		}
	}
	p.LogPOfSamples, err = a.logDensity(a.finiteSamples(a.N))
	return p, err
}

// grids draws what the flow does to a grid.
func (a *artist) grids(names [2]string) error {
	few := a.rows[:min(len(a.rows), 2*moved2D)]
	latents, err := a.encode(few)
	if err != nil {
		return err
	}
	w := plot.Warp{Names: names, DataGrid: lattice(few), LatentGrid: lattice(latents), Data: plot.PointsOf(few), Latent: plot.PointsOf(latents)}
	there, err := a.encode(w.DataGrid.Coordinates())
	if err != nil {
		return err
	}
	back, err := a.decode(w.LatentGrid.Coordinates())
	if err != nil {
		return err
	}
	w.DataImage, w.LatentImage = plot.PointsOf(there), plot.PointsOf(back)
	if err := a.figure("grids", func() (*plot.Figure, error) { return plot.Grids(w) }); err != nil {
		return err
	}
	header := []string{"grid", "line", "from_1", "from_2", "to_1", "to_2"}
	return a.csv("grids", header, func(row func([]string, ...float64) error) error {
		for _, g := range []struct {
			name     string
			from, to []float64
		}{{"data to latent", w.DataGrid.Coordinates(), there}, {"latent to data", w.LatentGrid.Coordinates(), back}} {
			for i := 0; i < len(g.from); i += 2 {
				if err := row([]string{g.name, strconv.Itoa(i / 2 / warpPoints)}, g.from[i], g.from[i+1], g.to[i], g.to[i+1]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// lattice covers nearly all of the points.
func lattice(points []float64) plot.Lattice {
	of := func(c int) (float64, float64) {
		v := slices.DeleteFunc(columnOf(points, 2, c), func(v float64) bool { return !finite(v) })
		if len(v) == 0 {
			return -1, 1
		}
		slices.Sort(v)
		low, high := stat.Quantile(0.002, stat.Empirical, v, nil), stat.Quantile(0.998, stat.Empirical, v, nil)
		if low == high {
			return low - 1, high + 1
		}
		return low, high
	}
	l := plot.Lattice{Lines: warpLines, Points: warpPoints}
	l.X0, l.X1 = of(0)
	l.Y0, l.Y1 = of(1)
	return l
}

// layers draws samples on their way from the latent to the data.
func (a *artist) layers(states []state) error {
	frames := framesOf(states)
	var few, many []plot.Frame
	for _, i := range spread(len(frames), mostFrames) {
		few = append(few, frames[i])
	}
	for _, i := range spread(len(frames), mostMoved) {
		many = append(many, frames[i])
	}
	if err := a.figure("layers", func() (*plot.Figure, error) { return plot.Strip("From latent to data, layer by layer", few) }); err != nil {
		return err
	}
	if err := a.file("layers.gif", func(w io.Writer) error { return plot.Movie(w, many) }); err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	return a.csv("layers", []string{"frame", "name", "point", "at_1", "at_2"}, func(row func([]string, ...float64) error) error {
		for k, f := range frames {
			for i := range f.X {
				if err := row([]string{strconv.Itoa(k), f.Name, strconv.Itoa(i)}, f.X[i], f.Y[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// framesOf are the states in the order in which sampling comes to them: each but the first is what the inverse of a part leaves.
func framesOf(states []state) (frames []plot.Frame) {
	for i := len(states) - 1; i >= 0; i-- {
		name := "latent z"
		switch {
		case i == 0:
			name = "data x"
		case i < len(states)-1:
			name = "inverse of " + states[i+1].name
			if time, ok := timeOf(states[i].name, states[i+1].name); ok {
				name = time
			}
		}
		frames = append(frames, plot.Frame{Name: name, Points: plot.PointsOf(states[i].points)})
	}
	return frames
}

func (a *artist) planeCSV(p plot.Plane) error {
	header := append(slices.Clone(p.Names[:]), "log_p")
	if p.Exact != nil {
		header = append(header, "exact_log_p")
	}
	return a.csv("density", header, func(row func([]string, ...float64) error) error {
		points := p.Points()
		for i, v := range p.LogP {
			values := []float64{points[2*i], points[2*i+1], v}
			if p.Exact != nil {
				values = append(values, p.Exact[i])
			}
			if err := row(nil, values...); err != nil {
				return err
			}
		}
		return nil
	})
}
