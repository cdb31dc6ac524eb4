package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot/vg"
)

// Column is one column of a table: some of the data, and samples of the model.
type Column struct {
	Name          string // with its unit if it has one
	Data, Samples []float64
}

func checkColumns(columns []Column) error {
	if len(columns) == 0 {
		return errors.New("there are no columns to draw")
	}
	for _, c := range columns {
		if len(c.Data) != len(columns[0].Data) || len(c.Samples) != len(columns[0].Samples) {
			return fmt.Errorf("column %q has %d values and %d samples, the first has %d and %d",
				c.Name, len(c.Data), len(c.Samples), len(columns[0].Data), len(columns[0].Samples))
		}
		if len(c.Data) == 0 || len(c.Samples) == 0 {
			return fmt.Errorf("column %q has no data or no samples", c.Name)
		}
	}
	return nil
}

// axis shows nearly all values of the data and of the samples.
func (c Column) axis() (axis, error) {
	all := make([]float64, 0, len(c.Data)+len(c.Samples))
	for _, v := range slices.Concat(c.Data, c.Samples) {
		if finite(v) {
			all = append(all, v)
		}
	}
	if len(all) == 0 {
		return axis{}, fmt.Errorf("column %q has no value that is a number", c.Name)
	}
	slices.Sort(all)
	low, high := stat.Quantile(0.002, stat.Empirical, all, nil), stat.Quantile(0.998, stat.Empirical, all, nil)
	room := 0.05 * (high - low)
	if room == 0 {
		room = math.Max(1e-3, 1e-3*math.Abs(low))
	}
	return axis{label: c.Name, low: low - room, high: high + room}, nil
}

// marginal is one column's histograms, of the data and of the samples, with the distance of the two.
func (c Column) marginal(x axis) *panel {
	n := bins(c.Data, x.low, x.high)
	n = min(n, 40)
	data, samples := NewHistogram(c.Data, x.low, x.high, n), NewHistogram(c.Samples, x.low, x.high, n)
	dx, dy := data.steps()
	sx, sy := samples.steps()
	return &panel{
		x: x, y: axis{low: 0, high: 1.25 * max(data.top(), samples.top()), bare: true},
		marks: []mark{area{xs: dx, highs: dy, fill: tint(blue(), 0.6)}, line{sx, sy, stroke(orange(), 1.3)}},
		inset: fmt.Sprintf("KS %.3f", Distance(c.Data, c.Samples)),
	}
}

// Pairs draws every pair of columns: data below the diagonal, samples above it, and on it both of one column with their
// Kolmogorov-Smirnov distance.
func Pairs(columns []Column) (*Figure, error) {
	if err := checkColumns(columns); err != nil {
		return nil, err
	}
	d := len(columns)
	cell := vg.Length(math.Round(min(max(540/float64(d), 60), 150)))
	axes := make([]axis, d)
	for i, c := range columns {
		a, err := c.axis()
		if err != nil {
			return nil, err
		}
		axes[i] = a
	}
	rows := make([][]*panel, d)
	for i := range d {
		rows[i] = make([]*panel, d)
		for j := range d {
			p := &panel{x: axes[j], y: axes[i]}
			switch {
			case i == j:
				p = columns[i].marginal(axes[i])
			default:
				p.marks = []mark{scatter(columns[j], columns[i], i > j, float64(cell))}
			}
			if i < d-1 {
				p.x.nameless, p.x.label = true, ""
			}
			if j > 0 {
				p.y.nameless, p.y.label = true, ""
			} else if i == j {
				p.y.label = columns[i].Name
			}
			rows[i][j] = p
		}
	}
	return arrange(rows, layout{
		head:   tableHeading("Pairs of columns", columns, entry{"data: diagonal and below", blue(), dot}, entry{"samples of the model: diagonal and above", orange(), dot}),
		widths: slices.Repeat([]vg.Length{cell}, d), heights: slices.Repeat([]vg.Length{cell}, d), gap: 5,
	}), nil
}

func scatter(x, y Column, data bool, side float64) dots {
	d := dots{xs: x.Samples, ys: y.Samples, fill: orange()}
	if data {
		d.xs, d.ys, d.fill = x.Data, y.Data, blue()
	}
	d.radius = vg.Length(max(radius(len(d.xs))*math.Sqrt(side/250), 0.55))
	d.fill.A = 120
	return d
}

// Marginals draws the histograms of columns, data and samples, with their Kolmogorov-Smirnov distances.
func Marginals(title string, columns []Column) (*Figure, error) {
	if err := checkColumns(columns); err != nil {
		return nil, err
	}
	across := min(len(columns), 4)
	var rows [][]*panel
	for i, c := range columns {
		x, err := c.axis()
		if err != nil {
			return nil, err
		}
		if i%across == 0 {
			rows = append(rows, make([]*panel, across))
		}
		rows[len(rows)-1][i%across] = c.marginal(x)
	}
	return arrange(rows, layout{
		head:   tableHeading(title, columns, entry{"data", tint(blue(), 0.6), patch}, entry{"samples of the model", orange(), stripe}),
		widths: slices.Repeat([]vg.Length{130}, across), heights: slices.Repeat([]vg.Length{90}, len(rows)), gap: 10,
	}), nil
}

// tableHeading tells how to read the distances.
func tableHeading(title string, columns []Column, legend ...entry) heading {
	n, m := len(columns[0].Data), len(columns[0].Samples)
	return heading{
		title: title,
		notes: []string{
			fmt.Sprintf("%s values of the data and %s samples", thousands(n), thousands(m)),
			fmt.Sprintf("KS: Kolmogorov-Smirnov distance (if the model were right: below %.3f in 95 of 100 cases)", Usual(n, m)),
		},
		legend: legend,
	}
}
