package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

const maxMix = 1024 // channels

func (b *Backend) MixForward(c, m int, a, bias, x device.Buffer) {
	mustFit(c > 0 && c <= maxMix && a.Len() == c*c && x.Len() == c*m && (bias.Nil() || bias.Len() == c))
	if m == 0 {
		return
	}
	if b.gemm.Mixes(c, false) {
		t := columnsTask{c: c, m: m, a: a.Host(), bias: bias.Host(), x: x.Host()}
		if bias.Nil() {
			t.bias = b.conv.zeros(c)
		}
		b.runColumns(t)
		return
	}
	w := gemm.Weights{W: a.Host(), Groups: 1, Rows: c, Row: c, Segs: 1, K: c, Col: 1}
	b.runProduct(gemm.Product{A: w, B: b.conv.channels(c, m, x), C: x.Host(), End: gemm.End{Bias: bias.Host()}})
}

func (b *Backend) MixBackward(c, m int, a, x, dx, da device.Buffer) {
	mustFit(c > 0 && c <= maxMix && a.Len() == c*c && x.Len() == c*m && dx.Len() == c*m && da.Len() == c*c)
	if m == 0 {
		return
	}
	if b.gemm.Mixes(c, true) {
		t := columnsTask{c: c, m: m, a: grow(&b.conv.mixed, c*c), bias: b.conv.zeros(c), x: x.Host(), dx: dx.Host()}
		for i := range c {
			for j := range c {
				t.a[j*c+i] = a.Host()[i*c+j]
			}
		}
		b.runColumnsBackward(t, da.Host())
		return
	}
	px, pdx := b.conv.channels(c, m, x), b.conv.channels(c, m, dx)
	b.runOuter(gemm.Outer{X: pdx, Y: px}, addTask{dw: da.Host(), row: c, run: c})
	transposed := gemm.Weights{W: a.Host(), Groups: 1, Rows: c, Row: 1, Segs: 1, K: c, Col: c}
	b.runProduct(gemm.Product{A: transposed, B: pdx, C: dx.Host()})
}

// channels is x [C][M] as an operand, without shifts.
func (t *convTasks) channels(c, m int, x device.Buffer) gemm.Pixels {
	return gemm.Pixels{X: x.Host(), M: m, Chans: c, Taps: t.plain()}
}

// columnsTask is a mix of few channels by ranges of columns, or with dx its gradient: a is the transpose then.
type columnsTask struct {
	k                     *gemm.Kernels
	scratch               []gemm.Scratch
	c, m, step            int
	a, bias, x, dx, parts []float32
}

func (t *columnsTask) Do(chunk, worker int) {
	s, m0 := &t.scratch[worker], chunk*t.step
	m1 := min(m0+t.step, t.m)
	if t.dx == nil {
		t.k.Mix(s, t.a, t.bias, t.x, t.m, m0, m1)
		return
	}
	da := t.parts[chunk*t.c*t.c:][:t.c*t.c]
	clear(da)
	t.k.MixBackward(s, t.a, t.bias, t.x, t.dx, da, t.m, m0, m1)
}

func (b *Backend) runColumns(t columnsTask) {
	const (
		enough = 1 << 16 // multiplications that are worth a claim
		claims = 16
	)
	t.k, t.scratch = b.gemm, b.workerScratch()
	gemm.ReserveAll(t.scratch, t.k.ReserveMix)
	t.step = (max(enough/(t.c*t.c), (t.m+claims-1)/claims) + line - 1) / line * line
	if t.dx != nil {
		t.parts = gemm.Grow(&b.conv.parts, claims*t.c*t.c)
	}
	b.conv.mix = t
	b.pool.Run(t.chunks(), &b.conv.mix)
}

func (t *columnsTask) chunks() int { return (t.m + t.step - 1) / t.step }

// runColumnsBackward does t, and adds its parts to da in order.
func (b *Backend) runColumnsBackward(t columnsTask, da []float32) {
	b.runColumns(t)
	task := &b.conv.mix
	b.gemm.Add(da, task.parts, t.c*t.c, task.chunks())
	*task = columnsTask{}
}

