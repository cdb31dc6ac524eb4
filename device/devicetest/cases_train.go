package devicetest

import (
	"fmt"
	"math"

	"cuflow/device"
)

func trainCases() []Case {
	var cs []Case
	adam := device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8}
	full := device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 2, EMADecay: 0.999}
	adamax := device.Adam{Max: true, Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 2, EMADecay: 0.99}
	for _, n := range sizes {
		cs = append(cs,
			adamCase(fmt.Sprintf("n=%d", n), adam, n, 10, 30),
			adamCase(fmt.Sprintf("n=%d clipped, averaged", n), full, n, 10, 30),
			adamCase(fmt.Sprintf("n=%d Adamax", n), adamax, n, 10, 30),
		)
	}
	for _, t := range []float64{1, 2, 100, 1 << 20} {
		cs = append(cs,
			adamCase(fmt.Sprintf("t=%v", t), full, 33, t, 1),
			adamCase(fmt.Sprintf("t=%v Adamax", t), adamax, 33, t, 1),
		)
	}
	cs = append(cs, adamCase("norm 0", full, 33, 5, 0))
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		for _, o := range []device.Adam{adam, full, adamax} {
			c := adamCase(fmt.Sprintf("%+v norm %v", o, bad), o, 1000, 5, bad)
			c.Tol = exact // nothing changes
			cs = append(cs, c)
		}
	}
	bench := adamCase("n=262145 clipped, averaged", full, 1<<18+1, 10, 30)
	bench.Bench = true
	return append(cs, bench)
}

func adamCase(name string, o device.Adam, n int, t, sumsq float64) Case {
	const lr = 1e-3
	ema := absent("ema")
	if o.EMADecay != 0 {
		ema = both("ema", n, normal(0, 1)).within(few(4, "two products and their sum, of a weight that has its step's error"))
	}
	moment := Tol{Rel: 4 * ulp, RMS: 2 * ulp, Why: "two products, a sum, and the factor of clipping: a root and a quotient"}
	step := Tol{Rel: ulp, RMS: ulp, Abs: 1e-4 * lr,
		Why: "a step is lr times about 1; 1-beta^t in float32 is known to t ulps of 1, for small t about 1e-5 of itself"}
	return Case{
		Method: "AdamStep", Name: name, Tol: step,
		Operands: []Operand{
			in("hyper", 2, values(lr, t)), in("sumsq", 1, values(sumsq)), in("g", n, normal(0, 0.3)), both("p", n, normal(0, 1)),
			both("m", n, normal(0, 0.1)).within(moment), both("v", n, uniform(0.01, 0.2)).within(moment), ema,
		},
		Call: func(be device.Backend, b []device.Buffer) { be.AdamStep(o, b[0], b[1], b[2], b[3], b[4], b[5], b[6]) },
	}
}
