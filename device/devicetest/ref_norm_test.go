package devicetest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"cuflow/device"
)

func zeros(n int) []float64 { return make([]float64, n) }

// positive gives n numbers in (0.3, 1.3), for variances.
func positive(n int, seed uint64) []float64 {
	x := zeros(n)
	r := newRand(seed)
	for i := range x {
		x[i] = 0.3 + r.Float64()
	}
	return x
}

func TestChannelStats(t *testing.T) {
	x := []float64{1, 2, 6, -4, -4, -4}
	mean, variance := []float64{7, 7}, []float64{7, 7}
	channelStats(3, x, mean, variance)
	near(t, "mean", mean, []float64{3, -4}, 1e-15)
	near(t, "variance", variance, []float64{(4.0 + 1 + 9) / 3, 0}, 1e-15)
	channelStats(0, nil, mean, variance)
	near(t, "mean of nothing, left alone", mean, []float64{3, -4}, 1e-15)
}

// Folded, the batch's own statistics bring rows to mean 0 and variance 1, and the log-determinant is an actnorm's.
func TestBatchNormFoldNormalises(t *testing.T) {
	const c, m = 3, 50
	x := random(newRand(20), c*m)
	for i := range m {
		x[i] = 100 + 7*x[i]
	}
	mean, variance, logs, b := zeros(c), zeros(c), zeros(c), zeros(c)
	channelStats(m, x, mean, variance)
	batchNormFold(0, mean, variance, logs, b)
	actNorm(m, logs, b, x)
	channelStats(m, x, mean, variance)
	near(t, "mean", mean, zeros(c), 1e-13)
	near(t, "variance", variance, []float64{1, 1, 1}, 1e-12)

	batchNormFold(1e-5, []float64{-4}, []float64{0}, logs[:1], b[:1])
	near(t, "constant channel", []float64{logs[0], b[0]}, []float64{-math.Log(1e-5) / 2, 4}, 1e-14)
}

// The whole of y = actnorm(fold(blend(stats(x)))): through ActNormBackward, and through the statistics, of which the batch's
// own have the share 1-rho.
func TestBatchNormBackwardIsTheTotalDerivative(t *testing.T) {
	const c, m, eps, dld = 3, 5, 0.01, 0.8
	for _, rho := range []float64{0, 0.3, 0.9, 1} {
		t.Run(fmt.Sprintf("rho=%v", rho), func(t *testing.T) {
			x, dy := random(newRand(21), c*m), random(newRand(22), c*m)
			runningMean, runningVariance := random(newRand(23), c), positive(c, 24)
			mean, used, logs, b := zeros(c), zeros(c), zeros(c), zeros(c)
			forward := func() []float64 {
				variance := zeros(c)
				channelStats(m, x, mean, variance)
				usedMean := clone(runningMean)
				copy(used, runningVariance)
				blend(rho, mean, usedMean)
				blend(rho, variance, used)
				batchNormFold(eps, usedMean, used, logs, b)
				y := clone(x)
				actNorm(m, logs, b, y)
				return y
			}
			loss := func() float64 { return dot(forward(), dy) + dld*sum(logs) }
			y := forward()
			dx, dlogs, db := clone(dy), zeros(c), zeros(c)
			actNormBackward(m, logs, b, y, dx, dld, dlogs, db)
			batchNormBackward(m, 1-rho, eps, mean, used, dlogs, db, x, dx)
			gradient(t, "dx", loss, x, dx)
		})
	}
}

func TestBatchNormActGradients(t *testing.T) {
	const c, m, eps = 3, 6, 0.01
	for _, act := range []device.Act{device.NoAct, device.ReLU} {
		x, gamma, beta, dy := random(newRand(25), c*m), random(newRand(26), c), random(newRand(27), c), random(newRand(28), c*m)
		mean, variance, y := zeros(c), zeros(c), zeros(c*m)
		loss := func() float64 {
			scale, shift := zeros(c), zeros(c)
			channelStats(m, x, mean, variance)
			batchNormScale(eps, mean, variance, gamma, beta, scale, shift)
			affineAct(m, act, scale, shift, x, y)
			return dot(y, dy)
		}
		loss()
		if act == device.ReLU && (slices.Min(y) != 0 || slices.Max(y) == 0) {
			t.Fatalf("%v: no ReLU is on, or none is off", y)
		}
		dx := clone(dy)
		var dbeta []float64
		dgamma := added(c, func(dgamma []float64) {
			dbeta = added(c, func(dbeta []float64) {
				batchNormActBackward(m, act, eps, clone(mean), clone(variance), gamma, x, clone(y), dx, dgamma, dbeta)
			})
		})
		gradient(t, "dx", loss, x, dx)
		gradient(t, "dgamma", loss, gamma, dgamma)
		gradient(t, "dbeta", loss, beta, dbeta)
	}
}

// With the statistics of its own rows, what BatchNormScale folds has mean beta and standard deviation gamma.
func TestBatchNormScale(t *testing.T) {
	const c, m = 2, 40
	x, y := random(newRand(29), c*m), zeros(c*m)
	mean, variance, scale, shift := zeros(c), zeros(c), zeros(c), zeros(c)
	channelStats(m, x, mean, variance)
	batchNormScale(0, mean, variance, []float64{2, -3}, []float64{5, 7}, scale, shift)
	affineAct(m, device.NoAct, scale, shift, x, y)
	channelStats(m, y, mean, variance)
	near(t, "mean", mean, []float64{5, 7}, 1e-13)
	near(t, "variance", variance, []float64{4, 9}, 1e-13)
	if scale[0] < 0 || scale[1] > 0 {
		t.Errorf("scales %v have not gamma's signs", scale)
	}
	rectified := zeros(c * m)
	affineAct(m, device.ReLU, scale, shift, x, rectified)
	for i := range y {
		y[i] = max(0, y[i])
	}
	near(t, "ReLU", rectified, y, 0)
}

func TestWeightNorm(t *testing.T) {
	const rows, cols = 3, 4
	g, v, dw := random(newRand(30), rows), random(newRand(31), rows*cols), random(newRand(32), rows*cols)
	w := zeros(rows * cols)
	loss := func() float64 {
		weightNorm(rows, cols, g, v, w)
		return dot(w, dw)
	}
	loss()
	for i := range rows {
		near(t, "length of a row", []float64{math.Sqrt(sumSquares(w[i*cols : (i+1)*cols]))}, []float64{math.Abs(g[i])}, 1e-14)
		near(t, "direction of a row", []float64{w[i*cols+1] * v[i*cols]}, []float64{w[i*cols] * v[i*cols+1]}, 1e-14)
	}
	var dg []float64
	dv := added(rows*cols, func(dv []float64) {
		dg = added(rows, func(dg []float64) { weightNormBackward(rows, cols, g, v, dw, dv, dg) })
	})
	gradient(t, "dv", loss, v, dv)
	gradient(t, "dg", loss, g, dg)
}
