package flowgpu

import (
	"errors"
	"fmt"

	"cuflow/device"

	"gorgonia.org/tensor"
)

// piece is a part of the way through a model that has a frame at its end.
type piece struct {
	name    string
	forward func(*State)
}

// instants is how many frames a continuous flow has.
const instants = 16

// pieces are the model's blocks, and of a continuous flow the times that it passes.
func (m *Model) pieces() (all []piece) {
	for _, b := range m.blocks {
		flow, ok := b.chain[0].(*Continuous)
		if !ok || len(b.chain) > 1 {
			all = append(all, piece{b.name, b.chain.Forward})
			continue
		}
		for i := range instants - 1 {
			to := float64(i+1) / instants
			all = append(all, piece{fmt.Sprintf("%s, t = %.3g", b.name, to), flow.between(float64(i)/instants, to)})
		}
		all = append(all, piece{b.name, flow.between(float64(instants-1)/instants, 1)})
	}
	return all
}

// between is Forward from one time to another.
func (l *Continuous) between(from, to float64) func(*State) {
	return func(s *State) {
		mark := s.Scratch.Mark()
		d, e := l.use(s, s.Scratch)
		d.begin(s, e, false)
		l.run(s, d, from, to, nil)
		s.Scratch.Release(mark)
	}
}

// LogProbAt gives the log-densities (N), in nats, of vectors x (N, D) where the flow has come to frame i of Frames: of what it has made of
// the data by then, in the units that this has there. At a frame of the data, before its columns are scaled, that is LogProb's to give.
func (m *Model) LogProbAt(i int, x *tensor.Dense) (*tensor.Dense, error) {
	if !m.cfg.vectors() || m.features > 0 {
		return nil, errors.New("densities on the way are those of models of vectors that are given nothing")
	}
	pieces := m.pieces()
	first := 0 // frame that the flow begins at
	if m.columns != nil {
		first = 1
	}
	if i < first || i > first+len(pieces) {
		return nil, fmt.Errorf("frame %d has no density on the way: frames %d to %d have", i, first, first+len(pieces))
	}
	host, err := floats(x)
	if err != nil {
		return nil, err
	}
	d := m.cfg.D()
	if s := x.Shape(); len(s) != 2 || s[1] != d {
		return nil, fmt.Errorf("vectors have shape %v: this model takes (N, %d)", s, d)
	}
	e, err := m.evaluator()
	if err != nil {
		return nil, err
	}
	n := len(host) / d
	out := make([]float32, n)
	batch := make([]float32, tensorBatch*d)
	for from := 0; from < n; from += tensorBatch {
		k := min(tensorBatch, n-from)
		for j := range k {
			for c := range d {
				batch[c*k+j] = host[(from+j)*d+c]
			}
		}
		if err := e.w.logProbAfter(pieces[i-first:], k, batch[:k*d], out[from:from+k]); err != nil {
			return nil, fmt.Errorf("densities of %d vectors at frame %d: %w", n, i, err)
		}
	}
	return tensor.New(tensor.WithShape(n), tensor.WithBacking(out)), nil
}

// logProbAfter takes n vectors x [D][n] through the rest of the flow and writes their log-densities, in nats, to out.
func (w *Workspace) logProbAfter(rest []piece, n int, x, out []float32) error {
	w.enter(n)
	s := &w.s
	s.Training = false
	s.Upload(s.X(), x)
	s.Fill(s.LogDet, 0)
	for _, p := range rest {
		p.forward(s)
	}
	w.eachRegion(n, func(i int, r device.Rows, lo int) { w.priors[i].LogProb(s, r, s.x.Slice(lo, lo+r.Len())) })
	if err := s.Download(out, s.LogDet); err != nil {
		return err
	}
	return w.solved()
}
