package flowgpu

// ActNorm scales and shifts each channel so that the first batch comes out with mean 0 and variance 1, and trains both
// from there: y = (x + b) * exp(logs). Kingma and Dhariwal, "Glow", 2018, section 3.1.
//
// log|det dy/dx| = P * sum logs
type ActNorm struct {
	c       int
	b, logs *Param // [C]
}

// NewActNorm waits for data: it is the identity until a batch with State.Init passes.
func NewActNorm(c int) *ActNorm {
	l := NewAffine(c)
	l.logs.FromData = true
	return l
}

// NewAffine is the same map without the data-dependent start: an elementwise affine flow per channel. At the end of a
// flow it makes the standard normal prior a learned Gaussian, x ~ N(-b, exp(-logs)^2).
func NewAffine(c int) *ActNorm {
	return &ActNorm{c: c, b: newParam("b", nil, c), logs: newParam("logs", nil, c)}
}

func (l *ActNorm) Forward(s *State) {
	if s.Init && l.logs.FromData && !l.logs.Done {
		s.ActNormInit(l.c, s.M(), s.X(), l.logs.V, l.b.V)
		l.logs.Done = true
	}
	s.ActNorm(l.c, s.M(), l.logs.V, l.b.V, s.X())
	s.AddSum(float32(s.P()), l.logs.V, s.LogDet)
}

func (l *ActNorm) Inverse(s *State) {
	s.ActNormInverse(l.c, s.M(), l.logs.V, l.b.V, s.X())
	s.AddSum(-float32(s.P()), l.logs.V, s.LogDet)
}

func (l *ActNorm) Backward(s *State) {
	dld := s.DLogDet * float32(s.M()) // every sample's log-determinant holds P * sum logs
	s.ActNormBackward(l.c, s.M(), l.logs.V, l.b.V, s.X(), s.DX(), dld, l.logs.G, l.b.G)
}

func (l *ActNorm) Params() []*Param { return []*Param{l.b, l.logs} }
