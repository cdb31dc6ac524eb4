package flowgpu

// Scaling is a positive factor per channel, learned: y = x * exp(logs). NICE ends with one, so that it may give more
// volume to some dimensions than to others. Dinh et al., "NICE", 2015, section 3.3.
//
// log|det dy/dx| = P * sum logs
type Scaling struct {
	c    int
	logs *Param // [C]
	zero *Param // [C], fixed
}

// NewScaling starts as the identity.
func NewScaling(c int) *Scaling {
	return &Scaling{c: c, logs: newParam("logs", nil, c), zero: newState("zero", 0, c)}
}

func (l *Scaling) Forward(s *State) {
	s.ActNorm(l.c, s.M(), l.logs.V, l.zero.V, s.X())
	s.AddSum(float32(s.P()), l.logs.V, s.LogDet)
}

func (l *Scaling) Inverse(s *State) {
	s.ActNormInverse(l.c, s.M(), l.logs.V, l.zero.V, s.X())
	s.AddSum(-float32(s.P()), l.logs.V, s.LogDet)
}

func (l *Scaling) Backward(s *State) {
	mark := s.Scratch.Mark()
	unused := s.Scratch.Take(l.c) // the gradient of the shift, which is not learned
	s.Fill(unused, 0)
	s.ActNormBackward(l.c, s.M(), l.logs.V, l.zero.V, s.X(), s.DX(), s.DLogDet*float32(s.M()), l.logs.G, unused)
	s.Scratch.Release(mark)
}

func (l *Scaling) Params() []*Param { return []*Param{l.logs, l.zero} }
