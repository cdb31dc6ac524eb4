package smooth

import (
	"math"

	"cuflow/device"
)

// generic is the plain Go of every kernel: what the assembly must agree with, and what runs where there is none. Functions are evaluated
// in float64.
func generic(lanes int) *Kernels {
	k := &Kernels{}
	for i := range k.Bend {
		act := device.Smooth(i)
		k.Bend[i] = func(raw, x, gate, shift []float32, samples, tangents int) {
			bend(act, raw, x, gate, shift, samples, tangents)
		}
		k.BendBackward[i] = func(raw, dx, dy, gate, shift, dgate, dshift []float32, samples, tangents, stride int) {
			bendBackward(act, lanes, raw, dx, dy, gate, shift, dgate, dshift, samples, tangents, stride)
		}
	}
	for i := range k.Pair {
		act := device.Smooth(i)
		k.Pair[i] = func(a, u, h, th []float32) { pair(act, a, u, h, th) }
		k.PairBackward[i] = func(a, u, dh, dth []float32) { pairBackward(act, a, u, dh, dth) }
	}
	return k
}

func pair(act device.Smooth, a, u, h, th []float32) {
	for i, v := range a {
		y, h1, _ := value(act, v)
		h[i], th[i] = y, h1*u[i]
	}
}

func pairBackward(act device.Smooth, a, u, dh, dth []float32) {
	for i, v := range a {
		_, h1, h2 := value(act, v)
		dh[i], dth[i] = h1*dh[i]+h2*u[i]*dth[i], h1*dth[i]
	}
}

func bend(act device.Smooth, raw, x, gate, shift []float32, samples, tangents int) {
	width := len(gate)
	size := samples * width
	for at := range size {
		o := at % width
		h, h1, _ := value(act, gate[o]*raw[at]+shift[o])
		x[at] = h
		h1 *= gate[o]
		for d := at + size; d < (1+tangents)*size; d += size {
			x[d] = h1 * raw[d]
		}
	}
}

func bendBackward(act device.Smooth, lanes int, raw, dx, dy, gate, shift, dgate, dshift []float32, samples, tangents, stride int) {
	width := len(gate)
	size := samples * width
	for at := range size {
		n, o := at/width, at%width
		g, panel := gate[o], dy[o/lanes*stride+o%lanes:]
		_, h1, h2 := value(act, g*raw[at]+shift[o])
		da, u := h1*dx[at], float32(0)
		for d, row := at+size, n+samples; row < (1+tangents)*samples; d, row = d+size, row+samples {
			u += raw[d] * dx[d]
			panel[row*lanes] = g * h1 * dx[d]
		}
		da += h2 * g * u
		panel[n*lanes] = g * da
		dshift[o] += da
		dgate[o] += h1*u + da*raw[at]
	}
}

// value is an activation and its first two derivatives.
func value(act device.Smooth, a float32) (h, h1, h2 float32) {
	x := float64(a)
	switch act {
	case Linear:
		return a, 1, 0
	case device.SmoothTanh:
		h := math.Tanh(x)
		h1 := 1 - h*h
		return float32(h), float32(h1), float32(-2 * h * h1)
	case device.SmoothSoftplus:
		e := math.Exp(-math.Abs(x))
		s := sigmoid(x)
		return float32(max(x, 0) + math.Log1p(e)), float32(s), float32(s * (1 - s))
	}
	s := sigmoid(x)
	return float32(x * s), float32(s * (1 + x*(1-s))), float32(s * (1 - s) * (2 + x*(1-2*s)))
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
