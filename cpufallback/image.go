package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// checkerTask is CheckerPack, or CheckerUnpack with the names x and y as in CheckerPack. A job is one channel of one sample
// of x.
type checkerTask struct {
	h, w, parity int
	jobs         int
	chunks       int
	move         func(x []float32, stride int, even, odd []float32, step, w int)
	x, y         []float32
}

func (t *checkerTask) Do(chunk, _ int) {
	first, last := share(t.jobs, t.chunks, chunk, 1)
	for job := first; job < last; job++ {
		for u := range min(2, t.h) { // even rows, odd rows
			even, odd := t.half(job, u), t.half(t.jobs+job, u)
			if u != t.parity {
				even, odd = odd, even
			}
			t.move(t.x[(job*t.h+u)*t.w:(job+1)*t.h*t.w], 2*t.w, even, odd, t.w, t.w/2)
		}
	}
}

// half is image i of y from row u on.
func (t *checkerTask) half(i, u int) []float32 {
	return t.y[(i*t.h+u)*t.w/2 : (i+1)*t.h*t.w/2]
}

func (b *Backend) runChecker(c, n, h, w int, t checkerTask) {
	size := c * n * h * w
	mustFit(w%2 == 0 && (t.parity == 0 || t.parity == 1) && len(t.x) == size && len(t.y) == size)
	if size == 0 {
		return
	}
	t.h, t.w, t.jobs, t.chunks = h, w, c*n, chunksOf(size, c*n)
	b.elem.checker = t
	b.pool.Run(t.chunks, &b.elem.checker)
}

// CheckerPack gathers the two colours of a checkerboard into channels of their own.
func (b *Backend) CheckerPack(c, n, h, w, parity int, x, y device.Buffer) {
	b.runChecker(c, n, h, w, checkerTask{parity: parity, move: b.vec.Unzip, x: x.Host(), y: y.Host()})
}

// CheckerUnpack undoes CheckerPack.
func (b *Backend) CheckerUnpack(c, n, h, w, parity int, x, y device.Buffer) {
	b.runChecker(c, n, h, w, checkerTask{parity: parity, move: b.vec.Zip, x: y.Host(), y: x.Host()})
}

// sampleSumTask adds to every sample the sum of a function of its elements, and what all samples share.
type sampleSumTask struct {
	sampleWalk
	k      *vec.Kernels
	do     func(t *sampleSumTask, x, f []float32)
	alpha  float32
	x, out []float32
	shared float32
}

func (t *sampleSumTask) Do(chunk, worker int) {
	f, sums := t.scratch(worker)
	first, last := t.samples(chunk)
	for n := first; n < last; n += t.group() {
		group := min(t.group(), last-n)
		clear(sums[:group])
		for c := range t.C {
			row := c*t.M() + n*t.P
			for lo := row; lo < row+group*t.P; lo += tile {
				hi := min(lo+tile, row+group*t.P)
				t.do(t, t.x[lo:hi], f[:hi-lo])
				t.k.SegmentSums(f[:hi-lo], min(t.P, hi-lo), sums[:group])
			}
		}
		for j, s := range sums[:group] {
			t.out[n+j] += s + t.shared
		}
	}
}

func (b *Backend) runSampleSum(r device.Rows, x, out device.Buffer, t sampleSumTask) {
	mustFit(x.Len() == r.Len() && out.Len() == r.N)
	t.sampleWalk, t.k, t.x, t.out = b.newSampleWalk(r, 2), b.vec, x.Host(), out.Host()
	b.elem.sums = t
	b.pool.Run(t.chunks, &b.elem.sums)
}

// Logit: x = log p - log q, p = alpha + (1-alpha)*(x+1/2), q = 1-p.
func (b *Backend) Logit(r device.Rows, alpha float32, x, logdet device.Buffer) {
	shared := float64(r.C*r.P) * math.Log1p(-float64(alpha))
	b.runSampleSum(r, x, logdet, sampleSumTask{alpha: alpha, shared: float32(shared), do: func(t *sampleSumTask, x, f []float32) {
		t.k.Logit(x, f, t.alpha, float32(1-float64(t.alpha)))
	}})
}

