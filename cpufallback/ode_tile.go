package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// fieldTile is one worker's tile: samples [lo, hi) of the batch. Rows are samples, then their first tangents, then their second, ...
type fieldTile struct {
	*fieldNet
	scratch *gemm.Scratch
	lo, s   int // first sample, samples
	rows    int // s*(1+tangents)
	tape    int // stage that is kept

	mem []float32
	// Of samples, [s][d] each: where the step began, where a stage is evaluated, what the stages gave; and the gradients.
	z, at        []float32
	k            [device.MaxStages][]float32
	dend, dstart []float32
	dk           []float32
	dat          [device.MaxStages][]float32
	// Integrals, [Integrals][s] each.
	q0, qn []float32
	q      [device.MaxStages][]float32

	x   [][]float32 // by tape and layer: what goes in, [rows][in]; the last is what comes out
	raw [][]float32 // by tape and layer: products, [rows][out]

	dgate, dshift []float32 // of a layer's gates, [out]
	dx            []float32 // [rows][h or d]
	dy            []float32 // gradient of the products, resident
	product       gemm.Weights
}

// reserve makes room for size samples, and for the tape of so many stages.
func (t *fieldTile) reserve(n *fieldNet, scratch *gemm.Scratch, size, stages int) {
	t.fieldNet, t.scratch = n, scratch
	f, k := n.f, n.b.gemm
	rows, wide := size*(1+f.Tangents()), max(n.d, n.h)
	sample, integrals := size*n.d, roundUp(3*size, n.b.gemm.Lanes())
	tapes, layers := max(1, stages), f.Layers()
	inner := 2 // what goes into hidden layers: two that take turns
	if stages > 0 {
		inner = f.Depth
	}
	floats := (5+2*device.MaxStages)*sample + (2+device.MaxStages)*integrals + 2*wide + rows*wide + k.ResidentFloats(rows, wide)
	perTape := rows * (2*n.d + inner*n.h + n.d + f.Depth*n.h)
	floats += tapes * perTape
	mem := gemm.Grow(&t.mem, floats)
	cut := func(size int) []float32 {
		c := mem[:size:size]
		mem = mem[size:]
		return c
	}
	t.z, t.at, t.dend, t.dstart, t.dk = cut(sample), cut(sample), cut(sample), cut(sample), cut(sample)
	t.q0, t.qn = cut(integrals), cut(integrals)
	for i := range t.k {
		t.k[i], t.dat[i], t.q[i] = cut(sample), cut(sample), cut(integrals)
	}
	t.dgate, t.dshift = cut(wide), cut(wide)
	t.dx, t.dy = cut(rows*wide), cut(k.ResidentFloats(rows, wide))
	x, raw := grow(&t.x, tapes*(layers+1)), grow(&t.raw, tapes*layers)
	for tape := range tapes {
		x, raw := x[tape*(layers+1):][:layers+1], raw[tape*layers:][:layers]
		x[0], x[layers] = cut(rows*n.d), cut(rows*n.d)
		for i := 1; i < layers; i++ {
			if i > inner {
				x[i] = x[i-inner]
			} else {
				x[i] = cut(rows * n.h)
			}
			raw[i-1] = cut(rows * n.h)
		}
		raw[layers-1] = cut(rows * n.d)
	}
	for i := range n.layers {
		l := &n.layers[i]
		t.product = gemm.Weights{Groups: 1, Rows: rows, Segs: 1, K: l.In}
		k.ReserveResident(scratch, &t.product)
		t.product = gemm.Weights{Groups: 1, Rows: rows, Segs: l.out / k.Lanes(), K: k.Lanes()}
		k.ReserveResident(scratch, &t.product)
		t.product = gemm.Weights{Groups: 1, Rows: l.In, Segs: 1, K: rows}
		k.ReserveResident(scratch, &t.product)
	}
}

// begin starts with other samples.
func (t *fieldTile) begin(lo, hi int) {
	t.lo, t.s, t.tape = lo, hi-lo, 0
	t.rows = t.s * (1 + t.f.Tangents())
	t.setDirections()
}

// end lets go of operands.
func (t *fieldTile) end() {
	t.scratch.Forget()
	t.product = gemm.Weights{}
}

