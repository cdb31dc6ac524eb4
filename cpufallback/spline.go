package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// curveTasks are the tasks and scratch of device.Curves.
type curveTasks struct {
	task curveTask
	work []curveWork // by worker

	strips curveStrips
	tables []vec.Curve // by worker
}

// curveTask is Curve, CurveInverse or CurveBackward where the instruction set has no pass of its own for the kind. Everything is float64
// from the parameters on.
type curveTask struct {
	device.Rows
	k         *vec.Kernels
	c         device.Curve
	pass      pass
	chunks    int
	work      []curveWork
	params, x []float32
	logdet    []float32
	dx        []float32
	dld       float64
	sums      []float64 // by sample
}

// curveWork is what one worker knows of one element.
type curveWork struct {
	curve     device.Curve
	lo, size  float64
	rest      float64                     // of a domain of length 1, what softmax shares out
	p         []float32                   // parameter j is p[j*stride]
	stride    int                         //
	a, b      [device.MaxBins]float64     // shares of widths (or of a LinearSpline's heights), of heights
	knots     [device.MaxBins + 1]float64 // slopes
	dknots    [device.MaxBins + 1]float64 // their gradients
	da        [device.MaxBins]float64     // gradients of a
	mix       [device.MaxBins]mixPart     // of a mixture
	area      float64                     // of a QuadraticSpline before it is normalised
	t, ls, by float64                     // of the affine part: shift, log scale, its derivative by s

	// Of curveTile elements, of which this is number lane: the exponentials of softmax, and their sums.
	lane int
	top  [curveTile]float32
	sums [2][curveTile]float32
	exps [2][device.MaxBins][curveTile]float32
	_    [64]byte // workers do not share cache lines
}

func (t *curveTask) Do(chunk, worker int) {
	w := &t.work[worker]
	w.begin(t.c, t.M())
	align := 1
	if t.P == 1 && t.N >= line*t.chunks {
		align = line
	}
	first, last := share(t.N, t.chunks, chunk, align)
	q := t.c.Params()
	if t.logdet != nil {
		clear(t.sums[first:last])
	}
	for c := range t.C {
		row := t.x[c*t.M():][:t.M()]
		params := t.params[c*q*t.M():][:q*t.M()]
		for lo := first * t.P; lo < last*t.P; lo += curveTile {
			hi := min(lo+curveTile, last*t.P)
			w.prepare(t.k, params[lo:], hi-lo)
			for m := lo; m < hi; m++ {
				n := m / t.P
				w.p, w.lane = params[m:], m-lo
				switch t.pass {
				case forward:
					y, ld := w.forward(float64(row[m]))
					row[m] = float32(y)
					t.sums[n] += ld
				case inverse:
					x, ld := w.inverse(float64(row[m]))
					row[m] = float32(x)
					t.sums[n] -= ld
				case inverseBackward:
					dx := &t.dx[c*t.M()+m]
					y, d := w.inverseBackward(float64(row[m]), float64(*dx), t.dld)
					row[m], *dx = float32(y), float32(d)
				case backward:
					dx := &t.dx[c*t.M()+m]
					x, d := w.backward(float64(row[m]), float64(*dx), t.dld)
					row[m], *dx = float32(x), float32(d)
				}
			}
		}
	}
	w.p = nil
	if t.logdet != nil {
		for n := first; n < last; n++ {
			t.logdet[n] += float32(t.sums[n])
		}
	}
}

// curveTile is how many neighbouring elements go through the exponentials of softmax together.
const curveTile = 128

// curveLeast is how many elements of a row a chunk should have: enough to fill vectors.
const curveLeast = 64

// begin makes w ready for elements of a curve whose parameters are stride apart.
func (w *curveWork) begin(c device.Curve, stride int) {
	lo, size := c.Span()
	w.curve, w.stride, w.lo, w.size = c, stride, float64(lo), float64(size)
	w.rest = 1 - float64(c.K)*device.MinBin
}

// prepare does what softmax does for n elements whose parameters begin in params: of each, exponentials and their sum.
func (w *curveWork) prepare(k *vec.Kernels, params []float32, n int) {
	groups := 1
	switch w.curve.Of {
	case device.AffineCurve, device.LogisticMixture, device.GaussianMixture:
		return
	case device.RationalSpline:
		groups = 2
	}
	top := w.top[:n]
	for g := range groups {
		rows := params[g*w.curve.K*w.stride:]
		k.Fill(top, float32(math.Inf(-1)))
		for i := range w.curve.K {
			k.Raise(w.curve.Scale, rows[i*w.stride:][:n], top)
		}
		k.Fill(w.sums[g][:n], 0)
		for i := range w.curve.K {
			k.Shares(w.curve.Scale, rows[i*w.stride:][:n], top, w.exps[g][i][:n], w.sums[g][:n])
		}
	}
}

// curveCost is what an element costs for each of its parameters, in units of plain loops' work.
const curveCost = 16

