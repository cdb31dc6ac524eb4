package flowgpu

import (
	"fmt"
	"strings"
)

// Pass is a part of a training step.
type Pass string

const (
	Prepare  Pass = "prepare"  // upload and dequantisation
	Forward  Pass = "forward"  // data to latent, and the loss
	Backward Pass = "backward" // latent to data, with gradients
	Update   Pass = "update"   // norm of the gradient, optimiser, averaged weights
)

// Stage is what a step does at a moment.
type Stage struct {
	Pass  Pass
	Block string // as Model.Layers names it, such as "level1.step3"; "" outside of layers
	Layer string // its kind, such as "Coupling"; outside of layers what is done, such as "loss"
}

// Watch tells f of every stage of a step when it begins, so that time can be told layer by layer. Prepare, with which every step
// begins, is not told: whoever calls Step knows. A Stepper is watched once, before its first step.
func (t *Stepper) Watch(f func(Stage)) { t.w.chain = watchedChain(t.w.chain, t.m.blocks, f) }

// watchedChain is a training step's chain whose layers tell that they begin.
func watchedChain(c Chain, blocks []block, f func(Stage)) Chain {
	all := Chain{}
	place, layer := 0, 0
	for i, l := range c {
		w := &watchedLayer{Layer: l, tell: f, kind: kindOfLayer(l), last: i == len(c)-1, first: i == 0}
		if _, own := l.(*Snapshot); !own {
			for layer == len(blocks[place].chain) {
				place, layer = place+1, 0
			}
			w.block = blocks[place].name
			layer++
		}
		all = append(all, w)
	}
	return all
}

// watchedLayer is a layer that tells of itself.
type watchedLayer struct {
	Layer
	tell        func(Stage)
	block, kind string
	first, last bool // of the flow, on the way forward
}

func (l *watchedLayer) Forward(s *State) {
	l.tell(Stage{Forward, l.block, l.kind})
	l.Layer.Forward(s)
	if l.last {
		l.tell(Stage{Forward, "", "prior, loss"})
	}
}

func (l *watchedLayer) Backward(s *State) {
	l.tell(Stage{Backward, l.block, l.kind})
	l.Layer.Backward(s)
	if l.first {
		l.tell(Stage{Update, "", "optimiser"})
	}
}

// kindOfLayer is the name of a layer's type.
func kindOfLayer(l Layer) string {
	name := fmt.Sprintf("%T", l)
	return name[strings.LastIndex(name, ".")+1:]
}
