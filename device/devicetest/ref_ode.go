package devicetest

import (
	"math"

	"cuflow/device"
)

// fieldPass is a Field at work on one sample: what goes into each layer, as value [0] and tangents, and its products with the weights.
type fieldPass struct {
	f       device.Field
	t       float64
	w       []float64
	in, raw [][][]float64 // [layer][1+tangents][width]; raw without bias
	out     [][]float64   // h, and dh/dz in each direction
	dirs    [][]float64   // [tangents][D]
}

// gateAndShift are g and g*b + t*v of a layer: a = g*raw + shift.
func (p *fieldPass) gateAndShift(l device.FieldLayer) (gate, shift []float64) {
	for o := range l.Out {
		g := 1.0
		if p.f.Gated {
			g = sigmoid(p.t*p.w[l.U+o] + p.w[l.C+o])
		}
		gate, shift = append(gate, g), append(shift, g*p.w[l.B+o]+p.t*p.w[l.V+o])
	}
	return gate, shift
}

// smooth is an activation and its first two derivatives.
func smooth(act device.Smooth, a float64) (h, h1, h2 float64) {
	s := sigmoid(a)
	switch act {
	case device.SmoothTanh:
		h = math.Tanh(a)
		h1 = 1 / (math.Cosh(a) * math.Cosh(a))
		return h, h1, -2 * h * h1
	case device.SmoothSoftplus:
		return softplus(a), s, s * (1 - s)
	}
	return a * s, s * (1 + a*(1-s)), s * (1 - s) * (2 + a*(1-2*s))
}

// directions are the unit vectors, or column n of e.
func directions(f device.Field, e []float64, n int) (dirs [][]float64) {
	for i := range f.Tangents() {
		dir := make([]float64, f.D)
		for d := range dir {
			switch {
			case !f.Exact:
				dir[d] = e[d*f.N+n]
			case d == i:
				dir[d] = 1
			}
		}
		dirs = append(dirs, dir)
	}
	return dirs
}

// pass evaluates a Field at z.
func pass(f device.Field, t float64, w, z []float64, dirs [][]float64) *fieldPass {
	p := &fieldPass{f: f, t: t, w: w, dirs: dirs}
	x := append([][]float64{z}, dirs...)
	for i := range f.Layers() {
		l := f.Layer(i)
		gate, shift := p.gateAndShift(l)
		p.in = append(p.in, x)
		var raw, y [][]float64
		for c := range x {
			r, a := make([]float64, l.Out), make([]float64, l.Out)
			for o := range r {
				r[o] = inner(w[l.W+o*l.In:][:l.In], x[c])
				a[o] = gate[o] * r[o]
				if c == 0 {
					a[o] += shift[o]
				}
			}
			raw, y = append(raw, r), append(y, a)
		}
		if i < f.Depth {
			for o := range l.Out {
				h, h1, _ := smooth(f.Act, y[0][o])
				y[0][o] = h
				for c := 1; c < len(y); c++ {
					y[c][o] *= h1
				}
			}
		}
		p.raw, x = append(p.raw, raw), y
	}
	p.out = x
	return p
}

// integrands are the trace and the energies.
func (p *fieldPass) integrands() []float64 {
	q := make([]float64, p.f.Integrals())
	for i, dir := range p.dirs {
		q[0] += inner(dir, p.out[1+i])
		if p.f.Energies {
			q[2] += inner(p.out[1+i], p.out[1+i])
		}
	}
	if p.f.Energies {
		q[1] = inner(p.out[0], p.out[0])
	}
	return q
}

// backward adds to dw and gives the gradient of z, for that of h and of the integrands.
func (p *fieldPass) backward(dh, dq, dw []float64) (dz []float64) {
	dy := [][]float64{append([]float64(nil), dh...)}
	for i, dir := range p.dirs {
		d := make([]float64, p.f.D)
		for r := range d {
			d[r] = dq[0] * dir[r]
			if p.f.Energies {
				d[r] += 2 * dq[2] * p.out[1+i][r]
			}
		}
		dy = append(dy, d)
	}
	if p.f.Energies {
		for r := range dy[0] {
			dy[0][r] += 2 * dq[1] * p.out[0][r]
		}
	}
	for i := p.f.Depth; i >= 0; i-- {
		dy = p.layerBackward(i, dy, dw)
	}
	return dy[0]
}

