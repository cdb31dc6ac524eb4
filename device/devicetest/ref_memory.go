package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) Fill(x device.Buffer, v float32) {
	k := r.begin()
	fill(k.out(x, x.Len()), float64(v))
	k.done()
}

func fill(x []float64, v float64) {
	for i := range x {
		x[i] = v
	}
}

func (r *reference) Copy(dst, src device.Buffer) {
	k := r.begin()
	copy(k.out(dst, src.Len()), k.in(src, src.Len()))
	k.done()
}

func (r *reference) Axpy(a float32, x, y device.Buffer) {
	k := r.begin()
	axpy(float64(a), k.in(x, x.Len()), k.out(y, x.Len()))
	k.done()
}

func axpy(a float64, x, y []float64) {
	for i := range x {
		y[i] += a * x[i]
	}
}

func (r *reference) Sum(a float32, x, out device.Buffer) {
	k := r.begin()
	k.out(out, 1)[0] = float64(a) * sum(k.in(x, x.Len()))
	k.done()
}

func sum(x []float64) (s float64) {
	for _, v := range x {
		s += v
	}
	return s
}

func (r *reference) SumSquares(x, out device.Buffer) {
	k := r.begin()
	k.out(out, 1)[0] = sumSquares(k.in(x, x.Len()))
	k.done()
}

func sumSquares(x []float64) (s float64) {
	for _, v := range x {
		s += v * v
	}
	return s
}

func (r *reference) AddSum(a float32, v, out device.Buffer) {
	k := r.begin()
	o, s := k.out(out, out.Len()), sum(k.in(v, v.Len()))
	for j := range o {
		o[j] += float64(a) * s
	}
	k.done()
}

func (r *reference) MaxAbsDiff(x, y, out device.Buffer) {
	k := r.begin()
	o := k.out(out, 1)
	o[0] = maxAbsDiff(k.in(x, x.Len()), k.in(y, x.Len()), o[0])
	k.done()
}

func maxAbsDiff(x, y []float64, most float64) float64 {
	for i := range x {
		most = max(most, math.Abs(x[i]-y[i])) // the built-in max gives NaN if either is
	}
	return most
}
