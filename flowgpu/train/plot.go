package train

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
	"cuflow/flowgpu/plot"
)

// Plotting says which pictures are drawn of a model of vectors.
type Plotting struct {
	Dir     string   // where they go; "": plots in the run's folder
	N       int      // samples of the model, and held-out rows at most
	Seed    uint64   // of the samples
	Format  string   // one of plot.Formats
	Columns []string // of the pair plot, by name; none: the first
	CSV     bool     // write the numbers beside
}

// Plotted says what was drawn, and what was measured on the way.
type Plotted struct {
	Files     []string
	Rows, N   int        // held-out rows and samples
	Distances []Distance // by column
	Integral  *Integral  // of the density, in one and two dimensions
}

// Distance is how far samples and held-out data are apart in one column.
type Distance struct {
	Column string
	KS     float64 // Kolmogorov and Smirnov's: the greatest difference of the two distribution functions
	Usual  float64 // what it stays below in 95 of 100 cases, were the model right
}

const (
	maxPlotted = 1 << 17 // rows or samples
	maxPairs   = 6       // columns of a pair plot, if they are not named
	maxChosen  = 12      // if they are

	maxMarginals = 64 // columns drawn by themselves
)

func (p Plotting) validate() error {
	if p.N < 10 || p.N > maxPlotted {
		return usagef("--n is %d: it must be from 10 to %d", p.N, maxPlotted)
	}
	if err := plot.CheckFormat(p.Format); err != nil {
		return usagef("--format: %w", err)
	}
	return nil
}

// Plot draws what the model of the run at path has learned, beside held-out data. Where ctx ends first it returns ErrInterrupted.
func Plot(ctx context.Context, path string, p Plotting, use Use, env Env) (*Plotted, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	m := s.Config.Model
	if !s.Config.vectors() {
		return nil, usagef("%s is a model of images of %s, and plots are of vectors: draw images from it with `train sample %s`",
			path, size(m.Channels, m.Height, m.Width), path)
	}
	if text := givenText(m); text != "" {
		return nil, usagef("%s is a model of vectors given %s, and plots are of one density: draw from it with `train sample %s --context`", path, text, path)
	}
	held, err := s.vectors(use, env)
	if err != nil {
		return nil, err
	}
	if p.Dir == "" {
		p.Dir = filepath.Join(filepath.Dir(s.path), "plots")
	}
	var done *Plotted
	err = s.with(use, env, func(model *flowgpu.Model, _ *flowgpu.Evaluator) error {
		a := &artist{Plotting: p, ctx: ctx, oracle: oracle{model, m.Channels}, held: held}
		done, err = a.draw()
		return err
	})
	if err != nil {
		return nil, err
	}
	return done, nil
}

// vectors opens the data that the run held out.
func (s *saved) vectors(use Use, env Env) (*data.Vectors, error) {
	parts, err := s.sources(use, env)
	if err != nil {
		return nil, moved(err)
	}
	return parts.test.(*data.Vectors), nil // which is what they are for a model of vectors
}

// artist draws one model.
type artist struct {
	Plotting
	oracle
	ctx     context.Context
	held    *data.Vectors
	rows    []float64 // [n][D] held-out data, as the model sees it: spread over its steps
	samples []float64 // [N][D]
	done    Plotted
}

func (a *artist) draw() (*Plotted, error) {
	chosen, err := a.chosen()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(a.Dir, 0o777); err != nil {
		return nil, fmt.Errorf("--out: %w", err)
	}
	a.look()
	if a.samples, err = a.sample(a.N, a.Seed); err != nil {
		return nil, err
	}
	a.done.Rows, a.done.N = len(a.rows)/a.d, a.N
	for i, c := range a.held.Columns() {
		of := columnOf(a.rows, a.d, i)
		drawn := columnOf(a.samples, a.d, i)
		a.done.Distances = append(a.done.Distances, Distance{c.Name, plot.Distance(of, drawn), plot.Usual(len(of), len(drawn))})
	}
	switch a.d {
	case 1:
		err = a.line()
	case 2:
		err = a.plane()
	default:
		err = a.table(chosen)
	}
	if err != nil {
		return nil, err
	}
	if n := countNotFinite(a.samples); n > 0 {
		return &a.done, fmt.Errorf("%d of %d sampled values are %w: they are left out of the pictures in %s", n, len(a.samples), errNotFinite, a.Dir)
	}
	return &a.done, nil
}

// look reads the first of the held-out rows, with the noise that the model counts on where values come in steps.
func (a *artist) look() {
	n := min(a.held.Info().N, a.N)
	noise := rng(a.Seed)
	columns, row := a.held.Columns(), make([]float64, a.d)
	for i := range n {
		a.held.Row(i, row)
		for c, v := range row {
			a.rows = append(a.rows, v+columns[c].Step*noise.Float64())
		}
	}
}

func countNotFinite(values []float64) (n int) {
	for _, v := range values {
		if !finite(v) {
			n++
		}
	}
	return n
}

// columnOf is column c of rows [n][d].
func columnOf(rows []float64, d, c int) []float64 {
	column := make([]float64, 0, len(rows)/d)
	for i := c; i < len(rows); i += d {
		column = append(column, rows[i])
	}
	return column
}

// names of the columns.
func (a *artist) names() (names []string) {
	for _, c := range a.held.Columns() {
		names = append(names, c.Name)
	}
	return names
}

// table draws vectors of more than two dimensions.
func (a *artist) table(chosen []string) error {
	var all, some []plot.Column
	for i, name := range a.names() {
		c := plot.Column{Name: name, Data: columnOf(a.rows, a.d, i), Samples: columnOf(a.samples, a.d, i)}
		all = append(all, c)
		if slices.Contains(chosen, name) {
			some = append(some, c)
		}
	}
	if err := a.figure("pairs", func() (*plot.Figure, error) { return plot.Pairs(some) }); err != nil {
		return err
	}
	title := "Columns"
	if n := len(all); n > maxMarginals {
		far := make([]int, n)
		for i := range far {
			far[i] = i
		}
		slices.SortStableFunc(far, func(i, j int) int { return cmp.Compare(a.done.Distances[j].KS, a.done.Distances[i].KS) })
		var farthest []plot.Column
		for _, i := range far[:maxMarginals] {
			farthest = append(farthest, all[i])
		}
		all, title = farthest, fmt.Sprintf("The %d of %s columns with the greatest distances", maxMarginals, thousands(n))
	}
	if err := a.figure("marginals", func() (*plot.Figure, error) { return plot.Marginals(title, all) }); err != nil {
		return err
	}
	return a.pointsCSV()
}

// chosen are the columns of the pair plot.
func (a *artist) chosen() ([]string, error) {
	names := a.names()
	switch {
	case len(a.Columns) > 0 && len(names) <= 2:
		return nil, usagef("--columns chooses those of a pair plot, which is of more than two: the data has %s", plural(len(names), "column"))
	case len(a.Columns) == 0:
		return names[:min(len(names), maxPairs)], nil
	}
	for i, c := range a.Columns {
		if !slices.Contains(names, c) {
			return nil, usagef("--columns: the data has no column %q", c)
		}
		if slices.Contains(a.Columns[:i], c) {
			return nil, usagef("--columns: %q is given twice", c)
		}
	}
	if len(a.Columns) < 2 || len(a.Columns) > maxChosen {
		return nil, usagef("--columns: %d of them: give 2 to %d", len(a.Columns), maxChosen)
	}
	return a.Columns, nil
}
