package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) ConvForward(s device.ConvShape, act device.Act, w, b, x, y device.Buffer) {
	k := r.begin()
	convForward(s, act, k.in(w, s.Weights()), k.optional(b, s.Cout), k.in(x, s.Cin*s.M()), k.out(y, s.Cout*s.M()))
	k.done()
}

func (r *reference) ConvBackwardData(s device.ConvShape, w, dy, dx device.Buffer) {
	k := r.begin()
	convBackwardData(s, k.in(w, s.Weights()), k.in(dy, s.Cout*s.M()), k.out(dx, s.Cin*s.M()))
	k.done()
}

func (r *reference) ConvBackwardAct(s device.ConvShape, act device.Act, w, dy, h device.Buffer) {
	k := r.begin()
	convBackwardAct(s, act, k.in(w, s.Weights()), k.in(dy, s.Cout*s.M()), k.out(h, s.Cin*s.M()))
	k.done()
}

func (r *reference) ConvBackwardWeight(s device.ConvShape, x, dy, dw, db device.Buffer) {
	k := r.begin()
	convBackwardWeight(s, k.in(x, s.Cin*s.M()), k.in(dy, s.Cout*s.M()), k.out(dw, s.Weights()), k.optionalOut(db, s.Cout))
	k.done()
}

// runs enumerates a convolution's products: every weight meets every line of pixels that it reaches. For k = 0 .. n-1,
// y[iy+k] gets w[iw]*x[ix+k]. The forward pass and both gradients are the same enumeration, read three ways.
func runs(s device.ConvShape, each func(iw, ix, iy, n int)) {
	r := s.K / 2
	for o := range s.Cout {
		for c := range s.Cin {
			for u := range s.K {
				for v := range s.K {
					iw := ((o*s.Cin+c)*s.K+u)*s.K + v
					j0, j1 := max(0, r-v), min(s.W, s.W+r-v) // 0 <= j+v-r < W
					if j0 >= j1 {
						continue
					}
					for n := range s.N {
						for i := max(0, r-u); i < min(s.H, s.H+r-u); i++ { // 0 <= i+u-r < H
							ix := ((c*s.N+n)*s.H+i+u-r)*s.W + j0 + v - r
							iy := ((o*s.N+n)*s.H+i)*s.W + j0
							each(iw, ix, iy, j1-j0)
						}
					}
				}
			}
		}
	}
}

func convForward(s device.ConvShape, act device.Act, w, b, x, y []float64) {
	fill(y, 0)
	if b != nil {
		for i := range y {
			y[i] = b[i/s.M()]
		}
	}
	runs(s, func(iw, ix, iy, n int) {
		for k := range n {
			y[iy+k] += w[iw] * x[ix+k]
		}
	})
	if act == device.ReLU {
		for i := range y {
			y[i] = max(0, y[i])
		}
	}
}

func convBackwardData(s device.ConvShape, w, dy, dx []float64) {
	runs(s, func(iw, ix, iy, n int) {
		for k := range n {
			dx[ix+k] += w[iw] * dy[iy+k]
		}
	})
}

func convBackwardAct(s device.ConvShape, act device.Act, w, dy, h []float64) {
	dx := make([]float64, len(h))
	convBackwardData(s, w, dy, dx)
	for i := range h {
		if act == device.ReLU && !(h[i] > 0) {
			dx[i] = 0
		}
	}
	copy(h, dx)
}

func convBackwardWeight(s device.ConvShape, x, dy, dw, db []float64) {
	runs(s, func(iw, ix, iy, n int) {
		var dot float64
		for k := range n {
			dot += dy[iy+k] * x[ix+k]
		}
		dw[iw] += dot
	})
	for o := range db {
		db[o] += sum(dy[o*s.M() : (o+1)*s.M()])
	}
}

func (r *reference) RowScale(rows, cols int, logs, w, b, wf, bf device.Buffer) {
	k := r.begin()
	rowScale(rows, cols, k.in(logs, rows), k.in(w, rows*cols), k.in(b, rows), k.out(wf, rows*cols), k.out(bf, rows))
	k.done()
}

func rowScale(rows, cols int, logs, w, b, wf, bf []float64) {
	for i := range rows {
		e := math.Exp(logs[i])
		for j := range cols {
			wf[i*cols+j] = e * w[i*cols+j]
		}
		bf[i] = e * b[i]
	}
}

func (r *reference) RowScaleBackward(rows, cols int, logs, wf, bf, dwf, dbf, dw, db, dlogs device.Buffer) {
	k := r.begin()
	n := rows * cols
	rowScaleBackward(rows, cols, k.in(logs, rows), k.in(wf, n), k.in(bf, rows), k.in(dwf, n), k.in(dbf, rows),
		k.out(dw, n), k.out(db, rows), k.out(dlogs, rows))
	k.done()
}

func rowScaleBackward(rows, cols int, logs, wf, bf, dwf, dbf, dw, db, dlogs []float64) {
	for i := range rows {
		e := math.Exp(logs[i])
		dlogs[i] += dbf[i] * bf[i]
		for k := i * cols; k < (i+1)*cols; k++ {
			dw[k] += e * dwf[k]
			dlogs[i] += dwf[k] * wf[k]
		}
		db[i] += e * dbf[i]
	}
}
