package flowgpu

import "cuflow/device"

// BatchNorm normalises each channel by running averages of mean and variance that blend in the current batch's:
//
//	m <- rho*m + (1-rho)*batch mean;  v <- rho*v + (1-rho)*batch variance;  y = (x - m) / sqrt(v + eps)
//
// The gradient flows through the current batch's statistics only; evaluation and sampling take the running averages as
// they are, which belong to the checkpoint. Dinh et al., "RealNVP", 2017, section 3.7 and appendix E.
//
// log|det dy/dx| = -P/2 * sum log(v + eps)
type BatchNorm struct {
	c              int
	mean, variance *Param // [C], running averages
}

const (
	batchNormMomentum = 0.9 // rho
	batchNormEps      = 1e-5
)

// NewBatchNorm starts from mean 0 and variance 1.
func NewBatchNorm(c int) *BatchNorm {
	return &BatchNorm{c: c, mean: newState("mean", 0, c), variance: newState("variance", 1, c)}
}

// fold writes the normalisation by the running averages as an actnorm.
func (l *BatchNorm) fold(s *State) (logs, b device.Buffer) {
	logs, b = s.Scratch.Take(l.c), s.Scratch.Take(l.c)
	s.BatchNormFold(l.c, batchNormEps, l.mean.V, l.variance.V, logs, b)
	return logs, b
}

func (l *BatchNorm) Forward(s *State) {
	mark := s.Scratch.Mark()
	if s.Training {
		blendStatistics(s, l.c, s.X(), l.mean, l.variance)
	}
	logs, b := l.fold(s)
	s.ActNorm(l.c, s.M(), logs, b, s.X())
	s.AddSum(float32(s.P()), logs, s.LogDet)
	s.Scratch.Release(mark)
}

func (l *BatchNorm) Inverse(s *State) {
	mark := s.Scratch.Mark()
	logs, b := l.fold(s)
	s.ActNormInverse(l.c, s.M(), logs, b, s.X())
	s.AddSum(-float32(s.P()), logs, s.LogDet)
	s.Scratch.Release(mark)
}

// Backward inverts by the averages that Forward left, and so exactly what Forward did.
func (l *BatchNorm) Backward(s *State) {
	mark := s.Scratch.Mark()
	logs, b := l.fold(s)
	dlogs, db := s.Scratch.Take(l.c), s.Scratch.Take(l.c)
	s.Fill(dlogs, 0)
	s.Fill(db, 0)
	s.ActNormBackward(l.c, s.M(), logs, b, s.X(), s.DX(), s.DLogDet*float32(s.M()), dlogs, db)
	mean, variance := s.Scratch.Take(l.c), s.Scratch.Take(l.c)
	s.ChannelStats(l.c, s.M(), s.X(), mean, variance)
	s.BatchNormBackward(l.c, s.M(), 1-batchNormMomentum, batchNormEps, mean, l.variance.V, dlogs, db, s.X(), s.DX())
	s.Scratch.Release(mark)
}

func (l *BatchNorm) Params() []*Param { return []*Param{l.mean, l.variance} }

// blendStatistics moves running averages towards a batch's mean and variance.
func blendStatistics(s *State, c int, x device.Buffer, mean, variance *Param) {
	mark := s.Scratch.Mark()
	m, v := s.Scratch.Take(c), s.Scratch.Take(c)
	s.ChannelStats(c, s.M(), x, m, v)
	s.Blend(batchNormMomentum, m, mean.V)
	s.Blend(batchNormMomentum, v, variance.V)
	s.Scratch.Release(mark)
}
