package flowgpu

import (
	"math"

	"cuflow/device"

	"gonum.org/v1/gonum/stat/distuv"
)

// MixCDF is the flow in one dimension as it is taught, for each channel by itself: x -> u = F(x) through the cumulative
// distribution function of a mixture with learned weights, means and scales, and from (0, 1) on to the real line. If F is that of the
// data, u is uniform. Chen and Gopinath, "Gaussianization", 2000; device.Mixture has the formulas.
//
// u itself is never kept: a float32 near 1 knows little of where it came from, and 1 nothing. What the layer gives is logit u
// or Phi^-1(u), which are exact in both tails, and a base on (0, 1) is written as a density of logit u (see base.go).
//
// log|det dy/dx| = sum (log f(x) + log of the derivative of what follows F)
type MixCDF struct {
	m                   device.Mixture
	logits, means, logs *Param // [K][C]

	x    device.Buffer // [C][N][P] as it came in, where the state has KeepX
	mark int
}

// NewMixCDF starts near the identity for data of mean 0 and variance 1: the means are at the quantiles of a normal
// distribution, all scales are the one with which the mixture has variance 1.
func NewMixCDF(c int, m device.Mixture) *MixCDF {
	var means []float32
	within := 1.0 // the variance that is left to each component
	for k := range m.K {
		q := distuv.UnitNormal.Quantile((float64(k) + 0.5) / float64(m.K))
		within -= q * q / float64(m.K)
		for range c {
			means = append(means, float32(q))
		}
	}
	if m.Of == device.LogisticBell {
		within *= 3 / (math.Pi * math.Pi) // the standard logistic distribution has the variance pi^2/3
	}
	logs := constant(float32(math.Log(math.Sqrt(within)-device.MixtureFloor)), m.K*c)
	return &MixCDF{
		m: m, logits: newParam("logits", nil, m.K, c), means: newParam("means", means, m.K, c), logs: newParam("logs", logs, m.K, c),
	}
}

func (l *MixCDF) Forward(s *State) {
	if s.Training && s.KeepX {
		l.mark = s.Stash.Mark()
		l.x = s.Stash.Take(s.X().Len())
		s.Copy(l.x, s.X())
	}
	s.CDF(s.rows(), l.m, l.logits.V, l.means.V, l.logs.V, s.X(), s.LogDet)
}

func (l *MixCDF) Inverse(s *State) {
	s.CDFInverse(s.rows(), l.m, l.logits.V, l.means.V, l.logs.V, s.X(), s.LogDet)
}

// Backward takes x from the stash, or finds it again by the inverse.
func (l *MixCDF) Backward(s *State) {
	if s.KeepX {
		s.Copy(s.X(), l.x)
		s.Stash.Release(l.mark)
	} else {
		mark := s.Scratch.Mark()
		unused := s.Scratch.Take(s.N) // the log-determinant of the way back
		s.Fill(unused, 0)
		s.CDFInverse(s.rows(), l.m, l.logits.V, l.means.V, l.logs.V, s.X(), unused)
		s.Scratch.Release(mark)
	}
	s.CDFBackward(s.rows(), l.m, l.logits.V, l.means.V, l.logs.V, s.X(), s.DX(), s.DLogDet, l.logits.G, l.means.G, l.logs.G)
}

func (l *MixCDF) Params() []*Param { return []*Param{l.logits, l.means, l.logs} }