func (b *Backend) runCurve(r device.Rows, c device.Curve, params, x device.Buffer, t curveTask) {
	if !c.Valid() {
		panic("cpufallback: there is no such curve")
	}
	mustFit(params.Len() == c.Params()*r.Len() && x.Len() == r.Len())
	if r.Len() == 0 {
		return
	}
	if do := b.curvePass(c.Of, t.pass); do != nil {
		b.runStrips(r, c, do, params, x, t)
		return
	}
	t.Rows, t.c, t.k = r, c, b.vec
	t.chunks = chunksOf(curveCost*c.Params()*r.Len(), max(1, min(r.N, r.M()/curveLeast)))
	t.work = grow(&b.curves.work, b.pool.Workers())
	t.params, t.x = params.Host(), x.Host()
	if t.logdet != nil {
		t.sums = grow(&b.elem.partial, r.N)
	}
	b.curves.task = t
	b.pool.Run(t.chunks, &b.curves.task)
}

// Curve: x = y.
func (b *Backend) Curve(r device.Rows, c device.Curve, params, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N)
	b.runCurve(r, c, params, x, curveTask{pass: forward, logdet: logdet.Host()})
}

// CurveInverse undoes Curve.
func (b *Backend) CurveInverse(r device.Rows, c device.Curve, params, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N)
	b.runCurve(r, c, params, x, curveTask{pass: inverse, logdet: logdet.Host()})
}

// CurveBackward takes (y, dy) to (x, dx) and params to their gradient.
func (b *Backend) CurveBackward(r device.Rows, c device.Curve, params, x, dx device.Buffer, dld float32) {
	mustFit(dx.Len() == r.Len())
	b.runCurve(r, c, params, x, curveTask{pass: backward, dx: dx.Host(), dld: float64(dld)})
}

// CurveInverseBackward takes (x, dx) to (y, dy) and params to their gradient.
func (b *Backend) CurveInverseBackward(r device.Rows, c device.Curve, params, x, dx device.Buffer, dld float32) {
	mustFit(dx.Len() == r.Len())
	b.runCurve(r, c, params, x, curveTask{pass: inverseBackward, dx: dx.Host(), dld: float64(dld)})
}

// inverseBackward is the pass back through the inverse.
const inverseBackward = backward + 1

// param is parameter j of the element.
func (w *curveWork) param(j int) float64 { return float64(w.p[j*w.stride]) }

// set leaves the gradient of parameter j.
func (w *curveWork) set(j int, g float64) { w.p[j*w.stride] = float32(g) }

// outside says whether a spline leaves x alone.
func (w *curveWork) outside(x float64) bool { return x < w.lo || x > w.lo+w.size }

// forward is y and log dy/dx.
func (w *curveWork) forward(x float64) (y, ld float64) {
	switch w.curve.Of {
	case device.AffineCurve:
		w.readAffine()
		return x*math.Exp(w.ls) + w.t, w.ls
	case device.LogisticMixture, device.GaussianMixture:
		return w.mixture(x)
	}
	if w.outside(x) {
		return x, 0
	}
	switch w.curve.Of {
	case device.LinearSpline:
		return w.linear(x)
	case device.QuadraticSpline:
		return w.quadratic(x)
	}
	return w.rational(x)
}

// inverse is x and log dy/dx there.
func (w *curveWork) inverse(y float64) (x, ld float64) {
	switch w.curve.Of {
	case device.AffineCurve:
		w.readAffine()
		return (y - w.t) * math.Exp(-w.ls), w.ls
	case device.LogisticMixture, device.GaussianMixture:
		return w.mixtureInverse(y)
	}
	if w.outside(y) {
		return y, 0
	}
	switch w.curve.Of {
	case device.LinearSpline:
		return w.linearInverse(y)
	case device.QuadraticSpline:
		return w.quadraticInverse(y)
	}
	return w.rationalInverse(y)
}

// backward is x and its gradient, for gradients gy of y and gl of log dy/dx. The parameters' own take their place.
func (w *curveWork) backward(y, gy, gl float64) (x, dx float64) {
	switch w.curve.Of {
	case device.AffineCurve:
		w.readAffine()
		e := math.Exp(w.ls)
		w.set(0, gy)
		w.set(1, (gy*(y-w.t)+gl)*w.by)
		return (y - w.t) / e, gy * e
	case device.LogisticMixture, device.GaussianMixture:
		return w.mixtureBackward(y, gy, gl)
	}
	if w.outside(y) {
		for j := range w.curve.Params() {
			w.set(j, 0)
		}
		return y, gy
	}
	switch w.curve.Of {
	case device.LinearSpline:
		return w.linearBackward(y, gy, gl)
	case device.QuadraticSpline:
		return w.quadraticBackward(y, gy, gl)
	}
	return w.rationalBackward(y, gy, gl)
}

