package cpufallback

import (
	"math"

	"cuflow/device"
)

// radialTask is Radial, its inverse or its backward pass.
type radialTask struct {
	vectorTask
	x0    []float32
	al, s float64 // exp(loga), log(1+exp(beta))
}

// Scalars of a radial flow by sample, and sums by chunk: dx0, then those of al and s.
const radialScalars = 3

func (t *radialTask) Do(chunk, worker int) {
	work := t.work[worker*radialScalars*stretch:][:radialScalars*stretch]
	for i := 0; ; i++ {
		lo, m := t.stretch(chunk, i)
		if m == 0 {
			return
		}
		r, k, p := work[:m], work[stretch:][:m], work[2*stretch:][:m]
		t.distances(lo, r, p)
		if t.pass == backward {
			t.back(chunk, lo, r, k, p)
			continue
		}
		for i, far := range r {
			if t.pass == forward {
				k[i] = (far + t.s) / (far + t.al)
				t.logdet[lo+i] += float32(t.logDet(far))
			} else {
				near := t.solve(far)
				k[i] = (near + t.al) / (near + t.s)
				t.logdet[lo+i] -= float32(t.logDet(near))
			}
		}
		for c, x0 := range t.x0 {
			x := t.row(t.x, c, lo, m)
			for i, k := range k {
				x[i] = float32(float64(x0) + k*(float64(x[i])-float64(x0)))
			}
		}
	}
}

// distances are |x-x0|, and in p the products (x-x0).dx if there is a gradient.
func (t *radialTask) distances(lo int, r, p []float64) {
	clear(r)
	clear(p)
	for c, x0 := range t.x0 {
		for i, x := range t.row(t.x, c, lo, len(r)) {
			v := float64(x) - float64(x0)
			r[i] += v * v
			if t.dx != nil {
				p[i] += v * float64(t.dx[c*t.n+lo+i])
			}
		}
	}
	for i, square := range r {
		r[i] = math.Sqrt(square)
	}
}

func (t *radialTask) logDet(r float64) float64 {
	q := r*r + 2*t.al*r + t.s*t.al
	return float64(t.c-1)*math.Log((r+t.s)/(r+t.al)) + math.Log(q/((r+t.al)*(r+t.al)))
}

// solve is the distance that became far: the positive root of r^2 + (s-far)*r - al*far = 0, by the formula that adds terms of one
// sign.
func (t *radialTask) solve(far float64) float64 {
	p := far - t.s
	root := math.Sqrt(p*p + 4*far*t.al)
	switch {
	case p > 0:
		return (p + root) / 2
	case far == 0:
		return 0
	}
	return 2 * far * t.al / (root - p)
}

func (t *radialTask) back(chunk, lo int, r, k, p []float64) {
	d, al, s := float64(t.c), t.al, t.s
	sums := t.sums[chunk*(t.c+2):][:t.c+2]
	for i, far := range r {
		r := t.solve(far)
		k[i] = (r + s) / (r + al)
		p[i] /= k[i] // of x, not of y
		q := r*r + 2*al*r + s*al
		dr := p[i]*(al-s)/((r+al)*(r+al)) + t.dld*((d-1)*(1/(r+s)-1/(r+al))+2*(r+al)/q-2/(r+al))
		sums[t.c] += -p[i]*k[i]/(r+al) + t.dld*(-(d+1)/(r+al)+(2*r+s)/q)
		sums[t.c+1] += p[i]/(r+al) + t.dld*((d-1)/(r+s)+al/q)
		p[i] = 0
		if r > 0 {
			p[i] = dr / r
		}
	}
	for c, x0 := range t.x0 {
		x, dx := t.row(t.x, c, lo, len(r)), t.row(t.dx, c, lo, len(r))
		for i, k := range k {
			v, dy := (float64(x[i])-float64(x0))/k, float64(dx[i])
			g := k*dy + p[i]*v
			sums[c] += dy - g
			x[i], dx[i] = float32(float64(x0)+v), float32(g)
		}
	}
}

func (b *Backend) runRadial(c, n int, x0, loga, beta, x device.Buffer, t vectorTask) *radialTask {
	mustFit(x0.Len() == c && loga.Len() == 1 && beta.Len() == 1 && x.Len() == c*n)
	t.x = x.Host()
	sums := 0
	if t.pass == backward {
		sums = c + 2
	}
	b.elem.radial = radialTask{
		vectorTask: b.newVectorTask(c, n, 2, radialScalars*stretch, sums, t), x0: x0.Host(),
		al: math.Exp(float64(loga.Host()[0])), s: softplus(float64(beta.Host()[0])),
	}
	b.pool.Run(b.elem.radial.chunks, &b.elem.radial)
	return &b.elem.radial
}

// Radial: x = x0 + (r+s)/(r+al)*(x-x0).
func (b *Backend) Radial(c, n int, x0, loga, beta, x, logdet device.Buffer) {
	mustFit(logdet.Len() == n)
	b.runRadial(c, n, x0, loga, beta, x, vectorTask{pass: forward, logdet: logdet.Host()})
}

// RadialInverse undoes Radial.
func (b *Backend) RadialInverse(c, n int, x0, loga, beta, x, logdet device.Buffer) {
	mustFit(logdet.Len() == n)
	b.runRadial(c, n, x0, loga, beta, x, vectorTask{pass: inverse, logdet: logdet.Host()})
}

// RadialBackward takes (y, dy) to (x, dx) and adds the gradients of the parameters.
func (b *Backend) RadialBackward(c, n int, x0, loga, beta, x, dx device.Buffer, dld float32, dx0, dloga, dbeta device.Buffer) {
	mustFit(dx.Len() == c*n && dx0.Len() == c && dloga.Len() == 1 && dbeta.Len() == 1)
	t := b.runRadial(c, n, x0, loga, beta, x, vectorTask{pass: backward, dx: dx.Host(), dld: float64(dld)})
	each := c + 2
	slope := 1 / (1 + math.Exp(-float64(beta.Host()[0])))
	for chunk := range t.chunks { // to the gradients of loga and beta
		t.sums[chunk*each+c] *= t.al
		t.sums[chunk*each+c+1] *= slope
	}
	for i := range c {
		t.total(each, i, &dx0.Host()[i])
	}
	t.total(each, c, &dloga.Host()[0])
	t.total(each, c+1, &dbeta.Host()[0])
}
