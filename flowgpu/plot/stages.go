package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/plot/vg"
)

// Stage is a curve's places on their way through a flow of one dimension, with the density there.
type Stage struct {
	Name string    // "data", "after affine1"
	X    []float64 // where the flow has taken each place of the curve
	LogP []float64 // log-density of that, in nats
}

// Of the panels of stages, in points.
const (
	stageWide = vg.Length(165)
	stageHigh = vg.Length(110)
	stageRow  = 3
)

// Stages draws the density at each stage, in slices of equal mass that keep their colour.
func Stages(c Curve, stages []Stage) (*Figure, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if len(stages) == 0 {
		return nil, errors.New("there are no stages to draw")
	}
	columns := min(len(stages), stageRow)
	var rows [][]*panel
	for i, s := range stages {
		if len(s.X) != len(c.X) || len(s.LogP) != len(c.X) {
			return nil, fmt.Errorf("stage %q has %d places and %d densities, the curve has %d places", s.Name, len(s.X), len(s.LogP), len(c.X))
		}
		p, err := s.panel(c)
		if err != nil {
			return nil, fmt.Errorf("stage %q: %w", s.Name, err)
		}
		if i%columns == 0 {
			rows = append(rows, make([]*panel, columns))
		}
		rows[len(rows)-1][i%columns] = p
	}
	return arrange(rows, layout{
		head: heading{title: "From data to latent, layer by layer", notes: []string{
			fmt.Sprintf("each colour holds 1/%d of the mass, and always the same values", slicesOfMass),
		}},
		widths: slices.Repeat([]vg.Length{stageWide}, columns), heights: slices.Repeat([]vg.Length{stageHigh}, len(rows)),
	}), nil
}

func (s Stage) panel(c Curve) (*panel, error) {
	// What is no number, as beyond the base's support, is left out.
	var at0, places, density []float64
	for i := range s.X {
		if p := math.Exp(s.LogP[i]); finite(s.X[i]) && finite(p) {
			at0, places, density = append(at0, c.X[i]), append(places, s.X[i]), append(density, p)
		}
	}
	low, high, ok := span(places)
	if !ok || low == high {
		return nil, errors.New("there are no places that differ")
	}
	p := &panel{x: axis{low: low, high: high}, y: axis{low: 0, high: 1.08 * max(greatest(density), math.SmallestNonzeroFloat32)}}
	p.notes = []string{s.Name}
	xs, ys := ascending(places, density)
	for k := range slicesOfMass {
		a, b := at(at0, places, c.place(k)), at(at0, places, c.place(k+1))
		x, y := part(xs, ys, min(a, b), max(a, b))
		p.marks = append(p.marks, area{xs: x, highs: y, fill: sliceColour(k)})
	}
	p.marks = append(p.marks, line{xs, ys, stroke(ink(), 1.2)})
	return p, nil
}
