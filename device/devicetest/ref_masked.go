package devicetest

import "cuflow/device"

func (r *reference) MaskedForward(s device.Masked, act device.Act, w, b, x, y device.Buffer) {
	k := r.begin()
	maskedForward(s, act, k.in(w, s.Weights()), k.in(b, s.Cout()), k.in(x, s.Cin()*s.N), k.out(y, s.Cout()*s.N))
	k.done()
}

func (r *reference) MaskedBackwardData(s device.Masked, w, dy, dx device.Buffer) {
	k := r.begin()
	maskedBackwardData(s, k.in(w, s.Weights()), k.in(dy, s.Cout()*s.N), k.out(dx, s.Cin()*s.N))
	k.done()
}

func (r *reference) MaskedBackwardAct(s device.Masked, act device.Act, w, dy, h device.Buffer) {
	k := r.begin()
	maskedBackwardAct(s, act, k.in(w, s.Weights()), k.in(dy, s.Cout()*s.N), k.out(h, s.Cin()*s.N))
	k.done()
}

func (r *reference) MaskedBackwardWeight(s device.Masked, x, dy, dw, db device.Buffer) {
	k := r.begin()
	maskedBackwardWeight(s, k.in(x, s.Cin()*s.N), k.in(dy, s.Cout()*s.N), k.out(dw, s.Weights()), k.out(db, s.Cout()))
	k.done()
}

func (r *reference) MaskedStep(s device.Masked, d int, act device.Act, w, b, x, y device.Buffer) {
	k := r.begin()
	maskedStep(s, d, act, k.in(w, s.Weights()), k.in(b, s.Cout()), k.in(x, s.Cin()*s.N), k.out(y, s.Cout()*s.N))
	k.done()
}

func (r *reference) MaskedBackwardStep(s device.Masked, d int, act device.Act, w, dy, h device.Buffer) {
	k := r.begin()
	maskedBackwardStep(s, d, act, k.in(w, s.Weights()), k.in(dy, s.Cout()*s.N), k.out(h, s.Cin()*s.N))
	k.done()
}

// dimensionsOf is how many of the first dimensions a hidden unit knows: units in order of degree, dealt out to the degrees in turn.
func dimensionsOf(s device.Masked) (degrees []int) {
	for d := 1; d < s.D; d++ {
		for range (s.H + s.D - 1 - d) / (s.D - 1) {
			degrees = append(degrees, d)
		}
	}
	return degrees
}

// connected says whether a weight counts: by what is known at its ends.
func connected(s device.Masked) func(o, i int) bool {
	degrees := dimensionsOf(s)
	switch s.Layer {
	case device.MaskedFirst:
		return func(o, i int) bool { return degrees[o] > i }
	case device.MaskedHidden:
		return func(o, i int) bool { return degrees[o] >= degrees[i] }
	}
	return func(o, i int) bool { return o/s.Q >= degrees[i] }
}

// eachConnection calls f with all weights that count.
func eachConnection(s device.Masked, f func(o, i, weight int)) {
	counts := connected(s)
	for o := range s.Cout() {
		for i := range s.Cin() {
			if counts(o, i) {
				f(o, i, o*s.Cin()+i)
			}
		}
	}
}

func maskedForward(s device.Masked, act device.Act, w, b, x, y []float64) {
	for j := range y {
		y[j] = b[j/s.N]
	}
	eachConnection(s, func(o, i, weight int) {
		for n := range s.N {
			y[o*s.N+n] += w[weight] * x[i*s.N+n]
		}
	})
	if act == device.ReLU {
		for j, v := range y {
			y[j] = max(0, v)
		}
	}
}

func maskedBackwardData(s device.Masked, w, dy, dx []float64) {
	eachConnection(s, func(o, i, weight int) {
		for n := range s.N {
			dx[i*s.N+n] += w[weight] * dy[o*s.N+n]
		}
	})
}

func maskedBackwardAct(s device.Masked, act device.Act, w, dy, h []float64) {
	sum := make([]float64, len(h))
	maskedBackwardData(s, w, dy, sum)
	for j, v := range h {
		h[j] = sum[j]
		if act == device.ReLU && !(v > 0) {
			h[j] = 0
		}
	}
}

func maskedBackwardWeight(s device.Masked, x, dy, dw, db []float64) {
	for j, v := range dy {
		db[j/s.N] += v
	}
	eachConnection(s, func(o, i, weight int) {
		for n := range s.N {
			dw[weight] += dy[o*s.N+n] * x[i*s.N+n]
		}
	})
}

// maskedBackwardStep is maskedBackwardAct of what is new: units that know of dimension d-1 and of none after it, or dimension d-1 itself.
func maskedBackwardStep(s device.Masked, d int, act device.Act, w, dy, h []float64) {
	degrees, counts := dimensionsOf(s), connected(s)
	for i := range s.Cin() {
		if s.Layer == device.MaskedFirst && i != d-1 || s.Layer != device.MaskedFirst && degrees[i] != d {
			continue
		}
		for n := range s.N {
			sum := 0.0
			for o := range s.Cout() {
				if counts(o, i) {
					sum += w[o*s.Cin()+i] * dy[o*s.N+n]
				}
			}
			if at := i*s.N + n; act == device.ReLU && !(h[at] > 0) {
				h[at] = 0
			} else {
				h[at] = sum
			}
		}
	}
}

// maskedStep is maskedForward of what is new: outputs that know of dimension d-1 and of none after it, or say something of d.
func maskedStep(s device.Masked, d int, act device.Act, w, b, x, y []float64) {
	degrees, counts := dimensionsOf(s), connected(s)
	for o := range s.Cout() {
		if !isOfStep(s, degrees, d, o) {
			continue
		}
		for n := range s.N {
			sum := b[o]
			for i := range s.Cin() {
				if counts(o, i) {
					sum += w[o*s.Cin()+i] * x[i*s.N+n]
				}
			}
			if act == device.ReLU {
				sum = max(0, sum)
			}
			y[o*s.N+n] = sum
		}
	}
}

func isOfStep(s device.Masked, degrees []int, d, o int) bool {
	if s.Layer == device.MaskedLast {
		return o/s.Q == d
	}
	return degrees[o] == d
}
