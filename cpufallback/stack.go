package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// A stack goes through its layers a tile of columns at a time, in one fork and join forward and two backward: package gemm's Stack.
// Where the shapes do not suit that, it is convolutions one after another.

func (b *Backend) StackForward(g device.Images, units []device.Unit, x, y device.Buffer, keep bool) {
	mustFit(device.FitStack(g, units, x, y, false))
	if g.N*g.H*g.W == 0 {
		return
	}
	if !stackable(g, units) {
		device.StackForwardOn(b, g, units, x, y)
		return
	}
	t := b.newStack(g, units, x, y)
	b.roundStack(t.Layers, false)
	t.Keep = keep
	t = b.kept(t, &units[0], false)
	b.pool.Run(t.tiles(), (*stackForward)(t))
}

func (b *Backend) StackBackward(g device.Images, units []device.Unit, x, dy, dx device.Buffer) {
	mustFit(device.FitStack(g, units, x, dy, true) && dx.Len() == x.Len())
	if g.N*g.H*g.W == 0 || !stackable(g, units) {
		device.StackBackwardOn(b, g, units, x, dy, dx)
		return
	}
	t := b.newStack(g, units, x, dy)
	b.roundStack(t.Layers, true)
	t.DX = dx.Host()
	if t.tiles() >= 2*b.pool.Workers() { // whoever reads weights once need not copy them
		t.Spread(gemm.Grow(&b.conv.spread, t.SpreadFloats()))
	}
	t.C, t.Tree = gemm.Grow(&b.conv.parts, t.Parts*t.Floats), &b.conv.tree
	t = b.kept(t, &units[0], true)
	if t.Fused {
		b.pool.Run(t.Parts, (*stackBackward)(t))
	} else {
		b.backByLayers(t)
	}
	if t.AddsUp {
		return
	}
	chunks := 0
	for i := range t.Layers {
		chunks += t.AddChunks(i)
	}
	b.pool.Run(chunks, (*stackAdd)(t))
}

// backByLayers goes back through a stack whose weights are too many to go through all layers at a time.
func (b *Backend) backByLayers(t *stackTask) {
	for t.layer = len(t.Layers) - 1; t.layer >= 0; t.layer-- {
		l := &t.Layers[t.layer]
		if t.Together(t.layer) {
			b.pool.Run(l.Parts, (*stackThrough)(t))
			continue
		}
		b.pool.Run(l.Chunks(), (*stackWeights)(t))
		b.pool.Run(t.SpreadChunks(t.layer), (*stackSpread)(t))
		if t.layer == 1 && t.Together(0) {
			continue // which goes through both
		}
		b.pool.Run(t.tiles(), (*stackBack)(t))
	}
	t.layer = 0
}

// stackable says whether package gemm takes these layers: taps at the ends only, where their products fit into the cache; images that
// tiles are made of.
func stackable(g device.Images, units []device.Unit) bool {
	const folded = 256 << 10 // floats
	last := len(units) - 1
	weights := 0
	for i := range units {
		weights += units[i].Cin * units[i].Cout * units[i].K * units[i].K
		if i > 0 && i < last && units[i].K != 1 {
			return false
		}
	}
	tile := gemm.StackTile(g.N*g.H*g.W, g.H*g.W, weights)
	return tile > 0 && units[0].Cin*units[0].K*units[0].K*tile <= folded && units[last].Cout*units[last].K*units[last].K*tile <= folded
}

// stackTask is a pass of a Stack.
type stackTask struct {
	k       *gemm.Kernels
	scratch []gemm.Scratch
	gemm.Stack
	layer int // at work, where they are taken one by one
}

// Parts of a pass.
type (
	stackForward  stackTask
	stackBackward stackTask
	stackWeights  stackTask
	stackSpread   stackTask
	stackBack     stackTask
	stackThrough  stackTask
	stackAdd      stackTask
)

