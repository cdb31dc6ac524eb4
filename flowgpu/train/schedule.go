package train

import "math"

// The laws of the learning rate after warming up.
const (
	constant = "constant"
	cosine   = "cosine" // half a cosine to 0: Loshchilov and Hutter, "SGDR", 2017, equation 5 without restarts
)

// LearningRate is the rate of step 1, 2, ..., Steps: a pure function of the step, so that a resumed run needs no memory
// of it. It rises in a straight line during the Warmup steps; the cosine then falls towards 0, which it would reach one
// step after the last.
func (c Config) LearningRate(step int) float64 {
	if step <= c.Warmup {
		return c.LR * float64(step) / float64(c.Warmup)
	}
	if c.Schedule == constant {
		return c.LR
	}
	done := float64(step-c.Warmup) / float64(c.Steps-c.Warmup+1)
	return c.LR * (1 + math.Cos(math.Pi*done)) / 2
}
