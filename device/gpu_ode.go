package device

import "cuflow/kernels"

func (g *gpu) fitField(f Field, w, e Buffer) {
	if !f.Valid() {
		panic("device: there is no such field")
	}
	fit(w.n == f.Weights() && (f.Exact && e.n == 0 || !f.Exact && e.n == f.D*f.N))
}

func fieldFlags(f Field) (flags int) {
	for i, is := range []bool{f.Gated, f.Exact, f.Energies} {
		if is {
			flags |= 1 << i
		}
	}
	return flags
}

// fieldRun is a Field's network during one op.
type fieldRun struct {
	f      Field
	w, e   Buffer
	turned uint64
	work   uint64
	launch kernels.FieldLaunch
}

func (g *gpu) fieldRun(f Field, w, e Buffer, keep bool) fieldRun {
	r := fieldRun{f: f, w: w, e: e, launch: kernels.Field(f.N, f.D, f.H, f.Depth, f.Tangents(), keep)}
	r.turned, r.work = g.part(f.Weights()), g.part(r.launch.GridX*r.launch.Stride)
	g.run("field_turn", kernels.Items(f.Weights()), num(f.D), num(f.H), num(f.Depth), num(fieldFlags(f)), num(f.Weights()), ptr(w), addr(r.turned))
	return r
}

// fieldValue: k = dy/dt at y, of which only z is read.
func (g *gpu) fieldValue(r fieldRun, t float32, y, k arg) {
	f := r.f
	g.run("field_value", r.launch.Shape, num(f.N), num(f.D), num(f.H), num(f.Depth), num(int(f.Act)), num(fieldFlags(f)),
		num(r.launch.Size), num(r.launch.Stride), float(t), ptr(r.w), addr(r.turned), ptr(r.e), y, k, addr(r.work))
}

// fieldSum: out = a*x + dt*sum_j c[j]*k_j, k_0 in first and the others in rest.
func (g *gpu) fieldSum(n, stride int, a, dt float32, c []float32, x, first arg, rest uint64, out arg) {
	var v [MaxStages]float32
	for j := range c {
		v[j] = dt * c[j]
	}
	g.run("field_sum", kernels.Flat(n), num(n), num(stride), float(a), float(v[0]), float(v[1]), float(v[2]), float(v[3]), float(v[4]), float(v[5]),
		float(v[6]), x, first, addr(rest), out)
}

func (g *gpu) FieldValue(f Field, t float32, w, e, y, k Buffer) {
	g.fitField(f, w, e)
	fit(y.n == f.Rows()*f.N && k.n == f.Rows()*f.N)
	g.begin("FieldValue")
	if f.N > 0 {
		g.fieldValue(g.fieldRun(f, w, e, false), t, ptr(y), ptr(k))
	}
}

func (g *gpu) FieldStep(f Field, rk *RungeKutta, s TimeStep, w, e, y, k, yn, kn, err Buffer) {
	rows := f.Rows() * f.N
	g.fitField(f, w, e)
	fit(y.n == rows && yn.n == rows)
	if rk.Adaptive {
		fit(k.n == rows && kn.n == rows && err.n == f.N)
	} else {
		fit(k.n == 0 && kn.n == 0 && err.n == 0)
	}
	g.begin("FieldStep")
	if f.N == 0 {
		return
	}
	r := g.fieldRun(f, w, e, false)
	// Stages lie one after another, but for an adaptive method's first and last, which are k and kn. Rows are rounded up, to be wide.
	stride := (rows + 3) &^ 3
	ks := g.part(MaxStages * stride)
	first, rest := addr(ks), ks+4*uint64(stride)
	if rk.Adaptive {
		first = ptr(k)
	}
	for i := range rk.Stages {
		if i == 0 && rk.Adaptive {
			continue
		}
		at := ptr(y)
		if i > 0 {
			at = ptr(yn) // which the last sum overwrites
			g.fieldSum(f.D*f.N, stride, 1, s.DT, rk.A[i][:i], ptr(y), first, rest, at)
		}
		to := addr(ks + 4*uint64(i*stride))
		g.fieldValue(r, s.T+rk.C[i]*s.DT, at, to)
	}
	g.fieldSum(rows, stride, 1, s.DT, rk.B[:rk.Stages], ptr(y), first, rest, ptr(yn))
	if !rk.Adaptive {
		return
	}
	last, off := addr(ks+4*uint64((rk.Stages-1)*stride)), g.part(rows)
	g.fieldSum(rows, stride, 1, 0, nil, last, first, rest, ptr(kn))
	g.fieldSum(rows, stride, 0, s.DT, rk.E[:rk.Stages], ptr(y), first, rest, addr(off))
	g.run("field_errors", kernels.Items(f.N), num(f.D+1), num(f.N), float(s.ATol), float(s.RTol), ptr(y), ptr(yn), addr(off), ptr(err))
}