// LogitInverse: x = (sigmoid(x)-alpha)/(1-alpha) - 1/2.
func (b *Backend) LogitInverse(r device.Rows, alpha float32, x device.Buffer) {
	mustFit(x.Len() == r.Len())
	b.runFlat(x.Len(), flatTask{a: alpha, x: x.Host(), do: func(t *flatTask, lo, hi int) {
		rest := 1 - float64(t.a)
		t.k.Sigmoid(t.x[lo:hi], float32(1/rest), float32(-float64(t.a)/rest-0.5))
	}})
}

// LogisticLogProb: logp[n] += sum_{c,p} (-x - 2 log(1+exp(-x))).
func (b *Backend) LogisticLogProb(r device.Rows, x, logp device.Buffer) {
	b.runSampleSum(r, x, logp, sampleSumTask{do: func(t *sampleSumTask, x, f []float32) { t.k.LogLogistic(x, f) }})
}

// LogisticLogProbBackward: dx[i] = -dlp * tanh(x[i]/2).
func (b *Backend) LogisticLogProbBackward(dlp float32, x, dx device.Buffer) {
	mustFit(x.Len() == dx.Len())
	b.runFlat(x.Len(), flatTask{a: -dlp, x: x.Host(), y: dx.Host(), do: func(t *flatTask, lo, hi int) {
		t.k.Tanh(t.x[lo:hi], t.y[lo:hi], t.a, 0.5)
	}})
}

// Logistic: x = scale * (log u - log(1-u)).
func (b *Backend) Logistic(r device.Rows, scale float32, rng device.Stream, at, x device.Buffer) {
	b.runNoise(r, rng, at, x, noiseTask{kind: logistic, std: scale})
}

// classTask is ClassAffine, its inverse or its backward pass. A job is a channel: its parameters for every class are put
// into a table, and its gradients are summed by class over the samples in their order.
type classTask struct {
	device.Rows
	k              *vec.Kernels
	pass           pass
	classes        int
	chunks         int
	label, logs, b []float32
	x, dx          []float32
	dld            float64
	dlogs, db      []float32
	table          []float32 // by chunk: exp(logs), exp(-logs) and b by class
	sums           []float64 // by chunk: the gradients of logs and b by class
}

func (t *classTask) Do(chunk, _ int) {
	k := t.classes
	table, sums := t.table[3*k*chunk:][:3*k], t.sums[2*k*chunk:][:2*k]
	e, inv, b := table[:k], table[k:2*k], table[2*k:]
	dlogs, db := sums[:k], sums[k:]
	first, last := share(t.C, t.chunks, chunk, 1)
	for c := first; c < last; c++ {
		for i := range k {
			l := float64(t.logs[i*t.C+c])
			e[i], inv[i], b[i] = float32(math.Exp(l)), float32(math.Exp(-l)), t.b[i*t.C+c]
		}
		row, end := c*t.M(), (c+1)*t.M()
		switch t.pass {
		case forward:
			t.forward(t.x[row:end], e, b)
		case inverse:
			t.inverse(t.x[row:end], inv, b)
		case backward:
			clear(sums)
			t.backward(t.x[row:end], t.dx[row:end], e, inv, b, dlogs, db)
			for i := range k {
				t.dlogs[i*t.C+c] += float32(dlogs[i])
				t.db[i*t.C+c] += float32(db[i])
			}
		}
	}
}

func (t *classTask) forward(x, e, b []float32) {
	if t.P == 1 {
		for n, label := range t.label {
			k := int(label)
			x[n] = (x[n] + b[k]) * e[k]
		}
		return
	}
	for n, label := range t.label {
		k := int(label)
		t.k.AddMul(x[n*t.P:(n+1)*t.P], b[k], e[k])
	}
}

