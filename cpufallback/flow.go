package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// ActNorm: x = (x + b) * exp(logs).
func (b *Backend) ActNorm(c, m int, logs, bias, x device.Buffer) {
	mustFit(logs.Len() == c && bias.Len() == c && x.Len() == c*m)
	b.runRows(c, m, rowTask{logs: logs.Host(), b: bias.Host(), x: x.Host(), do: func(t *rowTask, _, row, lo, hi int) {
		t.k.AddMul(t.x[lo:hi], t.b[row], exp(t.logs[row]))
	}})
}

// ActNormInverse: x = x*exp(-logs) - b.
func (b *Backend) ActNormInverse(c, m int, logs, bias, x device.Buffer) {
	mustFit(logs.Len() == c && bias.Len() == c && x.Len() == c*m)
	b.runRows(c, m, rowTask{logs: logs.Host(), b: bias.Host(), x: x.Host(), do: func(t *rowTask, _, row, lo, hi int) {
		t.k.MulAdd(t.x[lo:hi], exp(-t.logs[row]), -t.b[row])
	}})
}

// ActNormBackward takes (y, dy) to (x, dx) and adds the gradients of logs and b.
func (b *Backend) ActNormBackward(c, m int, logs, bias, x, dx device.Buffer, dld float32, dlogs, dbias device.Buffer) {
	mustFit(logs.Len() == c && bias.Len() == c && x.Len() == c*m && dx.Len() == c*m && dlogs.Len() == c && dbias.Len() == c)
	t := b.runRows(c, m, rowTask{logs: logs.Host(), b: bias.Host(), x: x.Host(), y: dx.Host(), do: func(t *rowTask, cell, row, lo, hi int) {
		e, inv := exp(t.logs[row]), exp(-t.logs[row])
		dl, db := t.k.ActNormBackward(t.x[lo:hi], t.y[lo:hi], e, inv, t.b[row])
		t.sums[0][cell], t.sums[1][cell] = float64(dl), float64(db)
	}})
	for i := range c {
		dlogs.Host()[i] += float32(float64(dld) + t.rowSum(0, i))
		dbias.Host()[i] += float32(t.rowSum(1, i))
	}
}

// ActNormInit makes rows come out with mean 0 and variance 1.
func (b *Backend) ActNormInit(c, m int, x, logs, bias device.Buffer) {
	mustFit(logs.Len() == c && bias.Len() == c && x.Len() == c*m)
	if m == 0 {
		return
	}
	t := b.runRows(c, m, rowTask{x: x.Host(), do: func(t *rowTask, cell, _, lo, hi int) {
		var sum float64
		for _, v := range t.x[lo:hi] {
			sum += float64(v)
		}
		t.sums[0][cell] = sum
	}})
	for i := range c {
		t.mean[i] = t.rowSum(0, i) / float64(m)
	}
	t = b.runRows(c, m, rowTask{x: x.Host(), do: func(t *rowTask, cell, row, lo, hi int) {
		var sum float64
		for _, v := range t.x[lo:hi] {
			d := float64(v) - t.mean[row]
			sum += d * d
		}
		t.sums[0][cell] = sum
	}})
	for i := range c {
		std := math.Sqrt(t.rowSum(0, i) / float64(m))
		bias.Host()[i] = float32(-t.mean[i])
		logs.Host()[i] = float32(-math.Log(max(std, 1e-3)))
	}
}

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }

// Permute: y[c,m] = x[perm[c],m].
func (b *Backend) Permute(c, m int, perm, x, y device.Buffer) {
	mustFit(perm.Len() == c && x.Len() == c*m && y.Len() == c*m)
	b.runRows(c, m, rowTask{perm: perm.Host(), x: x.Host(), y: y.Host(), do: func(t *rowTask, _, row, lo, hi int) {
		from := (int(t.perm[row]) - row) * t.m
		copy(t.y[lo:hi], t.x[lo+from:hi+from])
	}})
}

