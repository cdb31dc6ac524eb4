package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// autoNet is a conditioner that is autoregressive: of D dimensions it makes Q values for each, and those for dimension d are made of
// dimensions 0 .. d-1. They come out as [D][Q][N].
type autoNet interface {
	Net
	// invert takes y in x to the x of which the network makes the parameters of a curve that takes it to y. It leaves them in params, and
	// in memory from a what Backward and invertBack need.
	invert(s *State, a *device.Arena, c device.Curve, x, params, logdet device.Buffer)
	// invertBack goes back through invert: x and its gradient become y and its gradient. It uses up what the last invert or Forward left.
	invertBack(s *State, c device.Curve, x, params, dx device.Buffer)
}

// maskedUnit are the weights of a layer whose units are sorted by what they know: see device.Masked.
type maskedUnit struct{ w, b *Param } // [Cout][Cin], [Cout]

// newMaskedUnit draws weights of variance gain/inputs, of the inputs that count; the others are 0 and stay so. Biases are uniform up to
// the root of 1/inputs in the first layer, as PyTorch draws them, so that units do not all bend where their inputs are 0.
func newMaskedUnit(name string, s device.Masked, gain float64, r *rand.Rand) maskedUnit {
	var w, b []float32
	if gain > 0 {
		w, b = make([]float32, s.Weights()), make([]float32, s.Cout())
		for o := range s.Cout() {
			reach := s.Reach(o)
			for i := range reach {
				w[o*s.Cin()+i] = float32(math.Sqrt(gain/float64(reach)) * r.NormFloat64())
			}
			if s.Layer == device.MaskedFirst && reach > 0 {
				b[o] = float32((2*r.Float64() - 1) / math.Sqrt(float64(reach)))
			}
		}
	}
	return maskedUnit{newParam(name+".w", w, s.Cout(), s.Cin()), newParam(name+".b", b, s.Cout())}
}

// MADE is a masked network, plain or residual: see device.MaskedNet. The last layer starts at 0 and at given biases, and so does, but for
// the biases, every block's second.
type MADE struct {
	shape device.MaskedNet // of no sample
	units []maskedUnit     // by layer
	given *givenTerm       // of a network that sees a context, else nil

	w    []device.MaskedWeights
	kept device.Buffer
}

// NewMADE has depth hidden layers of h units with ReLU, for d dimensions and as many values for each as rest has for all: where they
// start. Germain et al., "MADE: Masked autoencoder for distribution estimation", 2015.
func NewMADE(d, h, depth int, rest []float32, r *rand.Rand) *MADE {
	n := newMaskedNet(device.MaskedNet{D: d, H: h, Q: len(rest) / d, Depth: depth})
	for i := range n.units {
		gain := 2.
		if i == depth {
			gain = 0
		}
		n.units[i] = newMaskedUnit(fmt.Sprintf("masked%d", i+1), n.shape.Stage(i).Masked, gain, r)
	}
	n.units[depth].b.start = rest
	return n
}

// NewResMADE has blocks residual blocks of two layers of h units; the rest as NewMADE. It is the conditioner of the autoregressive neural
// spline flow. Nash and Durkan, "Autoregressive energy machines", 2019, section 3.2.
func NewResMADE(d, h, blocks int, rest []float32, r *rand.Rand) *MADE {
	n := newMaskedNet(device.MaskedNet{D: d, H: h, Q: len(rest) / d, Depth: blocks, Residual: true})
	last := len(n.units) - 1
	unit := func(i int, name string, gain float64) {
		n.units[i] = newMaskedUnit(name, n.shape.Stage(i).Masked, gain, r)
	}
	unit(0, "first", 1)
	unit(last, "last", 0)
	n.units[last].b.start = rest
	for i := range blocks {
		unit(2*i+1, fmt.Sprintf("block%d.dense1", i+1), 2)
		unit(2*i+2, fmt.Sprintf("block%d.dense2", i+1), 0)
	}
	return n
}

func newMaskedNet(s device.MaskedNet) *MADE {
	return &MADE{shape: s, units: make([]maskedUnit, s.Layers()), w: make([]device.MaskedWeights, s.Layers())}
}

// pass is the network's shape for a batch, and its weights.
func (n *MADE) pass(s *State) (device.MaskedNet, []device.MaskedWeights) {
	for i, u := range n.units {
		n.w[i] = device.MaskedWeights{W: u.w.V, B: u.b.V, DW: u.w.G, DB: u.b.G}
	}
	g := n.shape
	g.N, g.Keep = s.N, s.Training
	return g, n.w
}

func (n *MADE) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	g, w := n.pass(s)
	n.kept = a.Take(g.Kept())
	mark := s.Scratch.Mark()
	s.MaskedNetForward(g, w, in, n.given.term(s), n.kept, out)
	s.Scratch.Release(mark)
}

func (n *MADE) Backward(s *State, in, dout, din device.Buffer) {
	g, w := n.pass(s)
	mark := s.Scratch.Mark()
	dterm := n.given.room(s)
	s.MaskedNetBackward(g, w, in, n.kept, dout, dterm, din)
	n.given.backward(s, dterm)
	s.Scratch.Release(mark)
}

func (n *MADE) invert(s *State, a *device.Arena, c device.Curve, x, params, logdet device.Buffer) {
	g, w := n.pass(s)
	n.kept = a.Take(g.Kept())
	mark := s.Scratch.Mark()
	s.MaskedNetInverse(g, c, w, n.given.term(s), x, n.kept, params, logdet)
	s.Scratch.Release(mark)
}

func (n *MADE) invertBack(s *State, c device.Curve, x, params, dx device.Buffer) {
	g, w := n.pass(s)
	mark := s.Scratch.Mark()
	dterm, work := n.given.room(s), s.Scratch.Take(g.BackWork())
	s.MaskedNetInverseBackward(g, c, w, x, n.kept, params, dx, dterm, work, s.DLogDet)
	n.given.backward(s, dterm)
	s.Scratch.Release(mark)
}

func (n *MADE) Params() (p []*Param) {
	for _, u := range n.units {
		p = append(p, u.w, u.b)
	}
	return p
}