// inverseBackward is y and its gradient, for gradients gx of x and gl of what the inverse takes off log-determinants. The parameters'
// own take their place.
func (w *curveWork) inverseBackward(x, gx, gl float64) (y, gy float64) {
	bend := w.curvature(x)
	y, ld := w.forward(x)
	gy = (gx - gl*bend) * math.Exp(-ld)
	w.backward(y, gy, gl)
	for j := range w.curve.Params() {
		w.p[j*w.stride] = -w.p[j*w.stride]
	}
	return y, gy
}

// curvature is the derivative of log dy/dx by x.
func (w *curveWork) curvature(x float64) float64 {
	switch {
	case w.curve.Of == device.LogisticMixture || w.curve.Of == device.GaussianMixture:
		return w.mixtureCurvature(x)
	case w.curve.Of == device.AffineCurve || w.curve.Of == device.LinearSpline || w.outside(x):
		return 0
	case w.curve.Of == device.QuadraticSpline:
		b, a := w.quadraticBin(x)
		return (b.d1 - b.d0) / ((b.d0 + (b.d1-b.d0)*a) * b.w * w.size)
	}
	b, xi := w.rationalBin(x)
	return b.curvature(xi) / b.w
}

// readAffine reads t and s, the first two parameters.
func (w *curveWork) readAffine() {
	s := w.param(1)
	clip := 1 / (1 + math.Abs(s)/maxLogScale)
	w.t, w.ls, w.by = w.param(0), s*clip, clip*clip
}

const maxLogScale = 4 * math.Ln10

// shares reads the softmax of the first K logits, or of the second: p becomes that.
func (w *curveWork) shares(group int, p []float64) {
	inv := 1 / float64(w.sums[group][w.lane])
	for i := range p {
		p[i] = float64(w.exps[group][i][w.lane]) * inv
	}
}

// part is a width or height of share p.
func (w *curveWork) part(p float64) float64 { return w.size * (device.MinBin + w.rest*p) }

// find gives the bin of v among parts of shares p, where it begins and how long it is. The last ends where the domain does.
func (w *curveWork) find(p []float64, v float64) (bin int, left, length float64) {
	left, last := w.lo, len(p)-1
	for i := range last {
		length = w.part(p[i])
		if v < left+length {
			return i, left, length
		}
		left += length
	}
	return last, left, w.lo + w.size - left
}

// place is where a bin among parts of shares p begins and how long it is, summed as find does.
func (w *curveWork) place(p []float64, bin int) (left, length float64) {
	left = w.lo
	for i := range bin {
		left += w.part(p[i])
	}
	if bin == len(p)-1 {
		return left, w.lo + w.size - left
	}
	return left, w.part(p[bin])
}

// setShares leaves the gradients of the logits of shares p, from parameter j on: before is the gradient of each part before
// the bin, and here that of the bin's.
func (w *curveWork) setShares(j int, p []float64, bin int, before, here float64) {
	mean := p[bin] * here
	for i := range bin {
		mean += p[i] * before
	}
	k := float64(w.curve.Scale) * w.size * w.rest
	for i, share := range p {
		g := 0.0
		if i < bin {
			g = before
		} else if i == bin {
			g = here
		}
		w.set(j+i, k*share*(g-mean))
	}
}

// readKnots reads the slopes at knots from parameter j on; ends stands at both ends with Tails.
func (w *curveWork) readKnots(j int, ends float64) {
	k, at := w.curve.K, 0
	if w.curve.On == device.Tails {
		w.knots[0], w.knots[k] = ends, ends
		at = 1
	}
	for i := range w.curve.Knots() {
		w.knots[at+i] = w.slope(j + i)
	}
	if w.curve.On == device.Circle {
		w.knots[k] = w.knots[0]
	}
}

// knot is the slope at one knot, as readKnots reads it.
func (w *curveWork) knot(j, i int, ends float64) float64 {
	switch {
	case w.curve.On == device.Tails && (i == 0 || i == w.curve.K):
		return ends
	case w.curve.On == device.Tails:
		i--
	case w.curve.On == device.Circle && i == w.curve.K:
		i = 0
	}
	return w.slope(j + i)
}

// slope is what parameter j says of a slope.
func (w *curveWork) slope(j int) float64 {
	u := w.param(j)
	return device.MinSlope + max(u, 0) + math.Log(1+math.Exp(-math.Abs(u)))
}

// setKnots leaves the gradients of the parameters of slopes, from j on, for those of the slopes in dknots.
func (w *curveWork) setKnots(j int) {
	at := 0
	switch w.curve.On {
	case device.Tails:
		at = 1
	case device.Circle:
		w.dknots[0] += w.dknots[w.curve.K]
	}
	for i := range w.curve.Knots() {
		g := w.dknots[at+i]
		if g != 0 {
			g /= 1 + math.Exp(-w.param(j+i))
		}
		w.set(j+i, g)
	}
}
