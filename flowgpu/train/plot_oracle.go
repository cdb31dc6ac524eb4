package train

import (
	"errors"
	"math"
	"math/rand/v2"

	"cuflow/flowgpu"

	"gorgonia.org/tensor"
)

// oracle answers questions about a model of vectors, in the units of the data. Points are rows [n][D].
type oracle struct {
	m *flowgpu.Model
	d int
}

func (o oracle) tensor(points []float64) *tensor.Dense {
	v := make([]float32, len(points))
	for i, x := range points {
		v[i] = float32(x)
	}
	return tensor.New(tensor.WithShape(len(points)/o.d, o.d), tensor.WithBacking(v))
}

func doubles(t *tensor.Dense) []float64 {
	v := t.Data().([]float32)
	all := make([]float64, len(v))
	for i, x := range v {
		all[i] = float64(x)
	}
	return all
}

// inside leaves out points at which the model has no density.
func (o oracle) inside(points []float64) (kept []float64, is []bool) {
	is = o.m.Config().Inside(points)
	kept = make([]float64, 0, len(points))
	for i, ok := range is {
		if ok {
			kept = append(kept, points[i*o.d:(i+1)*o.d]...)
		}
	}
	return kept, is
}

// outside puts rows of width d back to where inside took them from, with a value for those between.
func outside(rows []float64, d int, is []bool, value float64) []float64 {
	all := make([]float64, 0, len(is)*d)
	for _, ok := range is {
		if ok {
			all, rows = append(all, rows[:d]...), rows[d:]
			continue
		}
		for range d {
			all = append(all, value)
		}
	}
	return all
}

// ask puts a question whose answers are rows of width d to the model, about the points at which it has a density.
func (o oracle) ask(points []float64, d int, elsewhere float64, question func(*tensor.Dense) (*tensor.Dense, error)) ([]float64, error) {
	kept, is := o.inside(points)
	var answers []float64
	if len(kept) > 0 {
		t, err := question(o.tensor(kept))
		if err != nil {
			return nil, err
		}
		answers = doubles(t)
	}
	return outside(answers, d, is, elsewhere), nil
}

// logDensity is log p(x) in nats, [n].
func (o oracle) logDensity(points []float64) ([]float64, error) {
	return o.ask(points, 1, math.Inf(-1), o.m.LogProb)
}

// encode gives the latents of points; NaN where they have none.
func (o oracle) encode(points []float64) ([]float64, error) {
	return o.ask(points, o.d, math.NaN(), o.m.Encode)
}

// decode is the way back.
func (o oracle) decode(latents []float64) ([]float64, error) {
	t, err := o.m.Decode(o.tensor(latents))
	if err != nil {
		return nil, err
	}
	return doubles(t), nil
}

// sample draws n points.
func (o oracle) sample(n int, seed uint64) ([]float64, error) {
	t, err := o.m.Sample(n, 1, seed)
	if err != nil {
		return nil, err
	}
	return doubles(t), nil
}

// state is where points are at one place on their way through the model.
type state struct {
	name   string
	points []float64 // [n][D]
	logDet []float64 // [n] of the way to here
}

// states are the places of a flow at which points can be seen, the data first and the latent last. Parts that leave all points
// where they are, as those of a model that is no flow do, are left out.
func (o oracle) states(points []float64) ([]state, error) {
	kept, is := o.inside(points)
	if len(kept) == 0 {
		return nil, errors.New("the model has no density where the data is")
	}
	frames, err := o.m.Frames(o.tensor(kept))
	if err != nil {
		return nil, err
	}
	var all []state
	for _, f := range frames {
		s := state{f.Name, outside(doubles(f.X), o.d, is, math.NaN()), outside(f.LogDet, 1, is, math.NaN())}
		if n := len(all); n > 0 && equal(all[n-1].points, s.points) {
			continue
		}
		all = append(all, s)
	}
	return all, nil
}

// flows says whether a part of the model has moved points.
func flows(states []state) bool {
	last := states[len(states)-1].name
	return last != "data" && last != "scaled" // of Frames: before all parts
}

// equal compares the bits of rows in which values may be no numbers.
func equal(a, b []float64) bool {
	for i := range a {
		if a[i] != b[i] && (a[i] == a[i] || b[i] == b[i]) {
			return false
		}
	}
	return true
}

func rng(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0x706c6f74)) }
