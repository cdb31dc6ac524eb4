package cpufallback

import (
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// gateTask is Gate or GateBackward. A tile of b becomes sigmoids, and goes on from there.
type gateTask struct {
	k         *vec.Kernels
	n, chunks int
	back      bool
	a, b, x   []float32
	tiles     []float32
}

func (t *gateTask) Do(chunk, worker int) {
	lo, hi := share(t.n, t.chunks, chunk, line)
	s := t.tiles[worker*tile:][:tile]
	for ; lo < hi; lo += tile {
		end := min(lo+tile, hi)
		s := s[:end-lo]
		copy(s, t.b[lo:end])
		t.k.Sigmoid(s, 1, 0)
		if t.back {
			backGated(s, t.a[lo:end], t.b[lo:end], t.x[lo:end])
		} else {
			addGated(s, t.a[lo:end], t.x[lo:end])
		}
	}
}

func addGated(s, a, x []float32) {
	a, x = a[:len(s)], x[:len(s)]
	for i, v := range s {
		x[i] += a[i] * v
	}
}

func backGated(s, a, b, dx []float32) {
	a, b, dx = a[:len(s)], b[:len(s)], dx[:len(s)]
	for i, v := range s {
		g := dx[i] * v
		a[i], b[i] = g, g*a[i]*(1-v)
	}
}

func (b *Backend) runGate(ab, x device.Buffer, back bool) {
	n := x.Len()
	mustFit(ab.Len() == 2*n)
	b.elem.gate = gateTask{k: b.vec, n: n, chunks: chunksOf(2*n, max(1, n/line)), back: back, a: ab.Host()[:n], b: ab.Host()[n:], x: x.Host(),
		tiles: grow(&b.elem.tiles, b.pool.Workers()*2*tile)}
	b.pool.Run(b.elem.gate.chunks, &b.elem.gate)
}

// Gate: x += a*sigmoid(b).
func (b *Backend) Gate(ab, x device.Buffer) { b.runGate(ab, x, false) }

// GateBackward: ab becomes its gradient.
func (b *Backend) GateBackward(ab, dx device.Buffer) { b.runGate(ab, dx, true) }
