package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Project(rows, c, n int, w, x, y device.Buffer) {
	k := r.begin()
	project(rows, c, n, k.in(w, rows*c), k.in(x, c*n), k.out(y, rows*n))
	k.done()
}

func project(rows, c, n int, w, x, y []float64) {
	for i := range rows {
		for j := range n {
			y[i*n+j] = inner(w[i*c:(i+1)*c], column(x, c, n, j))
		}
	}
}

func (r *reference) Lift(rows, c, n int, w, y, x device.Buffer) {
	k := r.begin()
	lift(rows, c, n, k.in(w, rows*c), k.in(y, rows*n), k.out(x, c*n))
	k.done()
}

func lift(rows, c, n int, w, y, x []float64) {
	for i := range rows {
		for l := range c {
			for j := range n {
				x[l*n+j] += w[i*c+l] * y[i*n+j]
			}
		}
	}
}

func (r *reference) ProjectBackward(rows, c, n int, x, dy, dw, db device.Buffer) {
	k := r.begin()
	projectBackward(rows, c, n, k.in(x, c*n), k.in(dy, rows*n), k.out(dw, rows*c), k.optionalOut(db, rows))
	k.done()
}

func projectBackward(rows, c, n int, x, dy, dw, db []float64) {
	for i := range rows {
		row := dy[i*n : (i+1)*n]
		for l := range c {
			dw[i*c+l] += inner(row, x[l*n:(l+1)*n])
		}
		if db != nil {
			db[i] += sum(row)
		}
	}
}

func (r *reference) Householder(rows, c, k int, v, q device.Buffer) {
	o := r.begin()
	householder(rows, c, k, o.in(v, k*c), o.out(q, rows*c))
	o.done()
}

func householder(rows, c, k int, v, q []float64) {
	for i := range rows {
		row := q[i*c : (i+1)*c]
		clear(row)
		row[i] = 1
		for j := range k {
			mirror(v[j*c:(j+1)*c], row)
		}
	}
}

// mirror: x -= 2 (x.v) v / |v|^2.
func mirror(v, x []float64) {
	p := 2 * inner(x, v) / inner(v, v)
	for i := range x {
		x[i] -= p * v[i]
	}
}

func (r *reference) HouseholderBackward(rows, c, k int, v, q, dq, dv device.Buffer) {
	o := r.begin()
	householderBackward(rows, c, k, o.in(v, k*c), o.out(q, rows*c), o.out(dq, rows*c), o.out(dv, k*c))
	o.done()
}

// householderBackward: a row a of q became b = a - 2 (a.v) v/|v|^2, with db from above and da = db - 2 (db.v) v/|v|^2, so that
// dv = -2/|v|^2 ((db.v) a + (a.v) da).
func householderBackward(rows, c, k int, v, q, dq, dv []float64) {
	for j := k - 1; j >= 0; j-- {
		vj, dvj := v[j*c:(j+1)*c], dv[j*c:(j+1)*c]
		scale := -2 / inner(vj, vj)
		for i := range rows {
			a, da := q[i*c:(i+1)*c], dq[i*c:(i+1)*c]
			pd := inner(da, vj)
			mirror(vj, a)
			mirror(vj, da)
			pa := inner(a, vj)
			for l := range c {
				dvj[l] += scale * (pd*a[l] + pa*da[l])
			}
		}
	}
}

func (r *reference) SylvesterFold(m int, u1, u2, tau, rho, r1, r2, s device.Buffer) {
	k := r.begin()
	sylvesterFold(m, k.in(u1, m*m), k.in(u2, m*m), k.in(tau, m), k.in(rho, m), k.out(r1, m*m), k.out(r2, m*m), k.out(s, m))
	k.done()
}

func sylvesterFold(m int, u1, u2, tau, rho, r1, r2, s []float64) {
	clear(r1)
	clear(r2)
	for i := range m {
		s[i] = max(softplus(tau[i]), least)
		r1[i*m+i], r2[i*m+i] = (s[i]-1)*math.Exp(-rho[i]), math.Exp(rho[i])
		for j := i + 1; j < m; j++ {
			r1[i*m+j], r2[i*m+j] = u1[i*m+j], u2[i*m+j]
		}
	}
}

