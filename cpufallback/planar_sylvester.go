package cpufallback

import (
	"math"

	"cuflow/device"
)

// dense is the convolution that a product of matrices is.
func dense(rows, c, n int) device.ConvShape {
	return device.ConvShape{Cin: c, Cout: rows, K: 1, N: n, H: 1, W: 1}
}

// Project: y = w x.
func (b *Backend) Project(rows, c, n int, w, x, y device.Buffer) {
	b.ConvForward(dense(rows, c, n), device.NoAct, w, device.Buffer{}, x, y)
}

// Lift: x += w^T y.
func (b *Backend) Lift(rows, c, n int, w, y, x device.Buffer) {
	b.ConvBackwardData(dense(rows, c, n), w, y, x)
}

// ProjectBackward: dw += dy x^T; db += the rows' sums of dy.
func (b *Backend) ProjectBackward(rows, c, n int, x, dy, dw, db device.Buffer) {
	b.ConvBackwardWeight(dense(rows, c, n), x, dy, dw, db)
}

// Householder: the first rows of a product of reflections. It works in float64: q is small beside the products that use it.
func (b *Backend) Householder(rows, c, k int, v, q device.Buffer) {
	mustFit(rows <= c && v.Len() == k*c && q.Len() == rows*c)
	buf := grow(&b.conv.lu, c)
	for i := range rows {
		clear(buf)
		buf[i] = 1
		for j := range k {
			vj := v.Host()[j*c:][:c]
			axpyTo(buf, -2*dotMixed(buf, vj)/dot64(vj, vj), vj)
		}
		for l, x := range buf {
			q.Host()[i*c+l] = float32(x)
		}
	}
}

// HouseholderBackward goes through the reflections from the last to the first.
func (b *Backend) HouseholderBackward(rows, c, k int, v, q, dq, dv device.Buffer) {
	mustFit(rows <= c && v.Len() == k*c && q.Len() == rows*c && dq.Len() == rows*c && dv.Len() == k*c)
	buf := grow(&b.conv.lu, 2*rows*c+c)
	as, ds, sum := buf[:rows*c], buf[rows*c:2*rows*c], buf[2*rows*c:]
	for i, x := range q.Host() {
		as[i], ds[i] = float64(x), float64(dq.Host()[i])
	}
	for j := k - 1; j >= 0; j-- {
		vj := v.Host()[j*c:][:c]
		scale := -2 / dot64(vj, vj)
		clear(sum)
		for i := range rows {
			a, d := as[i*c:][:c], ds[i*c:][:c]
			pa, pd := dotMixed(a, vj), dotMixed(d, vj)
			axpyTo(a, scale*pa, vj)
			axpyTo(d, scale*pd, vj)
			pa = -pa // of the row before the reflection
			for l := range sum {
				sum[l] += pd*a[l] + pa*d[l]
			}
		}
		for l, x := range sum {
			dv.Host()[j*c+l] += float32(scale * x)
		}
	}
	for i := range as {
		q.Host()[i], dq.Host()[i] = float32(as[i]), float32(ds[i])
	}
}

func dotMixed(x []float64, y []float32) (s float64) {
	for i, v := range y {
		s += x[i] * float64(v)
	}
	return s
}

// axpyTo: x += a*v.
func axpyTo(x []float64, a float64, v []float32) {
	for i, w := range v {
		x[i] += a * float64(w)
	}
}

// SylvesterFold: s = max(log(1+exp(tau)), 2^-126); r1 = U1 + diag((s-1)*exp(-rho)); r2 = U2 + diag(exp(rho)).
func (b *Backend) SylvesterFold(m int, u1, u2, tau, rho, r1, r2, s device.Buffer) {
	mustFit(u1.Len() == m*m && u2.Len() == m*m && tau.Len() == m && rho.Len() == m)
	mustFit(r1.Len() == m*m && r2.Len() == m*m && s.Len() == m)
	for i := range m {
		one, two := r1.Host()[i*m:][:m], r2.Host()[i*m:][:m]
		clear(one[:i])
		clear(two[:i])
		copy(one[i:], u1.Host()[i*m+i:])
		copy(two[i:], u2.Host()[i*m+i:])
		scale, e := max(softplus(float64(tau.Host()[i])), least), math.Exp(float64(rho.Host()[i]))
		s.Host()[i], one[i], two[i] = float32(scale), float32((scale-1)/e), float32(e)
	}
}

// SylvesterFoldBackward adds the gradients of u1, u2, tau and rho.
func (b *Backend) SylvesterFoldBackward(m int, tau, rho, dr1, dr2, ds, du1, du2, dtau, drho device.Buffer) {
	mustFit(tau.Len() == m && rho.Len() == m && dr1.Len() == m*m && dr2.Len() == m*m && ds.Len() == m)
	mustFit(du1.Len() == m*m && du2.Len() == m*m && dtau.Len() == m && drho.Len() == m)
	for i := range m {
		tau, e := float64(tau.Host()[i]), math.Exp(float64(rho.Host()[i]))
		d1, d2 := float64(dr1.Host()[i*m+i]), float64(dr2.Host()[i*m+i])
		dtau.Host()[i] += float32((float64(ds.Host()[i]) + d1/e) / (1 + math.Exp(-tau)))
		drho.Host()[i] += float32(d2*e - d1*(softplus(tau)-1)/e)
		for j := i*m + i + 1; j < (i+1)*m; j++ {
			du1.Host()[j] += dr1.Host()[j]
			du2.Host()[j] += dr2.Host()[j]
		}
	}
}

