package train

import (
	"cmp"
	"fmt"
	"image"
	"slices"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

const (
	maxGrid   = 4096 // images
	gridWidth = 512  // picture pixels, about
)

// AllClasses as a class means one per column.
const AllClasses = -1

// EachContext as a number of samples means one under each context.
const EachContext = -1

// Sampling says what is drawn from a model.
type Sampling struct {
	N            int       // or EachContext
	Temperatures []float64 // of the latent, one block of N images each, all of the same noise; none: 0.7, of vectors 1
	Seed         uint64
	Class        int     // of a class-conditional model, or AllClasses
	Guidance     float64 // of a tarflow with classes: how far samples are taken away from those of no class, 0: not
	Denoise      bool    // of a model trained on Gaussian noise: take it off
	Context      string  // of a conditional one: NAME=VALUE,... or a table of its columns, whose rows take turns
	Picture      string  // path of the grid, or of vectors of their text file; "": grid.png or samples.csv
	Arrays       string  // path of an .npz file of the values, or ""
}

// complete fills in what is left open.
func (g *Sampling) complete(m flowgpu.Config, contexts int) {
	if g.N == EachContext {
		g.N = contexts
	}
	temperature, file := 0.7, "grid.png"
	if vectors(m) {
		temperature, file = 1, rowsFile
	}
	if len(g.Temperatures) == 0 {
		g.Temperatures = []float64{temperature}
	}
	g.Picture = cmp.Or(g.Picture, file)
}

// maxRows is the most vectors that are drawn at once.
const maxRows = 1 << 24

func (g Sampling) validate(m flowgpu.Config) error {
	most := maxGrid
	if vectors(m) {
		most = maxRows
	}
	if g.N < 1 || g.N > most {
		return usagef("--n is %d: it must be from 1 to %d", g.N, most)
	}
	if len(g.Temperatures) > 16 {
		return usagef("%d temperatures: give at most 16", len(g.Temperatures))
	}
	for _, t := range g.Temperatures {
		if !temperatureOK(t) {
			return usagef("--temperature is %g: it must be from 0 to 10", t)
		}
	}
	if err := g.checkNoise(m); err != nil {
		return err
	}
	return checkClass(g.Class, m)
}

// checkClass says whether a model has a class, or is asked for none.
func checkClass(class int, m flowgpu.Config) error {
	switch {
	case class == AllClasses:
		return nil
	case m.Classes == 0:
		return usagef("--class is %d: this model has no classes, do without", class)
	case class < 0 || class >= m.Classes:
		return usagef("--class is %d: the model knows 0 to %d", class, m.Classes-1)
	}
	return nil
}

// Sample draws images or vectors with the run at path, and fills in what g leaves open. What is no number is drawn magenta, and
// an error.
func Sample(path string, g *Sampling, use Use, env Env) error {
	s, err := open(path)
	if err != nil {
		return err
	}
	m := s.Config.Model
	rows, context, err := g.given(m, s.Config.vectorOptions(env.note))
	if err != nil {
		return err
	}
	g.complete(m, rows)
	if err := g.validate(m); err != nil {
		return err
	}
	columns, class := grid(g.N, m.Classes)
	if g.Class != AllClasses {
		columns, class = square(g.N), func(int) int32 { return int32(g.Class) }
	}
	var all []float32
	err = s.with(use, env, func(model *flowgpu.Model, e *flowgpu.Evaluator) error {
		for _, t := range g.Temperatures {
			x, err := g.drawTuned(model, e, t, class, context)
			if err != nil {
				return err
			}
			all = append(all, x...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if g.Arrays != "" {
		if err := g.writeArrays(m, all, class, context); err != nil {
			return err
		}
	}
	if vectors(m) {
		if err := writeRows(g.Picture, m, all, g.Temperatures, context); err != nil {
			return err
		}
		return badRows(g.Picture, all)
	}
	if err := data.WritePNG(g.Picture, g.picture(m, all, columns)); err != nil {
		return err
	}
	return badSamples(g.Picture, all)
}

// picture lays one block per temperature out side by side, each under its temperature if there are several.
func (g Sampling) picture(m flowgpu.Config, all []float32, columns int) image.Image {
	if len(g.Temperatures) == 1 {
		return sheet(m, all, columns, gridWidth)
	}
	var blocks []image.Image
	each := slices.Chunk(all, g.N*m.D())
	i := 0
	for x := range each {
		blocks = append(blocks, titled(fmt.Sprintf("temperature %g", g.Temperatures[i]), sheet(m, x, columns, gridWidth/2)))
		i++
	}
	return beside(blocks...)
}

func badSamples(picture string, x []float32) error {
	if bad := countBad(x); bad > 0 {
		return fmt.Errorf("%s: %d of %d sampled values are %w (magenta in the picture)", picture, bad, len(x), errNotFinite)
	}
	return nil
}

// draw samples n images, [n][C][H][W] intensities, image i of a class-conditional model of class(i), and vectors of a conditional one
// under context(i).
func draw(e *flowgpu.Evaluator, m flowgpu.Config, n int, temperature float64, seed uint64, class func(i int) int32, context given) ([]float32, error) {
	d := m.D()
	all := make([]float32, n*d)
	batch, classes := make([]float32, e.Batch()*d), make([]int32, 0, e.Batch())
	list, features := contextOf(m), []float32(nil)
	for from := 0; from < n; from += e.Batch() {
		k := min(e.Batch(), n-from)
		classes = classes[:0]
		for i := range k {
			classes = append(classes, class(from+i))
		}
		if err := e.Label(classes); err != nil {
			return nil, err
		}
		features = context.features(list, from, k, features)
		if err := e.Condition(features); err != nil {
			return nil, err
		}
		if err := e.Sample(k, float32(temperature), seed, from, batch[:k*d]); err != nil {
			return nil, err
		}
		separate(m, batch, k, all[from*d:])
	}
	return all, nil
}

// grid says how n samples lie: as a square, or of a class-conditional model with one class per column, the first classes where
// there are too many.
func grid(n, classes int) (columns int, class func(i int) int32) {
	columns = square(n)
	if 0 < classes && classes <= 2*columns {
		columns = classes
	}
	return columns, func(i int) int32 { return int32(i % columns) }
}

// drawGrid samples n images into one picture. NaN is drawn and told.
func drawGrid(path string, e *flowgpu.Evaluator, m flowgpu.Config, n int, temperature float64, seed uint64) error {
	columns, class := grid(n, m.Classes)
	x, err := draw(e, m, n, temperature, seed, class, nil)
	if err != nil {
		return err
	}
	if err := data.WritePNG(path, sheet(m, x, columns, gridWidth)); err != nil {
		return err
	}
	return badSamples(path, x)
}