// squeezeTask is Squeeze, or Unsqueeze with the names x and y as in Squeeze. A job is one channel of one sample of x.
type squeezeTask struct {
	n, h, w int
	jobs    int
	chunks  int
	move    func(x []float32, stride int, even, odd []float32, step, w int)
	x, y    []float32
}

func (t *squeezeTask) Do(chunk, _ int) {
	first, last := share(t.jobs, t.chunks, chunk, 1)
	size := t.h * t.w
	for job := first; job < last; job++ {
		image := t.x[job*size:][:size]
		for u := range 2 { // even rows, odd rows
			t.move(image[u*t.w:], 2*t.w, t.quarter(job, 2*u), t.quarter(job, 2*u+1), t.w/2, t.w/2)
		}
	}
}

// quarter is channel 4c+i of sample n of y, for channel c of sample n of x.
func (t *squeezeTask) quarter(job, i int) []float32 {
	c, n := job/t.n, job%t.n
	size := t.h / 2 * (t.w / 2)
	return t.y[((4*c+i)*t.n+n)*size:][:size]
}

func (b *Backend) runSqueeze(c, n, h, w int, t squeezeTask) {
	size := c * n * h * w
	mustFit(h%2 == 0 && w%2 == 0 && len(t.x) == size && len(t.y) == size)
	if size == 0 {
		return
	}
	t.n, t.h, t.w, t.jobs, t.chunks = n, h, w, c*n, chunksOf(size, c*n)
	b.elem.squeeze = t
	b.pool.Run(t.chunks, &b.elem.squeeze)
}

// Squeeze: y[4c+2u+v, n, i, j] = x[c, n, 2i+u, 2j+v].
func (b *Backend) Squeeze(c, n, h, w int, x, y device.Buffer) {
	b.runSqueeze(c, n, h, w, squeezeTask{move: b.vec.Unzip, x: x.Host(), y: y.Host()})
}

// Unsqueeze undoes Squeeze.
func (b *Backend) Unsqueeze(c, n, h, w int, x, y device.Buffer) {
	b.runSqueeze(c, n, h, w, squeezeTask{move: b.vec.Zip, x: y.Host(), y: x.Host()})
}

// gaussTask is GaussianLogProb.
type gaussTask struct {
	sampleWalk
	k       *vec.Kernels
	x, logp []float32
}

func (t *gaussTask) Do(chunk, worker int) {
	_, sums := t.scratch(worker)
	first, last := t.samples(chunk)
	for n := first; n < last; n += t.group() {
		group := min(t.group(), last-n)
		clear(sums[:group])
		for c := range t.C {
			row := c*t.M() + n*t.P
			for lo := row; lo < row+group*t.P; lo += tile {
				hi := min(lo+tile, row+group*t.P)
				t.k.SegmentSquares(t.x[lo:hi], min(t.P, hi-lo), sums[:group])
			}
		}
		for j, s := range sums[:group] {
			t.logp[n+j] -= s/2 + float32(float64(t.C*t.P)*halfLog2Pi)
		}
	}
}

const halfLog2Pi = 0.918938533204672741780329736405617640 // log(2 pi)/2

// GaussianLogProb: logp[n] += sum_{c,p} (-x^2/2 - log(2 pi)/2).
func (b *Backend) GaussianLogProb(r device.Rows, x, logp device.Buffer) {
	mustFit(x.Len() == r.Len() && logp.Len() == r.N)
	t := &b.elem.gauss
	*t = gaussTask{sampleWalk: b.newSampleWalk(r, 1), k: b.vec, x: x.Host(), logp: logp.Host()}
	b.pool.Run(t.chunks, t)
}

// GaussianLogProbBackward: dx[i] = -dlp * x[i].
func (b *Backend) GaussianLogProbBackward(dlp float32, x, dx device.Buffer) {
	mustFit(x.Len() == dx.Len())
	b.runFlat(x.Len(), flatTask{a: -dlp, x: x.Host(), y: dx.Host(), do: func(t *flatTask, lo, hi int) {
		t.k.Scale(t.a, t.x[lo:hi], t.y[lo:hi])
	}})
}
