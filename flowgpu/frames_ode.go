package flowgpu

import "fmt"

// piece is a part of the way through a model that has a frame at its end.
type piece struct {
	name    string
	forward func(*State)
}

// instants is how many frames a continuous flow has.
const instants = 8

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
