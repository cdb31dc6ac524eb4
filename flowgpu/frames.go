package flowgpu

import (
	"errors"
	"fmt"

	"gorgonia.org/tensor"
)

// Frame is where vectors are at one place on their way through a flow.
type Frame struct {
	// Name is that of the part of the model that they have just left, as Layers has it. The first frame, "data", is before
	// all, and where the model scales the data's columns the second is "scaled".
	Name   string
	X      *tensor.Dense // (N, D), as the flow has them there: the last frame is what Encode gives
	LogDet []float64     // [N] log-determinant of the way from the data to here, in nats
}

// Frames takes vectors x (N, D), as LogProb takes them, through the flow and tells where they are before it and after each part of
// the model. It reads back after every part and so is slow. The error of a model of images says so.
func (m *Model) Frames(x *tensor.Dense) ([]Frame, error) {
	if !m.cfg.vectors() {
		return nil, errors.New("this model is of images: its frames would not be of one shape")
	}
	data, n, err := m.images(x)
	if err != nil {
		return nil, err
	}
	e, err := m.evaluator()
	if err != nil {
		return nil, err
	}
	if err := m.conditioned(n); err != nil {
		return nil, err
	}
	names := []string{"data"}
	if m.columns != nil {
		names = append(names, "scaled")
	}
	before := len(names) // frames without a block of the model behind them
	pieces := m.pieces()
	for _, p := range pieces {
		names = append(names, p.name)
	}
	d := m.cfg.D()
	frames := make([]Frame, len(names))
	for i, name := range names {
		rows := make([]float32, n*d)
		if i == 0 {
			copy(rows, data)
		}
		frames[i] = Frame{name, tensor.New(tensor.WithShape(n, d), tensor.WithBacking(rows)), make([]float64, n)}
	}
	batch := make([]float32, tensorBatch*d)
	for from := 0; from < n; from += tensorBatch {
		k := min(tensorBatch, n-from)
		if err := m.given(e, from, k); err != nil {
			return nil, err
		}
		w := e.w
		w.enter(k)
		s := &w.s
		s.Training = false
		s.Fill(s.LogDet, 0)
		m.load(e, data, from, k)
		for i := before - 1; i < len(frames); i++ {
			if i >= before {
				pieces[i-before].forward(s)
			}
			if err := s.Download(batch[:k*d], s.x.Slice(0, k*d)); err != nil {
				return nil, fmt.Errorf("frames of %d vectors: %w", n, err)
			}
			if err := w.solved(); err != nil {
				return nil, fmt.Errorf("frames of %d vectors: %w", n, err)
			}
			if err := s.Download(e.logp[:k], s.LogDet); err != nil {
				return nil, fmt.Errorf("frames of %d vectors: %w", n, err)
			}
			rows := frames[i].X.Data().([]float32)[from*d:]
			for j := range k {
				for c := range d {
					rows[j*d+c] = batch[c*k+j]
				}
				frames[i].LogDet[from+j] = m.logVolume() + float64(e.logp[j])
			}
		}
	}
	return frames, nil
}

// LogShownSlope is the log of the derivative of Shown: what a latent's log-density loses where it is told as Shown tells it.
func (b Base) LogShownSlope(z float64) float64 {
	if b.onUnit() {
		return logSigmoid(z) + logSigmoid(-z)
	}
	return 0
}

// ShownName is what people call a latent number: u on (0, 1), else z.
func (b Base) ShownName() string {
	if b.onUnit() {
		return "u"
	}
	return "z"
}

// Inside says which of n vectors (N, D), in the units of the data, lie where the model has a density: all but with some chains, of which
// CheckData tells.
func (c Config) Inside(x []float64) []bool {
	in, columns, d := c.domain(), c.Columns.List(), c.D()
	inside := make([]bool, len(x)/d)
	for i := range inside {
		inside[i] = true
		for j, v := range x[i*d : (i+1)*d] {
			scaled := float32(v)
			if columns != nil {
				scaled = columns[j].scaled(v)
			}
			inside[i] = inside[i] && in.has(scaled)
		}
	}
	return inside
}