func (g *gpu) FieldStepBackward(f Field, rk *RungeKutta, s TimeStep, w, e, z, dz Buffer, dq [3]float32, dw Buffer) {
	size := f.D * f.N
	g.fitField(f, w, e)
	fit(z.n == size && dz.n == size && dw.n == f.Weights())
	g.begin("FieldStepBackward")
	if f.N == 0 {
		return
	}
	forward := g.fieldRun(f, w, e, false)
	back := forward
	back.launch = kernels.Field(f.N, f.D, f.H, f.Depth, f.Tangents(), true)
	back.work = g.part(back.launch.GridX * back.launch.Stride)
	part := g.part(back.launch.GridX * f.Weights())
	stages := rk.Advancing()
	if !f.Energies {
		dq[1], dq[2] = 0, 0
	}
	rows := (f.Rows()*f.N + 3) &^ 3
	stride := (size + 3) &^ 3
	ks, ats, dats, dk := g.part(MaxStages*rows), g.part(MaxStages*stride), g.part(MaxStages*stride), g.part(stride)
	stage := func(base uint64, i, stride int) uint64 { return base + 4*uint64(i*stride) }
	for i := range stages {
		at := addr(stage(ats, i, stride))
		g.fieldSum(size, rows, 1, s.DT, rk.A[i][:i], ptr(z), addr(ks), stage(ks, 1, rows), at)
		if i < stages-1 {
			g.fieldValue(forward, s.T+rk.C[i]*s.DT, at, addr(stage(ks, i, rows)))
		}
	}
	for i := stages - 1; i >= 0; i-- {
		var later [MaxStages]float32 // the shares of the stages' gradients in that of this stage's k, by the stage; this one and those before have none
		for j := i + 1; j < stages; j++ {
			later[j] = rk.A[j][i]
		}
		g.fieldSum(size, stride, s.DT*rk.B[i], s.DT, later[:], ptr(dz), addr(dats), stage(dats, 1, stride), addr(dk))
		q := s.DT * rk.B[i]
		g.run("field_back", back.launch.Shape, num(f.N), num(f.D), num(f.H), num(f.Depth), num(int(f.Act)), num(fieldFlags(f)),
			num(back.launch.Size), num(back.launch.Stride), num(f.Weights()), flag(i == stages-1), float(s.T+rk.C[i]*s.DT),
			float(q*dq[0]), float(q*dq[1]), float(q*dq[2]), ptr(w), addr(back.turned), ptr(e), addr(stage(ats, i, stride)), addr(dk),
			addr(stage(dats, i, stride)), addr(part), addr(back.work))
	}
	var all [MaxStages]float32
	for i := range stages {
		all[i] = 1
	}
	g.fieldSum(size, stride, 1, 1, all[:], ptr(dz), addr(dats), stage(dats, 1, stride), ptr(dz))
	g.run("field_add", kernels.Items(f.Weights()), num(f.D), num(f.H), num(f.Depth), num(fieldFlags(f)), num(f.Weights()), num(back.launch.GridX),
		addr(part), ptr(dw))
}

func (g *gpu) ScaledSquares(r Rows, atol, rtol float32, y, yn, v, out Buffer) {
	fit(y.n == r.Len() && v.n == r.Len() && (yn.n == 0 || yn.n == r.Len()) && out.n == r.N)
	g.begin("ScaledSquares")
	if yn.Nil() {
		yn = y
	}
	g.run("scaled_squares", kernels.Warps(r.N), num(r.C), num(r.N), num(r.P), float(atol), float(rtol), ptr(y), ptr(yn), ptr(v), ptr(out))
}

func (g *gpu) Directions(x Buffer) {
	g.begin("Directions")
	g.run("directions", kernels.Flat(x.n), num(x.n), ptr(x))
}

func (g *gpu) SmoothForward(act Smooth, a, u, h, th Buffer) {
	fit(u.n == a.n && h.n == a.n && th.n == a.n)
	g.begin("SmoothForward")
	g.run("smooth_forward", kernels.Flat(a.n), num(a.n), num(int(act)), ptr(a), ptr(u), ptr(h), ptr(th))
}

func (g *gpu) SmoothBackward(act Smooth, a, u, dh, dth Buffer) {
	fit(u.n == a.n && dh.n == a.n && dth.n == a.n)
	g.begin("SmoothBackward")
	g.run("smooth_backward", kernels.Flat(a.n), num(a.n), num(int(act)), ptr(a), ptr(u), ptr(dh), ptr(dth))
}

func (g *gpu) Dots(r Rows, a float32, x, y, out Buffer) {
	fit(x.n == r.Len() && y.n == r.Len() && out.n == r.N)
	g.begin("Dots")
	g.run("dots", kernels.Warps(r.N), num(r.C), num(r.N), num(r.P), float(a), ptr(x), ptr(y), ptr(out))
}
