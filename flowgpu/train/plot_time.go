package train

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"cuflow/flowgpu/plot"
)

const (
	onMoment     = 120 // points of a density each way
	particles    = 60  // samples whose ways are drawn
	mostMoments  = 9   // of a strip
	mostPassings = 33  // of a movie
)

// times draws how a continuous flow of the plane makes the data's density of the latent's as time goes back, and the ways that samples take.
func (a *artist) times() error {
	frames, err := a.m.Frames(a.tensor(a.finiteSamples(particles)))
	if err != nil {
		return err
	}
	first := 0 // frame that the flow begins at, in its own units
	if frames[1].Name == "scaled" {
		first = 1
	}
	frames = frames[first:]
	var sets []plot.Points
	for _, f := range frames {
		sets = append(sets, plot.PointsOf(doubles(f.X)))
	}
	grid, err := plot.GridAround(onMoment, sets...)
	if err != nil {
		return fmt.Errorf("times: %w", err)
	}
	points := a.tensor(grid.Points())
	var all []plot.Moment
	for i := len(frames) - 1; i >= 0; i-- {
		if a.ctx.Err() != nil {
			return ErrInterrupted
		}
		logp, err := a.m.LogProbAt(first+i, points)
		if err != nil {
			return fmt.Errorf("times: %w", err)
		}
		name := frames[i].Name
		if a.m.Config().Steps == 1 {
			name = strings.TrimPrefix(name, "flow1, ")
		}
		switch i {
		case 0:
			name = "data, t = 0"
		case len(frames) - 1:
			name = "latent, t = 1"
		}
		all = append(all, plot.Moment{Name: name, LogP: doubles(logp), Points: sets[i]})
	}
	few, many := momentsOf(all, mostMoments), momentsOf(all, mostPassings)
	if err := a.figure("times", func() (*plot.Figure, error) { return plot.Moments("From latent to data, as time goes back", grid, few) }); err != nil {
		return err
	}
	if err := a.file("times.gif", func(w io.Writer) error { return plot.Passing(w, grid, many) }); err != nil {
		return err
	}
	return a.csv("times", []string{"moment", "name", "particle", "at_1", "at_2"}, func(row func([]string, ...float64) error) error {
		for k, m := range all {
			for i := range m.X {
				if err := row([]string{strconv.Itoa(k), m.Name, strconv.Itoa(i)}, m.X[i], m.Y[i]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// momentsOf are n of them at most, evenly spread, the first and the last among them.
func momentsOf(all []plot.Moment, n int) (some []plot.Moment) {
	for _, i := range spread(len(all), n) {
		some = append(some, all[i])
	}
	return some
}

// timeOf names a state between others by the time at which a continuous flow has it, if it has: at its start that is told by the next alone.
func timeOf(name, next string) (string, bool) {
	if strings.Contains(name, ", t = ") {
		return name, true
	}
	flow, _, ok := strings.Cut(next, ", t = ")
	return flow + ", t = 0", ok
}
