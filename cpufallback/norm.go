package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// ChannelStats: mean and variance of every row. What the squares are taken about is the mean as float32 holds it; the
// deviations' own mean makes up for the rounding.
func (b *Backend) ChannelStats(c, m int, x, mean, variance device.Buffer) {
	mustFit(x.Len() == c*m && mean.Len() == c && variance.Len() == c)
	if m == 0 {
		return
	}
	t := b.runRows(c, m, rowTask{x: x.Host(), do: func(t *rowTask, cell, _, lo, hi int) {
		t.sums[0][cell] = float64(t.k.Sum(t.x[lo:hi]))
	}})
	for i := range c {
		mean.Host()[i] = float32(t.rowSum(0, i) / float64(m))
	}
	t = b.runRows(c, m, rowTask{x: x.Host(), b: mean.Host(), do: func(t *rowTask, cell, row, lo, hi int) {
		d, sq := t.k.Deviations(t.x[lo:hi], t.b[row])
		t.sums[0][cell], t.sums[1][cell] = float64(d), float64(sq)
	}})
	for i := range c {
		off := t.rowSum(0, i) / float64(m)
		mean.Host()[i] = float32(float64(mean.Host()[i]) + off)
		variance.Host()[i] = float32(max(0, t.rowSum(1, i)/float64(m)-off*off))
	}
}

// Blend: y[i] = rho*y[i] + (1-rho)*x[i].
func (b *Backend) Blend(rho float32, x, y device.Buffer) {
	mustFit(x.Len() == y.Len())
	b.runFlat(x.Len(), flatTask{a: rho, x: x.Host(), y: y.Host(), do: func(t *flatTask, lo, hi int) {
		t.k.Lerp(t.a, float32(1-float64(t.a)), t.x[lo:hi], t.y[lo:hi])
	}})
}

// BatchNormFold: bias = -mean; logs = -log(variance+eps)/2.
func (b *Backend) BatchNormFold(c int, eps float32, mean, variance, logs, bias device.Buffer) {
	mustFit(mean.Len() == c && variance.Len() == c && logs.Len() == c && bias.Len() == c)
	for i, v := range variance.Host() {
		logs.Host()[i] = float32(-math.Log(float64(v)+float64(eps)) / 2)
		bias.Host()[i] = -mean.Host()[i]
	}
}

// BatchNormBackward: dx += share/M * (dmean + 2*dvar*(x-mean)).
func (b *Backend) BatchNormBackward(c, m int, share, eps float32, mean, variance, dlogs, dbias, x, dx device.Buffer) {
	mustFit(mean.Len() == c && variance.Len() == c && dlogs.Len() == c && dbias.Len() == c)
	mustFit(x.Len() == c*m && dx.Len() == c*m)
	coef, per := grow(&b.elem.coef, c), float64(share)/float64(m)
	for i := range coef {
		dmean := -float64(dbias.Host()[i])
		dvar := -float64(dlogs.Host()[i]) / (2 * (float64(variance.Host()[i]) + float64(eps)))
		coef[i] = [4]float32{mean.Host()[i], 1, float32(per * dmean), float32(per * 2 * dvar)}
	}
	b.runRows(c, m, rowTask{coef: coef, x: x.Host(), y: dx.Host(), do: aboutMean})
}

// aboutMean takes the gradient y of x to what is linear in both.
func aboutMean(t *rowTask, _, row, lo, hi int) {
	k := &t.coef[row]
	t.k.AffineAbout(t.x[lo:hi], t.y[lo:hi], k[0], k[1], k[2], k[3])
}

// BatchNormScale: scale = gamma/sqrt(variance+eps); shift = beta - mean*scale.
func (b *Backend) BatchNormScale(c int, eps float32, mean, variance, gamma, beta, scale, shift device.Buffer) {
	mustFit(mean.Len() == c && variance.Len() == c && gamma.Len() == c && beta.Len() == c)
	mustFit(scale.Len() == c && shift.Len() == c)
	for i, v := range variance.Host() {
		s := float64(gamma.Host()[i]) / math.Sqrt(float64(v)+float64(eps))
		scale.Host()[i] = float32(s)
		shift.Host()[i] = float32(float64(beta.Host()[i]) - float64(mean.Host()[i])*s)
	}
}

// AffineAct: y = act(scale*x + shift).
func (b *Backend) AffineAct(c, m int, act device.Act, scale, shift, x, y device.Buffer) {
	mustFit(scale.Len() == c && shift.Len() == c && x.Len() == c*m && y.Len() == c*m)
	t := rowTask{logs: scale.Host(), b: shift.Host(), x: x.Host(), y: y.Host()}
	if act == device.ReLU {
		t.do = func(t *rowTask, _, row, lo, hi int) {
			t.k.AffineReLU(t.logs[row], t.b[row], t.x[lo:hi], t.y[lo:hi])
		}
	} else {
		t.do = func(t *rowTask, _, row, lo, hi int) {
			t.k.Affine(t.logs[row], t.b[row], t.x[lo:hi], t.y[lo:hi])
		}
	}
	b.runRows(c, m, t)
}

