package cpufallback

import "cuflow/cpufallback/internal/smooth"

// bend is what follows the product of layer i: an activation of values with the derivatives along their tangents; none behind the last layer.
func (t *fieldTile) bend(i int, g gates, raw, x []float32) {
	act := t.f.Act
	if i == t.f.Depth {
		act = smooth.Linear
	}
	t.b.smooth.Bend[act](raw, x, g.gate, g.shift, t.s, t.f.Tangents())
}

// bendBackward takes dx, the gradient of what bend made, to that of raw in dy, and leaves those of gate and shift.
func (t *fieldTile) bendBackward(i int, g gates, raw []float32, stride int) {
	act := t.f.Act
	if i == t.f.Depth {
		act = smooth.Linear
	}
	dgate, dshift := t.dgate[:len(g.gate)], t.dshift[:len(g.gate)]
	clear(dgate)
	clear(dshift)
	t.b.smooth.BendBackward[act](raw, t.dx, t.dy, g.gate, g.shift, dgate, dshift, t.s, t.f.Tangents(), stride)
}
