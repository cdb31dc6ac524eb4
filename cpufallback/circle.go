package cpufallback

import (
	"math"

	"cuflow/device"
)

// circleTask is one of the ops on angles, in float64: these flows have few elements beside the networks of others.
type circleTask struct {
	n, chunks int
	do        func(t *circleTask, lo, hi int)
	x, y, z   []float32
}

func (t *circleTask) Do(chunk, _ int) {
	lo, hi := share(t.n, t.chunks, chunk, line)
	t.do(t, lo, hi)
}

func (b *Backend) runCircle(n int, t circleTask) {
	t.n, t.chunks = n, chunksOf(16*n, max(1, n/line))
	b.elem.circle = t
	b.pool.Run(t.chunks, &b.elem.circle)
}

// Wrap: the same angle in [-pi, pi).
func (b *Backend) Wrap(x device.Buffer) {
	b.runCircle(x.Len(), circleTask{x: x.Host(), do: wrap})
}

func wrap(t *circleTask, lo, hi int) {
	for i, v := range t.x[lo:hi] {
		turns := math.Floor((float64(v) + math.Pi) / (2 * math.Pi))
		if turns != 0 {
			t.x[lo+i] = float32(float64(v) - 2*math.Pi*turns)
		}
	}
}

// Angles: y = (cos x, sin x).
func (b *Backend) Angles(x, y device.Buffer) {
	mustFit(y.Len() == 2*x.Len())
	b.runCircle(x.Len(), circleTask{x: x.Host(), y: y.Host(), do: angles})
}

func angles(t *circleTask, lo, hi int) {
	for i := lo; i < hi; i++ {
		sin, cos := math.Sincos(float64(t.x[i]))
		t.y[i], t.y[t.n+i] = float32(cos), float32(sin)
	}
}

// AnglesBackward: dx += cos*dsin - sin*dcos.
func (b *Backend) AnglesBackward(y, dy, dx device.Buffer) {
	mustFit(y.Len() == 2*dx.Len() && dy.Len() == y.Len())
	b.runCircle(dx.Len(), circleTask{x: dx.Host(), y: y.Host(), z: dy.Host(), do: anglesBackward})
}

func anglesBackward(t *circleTask, lo, hi int) {
	for i := lo; i < hi; i++ {
		t.x[i] += t.y[i]*t.z[t.n+i] - t.y[t.n+i]*t.z[i]
	}
}
