package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// A solver's step is one fork and join: a worker takes a tile of samples through all stages of it, and what it needs for that, weights
// included, stays in its cache. Tiles lie the other way round than batches: a sample is a row, and its tangents are rows further down; units
// are columns, padded to whole vectors. So products read the weights packed, biases and gates lie along vectors, and no product needs a
// transpose, whether it is for values, for their gradient or for the weights'.

// odeTasks are the tasks and scratch of device.Continuous.
type odeTasks struct {
	net     fieldNet
	workers []fieldTile
	value   fieldValueTask
	step    fieldStepTask
	back    fieldBackTask
	add     fieldAddTask
	squares scaledSquaresTask
	signs   directionsTask
	pair    smoothTask
	dots    dotsTask
	parts   []float32
	panels  []float32
	gates   []float32
}

// fieldNet is a Field's network as all workers read it.
type fieldNet struct {
	b      *Backend
	f      device.Field
	w      []float32
	e      []float32 // directions, nil where the trace is exact
	d, h   int       // D and H in whole vectors
	layers []fieldNetLayer
	part   int     // floats of the gradient of all weights, as tiles lay it out
	gates  []gates // by stage and layer
}

// gates are what a layer does to its product at some time: gate*raw + shift, by output; 0 where outputs only fill a vector.
type gates struct {
	time        float32
	gate, shift []float32
}

func (n *fieldNet) gatesOf(stage, layer int) gates { return n.gates[stage*len(n.layers)+layer] }

// setGates makes the gates of a stage.
func (n *fieldNet) setGates(stage int, time float32) {
	for i := range n.layers {
		l, g := &n.layers[i], &n.gates[stage*len(n.layers)+i]
		g.time = time
		for o := range l.Out {
			gate := float32(1)
			if n.f.Gated {
				gate = gateAt(time*n.w[l.U+o] + n.w[l.C+o])
			}
			g.gate[o], g.shift[o] = gate, gate*n.w[l.B+o]+time*n.w[l.V+o]
		}
		clear(g.gate[l.Out:])
		clear(g.shift[l.Out:])
	}
}