func (r *reference) SylvesterFoldBackward(m int, tau, rho, dr1, dr2, ds, du1, du2, dtau, drho device.Buffer) {
	k := r.begin()
	sylvesterFoldBackward(m, k.in(tau, m), k.in(rho, m), k.in(dr1, m*m), k.in(dr2, m*m), k.in(ds, m),
		k.out(du1, m*m), k.out(du2, m*m), k.out(dtau, m), k.out(drho, m))
	k.done()
}

func sylvesterFoldBackward(m int, tau, rho, dr1, dr2, ds, du1, du2, dtau, drho []float64) {
	for i := range m {
		e, d1, d2 := math.Exp(-rho[i]), dr1[i*m+i], dr2[i*m+i]
		dtau[i] += (ds[i] + d1*e) * sigmoid(tau[i])
		drho[i] += d2/e - d1*(softplus(tau[i])-1)*e
		for j := i + 1; j < m; j++ {
			du1[i*m+j] += dr1[i*m+j]
			du2[i*m+j] += dr2[i*m+j]
		}
	}
}

func (r *reference) SylvesterGate(m, n int, h device.Map, s, a, y, logdet device.Buffer) {
	k := r.begin()
	sylvesterGate(m, n, h, k.in(s, m), k.in(a, m*n), k.out(y, m*n), k.optionalOut(logdet, n))
	k.done()
}

func sylvesterGate(m, n int, h device.Map, s, a, y, logdet []float64) {
	for i := range m * n {
		g := gate{h, s[i/n]}
		y[i] = g.value(a[i])
		if logdet != nil {
			logdet[i%n] += math.Log(g.det(a[i]))
		}
	}
}

func (r *reference) SylvesterGateBackward(m, n int, h device.Map, s, a, dx device.Buffer, dld float32, ds device.Buffer) {
	k := r.begin()
	sylvesterGateBackward(m, n, h, k.in(s, m), k.in(a, m*n), k.out(dx, m*n), float64(dld), k.out(ds, m))
	k.done()
}

func sylvesterGateBackward(m, n int, h device.Map, s, a, dx []float64, dld float64, ds []float64) {
	for i := range m * n {
		g := gate{h, s[i/n]}
		h1, _, h2 := g.slopes(a[i])
		dx[i] = dx[i]*h1 + dld*(g.s-1)*h2/g.det(a[i])
		ds[i/n] += dld * h1 / g.det(a[i])
	}
}

func (r *reference) SylvesterSolve(m, n int, h device.Map, r1, r2, b, s, t, a, logdet device.Buffer) {
	k := r.begin()
	sylvesterSolve(m, n, h, k.in(r1, m*m), k.in(r2, m*m), k.in(b, m), k.in(s, m), k.out(t, m*n), k.out(a, m*n), k.optionalOut(logdet, n))
	k.done()
}

func sylvesterSolve(m, n int, h device.Map, r1, r2, b, s, t, a, logdet []float64) {
	for k := range n {
		x := column(t, m, n, k)
		move, at := make([]float64, m), make([]float64, m)
		for i := m - 1; i >= 0; i-- {
			g := gate{h, s[i]}
			q := b[i]
			for j := i + 1; j < m; j++ {
				move[i] += r1[i*m+j] * gate{h, s[j]}.value(at[j])
				q += r2[i*m+j] * x[j]
			}
			at[i] = g.solve(q + r2[i*m+i]*(x[i]-move[i]))
			move[i] += r1[i*m+i] * g.value(at[i])
			x[i] -= move[i]
			if logdet != nil {
				logdet[k] -= math.Log(g.det(at[i]))
			}
		}
		setColumn(t, n, k, move)
		setColumn(a, n, k, at)
	}
}