// sylvesterTask is what is done at the M coordinates of a sample: the gate, its backward pass, or the way back.
type sylvesterTask struct {
	vectorTask
	gate
	a, y, s   []float32
	r1, r2, b []float32 // of the way back
}

func (t *sylvesterTask) Do(chunk, worker int) {
	for i := 0; ; i++ {
		lo, m := t.stretch(chunk, i)
		switch {
		case m == 0:
			return
		case t.pass == inverse:
			for n := lo; n < lo+m; n++ {
				t.solveSample(n, t.work[worker*3*t.c:][:3*t.c])
			}
		case t.pass == forward:
			t.forward(lo, m)
		default:
			t.back(chunk, lo, m)
		}
	}
}

func (t *sylvesterTask) forward(lo, m int) {
	for c, s := range t.s {
		g := t.with(s)
		y := t.row(t.y, c, lo, m)
		for i, a := range t.row(t.a, c, lo, m) {
			p := g.at(float64(a))
			y[i] = float32(p.h)
			if t.logdet != nil {
				t.logdet[lo+i] += float32(math.Log(g.det(p)))
			}
		}
	}
}

func (t *sylvesterTask) back(chunk, lo, m int) {
	for c, s := range t.s {
		g := t.with(s)
		dx, sum := t.row(t.dx, c, lo, m), 0.0
		for i, a := range t.row(t.a, c, lo, m) {
			p := g.at(float64(a))
			det := g.det(p)
			dx[i] = float32(float64(dx[i])*p.h1 + t.dld*(g.s-1)*p.h2/det)
			sum += t.dld * p.h1 / det
		}
		t.sums[chunk*t.c+c] += sum
	}
}

// solveSample has room for x, h and the moves of a sample.
func (t *sylvesterTask) solveSample(n int, work []float64) {
	x, h, move := work[:t.c], work[t.c:2*t.c], work[2*t.c:]
	logdet := 0.0
	for i := t.c - 1; i >= 0; i-- {
		g := t.with(t.s[i])
		r1, r2 := t.r1[i*t.c:][:t.c], t.r2[i*t.c:][:t.c]
		q, moved := float64(t.b[i]), 0.0
		for j := i + 1; j < t.c; j++ {
			moved += float64(r1[j]) * h[j]
			q += float64(r2[j]) * x[j]
		}
		y := float64(t.y[i*t.n+n])
		a := g.solve(q + float64(r2[i])*(y-moved))
		p := g.at(a)
		h[i], move[i] = p.h, moved+float64(r1[i])*p.h
		x[i] = y - move[i]
		logdet += math.Log(g.det(p))
		t.a[i*t.n+n] = float32(a)
	}
	for i, v := range move {
		t.y[i*t.n+n] = float32(v)
	}
	if t.logdet != nil {
		t.logdet[n] -= float32(logdet)
	}
}

func (b *Backend) runSylvester(m, n int, h device.Map, s, a device.Buffer, t sylvesterTask) *sylvesterTask {
	mustFit(s.Len() == m && a.Len() == m*n)
	t.gate, t.s, t.a = newGate(h), s.Host(), a.Host()
	t.vectorTask = b.newVectorTask(m, n, 16+m, 3*m, m, t.vectorTask)
	b.elem.sylvester = t
	b.pool.Run(t.chunks, &b.elem.sylvester)
	return &b.elem.sylvester
}

// SylvesterGate: y = h(a).
func (b *Backend) SylvesterGate(m, n int, h device.Map, s, a, y, logdet device.Buffer) {
	mustFit(y.Len() == m*n && (logdet.Nil() || logdet.Len() == n))
	b.runSylvester(m, n, h, s, a, sylvesterTask{vectorTask: vectorTask{pass: forward, logdet: logdet.Host()}, y: y.Host()})
}

// SylvesterGateBackward takes dy to da and adds the gradient of s.
func (b *Backend) SylvesterGateBackward(m, n int, h device.Map, s, a, dx device.Buffer, dld float32, ds device.Buffer) {
	mustFit(dx.Len() == m*n && ds.Len() == m)
	t := b.runSylvester(m, n, h, s, a, sylvesterTask{vectorTask: vectorTask{pass: backward, dx: dx.Host(), dld: float64(dld)}})
	for i := range m {
		t.total(m, i, &ds.Host()[i])
	}
}

// SylvesterSolve goes back, coordinate by coordinate.
func (b *Backend) SylvesterSolve(m, n int, h device.Map, r1, r2, bias, s, y, a, logdet device.Buffer) {
	mustFit(r1.Len() == m*m && r2.Len() == m*m && bias.Len() == m && y.Len() == m*n && (logdet.Nil() || logdet.Len() == n))
	b.runSylvester(m, n, h, s, a, sylvesterTask{
		vectorTask: vectorTask{pass: inverse, logdet: logdet.Host()}, y: y.Host(), r1: r1.Host(), r2: r2.Host(), b: bias.Host(),
	})
}
