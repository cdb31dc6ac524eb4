package devicetest

import (
	"math"

	"cuflow/device"
)

// Accuracy is how far an op's results lie from the float64 reference, over all its cases.
type Accuracy struct {
	Op     string
	Cases  int
	Values int // compared
	// ULP is the greatest error in units of the last place of the right result: large where sums cancel.
	ULP float64
	// Max is the greatest error, and RMS the root mean square of all, in units of the root mean square of the op's right results.
	Max, RMS float64
}

// Measure runs some cases on a backend and says how accurate each op is, in the order of the table.
func Measure(be device.Backend, some []Case) ([]Accuracy, error) {
	var all []Accuracy
	at := map[string]int{}
	oracle := &reference{}
	for _, c := range some {
		l := layOut(c, 0)
		want, err := runOn(oracle, l)
		if err != nil {
			return nil, err
		}
		got, err := runOn(be, l)
		if err != nil {
			return nil, err
		}
		i, known := at[c.Method]
		if !known {
			i = len(all)
			at[c.Method], all = i, append(all, Accuracy{Op: c.Method})
		}
		all[i].Cases++
		for j, o := range c.Operands {
			if o.result() {
				all[i].add(l.of(got, j), l.of(want, j))
			}
		}
	}
	for i := range all {
		all[i].RMS = math.Sqrt(all[i].RMS / float64(max(all[i].Values, 1)))
	}
	return all, nil
}

// add compares one operand; RMS is a sum of squares meanwhile.
func (a *Accuracy) add(got, want []float32) {
	scale := rms(want)
	if scale == 0 {
		scale = 1
	}
	for i, w := range want {
		g, w := float64(got[i]), float64(w)
		if math.IsNaN(w) || math.IsInf(w, 0) {
			continue
		}
		e := math.Abs(g - w)
		a.Values++
		a.ULP = max(a.ULP, e/spacing(w))
		a.Max = max(a.Max, e/scale)
		a.RMS += e / scale * e / scale
	}
}

// spacing is the distance of float32s about w.
func spacing(w float64) float64 {
	_, exp := math.Frexp(math.Max(math.Abs(w), 0x1p-126))
	return math.Ldexp(1, exp-24)
}