func (p *fieldPass) layerBackward(i int, dy [][]float64, dw []float64) (dx [][]float64) {
	l := p.f.Layer(i)
	gate, shift := p.gateAndShift(l)
	for range dy {
		dx = append(dx, make([]float64, l.In))
	}
	for o := range l.Out {
		g, a := gate[o], gate[o]*p.raw[i][0][o]+shift[o]
		da := make([]float64, len(dy)) // of g*raw
		for c := range dy {
			da[c] = dy[c][o]
		}
		if i < p.f.Depth {
			_, h1, h2 := smooth(p.f.Act, a)
			da[0] *= h1
			for c := 1; c < len(dy); c++ {
				da[0] += h2 * g * p.raw[i][c][o] * dy[c][o]
				da[c] = h1 * dy[c][o]
			}
		}
		dg := da[0] * p.w[l.B+o]
		for c := range da {
			dg += da[c] * p.raw[i][c][o]
			for j := range l.In {
				dw[l.W+o*l.In+j] += g * da[c] * p.in[i][c][j]
				dx[c][j] += g * da[c] * p.w[l.W+o*l.In+j]
			}
		}
		dw[l.B+o] += g * da[0]
		dw[l.V+o] += p.t * da[0]
		if p.f.Gated {
			dw[l.U+o] += dg * g * (1 - g) * p.t
			dw[l.C+o] += dg * g * (1 - g)
		}
	}
	return dx
}

// sampleOf is column n of x [rows][cols].
func sampleOf(x []float64, rows, cols, n int) (c []float64) {
	for r := range rows {
		c = append(c, x[r*cols+n])
	}
	return c
}

func (k *call) directionsOf(f device.Field, e device.Buffer) []float64 {
	if f.Exact {
		if !e.Nil() {
			panic("devicetest: an exact trace takes no directions")
		}
		return nil
	}
	return k.in(e, f.D*f.N)
}

func (r *reference) FieldValue(f device.Field, t float32, w, e, y, k device.Buffer) {
	c := r.begin()
	fieldValue(f, float64(t), c.in(w, f.Weights()), c.directionsOf(f, e), c.in(y, f.Rows()*f.N), c.out(k, f.Rows()*f.N))
	c.done()
}

func fieldValue(f device.Field, t float64, w, e, y, k []float64) {
	for n := range f.N {
		p := pass(f, t, w, sampleOf(y, f.D, f.N, n), directions(f, e, n))
		for i, v := range append(append([]float64(nil), p.out[0]...), p.integrands()...) {
			k[i*f.N+n] = v
		}
	}
}

func (r *reference) FieldStep(f device.Field, rk *device.RungeKutta, s device.TimeStep, w, e, y, k, yn, kn, err device.Buffer) {
	c := r.begin()
	rows := f.Rows() * f.N
	fieldStep(f, rk, s, c.in(w, f.Weights()), c.directionsOf(f, e), c.in(y, rows), c.adaptiveIn(rk, k, rows), c.out(yn, rows),
		c.adaptiveOut(rk, kn, rows), c.adaptiveOut(rk, err, f.N))
	c.done()
}

func (k *call) adaptiveIn(rk *device.RungeKutta, b device.Buffer, n int) []float64 {
	if !rk.Adaptive {
		n = 0
	}
	return k.in(b, n)
}

func (k *call) adaptiveOut(rk *device.RungeKutta, b device.Buffer, n int) []float64 {
	if !rk.Adaptive {
		n = 0
	}
	return k.out(b, n)
}

func fieldStep(f device.Field, rk *device.RungeKutta, s device.TimeStep, w, e, y, k, yn, kn, err []float64) {
	rows := f.Rows()
	for n := range f.N {
		y0, dirs := sampleOf(y, rows, f.N, n), directions(f, e, n)
		var stages [][]float64
		for i := range rk.Stages {
			if i == 0 && rk.Adaptive {
				stages = append(stages, sampleOf(k, rows, f.N, n))
				continue
			}
			at := along(y0, s.DT, rk.A[i][:i], stages)
			p := pass(f, float64(s.T)+float64(rk.C[i])*float64(s.DT), w, at[:f.D], dirs)
			stages = append(stages, append(append([]float64(nil), p.out[0]...), p.integrands()...))
		}
		y1 := along(y0, s.DT, rk.B[:rk.Stages], stages)
		off := along(make([]float64, rows), s.DT, rk.E[:rk.Stages], stages)
		sum := 0.0
		for r := range rows {
			yn[r*f.N+n] = y1[r]
			if rk.Adaptive {
				kn[r*f.N+n] = stages[rk.Stages-1][r]
			}
			if scaled := off[r] / (float64(s.ATol) + float64(s.RTol)*max(math.Abs(y0[r]), math.Abs(y1[r]))); r <= f.D {
				sum += scaled * scaled
			}
		}
		if rk.Adaptive {
			err[n] = sum
		}
	}
}

