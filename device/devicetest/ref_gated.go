package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Dropout(s device.Rows, rate float32, rng device.Stream, at, x device.Buffer) {
	k := r.begin()
	y := k.out(x, s.Len())
	noise(s, rng, k.in(at, 2), func(i int, uniform, _ float64) {
		if uniform < float64(rate) {
			y[i] = 0
		} else {
			y[i] /= 1 - float64(rate)
		}
	})
	k.done()
}

func (r *reference) Gate(ab, x device.Buffer) {
	k := r.begin()
	n := x.Len()
	p, y := k.in(ab, 2*n), k.out(x, n)
	for i := range n {
		y[i] += p[i] / (1 + math.Exp(-p[n+i]))
	}
	k.done()
}

func (r *reference) GateBackward(ab, dx device.Buffer) {
	k := r.begin()
	n := dx.Len()
	p, g := k.out(ab, 2*n), k.in(dx, n)
	for i := range n {
		s := 1 / (1 + math.Exp(-p[n+i]))
		p[i], p[n+i] = g[i]*s, g[i]*p[i]*s*(1-s)
	}
	k.done()
}
