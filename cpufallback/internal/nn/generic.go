package nn

import "math"

// generic are the plain loops.
func generic() *Kernels {
	return &Kernels{
		GELU: gelu, GELUBackward: geluBackward,
		Squares: squares, Deviation: deviation, Normalize: normalize, GradSums: gradSums, GradFinish: gradFinish,
		Dots: dots, Move: moveQuads, Softmax: softmax, Rows: rows, Scores: scores, ScoresTurned: scoresTurned,
	}
}

// 2u = x*(geluLinear + geluCubic*x^2).
const (
	geluLinear = 2 * 0.79788456080286535588 // sqrt(2/pi)
	geluCubic  = 0.044715 * geluLinear
)

func exp(x float32) float32 { return float32(math.Exp(float64(x))) }

func gelu(x, y []float32) {
	for i, v := range x {
		y[i] = v / (1 + exp(-v*(geluLinear+geluCubic*v*v)))
	}
}

func geluBackward(x, dy []float32) {
	for i, v := range x {
		s := 1 / (1 + exp(-v*(geluLinear+geluCubic*v*v)))
		dy[i] *= s + v*s*(1-s)*(geluLinear+3*geluCubic*v*v)
	}
}

func squares(x, mean, acc []float32) {
	for i, v := range x {
		d := v - mean[i]
		acc[i] += d * d
	}
}

func deviation(acc []float32, share, eps float32) {
	for i, v := range acc {
		acc[i] = 1 / float32(math.Sqrt(float64(share*v+eps)))
	}
}

func normalize(x, mean, rstd, y []float32, gamma, beta float32) {
	for i, v := range x {
		y[i] = (v-mean[i])*rstd[i]*gamma + beta
	}
}

func gradSums(x, dy, mean, rstd, a, b []float32, gamma float32) (dgamma, dbeta float32) {
	for i, v := range x {
		xh := (v - mean[i]) * rstd[i]
		g := gamma * dy[i]
		a[i] += g
		b[i] += g * xh
		dgamma += dy[i] * xh
		dbeta += dy[i]
	}
	return dgamma, dbeta
}

func gradFinish(x, dy, dx, mean, rstd, a, b []float32, gamma, share float32) {
	for i, v := range x {
		xh := (v - mean[i]) * rstd[i]
		dx[i] += rstd[i] * (gamma*dy[i] - share*(a[i]+xh*b[i]))
	}
}

func dots(x, y, sum []float32) {
	clear(sum)
	for i, v := range x {
		sum[i%len(sum)] += v * y[i]
	}
}

// quad is a register of the plain loops, here and in package gemm.
const quad = 4

func moveQuads(to, from []float32, toStep, fromStep, n int) {
	for i := range n {
		copy(to[i*toStep:][:quad], from[i*fromStep:])
	}
}

func softmax(x []float32, a float32, lse, inv []float32) {
	width := len(lse)
	for j := range lse {
		top, sum := float32(math.Inf(-1)), float32(0)
		for i := j; i < len(x); i += width {
			top = max(top, a*x[i])
		}
		for i := j; i < len(x); i += width {
			x[i] = exp(a*x[i] - top)
			sum += x[i]
		}
		inv[j] = 1 / sum
		lse[j] = top + float32(math.Log(float64(sum)))
	}
}

func rows(x, f []float32) {
	for i := range x {
		x[i] *= f[i%len(f)]
	}
}

func scores(x, da []float32, a float32, lse, delta []float32) {
	for i, v := range x {
		j := i % len(lse)
		da[i] = exp(a*v-lse[j]) * (da[i] - delta[j]) * a
	}
}

func scoresTurned(x, da []float32, a float32, lse, delta []float32) {
	width := len(x) / max(1, len(lse))
	for i, v := range x {
		j := i / width
		x[i] = exp(a*v - lse[j])
		da[i] = x[i] * (da[i] - delta[j]) * a
	}
}
