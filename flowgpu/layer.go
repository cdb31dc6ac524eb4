package flowgpu

import "cuflow/device"

// Layer is one invertible map, applied in place to a batch in flight.
type Layer interface {
	Forward(*State)  // X becomes y; LogDet += log|det dy/dx|
	Inverse(*State)  // X becomes x; LogDet -= log|det dy/dx|
	Backward(*State) // (X, DX) = (y, dy) becomes (x, dx); adds to each Param's gradient
	Params() []*Param
}

// State is one batch travelling through a flow, in place, and what the layers need on the way. The Backend's ops are
// its methods.
type State struct {
	device.Backend
	N, C, H, W int           // active shape; a Split shortens it, and what it leaves behind is latent
	x, dx      device.Buffer // the whole batch and its gradient, D*N each; the first C*N*H*W are active
	LogDet     device.Buffer // [N]
	Label      device.Buffer // [N] whole numbers: classes, of a class-conditional model
	Context    device.Buffer // [E][N][P] features of what conditioners see beside their input: a model's context, or an image
	DContext   device.Buffer // its gradient, of an image: conditioners add to it; none: it is not wanted
	Pixels     device.Buffer // [C][N][H][W] whole numbers that noise is added to
	DLogDet    float32       // dLoss/dLogDet, the same for every sample
	Guidance   float32       // how far samples of a class are taken away from those of no class, see TokenFlow; 0: not at all

	Scratch *device.Arena // memory of one call: taken and released by the same method
	Stash   *device.Arena // memory from Forward to Backward: taken in order, released in reverse

	Training bool          // a Backward will follow this Forward
	Keep     bool          // conditioners keep their hidden activations for it (mode stash)
	KeepX    bool          // a layer whose inverse is dear keeps what came in for it (modes stash and recompute)
	Again    bool          // a conditioner runs a second time on the same batch: running averages stay
	Init     bool          // actnorms that wait for data set themselves from this batch
	Drift    device.Buffer // [1] greatest |x recovered - x stored| so far; not given where it is not measured

	Noise   device.Stream // of layers that draw numbers of their own: each takes an ID of its own, from Noise.ID on
	At      device.Buffer // [2] step and first sample of it
	Solving *Solving      // what continuous layers are told and tell; nil: of no interest
}

// P is pixels per sample.
func (s *State) P() int { return s.H * s.W }

// M is columns, N*P.
func (s *State) M() int { return s.N * s.H * s.W }

// X is the active part of the batch.
func (s *State) X() device.Buffer { return s.x.Slice(0, s.C*s.M()) }

// DX is the gradient of X.
func (s *State) DX() device.Buffer { return s.dx.Slice(0, s.C*s.M()) }

// hidden is the arena for what Backward wants to find again, if memory is to be spent on it.
func (s *State) hidden() *device.Arena {
	if s.Training && s.Keep {
		return s.Stash
	}
	return s.Scratch
}

// Chain is layers applied one after another.
type Chain []Layer

func (c Chain) Forward(s *State) {
	for _, l := range c {
		l.Forward(s)
	}
}

func (c Chain) Inverse(s *State) {
	for i := len(c) - 1; i >= 0; i-- {
		c[i].Inverse(s)
	}
}

func (c Chain) Backward(s *State) {
	for i := len(c) - 1; i >= 0; i-- {
		c[i].Backward(s)
	}
}

func (c Chain) Params() (p []*Param) {
	for _, l := range c {
		p = append(p, l.Params()...)
	}
	return p
}

// rows is the shape of the active part.
func (s *State) rows() device.Rows { return device.Rows{C: s.C, N: s.N, P: s.P()} }

// halves cuts rows off a block of channels: the first c channels and the rest.
func halves(b device.Buffer, c, m int) (first, rest device.Buffer) {
	return b.Slice(0, c*m), b.Slice(c*m, b.Len())
}
