package flowgpu

// ClassPrior is the learned Gaussian prior of a class-conditional model, made standard: each class has its own mean and
// scale per channel, x ~ N(-b[k], exp(-logs[k])^2) for a sample of class k, and y = (x + b[k]) * exp(logs[k]). Kingma and
// Dhariwal, "Glow", 2018, and its code's --ycond.
//
// log|det dy/dx| = P * sum_c logs[k,c]
type ClassPrior struct {
	c, classes int
	b, logs    *Param // [K][C]
}

// NewClassPrior starts as the identity for every class.
func NewClassPrior(c, classes int) *ClassPrior {
	return &ClassPrior{c: c, classes: classes, b: newParam("b", nil, classes, c), logs: newParam("logs", nil, classes, c)}
}

func (l *ClassPrior) Forward(s *State) {
	s.ClassAffine(s.rows(), l.classes, s.Label, l.logs.V, l.b.V, s.X(), s.LogDet)
}

func (l *ClassPrior) Inverse(s *State) {
	s.ClassAffineInverse(s.rows(), l.classes, s.Label, l.logs.V, l.b.V, s.X(), s.LogDet)
}

func (l *ClassPrior) Backward(s *State) {
	s.ClassAffineBackward(s.rows(), l.classes, s.Label, l.logs.V, l.b.V, s.X(), s.DX(), s.DLogDet, l.logs.G, l.b.G)
}

func (l *ClassPrior) Params() []*Param { return []*Param{l.b, l.logs} }
