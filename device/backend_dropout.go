package device

// Dropout leaves out what a network has computed, at random: Srivastava et al., "Dropout: A simple way to prevent neural networks from
// overfitting", 2014.
type Dropout interface {
	// Dropout: x[c,n,p] = u < rate ? 0 : x[c,n,p] * (1/(1-rate)), in place, with u uniform on [0, 1) from the stream (see Stream) and rate
	// from 0 to below 1. On a gradient it goes back through itself: what is left out is a function of the stream, and nothing is kept.
	Dropout(r Rows, rate float32, rng Stream, at, x Buffer)
}

// DropoutScale is what Dropout multiplies by what it keeps.
func DropoutScale(rate float32) float32 { return 1 / (1 - rate) }
