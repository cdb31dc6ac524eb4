package flowgpu

import "cuflow/device"

// Prior is the distribution of one region of the latent, z [C][N][P].
type Prior interface {
	// LogProb adds log p(z) to s.LogDet.
	LogProb(s *State, r device.Rows, z device.Buffer)
	// Backward leaves the loss's gradient by z in dz and adds to each Param's. It gives back what LogProb took of the stash.
	Backward(s *State, r device.Rows, z, dz device.Buffer)
	// Sample draws z with the spread multiplied by temperature; sample i depends on the seed, id and at alone.
	Sample(s *State, r device.Rows, temperature float32, rng device.Stream, at, z device.Buffer)
	// Params are trained with the flow. They may be none.
	Params() []*Param
}

// priorName is what a model's own prior is called among its layers.
const priorName = "mixture"

// standardNormal is the prior of most flows.
type standardNormal struct{}

func (standardNormal) LogProb(s *State, r device.Rows, z device.Buffer) {
	s.GaussianLogProb(r, z, s.LogDet)
}

func (standardNormal) Backward(s *State, _ device.Rows, z, dz device.Buffer) {
	s.GaussianLogProbBackward(s.DLogDet, z, dz)
}

func (standardNormal) Sample(s *State, r device.Rows, temperature float32, rng device.Stream, at, z device.Buffer) {
	s.Normal(r, temperature, rng, at, z)
}

func (standardNormal) Params() []*Param { return nil }

// standardLogistic is NICE's prior.
type standardLogistic struct{}

func (standardLogistic) LogProb(s *State, r device.Rows, z device.Buffer) {
	s.LogisticLogProb(r, z, s.LogDet)
}

func (standardLogistic) Backward(s *State, _ device.Rows, z, dz device.Buffer) {
	s.LogisticLogProbBackward(s.DLogDet, z, dz)
}

func (standardLogistic) Sample(s *State, r device.Rows, temperature float32, rng device.Stream, at, z device.Buffer) {
	s.Logistic(r, temperature, rng, at, z)
}

func (standardLogistic) Params() []*Param { return nil }

// priorsOf gives each region of the latent its prior. One of the model's own is that of the last level; what splits retire on
// the way is then standard normal.
func priorsOf(cfg Config, own Prior, regions int) []Prior {
	priors := make([]Prior, regions)
	for i := range priors {
		priors[i] = standardNormal{}
		if base, err := ParseBase(cfg.Prior); cfg.bounded() {
			priors[i] = cfg.boundedPrior()
		} else if err == nil {
			priors[i] = base.prior()
		}
	}
	if own != nil {
		priors[0] = own
	}
	return priors
}