// inputs are what goes into each layer at the tape's stage, and what comes out of the last.
func (t *fieldTile) inputs() [][]float32 {
	n := t.f.Layers() + 1
	return t.x[t.tape*n:][:n]
}

func (t *fieldTile) products() [][]float32 {
	n := t.f.Layers()
	return t.raw[t.tape*n:][:n]
}

// setDirections lays the tangents out that go in.
func (t *fieldTile) setDirections() {
	x := t.inputs()[0][t.s*t.d : t.rows*t.d]
	clear(x)
	if t.f.Exact {
		for i := range t.f.D {
			for n := range t.s {
				x[(i*t.s+n)*t.d+i] = 1
			}
		}
		return
	}
	t.load(t.e, x)
}

// setInput is where the next evaluation is.
func (t *fieldTile) setInput(z []float32) { copy(t.inputs()[0], z[:t.s*t.d]) }

// load turns rows of the batch, [D][N], to samples.
func (t *fieldTile) load(from, to []float32) {
	for c := range t.d {
		if c >= t.f.D {
			for n := range t.s {
				to[n*t.d+c] = 0
			}
			continue
		}
		row := from[c*t.f.N+t.lo:][:t.s]
		for n, v := range row {
			to[n*t.d+c] = v
		}
	}
}

func (t *fieldTile) loadIntegrals(from, to []float32) {
	for i := range t.f.Integrals() {
		copy(to[i*t.s:][:t.s], from[(t.f.D+i)*t.f.N+t.lo:])
	}
}

// store turns samples to rows of the batch, [D][N] and where there are integrals those behind.
func (t *fieldTile) store(to, from, integrals []float32) {
	for c := range t.f.D {
		row := to[c*t.f.N+t.lo:][:t.s]
		for n := range row {
			row[n] = from[n*t.d+c]
		}
	}
	if integrals != nil {
		for i := range t.f.Integrals() {
			copy(to[(t.f.D+i)*t.f.N+t.lo:][:t.s], integrals[i*t.s:])
		}
	}
}

// advance is to = z + dt*sum a[i]*k[i].
func (t *fieldTile) advance(to, z []float32, dt float32, a []float32) {
	size := t.s * t.d
	copy(to[:size], z[:size])
	for i, v := range a {
		if v != 0 {
			t.b.vec.Axpy(dt*v, t.k[i][:size], to[:size])
		}
	}
}

func (t *fieldTile) advanceIntegrals(dt float32, b []float32) {
	size := t.f.Integrals() * t.s
	copy(t.qn[:size], t.q0[:size])
	for i, v := range b {
		if v != 0 {
			t.b.vec.Axpy(dt*v, t.q[i][:size], t.qn[:size])
		}
	}
}

// errors writes what a step was off by, in units of what is allowed, squared and summed over z and the trace.
func (t *fieldTile) errors(err []float32, s device.TimeStep, e []float32) {
	off := t.dk // free here
	clear(off[:t.s*t.d])
	for i, v := range e {
		if v != 0 {
			t.b.vec.Axpy(s.DT*v, t.k[i][:t.s*t.d], off[:t.s*t.d])
		}
	}
	scaled := func(off, a, b float32) float32 {
		q := off / (s.ATol + s.RTol*max(abs(a), abs(b)))
		return q * q
	}
	for n := range t.s {
		var sum, trace float32
		for c := n * t.d; c < n*t.d+t.f.D; c++ {
			sum += scaled(off[c], t.z[c], t.at[c])
		}
		for i, v := range e {
			trace += s.DT * v * t.q[i][n]
		}
		err[n] = sum + scaled(trace, t.q0[n], t.qn[n])
	}
}

// evaluate runs the network on the inputs, at the time of a stage.
func (t *fieldTile) evaluate(stage int) {
	x, raw := t.inputs(), t.products()
	for i := range t.layers {
		l := &t.layers[i]
		t.product = gemm.Weights{W: x[i], Groups: 1, Rows: t.rows, Row: l.in, Segs: 1, K: l.In, Col: 1}
		t.b.gemm.TimesResident(t.scratch, &t.product, l.forward, l.out, raw[i], l.out, false)
		t.bend(i, t.gatesOf(stage, i), raw[i], x[i+1])
	}
}