func gateAt(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

// fieldNetLayer is one product: x [rows][in] to raw [rows][out].
type fieldNetLayer struct {
	device.FieldLayer
	in, out  int       // widths in whole vectors
	forward  []float32 // w^T, resident
	backward []float32 // w, resident
	at       int       // of its gradient in a part: dw^T [In][out], then db, dv, du and dc [out]
}

const (
	tileRows     = 96        // of a forward pass: samples and tangents
	tileSamples  = 32        // at most
	tapeFloats   = 128 << 10 // of what a backward pass keeps of all stages: a half of the L2 cache
	fieldChunks  = 64        // occupy many cores
	fieldParts   = 16        // of the gradient of the weights, each with memory of its own
	signsChunk   = 4096
	squaresChunk = 64
)

// tileOf is how many samples a tile has, by shape alone.
func (n *fieldNet) tileOf(stages int) int {
	columns := 1 + n.f.Tangents()
	size := min(tileSamples, tileRows/columns)
	if stages > 0 {
		size = min(size, tapeFloats/(stages*columns*n.tapeRow()))
	}
	return max(1, size)
}

// tapeRow is what is kept of a row and stage.
func (n *fieldNet) tapeRow() int { return 2*n.f.Depth*n.h + 3*n.d }

// fieldNet makes a net of a Field and its weights.
func (b *Backend) fieldNet(f device.Field, w, e device.Buffer, backward bool) *fieldNet {
	if !f.Valid() {
		panic("cpufallback: there is no such field")
	}
	mustFit(w.Len() == f.Weights() && (f.Exact && e.Nil() || !f.Exact && e.Len() == f.D*f.N))
	n := &b.ode.net
	lanes := b.gemm.Lanes()
	layers, all := grow(&n.layers, f.Layers()), grow(&n.gates, device.MaxStages*f.Layers())
	*n = fieldNet{b: b, f: f, w: w.Host(), e: e.Host(), d: roundUp(f.D, lanes), h: roundUp(f.H, lanes), layers: layers, gates: all}
	floats := 0
	for i := range layers {
		l := &layers[i]
		*l = fieldNetLayer{FieldLayer: f.Layer(i)}
		l.in, l.out = roundUp(l.In, lanes), roundUp(l.Out, lanes)
		l.at = n.part
		n.part += (l.In + 4) * l.out
		floats += b.gemm.ResidentFloats(l.In, l.Out)
		if backward {
			floats += b.gemm.ResidentFloats(l.out, l.In)
		}
	}
	outs := f.Depth*n.h + n.d
	room := gemm.Grow(&b.ode.gates, 2*device.MaxStages*outs)
	for i := range n.gates {
		out := layers[i%len(layers)].out
		n.gates[i] = gates{gate: room[:out], shift: room[out : 2*out]}
		room = room[2*out:]
	}
	panels := gemm.Grow(&b.ode.panels, floats)
	for i := range layers {
		l := &layers[i]
		size := b.gemm.ResidentFloats(l.In, l.Out)
		l.forward, panels = panels[:size], panels[size:]
		b.gemm.PackResident(l.forward, n.w[l.W:], l.In, l.In, l.Out, 1, l.In)
		if backward {
			size = b.gemm.ResidentFloats(l.out, l.In)
			l.backward, panels = panels[:size], panels[size:]
			b.gemm.PackResident(l.backward, n.w[l.W:], l.Out, l.out, l.In, l.In, 1)
		}
	}
	return n
}

// fieldTiles makes room for tiles of so many samples in every worker.
func (b *Backend) fieldTiles(n *fieldNet, size, stages int) []fieldTile {
	tiles := grow(&b.ode.workers, b.pool.Workers())
	scratch := b.workerScratch()
	for i := range tiles {
		tiles[i].reserve(n, &scratch[i], size, stages)
	}
	return tiles
}

// tileShare cuts n samples into tiles of a size, and those into chunks.
type tileShare struct{ n, size, tiles, chunks int }

func newTileShare(n, size, chunks int) tileShare {
	tiles := (n + size - 1) / size
	return tileShare{n, size, tiles, min(tiles, chunks)}
}

// each calls f with the tiles of a chunk, as samples [lo, hi).
func (s tileShare) each(chunk int, f func(lo, hi int)) {
	for t := s.tiles * chunk / s.chunks; t < s.tiles*(chunk+1)/s.chunks; t++ {
		f(t*s.size, min(s.n, (t+1)*s.size))
	}
}

// FieldValue: k = dy/dt.
func (b *Backend) FieldValue(f device.Field, t float32, w, e, y, k device.Buffer) {
	n := b.fieldNet(f, w, e, false)
	mustFit(y.Len() == f.Rows()*f.N && k.Len() == f.Rows()*f.N)
	if f.N == 0 {
		return
	}
	size := n.tileOf(0)
	n.setGates(0, t)
	b.ode.value = fieldValueTask{tileShare: newTileShare(f.N, size, fieldChunks), tiles: b.fieldTiles(n, size, 0), y: y.Host(), k: k.Host()}
	b.pool.Run(b.ode.value.chunks, &b.ode.value)
	b.ode.value = fieldValueTask{}
}

type fieldValueTask struct {
	tileShare
	tiles []fieldTile
	y, k  []float32
}

func (t *fieldValueTask) Do(chunk, worker int) {
	tile := &t.tiles[worker]
	t.each(chunk, func(lo, hi int) {
		tile.begin(lo, hi)
		tile.load(t.y, tile.z)
		tile.setInput(tile.z)
		tile.evaluate(0)
		tile.keepStage(0)
		tile.store(t.k, tile.k[0], tile.q[0])
	})
	tile.end()
}

// FieldStep takes one step of a solver.
func (b *Backend) FieldStep(f device.Field, rk *device.RungeKutta, s device.TimeStep, w, e, y, k, yn, kn, err device.Buffer) {
	n := b.fieldNet(f, w, e, false)
	rows := f.Rows() * f.N
	mustFit(y.Len() == rows && yn.Len() == rows)
	if rk.Adaptive {
		mustFit(k.Len() == rows && kn.Len() == rows && err.Len() == f.N)
	} else {
		mustFit(k.Nil() && kn.Nil() && err.Nil())
	}
	if f.N == 0 {
		return
	}
	size := n.tileOf(0)
	for i := range rk.Stages {
		n.setGates(i, s.T+rk.C[i]*s.DT)
	}
	b.ode.step = fieldStepTask{
		tileShare: newTileShare(f.N, size, fieldChunks), tiles: b.fieldTiles(n, size, 0), rk: rk, s: s,
		y: y.Host(), k: k.Host(), yn: yn.Host(), kn: kn.Host(), err: err.Host(),
	}
	b.pool.Run(b.ode.step.chunks, &b.ode.step)
	b.ode.step = fieldStepTask{}
}

type fieldStepTask struct {
	tileShare
	tiles             []fieldTile
	rk                *device.RungeKutta
	s                 device.TimeStep
	y, k, yn, kn, err []float32
}

func (t *fieldStepTask) Do(chunk, worker int) {
	tile := &t.tiles[worker]
	t.each(chunk, func(lo, hi int) { t.tile(tile, lo, hi) })
	tile.end()
}

func (t *fieldStepTask) tile(tile *fieldTile, lo, hi int) {
	rk := t.rk
	tile.begin(lo, hi)
	tile.load(t.y, tile.z)
	tile.loadIntegrals(t.y, tile.q0)
	for i := range rk.Stages {
		if i == 0 && rk.Adaptive {
			tile.load(t.k, tile.k[0])
			tile.loadIntegrals(t.k, tile.q[0])
			continue
		}
		tile.advance(tile.at, tile.z, t.s.DT, rk.A[i][:i])
		tile.setInput(tile.at)
		tile.evaluate(i)
		tile.keepStage(i)
	}
	last := rk.Stages - 1
	tile.advance(tile.at, tile.z, t.s.DT, rk.B[:rk.Stages])
	tile.advanceIntegrals(t.s.DT, rk.B[:rk.Stages])
	tile.store(t.yn, tile.at, tile.qn)
	if rk.Adaptive {
		tile.store(t.kn, tile.k[last], tile.q[last])
		tile.errors(t.err[lo:hi], t.s, rk.E[:rk.Stages])
	}
}

// FieldStepBackward goes back through a step.
func (b *Backend) FieldStepBackward(f device.Field, rk *device.RungeKutta, s device.TimeStep, w, e, z, dz device.Buffer, dq [3]float32, dw device.Buffer) {
	n := b.fieldNet(f, w, e, true)
	mustFit(z.Len() == f.D*f.N && dz.Len() == f.D*f.N && dw.Len() == f.Weights())
	if f.N == 0 {
		return
	}
	stages := rk.Advancing()
	size := n.tileOf(stages)
	p := newTileShare(f.N, size, fieldParts)
	for i := range stages {
		n.setGates(i, s.T+rk.C[i]*s.DT)
	}
	b.ode.back = fieldBackTask{
		tileShare: p, tiles: b.fieldTiles(n, size, stages), rk: rk, s: s, dq: dq, z: z.Host(), dz: dz.Host(),
		parts: gemm.Grow(&b.ode.parts, p.chunks*n.part), part: n.part,
	}
	b.pool.Run(p.chunks, &b.ode.back)
	b.ode.add = fieldAddTask{net: n, chunks: p.chunks, parts: b.ode.back.parts, dw: dw.Host()}
	b.pool.Run(f.Layers(), &b.ode.add)
	b.ode.back, b.ode.add = fieldBackTask{}, fieldAddTask{}
}

type fieldBackTask struct {
	tileShare
	tiles []fieldTile
	rk    *device.RungeKutta
	s     device.TimeStep
	dq    [3]float32
	z, dz []float32
	parts []float32
	part  int
}

func (t *fieldBackTask) Do(chunk, worker int) {
	tile := &t.tiles[worker]
	part := t.parts[chunk*t.part:][:t.part]
	clear(part)
	t.each(chunk, func(lo, hi int) { t.tile(tile, part, lo, hi) })
	tile.end()
}

func (t *fieldBackTask) tile(tile *fieldTile, part []float32, lo, hi int) {
	rk, stages := t.rk, t.rk.Advancing()
	tile.begin(lo, hi)
	tile.load(t.z, tile.z)
	for i := range stages {
		tile.tape = i
		tile.setDirections()
		tile.advance(tile.at, tile.z, t.s.DT, rk.A[i][:i])
		tile.setInput(tile.at)
		tile.evaluate(i)
		tile.keepState(i)
	}
	tile.load(t.dz, tile.dend)
	copy(tile.dstart, tile.dend)
	for i := stages - 1; i >= 0; i-- {
		tile.tape = i
		tile.stageGradient(rk, t.s.DT, i, stages)
		tile.outputGradient(t.dq, t.s.DT*rk.B[i])
		tile.backward(i, part, tile.dat[i])
		tile.b.vec.Axpy(1, tile.dat[i], tile.dstart)
	}
	tile.store(t.dz, tile.dstart, nil)
}

// fieldAddTask adds up the parts of the gradient; chunks are layers.
type fieldAddTask struct {
	net    *fieldNet
	chunks int
	parts  []float32
	dw     []float32
}

func (t *fieldAddTask) Do(layer, _ int) {
	n := t.net
	l := &n.layers[layer]
	first := t.parts[l.at:][:(l.In+4)*l.out]
	for c := 1; c < t.chunks; c++ {
		n.b.vec.Axpy(1, t.parts[c*n.part+l.at:][:len(first)], first)
	}
	dw := t.dw[l.W:][:l.In*l.Out]
	for o := range l.Out {
		row := dw[o*l.In:][:l.In]
		for i := range row {
			row[i] += first[i*l.out+o]
		}
	}
	rest := first[l.In*l.out:]
	addTo := func(at int) {
		n.b.vec.Axpy(1, rest[:l.Out], t.dw[at:][:l.Out])
		rest = rest[l.out:]
	}
	addTo(l.B)
	addTo(l.V)
	if n.f.Gated {
		addTo(l.U)
		addTo(l.C)
	}
}

// ScaledSquares: out[n] += sum (v/(atol + rtol*max(|y|, |yn|)))^2.
func (b *Backend) ScaledSquares(r device.Rows, atol, rtol float32, y, yn, v, out device.Buffer) {
	mustFit(y.Len() == r.Len() && v.Len() == r.Len() && (yn.Nil() || yn.Len() == r.Len()) && out.Len() == r.N)
	t := &b.ode.squares
	*t = scaledSquaresTask{r: r, atol: atol, rtol: rtol, y: y.Host(), yn: yn.Host(), v: v.Host(), out: out.Host()}
	if yn.Nil() {
		t.yn = t.y
	}
	b.pool.Run((r.N+squaresChunk-1)/squaresChunk, t)
	*t = scaledSquaresTask{}
}

type scaledSquaresTask struct {
	r             device.Rows
	atol, rtol    float32
	y, yn, v, out []float32
}

func (t *scaledSquaresTask) Do(chunk, _ int) {
	p := t.r.P
	for n := chunk * squaresChunk; n < min(t.r.N, (chunk+1)*squaresChunk); n++ {
		sum := 0.0
		for c := range t.r.C {
			at := c*t.r.M() + n*p
			for i := at; i < at+p; i++ {
				q := float64(t.v[i] / (t.atol + t.rtol*max(abs(t.y[i]), abs(t.yn[i]))))
				sum += q * q
			}
		}
		t.out[n] += float32(sum)
	}
}

func abs(x float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }

// Directions: x = 1 where x >= 0, else -1.
func (b *Backend) Directions(x device.Buffer) {
	b.ode.signs.x = x.Host()
	b.pool.Run((x.Len()+signsChunk-1)/signsChunk, &b.ode.signs)
	b.ode.signs.x = nil
}

type directionsTask struct{ x []float32 }

func (t *directionsTask) Do(chunk, _ int) {
	x := t.x[chunk*signsChunk : min(len(t.x), (chunk+1)*signsChunk)]
	for i, v := range x {
		if v >= 0 {
			x[i] = 1
		} else {
			x[i] = -1
		}
	}
}

// SmoothForward: h = act(a), th = act'(a)*u.
func (b *Backend) SmoothForward(act device.Smooth, a, u, h, th device.Buffer) {
	mustFit(u.Len() == a.Len() && h.Len() == a.Len() && th.Len() == a.Len())
	b.runSmooth(smoothTask{do: b.smooth.Pair[act], a: a.Host(), u: u.Host(), x: h.Host(), t: th.Host()})
}

// SmoothBackward: da = act'(a)*dh + act”(a)*u*dth, du = act'(a)*dth.
func (b *Backend) SmoothBackward(act device.Smooth, a, u, dh, dth device.Buffer) {
	mustFit(u.Len() == a.Len() && dh.Len() == a.Len() && dth.Len() == a.Len())
	b.runSmooth(smoothTask{do: b.smooth.PairBackward[act], a: a.Host(), u: u.Host(), x: dh.Host(), t: dth.Host()})
}

func (b *Backend) runSmooth(t smoothTask) {
	b.ode.pair = t
	b.pool.Run((len(t.a)+signsChunk-1)/signsChunk, &b.ode.pair)
	b.ode.pair = smoothTask{}
}

type smoothTask struct {
	do         func(a, u, x, t []float32)
	a, u, x, t []float32
}

func (t *smoothTask) Do(chunk, _ int) {
	lo, hi := chunk*signsChunk, min(len(t.a), (chunk+1)*signsChunk)
	t.do(t.a[lo:hi], t.u[lo:hi], t.x[lo:hi], t.t[lo:hi])
}

// Dots: out[n] += a * sum x*y.
func (b *Backend) Dots(r device.Rows, a float32, x, y, out device.Buffer) {
	mustFit(x.Len() == r.Len() && y.Len() == r.Len() && out.Len() == r.N)
	b.ode.dots = dotsTask{r: r, a: a, x: x.Host(), y: y.Host(), out: out.Host()}
	b.pool.Run((r.N+squaresChunk-1)/squaresChunk, &b.ode.dots)
	b.ode.dots = dotsTask{}
}

type dotsTask struct {
	r         device.Rows
	a         float32
	x, y, out []float32
}

func (t *dotsTask) Do(chunk, _ int) {
	p := t.r.P
	for n := chunk * squaresChunk; n < min(t.r.N, (chunk+1)*squaresChunk); n++ {
		sum := 0.0
		for c := range t.r.C {
			at := c*t.r.M() + n*p
			y := t.y[at : at+p]
			for i, v := range t.x[at : at+p] {
				sum += float64(v) * float64(y[i])
			}
		}
		t.out[n] += t.a * float32(sum)
	}
}
