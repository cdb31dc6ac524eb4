package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Wrap(x device.Buffer) {
	k := r.begin()
	y := k.out(x, x.Len())
	for i, v := range y {
		y[i] = v - 2*math.Pi*math.Floor((v+math.Pi)/(2*math.Pi))
	}
	k.done()
}

func (r *reference) Angles(x, y device.Buffer) {
	k := r.begin()
	n := x.Len()
	v, p := k.in(x, n), k.out(y, 2*n)
	for i := range n {
		p[i], p[n+i] = math.Cos(v[i]), math.Sin(v[i])
	}
	k.done()
}

func (r *reference) AnglesBackward(y, dy, dx device.Buffer) {
	k := r.begin()
	n := dx.Len()
	p, g, d := k.in(y, 2*n), k.in(dy, 2*n), k.out(dx, n)
	for i := range n {
		d[i] += p[i]*g[n+i] - p[n+i]*g[i]
	}
	k.done()
}