// keepStage keeps what an evaluation gave as that of stage i.
func (t *fieldTile) keepStage(i int) {
	t.keepState(i)
	y, q := t.inputs()[t.f.Layers()], t.q[i]
	size := t.s * t.d
	x := t.inputs()[0]
	clear(q[:3*t.s])
	for d := range t.f.Tangents() {
		for n := range t.s {
			at := (1+d)*size + n*t.d
			if t.f.Exact {
				q[n] += y[at+d]
			} else {
				q[n] += dot(x[at:at+t.f.D], y[at:at+t.f.D])
			}
		}
	}
	if !t.f.Energies {
		return
	}
	for n := range t.s {
		q[t.s+n] = dot(y[n*t.d:][:t.f.D], y[n*t.d:][:t.f.D])
		for d := range t.f.Tangents() {
			j := y[(1+d)*size+n*t.d:][:t.f.D]
			q[2*t.s+n] += dot(j, j)
		}
	}
}

// keepState keeps h alone.
func (t *fieldTile) keepState(i int) { copy(t.k[i][:t.s*t.d], t.inputs()[t.f.Layers()]) }

func dot(x, y []float32) (s float32) {
	for i, v := range x {
		s += v * y[i]
	}
	return s
}

// stageGradient is dk, the gradient of what stage i gave: dt*(B[i]*dend + sum_{j>i} A[j][i]*dat[j]).
func (t *fieldTile) stageGradient(rk *device.RungeKutta, dt float32, i, stages int) {
	size := t.s * t.d
	t.b.vec.Scale(dt*rk.B[i], t.dend[:size], t.dk[:size])
	for j := i + 1; j < stages; j++ {
		if a := rk.A[j][i]; a != 0 {
			t.b.vec.Axpy(dt*a, t.dat[j][:size], t.dk[:size])
		}
	}
}

// outputGradient is dx of what comes out: dk for h, and what the integrals add, whose gradients are weight*dq.
func (t *fieldTile) outputGradient(dq [3]float32, weight float32) {
	size := t.s * t.d
	y, x := t.inputs()[t.f.Layers()], t.inputs()[0]
	copy(t.dx[:size], t.dk[:size])
	t.b.vec.Scale(weight*dq[0], x[size:t.rows*t.d], t.dx[size:t.rows*t.d])
	if t.f.Energies {
		t.b.vec.Axpy(2*weight*dq[1], y[:size], t.dx[:size])
		t.b.vec.Axpy(2*weight*dq[2], y[size:t.rows*t.d], t.dx[size:t.rows*t.d])
	}
}

// backward adds the gradient of the weights to part, and leaves that of where the stage was evaluated in dz.
func (t *fieldTile) backward(stage int, part, dz []float32) {
	x, raw := t.inputs(), t.products()
	k, lanes := t.b.gemm, t.b.gemm.Lanes()
	stride := k.Stride(t.rows)
	for i := len(t.layers) - 1; i >= 0; i-- {
		l := &t.layers[i]
		g := t.gatesOf(stage, i)
		t.bendBackward(i, g, raw[i], stride)
		dw := part[l.at:]
		t.product = gemm.Weights{W: x[i], Groups: 1, Rows: l.In, Row: 1, Segs: 1, K: t.rows, Col: l.in}
		k.TimesResident(t.scratch, &t.product, t.dy, l.out, dw, l.out, true)
		t.gateBackward(l, g, dw[l.In*l.out:])

		rows, to := t.rows, t.dx
		if i == 0 {
			rows, to = t.s, dz
		}
		t.product = gemm.Weights{W: t.dy, Groups: 1, Rows: rows, Row: lanes, Segs: l.out / lanes, Seg: stride, K: lanes, Col: 1}
		k.TimesResident(t.scratch, &t.product, l.backward, l.in, to, l.in, false)
	}
}

// gateBackward adds the gradients of b, v, u and c for those of gate and shift.
func (t *fieldTile) gateBackward(l *fieldNetLayer, at gates, d []float32) {
	db, dv, du, dc := d[:l.out], d[l.out:][:l.out], d[2*l.out:][:l.out], d[3*l.out:][:l.out]
	for o := range l.Out {
		g, ds := at.gate[o], t.dshift[o]
		db[o] += g * ds
		dv[o] += at.time * ds
		dg := (t.dgate[o] + t.w[l.B+o]*ds) * g * (1 - g) // 0 where g is 1 because there is no gate
		du[o] += dg * at.time
		dc[o] += dg
	}
}