func (t *classTask) inverse(x, inv, b []float32) {
	if t.P == 1 {
		for n, label := range t.label {
			k := int(label)
			x[n] = x[n]*inv[k] - b[k]
		}
		return
	}
	for n, label := range t.label {
		k := int(label)
		t.k.MulAdd(x[n*t.P:(n+1)*t.P], inv[k], -b[k])
	}
}

func (t *classTask) backward(x, dx, e, inv, b []float32, dlogs, db []float64) {
	if t.P == 1 {
		for n, label := range t.label {
			k := int(label)
			y, dy := x[n], dx[n]
			x[n], dx[n] = y*inv[k]-b[k], dy*e[k]
			dlogs[k] += t.dld + float64(dy)*float64(y)
			db[k] += float64(dx[n])
		}
		return
	}
	for n, label := range t.label {
		k := int(label)
		dlogs[k] += float64(t.P) * t.dld
		for lo := n * t.P; lo < (n+1)*t.P; lo += block {
			hi := min(lo+block, (n+1)*t.P)
			dl, d := t.k.ActNormBackward(x[lo:hi], dx[lo:hi], e[k], inv[k], b[k])
			dlogs[k] += float64(dl)
			db[k] += float64(d)
		}
	}
}

func (b *Backend) runClass(r device.Rows, classes int, label, logs, bias, x device.Buffer, t classTask) {
	mustFit(label.Len() == r.N && logs.Len() == classes*r.C && bias.Len() == classes*r.C && x.Len() == r.Len())
	t.Rows, t.k, t.classes, t.chunks = r, b.vec, classes, chunksOf(r.Len(), r.C)
	t.label, t.logs, t.b, t.x = label.Host(), logs.Host(), bias.Host(), x.Host()
	t.table, t.sums = grow(&b.elem.table, 3*classes*t.chunks), grow(&b.elem.partial, 2*classes*t.chunks)
	b.elem.class = t
	b.pool.Run(t.chunks, &b.elem.class)
}

// addClassLogs: logdet[n] += a * sum_c logs[label[n],c].
func (b *Backend) addClassLogs(a float64, c, classes int, label, logs, logdet []float32) {
	sums := grow(&b.elem.partial, classes)
	for k := range sums {
		sums[k] = 0
		for _, v := range logs[k*c:][:c] {
			sums[k] += float64(v)
		}
	}
	for n, k := range label {
		logdet[n] += float32(a * sums[int(k)])
	}
}

// ClassAffine: x = (x + b[k]) * exp(logs[k]) for samples of class k.
func (b *Backend) ClassAffine(r device.Rows, classes int, label, logs, bias, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N)
	b.runClass(r, classes, label, logs, bias, x, classTask{pass: forward})
	b.addClassLogs(float64(r.P), r.C, classes, label.Host(), logs.Host(), logdet.Host())
}

// ClassAffineInverse: x = x*exp(-logs[k]) - b[k].
func (b *Backend) ClassAffineInverse(r device.Rows, classes int, label, logs, bias, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N)
	b.runClass(r, classes, label, logs, bias, x, classTask{pass: inverse})
	b.addClassLogs(-float64(r.P), r.C, classes, label.Host(), logs.Host(), logdet.Host())
}

// ClassAffineBackward takes (y, dy) to (x, dx) and adds the gradients of logs and b.
func (b *Backend) ClassAffineBackward(r device.Rows, classes int, label, logs, bias, x, dx device.Buffer,
	dld float32, dlogs, dbias device.Buffer) {
	mustFit(dx.Len() == r.Len() && dlogs.Len() == classes*r.C && dbias.Len() == classes*r.C)
	b.runClass(r, classes, label, logs, bias, x,
		classTask{pass: backward, dx: dx.Host(), dld: float64(dld), dlogs: dlogs.Host(), db: dbias.Host()})
}
