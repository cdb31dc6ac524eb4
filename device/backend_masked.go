package device

// MaskedLayer is the place of a layer in a masked network.
type MaskedLayer int

const (
	MaskedFirst  MaskedLayer = iota // D dimensions to H units
	MaskedHidden                    // H units to H units
	MaskedLast                      // H units to Q values for each of D dimensions, those of a dimension one after another
)

// Masked is the shape of a dense layer of a network that is autoregressive: what it says of dimension d, 0 .. D-1, it knows from the
// dimensions before d. Germain et al., "MADE: Masked autoencoder for distribution estimation", 2015.
//
// Hidden units are sorted by degree, 1 .. D-1, and a unit of degree d knows dimensions 0 .. d-1. Of every degree there are
// H/(D-1) units, and one more of the first H%(D-1) degrees. So every output is made of a beginning of the inputs, which
// grows from output to output: half of the weights do not count, in blocks, and cost nothing.
type Masked struct {
	Layer      MaskedLayer
	D, H, Q, N int // D at least 2; N samples
}

// Cin is the number of inputs.
func (s Masked) Cin() int {
	if s.Layer == MaskedFirst {
		return s.D
	}
	return s.H
}

// Cout is the number of outputs.
func (s Masked) Cout() int {
	if s.Layer == MaskedLast {
		return s.Q * s.D
	}
	return s.H
}

// Weights is the number of weights, counting those that do not count.
func (s Masked) Weights() int { return s.Cin() * s.Cout() }

// Valid says whether there is such a layer.
func (s Masked) Valid() bool {
	return s.D >= 2 && s.H >= 1 && s.N >= 0 && (s.Q >= 1 || s.Layer != MaskedLast)
}

// Units is how many hidden units have degree d or less: those that know of dimensions below d only.
func (s Masked) Units(d int) int { return d*(s.H/(s.D-1)) + min(d, s.H%(s.D-1)) }

// Degree is that of a hidden unit.
func (s Masked) Degree(unit int) int {
	each, more := s.H/(s.D-1), s.H%(s.D-1)
	if first := more * (each + 1); unit >= first {
		return more + 1 + (unit-first)/each
	}
	return 1 + unit/(each+1)
}

// Reach is how many inputs an output is made of: the first so many.
func (s Masked) Reach(o int) int {
	switch s.Layer {
	case MaskedFirst:
		return s.Degree(o)
	case MaskedHidden:
		return s.Units(s.Degree(o))
	}
	return s.Units(o / s.Q)
}

// Start is the first output that input i has a part in; Cout where it has none.
func (s Masked) Start(i int) int {
	switch s.Layer {
	case MaskedFirst:
		return s.Units(min(i, s.D-1))
	case MaskedHidden:
		return s.Units(s.Degree(i) - 1)
	}
	return s.Q * s.Degree(i)
}

// Step is the outputs that become known when dimensions 0 .. d-1 are, and not before.
func (s Masked) Step(d int) (lo, hi int) {
	switch {
	case s.Layer == MaskedLast:
		return s.Q * d, s.Q * (d + 1)
	case d == 0:
		return 0, 0
	}
	return s.Units(d - 1), s.Units(d)
}

// StepReach is the Reach of the outputs of a Step.
func (s Masked) StepReach(d int) int {
	if s.Layer == MaskedFirst {
		return d
	}
	return s.Units(d)
}

// Flops of one pass: a multiplication and an addition for each weight that counts and sample.
func (s Masked) Flops() (n int64) {
	for o := range s.Cout() {
		n += int64(s.Reach(o))
	}
	return 2 * n * int64(s.N)
}

// StepFlops are those of one MaskedStep. The steps of all dimensions make Flops.
func (s Masked) StepFlops(d int) int64 {
	lo, hi := s.Step(d)
	return 2 * int64(hi-lo) * int64(s.StepReach(d)) * int64(s.N)
}

// BackwardStep is the inputs whose gradient becomes known when those of what is said of dimensions d .. D-1 are, and not before: d is
// 1 .. D-1. They have one Start.
func (s Masked) BackwardStep(d int) (lo, hi int) {
	if s.Layer == MaskedFirst {
		return d - 1, d
	}
	return s.Units(d - 1), s.Units(d)
}

// BackwardStepStart is the Start of the inputs of a BackwardStep.
func (s Masked) BackwardStepStart(d int) int {
	if s.Layer == MaskedLast {
		return s.Q * d
	}
	return s.Units(d - 1)
}

// BackwardStepFlops are those of one MaskedBackwardStep.
func (s Masked) BackwardStepFlops(d int) int64 {
	lo, hi := s.BackwardStep(d)
	return 2 * int64(hi-lo) * int64(s.Cout()-s.BackwardStepStart(d)) * int64(s.N)
}

// Autoregressive are the products of masked networks. Shapes: x [Cin][N], y [Cout][N], w [Cout][Cin], b [Cout]. Of row o of w only
// the first Reach(o) weights are read, or given a gradient.
type Autoregressive interface {
	// MaskedForward: y[o,n] = act(b[o] + sum_{i<Reach(o)} w[o,i]*x[i,n]).
	MaskedForward(s Masked, act Act, w, b, x, y Buffer)
	// MaskedBackwardData: dx[i,n] += sum_{o>=Start(i)} w[o,i]*dy[o,n].
	MaskedBackwardData(s Masked, w, dy, dx Buffer)
	// MaskedBackwardAct is MaskedBackwardData through the activation that made x, in place, as ConvBackwardAct.
	MaskedBackwardAct(s Masked, act Act, w, dy, h Buffer)
	// MaskedBackwardWeight: dw[o,i] += sum_n dy[o,n]*x[i,n] for i < Reach(o); db[o] += sum_n dy[o,n].
	MaskedBackwardWeight(s Masked, x, dy, dw, db Buffer)
	// MaskedStep is MaskedForward of the outputs of Step(d) alone: it leaves the others as they are, and reads no input from StepReach(d)
	// on. After the steps of all dimensions in order, y is what MaskedForward makes.
	MaskedStep(s Masked, d int, act Act, w, b, x, y Buffer)
	// MaskedBackwardStep is MaskedBackwardAct of the inputs of BackwardStep(d) alone: it leaves the others as they are, and reads no
	// gradient of outputs before BackwardStepStart(d).
	MaskedBackwardStep(s Masked, d int, act Act, w, dy, h Buffer)
}
