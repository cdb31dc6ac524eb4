package flowgpu

import "cuflow/device"

// Snapshot keeps the batch as it passes on its way forward, and puts it back on the way backward in place of what the
// layers above recovered by inversion: rounding errors then grow only from one snapshot to the next. Where the state
// has a Drift it records how far the recovered batch was off.
type Snapshot struct {
	x    device.Buffer // [C][N][P]
	mark int
}

func (l *Snapshot) Forward(s *State) {
	if !s.Training {
		return
	}
	l.mark = s.Stash.Mark()
	l.x = s.Stash.Take(s.X().Len())
	s.Copy(l.x, s.X())
}

func (l *Snapshot) Inverse(*State) {}

func (l *Snapshot) Backward(s *State) {
	if !s.Drift.Nil() {
		s.MaxAbsDiff(s.X(), l.x, s.Drift)
	}
	s.Copy(s.X(), l.x)
	s.Stash.Release(l.mark)
}

func (l *Snapshot) Params() []*Param { return nil }
