package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) ChannelStats(c, m int, x, mean, variance device.Buffer) {
	k := r.begin()
	channelStats(m, k.in(x, c*m), k.out(mean, c), k.out(variance, c))
	k.done()
}

func channelStats(m int, x, mean, variance []float64) {
	if m == 0 {
		return
	}
	for c := range mean {
		row := x[c*m : (c+1)*m]
		mean[c] = sum(row) / float64(m)
		variance[c] = 0
		for _, v := range row {
			variance[c] += (v - mean[c]) * (v - mean[c]) / float64(m)
		}
	}
}

func (r *reference) Blend(rho float32, x, y device.Buffer) {
	k := r.begin()
	blend(float64(rho), k.in(x, x.Len()), k.out(y, x.Len()))
	k.done()
}

func blend(rho float64, x, y []float64) {
	for i := range x {
		y[i] = rho*y[i] + (1-rho)*x[i]
	}
}

func (r *reference) BatchNormFold(c int, eps float32, mean, variance, logs, b device.Buffer) {
	k := r.begin()
	batchNormFold(float64(eps), k.in(mean, c), k.in(variance, c), k.out(logs, c), k.out(b, c))
	k.done()
}

func batchNormFold(eps float64, mean, variance, logs, b []float64) {
	for c := range mean {
		b[c] = -mean[c]
		logs[c] = -math.Log(variance[c]+eps) / 2
	}
}

func (r *reference) BatchNormBackward(c, m int, share, eps float32, mean, variance, dlogs, db, x, dx device.Buffer) {
	k := r.begin()
	batchNormBackward(m, float64(share), float64(eps), k.in(mean, c), k.in(variance, c), k.in(dlogs, c), k.in(db, c),
		k.in(x, c*m), k.out(dx, c*m))
	k.done()
}

func batchNormBackward(m int, share, eps float64, mean, variance, dlogs, db, x, dx []float64) {
	for i := range x {
		c := i / m
		dmean := -db[c]
		dvar := -dlogs[c] / (2 * (variance[c] + eps))
		dx[i] += share / float64(m) * (dmean + 2*dvar*(x[i]-mean[c]))
	}
}

func (r *reference) BatchNormScale(c int, eps float32, mean, variance, gamma, beta, scale, shift device.Buffer) {
	k := r.begin()
	batchNormScale(float64(eps), k.in(mean, c), k.in(variance, c), k.in(gamma, c), k.in(beta, c), k.out(scale, c), k.out(shift, c))
	k.done()
}

func batchNormScale(eps float64, mean, variance, gamma, beta, scale, shift []float64) {
	for c := range mean {
		scale[c] = gamma[c] / math.Sqrt(variance[c]+eps)
		shift[c] = beta[c] - mean[c]*scale[c]
	}
}

func (r *reference) AffineAct(c, m int, act device.Act, scale, shift, x, y device.Buffer) {
	k := r.begin()
	affineAct(m, act, k.in(scale, c), k.in(shift, c), k.in(x, c*m), k.out(y, c*m))
	k.done()
}

func affineAct(m int, act device.Act, scale, shift, x, y []float64) {
	for i := range x {
		y[i] = scale[i/m]*x[i] + shift[i/m]
		if act == device.ReLU {
			y[i] = max(0, y[i])
		}
	}
}

func (r *reference) BatchNormActBackward(c, m int, act device.Act, eps float32, mean, variance, gamma, x, y, dy, dgamma, dbeta device.Buffer) {
	k := r.begin()
	batchNormActBackward(m, act, float64(eps), k.in(mean, c), k.in(variance, c), k.in(gamma, c), k.in(x, c*m), k.in(y, c*m),
		k.out(dy, c*m), k.out(dgamma, c), k.out(dbeta, c))
	k.done()
}

func batchNormActBackward(m int, act device.Act, eps float64, mean, variance, gamma, x, y, dy, dgamma, dbeta []float64) {
	for c := range mean {
		istd := 1 / math.Sqrt(variance[c]+eps)
		g := dy[c*m : (c+1)*m] // before the activation, then dx
		xh := make([]float64, m)
		var sumG, sumGX float64
		for j := range g {
			if act == device.ReLU && !(y[c*m+j] > 0) {
				g[j] = 0
			}
			xh[j] = (x[c*m+j] - mean[c]) * istd
			sumG += g[j]
			sumGX += g[j] * xh[j]
		}
		for j := range g {
			g[j] = gamma[c] * istd * (g[j] - sumG/float64(m) - xh[j]*sumGX/float64(m))
		}
		dgamma[c] += sumGX
		dbeta[c] += sumG
	}
}

func (r *reference) WeightNorm(rows, cols int, g, v, w device.Buffer) {
	k := r.begin()
	weightNorm(rows, cols, k.in(g, rows), k.in(v, rows*cols), k.out(w, rows*cols))
	k.done()
}

func weightNorm(rows, cols int, g, v, w []float64) {
	for i := range rows {
		norm := math.Sqrt(sumSquares(v[i*cols : (i+1)*cols]))
		for k := i * cols; k < (i+1)*cols; k++ {
			w[k] = g[i] * v[k] / norm
		}
	}
}

func (r *reference) WeightNormBackward(rows, cols int, g, v, dw, dv, dg device.Buffer) {
	k := r.begin()
	n := rows * cols
	weightNormBackward(rows, cols, k.in(g, rows), k.in(v, n), k.in(dw, n), k.out(dv, n), k.out(dg, rows))
	k.done()
}

func weightNormBackward(rows, cols int, g, v, dw, dv, dg []float64) {
	for i := range rows {
		norm := math.Sqrt(sumSquares(v[i*cols : (i+1)*cols]))
		var along float64 // dw[i,:].u
		for k := i * cols; k < (i+1)*cols; k++ {
			along += dw[k] * v[k] / norm
		}
		for k := i * cols; k < (i+1)*cols; k++ {
			dv[k] += g[i] / norm * (dw[k] - along*v[k]/norm)
		}
		dg[i] += along
	}
}
