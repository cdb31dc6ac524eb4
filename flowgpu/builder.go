package flowgpu

import (
	"fmt"
	"math/rand/v2"
)

// block is a named part of a model: a flow step, a squeeze, a split.
type block struct {
	name    string
	chain   Chain
	step    bool // a flow step: memory modes count these
	c, h, w int  // shape of what comes out
	level   int  // 1 .. L
}

// builder collects a model's blocks, and follows the shape of what flows through them.
type builder struct {
	r       *rand.Rand // draws initial weights
	blocks  []block
	prior   Prior // the model's own, of the last level; nil: one without parameters
	c, h, w int
	level   int
	places  uint32 // of dropout so far
}

func (b *builder) add(name string, layers ...Layer) {
	b.blocks = append(b.blocks, block{name: name, chain: layers, c: b.c, h: b.h, w: b.w, level: b.level})
}

// step adds a flow step.
func (b *builder) step(name string, layers ...Layer) {
	b.add(name, layers...)
	b.blocks[len(b.blocks)-1].step = true
}

// half is how many channels condition in a coupling of vectors, the first or flipped the last. A single one moves every time, by what
// the context says.
func (b *builder) half(flip bool) (c1 int, flipped bool) {
	if b.c == 1 {
		return 0, false
	}
	if flip {
		return b.c - b.c/2, true
	}
	return b.c / 2, false
}

func (b *builder) squeeze() {
	b.c, b.h, b.w = 4*b.c, b.h/2, b.w/2
	b.add(fmt.Sprintf("level%d.squeeze", b.level), Squeeze{})
}

func (b *builder) split(split *Split) {
	b.c = split.keep
	b.add(fmt.Sprintf("level%d.split", b.level), split)
}

func (b *builder) flatten(name string) {
	layer := Flatten{b.c, b.h, b.w}
	b.c, b.h, b.w = b.c*b.h*b.w, 1, 1
	b.add(name, layer)
}