// along is y + dt*sum_i a[i]*stages[i].
func along(y []float64, dt float32, a []float32, stages [][]float64) []float64 {
	y = append([]float64(nil), y...)
	for i, k := range stages {
		if i < len(a) {
			for r := range y {
				y[r] += float64(dt) * float64(a[i]) * k[r]
			}
		}
	}
	return y
}

func (r *reference) FieldStepBackward(f device.Field, rk *device.RungeKutta, s device.TimeStep, w, e, z, dz device.Buffer, dq [3]float32, dw device.Buffer) {
	c := r.begin()
	fieldStepBackward(f, rk, s, c.in(w, f.Weights()), c.directionsOf(f, e), c.in(z, f.D*f.N), c.out(dz, f.D*f.N), dq, c.out(dw, f.Weights()))
	c.done()
}

func fieldStepBackward(f device.Field, rk *device.RungeKutta, s device.TimeStep, w, e, z, dz []float64, dq [3]float32, dw []float64) {
	for n := range f.N {
		z0, dirs := sampleOf(z, f.D, f.N, n), directions(f, e, n)
		var passes []*fieldPass
		var stages [][]float64
		for i := range rk.Advancing() {
			p := pass(f, float64(s.T)+float64(rk.C[i])*float64(s.DT), w, along(z0, s.DT, rk.A[i][:i], stages), dirs)
			passes, stages = append(passes, p), append(stages, p.out[0])
		}
		end := sampleOf(dz, f.D, f.N, n) // the gradient of where the step ended
		start := append([]float64(nil), end...)
		var behind [][]float64 // the gradients of where the stages after i are evaluated
		for i := len(passes) - 1; i >= 0; i-- {
			dk := along(make([]float64, f.D), s.DT, rk.B[i:i+1], [][]float64{end})
			for j, d := range behind {
				later := len(passes) - 1 - j
				dk = along(dk, s.DT, rk.A[later][i:i+1], [][]float64{d})
			}
			var share []float64
			for _, v := range dq {
				share = append(share, float64(s.DT)*float64(rk.B[i])*float64(v))
			}
			d := passes[i].backward(dk, share, dw)
			behind = append(behind, d)
			for r := range start {
				start[r] += d[r]
			}
		}
		for r := range start {
			dz[r*f.N+n] = start[r]
		}
	}
}

func (r *reference) ScaledSquares(s device.Rows, atol, rtol float32, y, yn, v, out device.Buffer) {
	k := r.begin()
	scaledSquares(s, float64(atol), float64(rtol), k.in(y, s.Len()), k.optional(yn, s.Len()), k.in(v, s.Len()), k.out(out, s.N))
	k.done()
}

func scaledSquares(s device.Rows, atol, rtol float64, y, yn, v, out []float64) {
	for i := range v {
		size := math.Abs(y[i])
		if yn != nil {
			size = max(size, math.Abs(yn[i]))
		}
		scaled := v[i] / (atol + rtol*size)
		out[i/s.P%s.N] += scaled * scaled
	}
}

func (r *reference) Directions(x device.Buffer) {
	k := r.begin()
	signsOf(k.out(x, x.Len()))
	k.done()
}

func signsOf(x []float64) {
	for i, v := range x {
		x[i] = -1
		if v >= 0 {
			x[i] = 1
		}
	}
}

func (r *reference) SmoothForward(act device.Smooth, a, u, h, th device.Buffer) {
	k := r.begin()
	n := a.Len()
	smoothForward(act, k.in(a, n), k.in(u, n), k.out(h, n), k.out(th, n))
	k.done()
}

func smoothForward(act device.Smooth, a, u, h, th []float64) {
	for i := range a {
		v, slope, _ := smooth(act, a[i])
		h[i], th[i] = v, slope*u[i]
	}
}

func (r *reference) SmoothBackward(act device.Smooth, a, u, dh, dth device.Buffer) {
	k := r.begin()
	n := a.Len()
	smoothBackward(act, k.in(a, n), k.in(u, n), k.out(dh, n), k.out(dth, n))
	k.done()
}

func smoothBackward(act device.Smooth, a, u, dh, dth []float64) {
	for i := range a {
		_, slope, bend := smooth(act, a[i])
		dh[i], dth[i] = slope*dh[i]+bend*u[i]*dth[i], slope*dth[i]
	}
}

func (r *reference) Dots(s device.Rows, a float32, x, y, out device.Buffer) {
	k := r.begin()
	dots(s, float64(a), k.in(x, s.Len()), k.in(y, s.Len()), k.out(out, s.N))
	k.done()
}

func dots(s device.Rows, a float64, x, y, out []float64) {
	for i := range x {
		out[i/s.P%s.N] += a * x[i] * y[i]
	}
}