// zeros are what is added where there is no bias.
func (t *convTasks) zeros(n int) []float32 {
	zeros := grow(&t.none, n)
	clear(zeros)
	return zeros
}

// LUCompose works in float64: it is small beside the products that use its result.
func (b *Backend) LUCompose(c int, perm, l, u, logd, sign, w, winv device.Buffer) {
	mustFit(perm.Len() == c && l.Len() == c*c && u.Len() == c*c && logd.Len() == c && sign.Len() == c)
	mustFit(w.Len() == c*c && winv.Len() == c*c)
	buf := grow(&b.conv.lu, 3*c*c)
	lower, upper, x := buf[:c*c], buf[c*c:2*c*c], buf[2*c*c:]
	triangles(c, l.Host(), u.Host(), logd.Host(), sign.Host(), lower, upper)
	p, out, inv := perm.Host(), w.Host(), winv.Host()

	for i := range c { // w[i,:] = (L D)[p,:]
		row, p := x[:c], int(p[i])
		clear(row)
		for k := range p + 1 {
			axpy64(lower[p*c+k], upper[k*c:(k+1)*c], row)
		}
		for j, v := range row {
			out[i*c+j] = float32(v)
		}
	}

	clear(x) // x = L^-1, row by row from the first, then D^-1 of that, from the last
	for i := range c {
		row := x[i*c : (i+1)*c]
		row[i] = 1
		for k := range i {
			axpy64(-lower[i*c+k], x[k*c:(k+1)*c], row)
		}
	}
	for i := c - 1; i >= 0; i-- {
		row := x[i*c : (i+1)*c]
		for k := i + 1; k < c; k++ {
			axpy64(-upper[i*c+k], x[k*c:(k+1)*c], row)
		}
		for j := range row {
			row[j] /= upper[i*c+i]
		}
	}
	for i := range c { // w^-1 = x P^T
		for j := range c {
			inv[j*c+i] = float32(x[j*c+int(p[i])])
		}
	}
}

func (b *Backend) LUComposeBackward(c int, perm, l, u, logd, sign, dw device.Buffer, dld float32, dl, du, dlogd device.Buffer) {
	mustFit(perm.Len() == c && l.Len() == c*c && u.Len() == c*c && logd.Len() == c && sign.Len() == c && dw.Len() == c*c)
	mustFit(dl.Len() == c*c && du.Len() == c*c && dlogd.Len() == c)
	buf := grow(&b.conv.lu, 3*c*c)
	lower, upper, g := buf[:c*c], buf[c*c:2*c*c], buf[2*c*c:]
	triangles(c, l.Host(), u.Host(), logd.Host(), sign.Host(), lower, upper)
	gl, gu, gd := dl.Host(), du.Host(), dlogd.Host()

	for i, p := range perm.Host() { // G = P^T dw
		for j, v := range dw.Host()[i*c : (i+1)*c] {
			g[int(p)*c+j] = float64(v)
		}
	}
	for i := range c { // G D^T, strictly below the diagonal
		for j := range i {
			sum := 0.0
			for k := j; k < c; k++ {
				sum += g[i*c+k] * upper[j*c+k]
			}
			gl[i*c+j] += float32(sum)
		}
	}
	for i := range c { // E = L^T G in place: row i needs rows from i on, as they were
		row := g[i*c : (i+1)*c]
		for k := i + 1; k < c; k++ {
			axpy64(lower[k*c+i], g[k*c:(k+1)*c], row)
		}
		gd[i] += float32(row[i]*upper[i*c+i] + float64(dld))
		for j := i + 1; j < c; j++ {
			gu[i*c+j] += float32(row[j])
		}
	}
}

// triangles writes out L, with its unit diagonal, and D = U + diag(sign*exp(logd)).
func triangles(c int, l, u, logd, sign []float32, lower, upper []float64) {
	for i := range c {
		for j := range c {
			k := i*c + j
			switch {
			case j < i:
				lower[k], upper[k] = float64(l[k]), 0
			case j == i:
				lower[k], upper[k] = 1, float64(sign[i])*math.Exp(float64(logd[i]))
			default:
				lower[k], upper[k] = 0, float64(u[k])
			}
		}
	}
}

// axpy64: y += a*x.
func axpy64(a float64, x, y []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}
