package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) CheckerPack(c, n, h, w, parity int, x, y device.Buffer) {
	k := r.begin()
	checkerPack(c, n, h, w, parity, k.in(x, c*n*h*w), k.out(y, c*n*h*w))
	k.done()
}

func (r *reference) CheckerUnpack(c, n, h, w, parity int, x, y device.Buffer) {
	k := r.begin()
	checkerUnpack(c, n, h, w, parity, k.in(x, c*n*h*w), k.out(y, c*n*h*w))
	k.done()
}

func checkerPack(c, n, h, w, parity int, x, y []float64) {
	checkered(c, n, h, w, parity, func(board, packed int) { y[packed] = x[board] })
}

func checkerUnpack(c, n, h, w, parity int, x, y []float64) {
	checkered(c, n, h, w, parity, func(board, packed int) { y[board] = x[packed] })
}

// checkered pairs each index of [C][N][H][W] with its index in [2C][N][H][W/2]. Channel 0 .. C-1 of the latter holds the
// pixels i, j with (i+j)%2 = parity.
func checkered(c, n, h, w, parity int, pair func(board, packed int)) {
	if w%2 != 0 || parity != 0 && parity != 1 {
		panic("devicetest: checkerboard of odd width or unknown parity")
	}
	for ci := range c {
		for ni := range n {
			for i := range h {
				for j := range w {
					to := ci
					if (i+j)%2 != parity {
						to += c
					}
					pair(((ci*n+ni)*h+i)*w+j, ((to*n+ni)*h+i)*(w/2)+j/2)
				}
			}
		}
	}
}

func (r *reference) Logit(s device.Rows, alpha float32, x, logdet device.Buffer) {
	k := r.begin()
	logit(s, float64(alpha), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func logit(r device.Rows, alpha float64, x, logdet []float64) {
	for i := range x {
		v := x[i] + 0.5
		p := alpha + (1-alpha)*v
		q := (1 - alpha) * max(1-v, 0x1p-24)
		_, n := at(r, i)
		x[i] = math.Log(p) - math.Log(q)
		logdet[n] += math.Log(1-alpha) - math.Log(p) - math.Log(q)
	}
}

func (r *reference) LogitInverse(s device.Rows, alpha float32, x device.Buffer) {
	k := r.begin()
	logitInverse(float64(alpha), k.out(x, s.Len()))
	k.done()
}

func logitInverse(alpha float64, x []float64) {
	for i := range x {
		x[i] = (1/(1+math.Exp(-x[i]))-alpha)/(1-alpha) - 0.5
	}
}

func (r *reference) LogisticLogProb(s device.Rows, x, logp device.Buffer) {
	k := r.begin()
	logisticLogProb(s, k.in(x, s.Len()), k.out(logp, s.N))
	k.done()
}

func logisticLogProb(r device.Rows, x, logp []float64) {
	for i, v := range x {
		_, n := at(r, i)
		v = math.Abs(v) // the density is even, and this side's exponential does not overflow
		logp[n] += -v - 2*math.Log1p(math.Exp(-v))
	}
}

func (r *reference) LogisticLogProbBackward(dlp float32, x, dx device.Buffer) {
	k := r.begin()
	logisticLogProbBackward(float64(dlp), k.in(x, x.Len()), k.out(dx, x.Len()))
	k.done()
}

func logisticLogProbBackward(dlp float64, x, dx []float64) {
	for i := range x {
		dx[i] = -dlp * math.Tanh(x[i]/2)
	}
}

func (r *reference) Logistic(s device.Rows, scale float32, rng device.Stream, at, x device.Buffer) {
	k := r.begin()
	logistic(s, float64(scale), rng, k.in(at, 2), k.out(x, s.Len()))
	k.done()
}

func logistic(r device.Rows, scale float64, rng device.Stream, at, x []float64) {
	noise(r, rng, at, func(i int, uniform, _ float64) {
		u := uniform + 0x1p-25
		x[i] = scale * (math.Log(u) - math.Log(1-u))
	})
}

func (r *reference) ClassAffine(s device.Rows, classes int, label, logs, b, x, logdet device.Buffer) {
	k := r.begin()
	classAffine(s, k.in(label, s.N), k.in(logs, classes*s.C), k.in(b, classes*s.C), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

// ofClass is the index in [K][C] of the parameter of element i of [C][N][P], and the element's sample.
func ofClass(r device.Rows, label []float64, i int) (kc, n int) {
	c, n := at(r, i)
	return int(label[n])*r.C + c, n
}

func classAffine(r device.Rows, label, logs, b, x, logdet []float64) {
	for i := range x {
		kc, n := ofClass(r, label, i)
		x[i] = (x[i] + b[kc]) * math.Exp(logs[kc])
		logdet[n] += logs[kc]
	}
}

func (r *reference) ClassAffineInverse(s device.Rows, classes int, label, logs, b, x, logdet device.Buffer) {
	k := r.begin()
	classAffineInverse(s, k.in(label, s.N), k.in(logs, classes*s.C), k.in(b, classes*s.C), k.out(x, s.Len()), k.out(logdet, s.N))
	k.done()
}

func classAffineInverse(r device.Rows, label, logs, b, x, logdet []float64) {
	for i := range x {
		kc, n := ofClass(r, label, i)
		x[i] = x[i]*math.Exp(-logs[kc]) - b[kc]
		logdet[n] -= logs[kc]
	}
}

func (r *reference) ClassAffineBackward(s device.Rows, classes int, label, logs, b, x, dx device.Buffer, dld float32, dlogs, db device.Buffer) {
	k := r.begin()
	kc := classes * s.C
	classAffineBackward(s, k.in(label, s.N), k.in(logs, kc), k.in(b, kc), k.out(x, s.Len()), k.out(dx, s.Len()), float64(dld),
		k.out(dlogs, kc), k.out(db, kc))
	k.done()
}

func classAffineBackward(r device.Rows, label, logs, b, x, dx []float64, dld float64, dlogs, db []float64) {
	for i := range x {
		kc, _ := ofClass(r, label, i)
		dlogs[kc] += dld + dx[i]*x[i]
		dx[i] *= math.Exp(logs[kc])
		db[kc] += dx[i]
		x[i] = x[i]*math.Exp(-logs[kc]) - b[kc]
	}
}
