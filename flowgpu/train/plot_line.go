package train

import (
	"math"
	"slices"
	"strconv"

	"cuflow/flowgpu"
	"cuflow/flowgpu/plot"
)

// onCurve is how many places a curve is drawn through, and mostStages how many of a flow's layers are shown.
const (
	onCurve    = 1600
	mostStages = 12
)

// line draws a density of one dimension: beside the data, its distribution function, the map to the latent, and the density after
// each layer.
func (a *artist) line() error {
	low, high := extent(a.rows, a.samples)
	integral, grid, err := density(a.density).integrateLine(a.ctx, low, high)
	if err != nil {
		return err
	}
	a.done.Integral = &integral
	room := 0.06 * (high - low)
	curve, states, err := a.curve(low-room, high+room, grid)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name string
		draw func() (*plot.Figure, error)
		skip bool
	}{
		{"density", func() (*plot.Figure, error) { return plot.Density(curve, a.rows) }, false},
		{"cdf", func() (*plot.Figure, error) { return plot.CDF(curve, a.rows) }, false},
		{"map", func() (*plot.Figure, error) { return plot.Map(curve) }, curve.Z == nil},
		{"stages", func() (*plot.Figure, error) { return plot.Stages(curve, stagesOf(curve, states)) }, curve.Z == nil},
	} {
		if f.skip {
			continue
		}
		if err := a.figure(f.name, f.draw); err != nil {
			return err
		}
	}
	if err := a.curveCSV(curve); err != nil {
		return err
	}
	if err := a.stagesCSV(curve, states); err != nil {
		return err
	}
	return a.pointsCSV()
}

// curve asks the model between low and high. Its distribution function is that of grid, on which it was integrated. A model that
// leaves all points where they are has no map.
func (a *artist) curve(low, high float64, grid lineGrid) (plot.Curve, []state, error) {
	c := plot.Curve{Name: a.names()[0]}
	for i := range onCurve + 1 {
		c.X = append(c.X, low+(high-low)*float64(i)/onCurve)
	}
	var err error
	if c.LogP, err = a.logDensity(c.X); err != nil {
		return c, nil, err
	}
	for i, v := range c.LogP {
		if math.IsNaN(v) {
			c.LogP[i] = math.Inf(-1)
		}
	}
	cdf := grid.cdf()
	for _, x := range c.X {
		at := min(max((x-grid.low)/grid.step(), 0), float64(len(cdf)-1))
		i := min(int(at), len(cdf)-2)
		c.CDF = append(c.CDF, cdf[i]+(at-float64(i))*(cdf[i+1]-cdf[i]))
	}
	if toy, ok := a.held.Toy(); ok {
		for i := range c.X {
			c.Exact = append(c.Exact, toy.LogDensity(c.X[i:i+1]))
		}
	}
	states, err := a.states(c.X)
	if err != nil {
		return c, nil, err
	}
	if flows(states) {
		last := &states[len(states)-1]
		if base, err := flowgpu.ParseBase(a.m.Config().Prior); err == nil {
			last.show(base)
			c.Latent = base.ShownName()
		}
		c.Z, c.LogSlope = last.points, last.logDet
	}
	return c, states, nil
}

// show tells latents as people know them.
func (s *state) show(base flowgpu.Base) {
	for i, z := range s.points {
		s.points[i] = base.Shown(z)
		s.logDet[i] += base.LogShownSlope(z)
	}
}

// stagesOf are the states of a curve's places with their densities, those between thinned out where there are many.
func stagesOf(c plot.Curve, states []state) (stages []plot.Stage) {
	for _, i := range spread(len(states), mostStages) {
		s := states[i]
		name := "after " + s.name
		switch {
		case i == 0 || s.name == "scaled": // before the first part of the model
			name = s.name
		case i == len(states)-1:
			name += " (latent)"
		}
		logp := make([]float64, len(c.X))
		for j, v := range s.logDet {
			logp[j] = c.LogP[j] - v
		}
		stages = append(stages, plot.Stage{Name: name, X: s.points, LogP: logp})
	}
	return stages
}

// spread picks at most so many of n things, evenly, with the first and the last.
func spread(n, most int) (all []int) {
	if n <= most {
		most = n
	}
	for i := range most {
		all = append(all, int(math.Round(float64(i)*float64(n-1)/float64(max(most-1, 1)))))
	}
	return all
}

// extent is the least and the greatest of finite values, of which there must be two.
func extent(sets ...[]float64) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, v := range slices.Concat(sets...) {
		if finite(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	if !(low < high) { // constant, or nothing at all
		if !finite(low) {
			low = 0
		}
		return low - 1, low + 1
	}
	return low, high
}

func (a *artist) curveCSV(c plot.Curve) error {
	header := []string{c.Name, "log_p", "cdf"}
	columns := [][]float64{c.X, c.LogP, c.CDF}
	if c.Z != nil {
		header, columns = append(header, "z", "log_slope"), append(columns, c.Z, c.LogSlope)
	}
	if c.Exact != nil {
		header, columns = append(header, "exact_log_p"), append(columns, c.Exact)
	}
	return a.csv("density", header, func(row func([]string, ...float64) error) error {
		for i := range c.X {
			var values []float64
			for _, column := range columns {
				values = append(values, column[i])
			}
			if err := row(nil, values...); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *artist) stagesCSV(c plot.Curve, states []state) error {
	if c.Z == nil {
		return nil
	}
	return a.csv("stages", []string{"stage", "name", c.Name, "at", "log_p"}, func(row func([]string, ...float64) error) error {
		for k, s := range states {
			for i, x := range c.X {
				if err := row([]string{strconv.Itoa(k), s.name}, x, s.points[i], c.LogP[i]-s.logDet[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
