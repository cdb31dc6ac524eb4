package cpufallback

import (
	"math"

	"cuflow/device"
)

// PlanarFold: s = max(log(1+exp(w.u)), 2^-126) and uh = u + (s-1-w.u)*w/|w|^2.
func (b *Backend) PlanarFold(c int, w, u, uh, s device.Buffer) {
	mustFit(w.Len() == c && u.Len() == c && uh.Len() == c && s.Len() == 1)
	t, norm := dot64(w.Host(), u.Host()), dot64(w.Host(), w.Host())
	k := (softplus(t) - 1 - t) / norm
	s.Host()[0] = float32(max(softplus(t), least))
	for i, v := range u.Host() {
		uh.Host()[i] = float32(float64(v) + k*float64(w.Host()[i]))
	}
}

// PlanarFoldBackward adds the gradients of w and u.
func (b *Backend) PlanarFoldBackward(c int, w, u, duh, ds, dw, du device.Buffer) {
	mustFit(w.Len() == c && u.Len() == c && duh.Len() == c && ds.Len() == 1 && dw.Len() == c && du.Len() == c)
	t, norm := dot64(w.Host(), u.Host()), dot64(w.Host(), w.Host())
	k, dk := (softplus(t)-1-t)/norm, dot64(duh.Host(), w.Host())
	dt := (float64(ds.Host()[0])+dk/norm)/(1+math.Exp(-t)) - dk/norm
	for i, d := range duh.Host() {
		wi, ui := float64(w.Host()[i]), float64(u.Host()[i])
		dw.Host()[i] += float32(k*float64(d) + dt*ui - 2*dk*k/norm*wi)
		du.Host()[i] += float32(float64(d) + dt*wi)
	}
}

func dot64(x, y []float32) (s float64) {
	for i, v := range x {
		s += float64(v) * float64(y[i])
	}
	return s
}

// stretch is how many samples of a vector flow are taken at a time: their scalars stay in the L1 cache.
const stretch = 128

// vectorTask is what the flows of vectors have in common: x [C][N] is cut into whole samples, a chunk's are taken a stretch at a time.
type vectorTask struct {
	c, n, chunks int
	pass         pass
	x, logdet    []float32
	dx           []float32
	dld          float64
	work         []float64 // by worker: scalars of samples
	sums         []float64 // by chunk: gradients of parameters
}

// newVectorTask prepares so many numbers for each worker, and so many sums for each chunk.
func (b *Backend) newVectorTask(c, n, cost, work, sums int, t vectorTask) vectorTask {
	t.c, t.n, t.chunks = c, n, chunksOf((cost*c+64)*n, (n+stretch-1)/stretch)
	work *= b.pool.Workers()
	scratch := grow(&b.elem.partial, work+t.chunks*sums)
	t.work, t.sums = scratch[:work], scratch[work:]
	clear(t.sums)
	return t
}

// stretch is the i-th of a chunk: m samples from lo on, 0 after the last.
func (t *vectorTask) stretch(chunk, i int) (lo, m int) {
	first, last := share(t.n, t.chunks, chunk, line)
	lo = first + i*stretch
	return lo, max(0, min(stretch, last-lo))
}

// row is samples lo .. lo+m-1 of channel c.
func (t *vectorTask) row(x []float32, c, lo, m int) []float32 { return x[c*t.n+lo:][:m] }

// total adds the chunks' sums of one kind, in order, to a gradient.
func (t *vectorTask) total(each, i int, d *float32) {
	s := float64(*d)
	for chunk := range t.chunks {
		s += t.sums[chunk*each+i]
	}
	*d = float32(s)
}

// planarTask is Planar, its inverse or its backward pass.
type planarTask struct {
	vectorTask
	gate
	w, uh []float32
	b     float64
}

// Scalars of a planar flow by sample, and sums by chunk: dw, duh, then db and ds.
const planarScalars = 3

