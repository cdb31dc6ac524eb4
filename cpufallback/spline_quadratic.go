package cpufallback

import (
	"math"

	"cuflow/device"
)

// linear is a LinearSpline: shares of heights in a, bins of one width.
func (w *curveWork) linear(x float64) (y, ld float64) {
	k := w.curve.K
	w.shares(0, w.a[:k])
	bin := w.column(x)
	bottom, h := w.place(w.a[:k], bin)
	slope := h * float64(k) / w.size
	return bottom + (x-w.columnLeft(bin))*slope, math.Log(slope)
}

// column is the bin of x where all have one width.
func (w *curveWork) column(x float64) int {
	k := w.curve.K
	return min(max(int((x-w.lo)/w.size*float64(k)), 0), k-1)
}

func (w *curveWork) columnLeft(bin int) float64 { return w.lo + w.size*float64(bin)/float64(w.curve.K) }

// unlinear is x of y, with its bin, the slope there, and y above the bin's bottom.
func (w *curveWork) unlinear(y float64) (x float64, bin int, slope, rise float64) {
	k := w.curve.K
	w.shares(0, w.a[:k])
	bin, bottom, h := w.find(w.a[:k], y)
	slope = h * float64(k) / w.size
	return w.columnLeft(bin) + (y-bottom)/slope, bin, slope, y - bottom
}

func (w *curveWork) linearInverse(y float64) (x, ld float64) {
	x, _, slope, _ := w.unlinear(y)
	return x, math.Log(slope)
}

func (w *curveWork) linearBackward(y, gy, gl float64) (x, dx float64) {
	x, bin, slope, rise := w.unlinear(y)
	h := slope * w.size / float64(w.curve.K)
	w.setShares(0, w.a[:w.curve.K], bin, gy, (gy*rise+gl)/h)
	return x, gy * slope
}

// readQuadratic makes widths of a domain of length 1 in a (shares of them in b) and raw slopes in knots, and their integral.
func (w *curveWork) readQuadratic() {
	k := w.curve.K
	w.shares(0, w.b[:k])
	for i, p := range w.b[:k] {
		w.a[i] = device.MinBin + w.rest*p
	}
	w.readKnots(k, 0)
	w.area = 0
	for i, width := range w.a[:k] {
		w.area += width * (w.knots[i] + w.knots[i+1]) / 2
	}
	if w.curve.On == device.Tails {
		w.area /= w.free()
		w.knots[0], w.knots[k] = w.area, w.area
	}
}

// free is the part of the area that slopes at the ends have no share in.
func (w *curveWork) free() float64 {
	if w.curve.On != device.Tails {
		return 1
	}
	return 1 - (w.a[0]+w.a[w.curve.K-1])/2
}

// height is the slope at a knot.
func (w *curveWork) height(i int) float64 {
	return device.MinBin + (1-device.MinBin)*w.knots[i]/w.area
}

// quadraticBin is a bin of a QuadraticSpline, in a domain of length 1.
type quadraticBin struct {
	bin          int
	left, bottom float64
	w, d0, d1    float64 // width, slopes at both ends
}

// bins goes through the bins until one is the last or done says so.
func (w *curveWork) bins(done func(b quadraticBin) bool) (b quadraticBin) {
	b.d1 = w.height(0)
	for ; ; b.bin++ {
		b.w, b.d0, b.d1 = w.a[b.bin], b.d1, w.height(b.bin+1)
		if b.bin == w.curve.K-1 || done(b) {
			return b
		}
		b.left += b.w
		b.bottom += b.w * (b.d0 + b.d1) / 2
	}
}

// quadraticBin is the bin of x and where in it.
func (w *curveWork) quadraticBin(x float64) (b quadraticBin, a float64) {
	w.readQuadratic()
	u := (x - w.lo) / w.size
	b = w.bins(func(b quadraticBin) bool { return u < b.left+b.w })
	return b, min((u-b.left)/b.w, 1)
}

func (w *curveWork) quadratic(x float64) (y, ld float64) {
	b, a := w.quadraticBin(x)
	v := b.bottom + b.w*a*(b.d0+(b.d1-b.d0)*a/2)
	return w.lo + w.size*v, math.Log(b.d0 + (b.d1-b.d0)*a)
}

// unquadratic is the bin of y and where in it: a root in the form that does not cancel.
func (w *curveWork) unquadratic(y float64) (b quadraticBin, a float64) {
	w.readQuadratic()
	v := (y - w.lo) / w.size
	b = w.bins(func(b quadraticBin) bool { return v < b.bottom+b.w*(b.d0+b.d1)/2 })
	rise := (v - b.bottom) / b.w
	root := math.Sqrt(max(b.d0*b.d0+2*(b.d1-b.d0)*rise, 0))
	return b, min(max(2*rise/(b.d0+root), 0), 1)
}

func (w *curveWork) quadraticInverse(y float64) (x, ld float64) {
	b, a := w.unquadratic(y)
	return w.lo + w.size*(b.left+b.w*a), math.Log(b.d0 + (b.d1-b.d0)*a)
}

// quadraticBackward goes from the bin to the slopes at knots, from these to their area, and from both to the widths.
func (w *curveWork) quadraticBackward(y, gy, gl float64) (x, dx float64) {
	k := w.curve.K
	b, a := w.unquadratic(y)
	slope, rise := b.d0+(b.d1-b.d0)*a, b.d1-b.d0
	gv := gy * w.size
	byA := gv*b.w*slope + gl*rise/slope
	clear(w.dknots[:k+1])
	clear(w.da[:k])
	for i := range b.bin {
		w.dknots[i] += gv * w.a[i] / 2
		w.dknots[i+1] += gv * w.a[i] / 2
		w.da[i] = gv*(w.height(i)+w.height(i+1))/2 - byA/b.w
	}
	w.dknots[b.bin] += gv*b.w*(a-a*a/2) + gl*(1-a)/slope
	w.dknots[b.bin+1] += gv*b.w*a*a/2 + gl*a/slope
	w.da[b.bin] = gv*a*(b.d0+rise*a/2) - byA*a/b.w

	ends := w.curve.On == device.Tails // whose slope is fixed
	byArea := 0.0
	for i := range k + 1 {
		if ends && (i == 0 || i == k) {
			w.dknots[i] = 0
			continue
		}
		w.dknots[i] *= (1 - device.MinBin) / w.area
		byArea -= w.dknots[i] * w.knots[i] / w.area
	}
	byArea /= w.free()
	mean := 0.0
	for i := range k {
		w.dknots[i] += byArea * w.a[i] / 2
		w.dknots[i+1] += byArea * w.a[i] / 2
		w.da[i] += byArea * (w.knots[i] + w.knots[i+1]) / 2
		mean += w.b[i] * w.da[i]
	}
	w.setKnots(k)
	for i, p := range w.b[:k] {
		w.set(i, float64(w.curve.Scale)*w.rest*p*(w.da[i]-mean))
	}
	return w.lo + w.size*(b.left+b.w*a), byA / (b.w * w.size)
}