// BatchNormActBackward goes back through the activation while it adds up the gradients of gamma and beta, then through the
// normalisation, which needs their sums.
func (b *Backend) BatchNormActBackward(c, m int, act device.Act, eps float32,
	mean, variance, gamma, x, y, dy, dgamma, dbeta device.Buffer) {
	mustFit(mean.Len() == c && variance.Len() == c && gamma.Len() == c && dgamma.Len() == c && dbeta.Len() == c)
	mustFit(x.Len() == c*m && y.Len() == c*m && dy.Len() == c*m)
	if m == 0 {
		return
	}
	first := rowTask{b: mean.Host(), x: x.Host(), y: dy.Host()}
	if act == device.ReLU {
		first.z = y.Host()
	}
	first.do = func(t *rowTask, cell, row, lo, hi int) {
		if t.z != nil {
			t.k.Mask(t.z[lo:hi], t.y[lo:hi])
		}
		sum, dot := t.k.SumsAbout(t.x[lo:hi], t.y[lo:hi], t.b[row])
		t.sums[0][cell], t.sums[1][cell] = float64(sum), float64(dot)
	}
	t := b.runRows(c, m, first)
	coef := grow(&b.elem.coef, c)
	for i := range coef {
		istd := 1 / math.Sqrt(float64(variance.Host()[i])+float64(eps))
		sum, dot := t.rowSum(0, i), t.rowSum(1, i)*istd
		dbeta.Host()[i] += float32(sum)
		dgamma.Host()[i] += float32(dot)
		e := float64(gamma.Host()[i]) * istd
		coef[i] = [4]float32{mean.Host()[i], float32(e), float32(-e * sum / float64(m)), float32(-e * istd * dot / float64(m))}
	}
	b.runRows(c, m, rowTask{coef: coef, x: x.Host(), y: dy.Host(), do: aboutMean})
}

// weightNormTask does chunks of rows: WeightNorm, or its backward pass where there is dw.
type weightNormTask struct {
	k          *vec.Kernels
	rows, cols int
	chunks     int
	g, v, w    []float32
	dw, dv, dg []float32
}

func (t *weightNormTask) Do(chunk, _ int) {
	first, last := share(t.rows, t.chunks, chunk, 1)
	for i := first; i < last; i++ {
		lo, hi := i*t.cols, (i+1)*t.cols
		if t.dw == nil {
			t.forward(i, t.v[lo:hi], t.w[lo:hi])
		} else {
			t.backward(i, t.v[lo:hi], t.dw[lo:hi], t.dv[lo:hi])
		}
	}
}

func (t *weightNormTask) forward(i int, v, w []float32) {
	t.k.Scale(float32(float64(t.g[i])/math.Sqrt(t.squares(v))), v, w)
}

func (t *weightNormTask) backward(i int, v, dw, dv []float32) {
	size := math.Sqrt(t.squares(v))
	var along float64 // dw.u
	for lo := 0; lo < len(v); lo += block {
		hi := min(lo+block, len(v))
		_, dot := t.k.SumsAbout(v[lo:hi], dw[lo:hi], 0)
		along += float64(dot) / size
	}
	t.dg[i] += float32(along)
	scale := float64(t.g[i]) / size
	t.k.Axpy(float32(scale), dw, dv)
	t.k.Axpy(float32(-scale*along/size), v, dv)
}

// squares is |v|^2.
func (t *weightNormTask) squares(v []float32) (s float64) {
	for lo := 0; lo < len(v); lo += block {
		s += float64(t.k.SumSquares(v[lo:min(lo+block, len(v))]))
	}
	return s
}

func (b *Backend) runWeightNorm(rows, cols int, t weightNormTask) {
	if cols == 0 {
		return
	}
	t.k, t.rows, t.cols, t.chunks = b.vec, rows, cols, chunksOf(rows*cols, rows)
	b.elem.weights = t
	b.pool.Run(t.chunks, &b.elem.weights)
}

// WeightNorm: w[i,:] = g[i]*v[i,:]/|v[i,:]|.
func (b *Backend) WeightNorm(rows, cols int, g, v, w device.Buffer) {
	mustFit(g.Len() == rows && v.Len() == rows*cols && w.Len() == rows*cols)
	b.runWeightNorm(rows, cols, weightNormTask{g: g.Host(), v: v.Host(), w: w.Host()})
}

// WeightNormBackward adds the gradients of v and g.
func (b *Backend) WeightNormBackward(rows, cols int, g, v, dw, dv, dg device.Buffer) {
	mustFit(g.Len() == rows && v.Len() == rows*cols && dw.Len() == rows*cols && dv.Len() == rows*cols && dg.Len() == rows)
	b.runWeightNorm(rows, cols, weightNormTask{g: g.Host(), v: v.Host(), dw: dw.Host(), dv: dv.Host(), dg: dg.Host()})
}