func (t *planarTask) Do(chunk, worker int) {
	work := t.work[worker*planarScalars*stretch:][:planarScalars*stretch]
	for i := 0; ; i++ {
		lo, m := t.stretch(chunk, i)
		if m == 0 {
			return
		}
		a, h, da := work[:m], work[stretch:][:m], work[2*stretch:][:m]
		for k := range a {
			a[k] = t.b
		}
		for c, w := range t.w {
			addTo(a, float64(w), t.row(t.x, c, lo, m))
		}
		switch t.pass {
		case forward:
			for k, a := range a {
				p := t.at(a)
				h[k] = p.h
				t.logdet[lo+k] += float32(math.Log(t.det(p)))
			}
			for c, u := range t.uh {
				addOnto(t.row(t.x, c, lo, m), float64(u), h)
			}
		case inverse:
			for k, q := range a {
				p := t.at(t.solve(q))
				h[k] = p.h
				t.logdet[lo+k] -= float32(math.Log(t.det(p)))
			}
			for c, u := range t.uh {
				addOnto(t.row(t.x, c, lo, m), -float64(u), h)
			}
		case backward:
			t.back(chunk, lo, a, h, da)
		}
	}
}

func (t *planarTask) back(chunk, lo int, a, h, da []float64) {
	m := len(a)
	sums := t.sums[chunk*(2*t.c+2):][:2*t.c+2]
	dw, duh, rest := sums[:t.c], sums[t.c:2*t.c], sums[2*t.c:]
	clear(da)
	for c, u := range t.uh {
		addTo(da, float64(u), t.row(t.dx, c, lo, m))
	}
	for k, q := range a {
		p := t.at(t.solve(q))
		det := t.det(p)
		h[k] = p.h
		da[k] = p.h1*da[k] + t.dld*(t.s-1)*p.h2/det
		rest[0] += da[k]
		rest[1] += t.dld * p.h1 / det
	}
	for c := range t.c {
		x, dx := t.row(t.x, c, lo, m), t.row(t.dx, c, lo, m)
		w, u := float64(t.w[c]), float64(t.uh[c])
		for k, h := range h {
			v, d := float64(x[k])-u*h, float64(dx[k])
			duh[c] += d * h
			dw[c] += da[k] * v
			x[k], dx[k] = float32(v), float32(d+w*da[k])
		}
	}
}

// addTo: s += a*x.
func addTo(s []float64, a float64, x []float32) {
	for i, v := range x {
		s[i] += a * float64(v)
	}
}

// addOnto: x += a*s.
func addOnto(x []float32, a float64, s []float64) {
	for i, v := range s {
		x[i] = float32(float64(x[i]) + a*v)
	}
}

func (b *Backend) runPlanar(c, n int, h device.Map, w, bias, uh, s, x device.Buffer, t vectorTask) *planarTask {
	mustFit(w.Len() == c && bias.Len() == 1 && uh.Len() == c && s.Len() == 1 && x.Len() == c*n)
	t.x = x.Host()
	sums := 0
	if t.pass == backward {
		sums = 2*c + 2
	}
	b.elem.planar = planarTask{
		vectorTask: b.newVectorTask(c, n, 2, planarScalars*stretch, sums, t), gate: newGate(h).with(s.Host()[0]),
		w: w.Host(), uh: uh.Host(), b: float64(bias.Host()[0]),
	}
	b.pool.Run(b.elem.planar.chunks, &b.elem.planar)
	return &b.elem.planar
}

// Planar: x += uh*h(a), a = w.x + b.
func (b *Backend) Planar(c, n int, h device.Map, w, bias, uh, s, x, logdet device.Buffer) {
	mustFit(logdet.Len() == n)
	b.runPlanar(c, n, h, w, bias, uh, s, x, vectorTask{pass: forward, logdet: logdet.Host()})
}

// PlanarInverse solves for a and takes uh*h(a) off.
func (b *Backend) PlanarInverse(c, n int, h device.Map, w, bias, uh, s, x, logdet device.Buffer) {
	mustFit(logdet.Len() == n)
	b.runPlanar(c, n, h, w, bias, uh, s, x, vectorTask{pass: inverse, logdet: logdet.Host()})
}

// PlanarBackward takes (y, dy) to (x, dx) and adds the gradients of the parameters.
func (b *Backend) PlanarBackward(c, n int, h device.Map, w, bias, uh, s, x, dx device.Buffer, dld float32, dw, dbias, duh, ds device.Buffer) {
	mustFit(dx.Len() == c*n && dw.Len() == c && dbias.Len() == 1 && duh.Len() == c && ds.Len() == 1)
	t := b.runPlanar(c, n, h, w, bias, uh, s, x, vectorTask{pass: backward, dx: dx.Host(), dld: float64(dld)})
	each := 2*c + 2
	for i := range c {
		t.total(each, i, &dw.Host()[i])
		t.total(each, c+i, &duh.Host()[i])
	}
	t.total(each, 2*c, &dbias.Host()[0])
	t.total(each, 2*c+1, &ds.Host()[0])
}
