package cpufallback

import (
	"math"

	"cuflow/device"
)

const rootHalfPi = 1.253314137315500251207882642405522626503493 // sqrt(pi/2)

// farTail is where erfc nears the least float64 and its asymptotic series has come down to rounding.
const farTail = 35

// tailAndBell are 1-F0 and f0 of the standard component at a >= 0.
func tailAndBell(of device.Bell, a float64) (tail, bell float64) {
	if of == device.GaussBell {
		return math.Erfc(a*math.Sqrt2/2) / 2, math.Exp(-a*a/2) * (1 / (2 * rootHalfPi))
	}
	e := math.Exp(-a)
	far := 1 / (1 + e)
	return e * far, e * far * far
}

// logTailsAndBell are log(1-F0), log F0 and log f0 at a >= 0.
func logTailsAndBell(of device.Bell, a float64) (small, large, bell float64) {
	if of == device.GaussBell {
		small, large = logNormalTails(a)
		return small, large, -a*a/2 - halfLog2Pi
	}
	large = -math.Log1p(math.Exp(-a))
	return large - a, large, 2*large - a
}

// logSigmoid is log(1/(1+exp(-x))).
func logSigmoid(x float64) float64 { return min(x, 0) - math.Log1p(math.Exp(-math.Abs(x))) }

// logNormalTails are log Phi(-a) and log Phi(a) at a >= 0.
func logNormalTails(a float64) (small, large float64) {
	if a > farTail {
		return -a*a/2 - halfLog2Pi + math.Log(mills(a)), 0
	}
	tail := math.Erfc(a*math.Sqrt2/2) / 2
	return math.Log(tail), math.Log1p(-tail)
}

// mills is Phi(-z)/phi(z), from far out by its asymptotic series: Abramowitz and Stegun, 26.2.12.
func mills(z float64) float64 {
	if z > farTail {
		u := 1 / (z * z)
		return (1 + u*(-1+u*(3+u*(-15+u*105)))) / z
	}
	return math.Erfc(z*math.Sqrt2/2) * math.Exp(z*z/2) * rootHalfPi
}

// normalQuantile is the z <= 0 with log Phi(z) = logp, logp <= log(1/2): an approximation to 4.5e-4 (Abramowitz and Stegun,
// 26.2.23) and two Newton steps on the logarithm, each of which squares the error.
func normalQuantile(logp float64) float64 {
	t := math.Sqrt(-2 * logp)
	z := t - (2.515517+t*(0.802853+t*0.010328))/(1+t*(1.432788+t*(0.189269+t*0.001308)))
	for range 2 {
		m := mills(z)
		z += (math.Log(m) - z*z/2 - halfLog2Pi - logp) * m
	}
	return -z
}