func (t *stackForward) Do(chunk, worker int) {
	m := chunk * t.Tile
	t.k.StackForward(&t.scratch[worker], &t.Stack, m, min(t.Tile, t.M-m))
}

func (t *stackBackward) Do(chunk, worker int) {
	t.k.StackBackward(&t.scratch[worker], &t.Stack, chunk)
}

func (t *stackWeights) Do(chunk, worker int) {
	t.k.StackWeights(&t.scratch[worker], &t.Stack, t.layer, chunk)
}

func (t *stackSpread) Do(chunk, _ int) { t.SpreadWeights(t.layer, chunk) }

func (t *stackBack) Do(chunk, worker int) {
	m := chunk * t.Tile
	t.k.StackBack(&t.scratch[worker], &t.Stack, t.layer, m, min(t.Tile, t.M-m))
}

func (t *stackThrough) Do(chunk, worker int) {
	t.k.StackThrough(&t.scratch[worker], &t.Stack, t.layer, chunk)
}

// Do adds up some rows of a layer's gradient.
func (t *stackAdd) Do(chunk, _ int) {
	i := 0
	for ; chunk >= t.AddChunks(i); i++ {
		chunk -= t.AddChunks(i)
	}
	t.k.AddGradient(&t.Stack, i, chunk)
}

// tiles is how many there are.
func (t *stackTask) tiles() int { return (t.M + t.Tile - 1) / t.Tile }

// newStack says what to do, in memory that only the caller of the op touches.
func (b *Backend) newStack(g device.Images, units []device.Unit, x, y device.Buffer) *stackTask {
	t := &b.conv.stack
	t.k, t.scratch = b.gemm, b.workerScratch()
	layers, last := t.Layers[:0], len(units)-1
	for i := range units {
		u := &units[i]
		kk := u.K * u.K
		l := gemm.Layer{
			In: u.Cin, Out: u.Cout, Taps: kk, Bias: u.B.Host(), ReLU: u.Act == device.ReLU, Hidden: u.Hidden.Host(),
			DW: u.DW.Host(), DB: u.DB.Host(), Set: u.Set,
			W: gemm.Weights{W: u.W.Host(), Groups: 1, Rows: u.Cout, Row: u.Cin * kk, Segs: 1, K: u.Cin * kk, Col: 1},
		}
		if kk > 1 && i == last { // Cout groups of nine rows, that are folded
			l.W = gemm.Weights{W: u.W.Host(), Groups: u.Cout, Group: u.Cin * kk, Rows: kk, Row: 1, Segs: 1, K: u.Cin, Col: kk}
		}
		switch {
		case kk == 1: // the transpose
			l.Back = gemm.Weights{W: u.W.Host(), Groups: 1, Rows: u.Cin, Row: 1, Segs: 1, K: u.Cout, Col: u.Cin}
		case i == 0: // Cin groups of nine rows, that are folded
			l.Back = gemm.Weights{W: u.W.Host(), Groups: 1, Rows: u.Cin * kk, Row: 1, Segs: 1, K: u.Cout, Col: u.Cin * kk}
		default:
			l.Back = gemm.Weights{W: u.W.Host(), Groups: 1, Rows: u.Cin, Row: kk, Segs: u.Cout, Seg: u.Cin * kk, K: kk, Col: 1}
		}
		layers = append(layers, l)
	}
	first, k := units[0].K, units[last].K
	t.Stack = gemm.Stack{
		Layers: layers, X: x.Host(), Y: y.Host(), M: g.N * g.H * g.W, Image: g.H * g.W,
		In: b.conv.tapsOf(first, g.H, g.W, false), InFlip: b.conv.tapsOf(first, g.H, g.W, true),
		Out: b.conv.tapsOf(k, g.H, g.W, false), OutFlip: b.conv.tapsOf(k, g.H, g.W, true),
	}
	t.Plan(t.k.Lanes())
	return t
}
