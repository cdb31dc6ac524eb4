package devicetest

import (
	"math"
	"slices"
	"testing"

	"cuflow/device"
)

func TestCheckerPack(t *testing.T) {
	x := []float64{ // 1 channel, 1 sample, 3 x 4
		0, 1, 2, 3,
		4, 5, 6, 7,
		8, 9, 10, 11,
	}
	y := zeros(12)
	checkerPack(1, 1, 3, 4, 0, x, y)
	near(t, "parity 0", y, []float64{0, 2, 5, 7, 8, 10, 1, 3, 4, 6, 9, 11}, 0)
	checkerPack(1, 1, 3, 4, 1, x, y)
	near(t, "parity 1", y, []float64{1, 3, 4, 6, 9, 11, 0, 2, 5, 7, 8, 10}, 0)

	const c, n, h, w = 2, 3, 5, 6
	x = random(newRand(40), c*n*h*w)
	y, back := zeros(len(x)), zeros(len(x))
	for parity := range 2 {
		checkerPack(c, n, h, w, parity, x, y)
		checkerUnpack(c, n, h, w, parity, y, back)
		near(t, "unpack of pack", back, x, 0)
		for ci := range c { // the documented formula
			for ni := range n {
				for i := range h {
					for j := range w / 2 {
						for half := range 2 {
							got := y[(((half*c+ci)*n+ni)*h+i)*(w/2)+j]
							if want := x[((ci*n+ni)*h+i)*w+2*j+(i+parity+half)%2]; got != want {
								t.Fatalf("parity %d: y[%d,%d,%d,%d] = %v, want %v", parity, half*c+ci, ni, i, j, got, want)
							}
						}
					}
				}
			}
		}
	}
}

func TestLogit(t *testing.T) {
	one := device.Rows{C: 1, N: 1, P: 1}
	for _, alpha := range []float64{0, 1e-6, 0.05} {
		value := func(x float64) float64 {
			y := []float64{x}
			logit(one, alpha, y, []float64{0})
			return y[0]
		}
		for _, x := range []float64{-0.49, -0.3, 0, 0.2, 0.48} {
			p := alpha + (1-alpha)*(x+0.5)
			y, logdet := []float64{x}, []float64{10}
			logit(one, alpha, y, logdet)
			near(t, "y", y, []float64{math.Log(p / (1 - p))}, 1e-13)
			const h = 1e-6
			near(t, "logdet", logdet, []float64{10 + math.Log((value(x+h)-value(x-h))/(2*h))}, 1e-8)
			logitInverse(alpha, y)
			near(t, "inverse", y, []float64{x}, 1e-14)
		}
	}
	// Black and white: nothing is infinite.
	x, logdet := []float64{-0.5, 0.5}, []float64{0}
	logit(device.Rows{C: 2, N: 1, P: 1}, 0.05, x, logdet)
	near(t, "ends", x, []float64{math.Log(0.05) - math.Log(0.95), -math.Log(0.95) + 24*math.Ln2}, 1e-14)
	near(t, "logdet at the ends", logdet, []float64{-math.Log(0.05) + 24*math.Ln2}, 1e-14)
	logitInverse(0.05, x)
	near(t, "ends, inverted", x, []float64{-0.5, 0.5}, 1e-7)

	// One log-determinant per sample, over channels and pixels.
	rows := device.Rows{C: 2, N: 3, P: 2}
	x = zeros(rows.Len())
	for i := range x {
		x[i] = float64(i)/24 - 0.25
	}
	want := zeros(rows.N)
	for i, v := range x {
		each := []float64{0}
		logit(one, 0.1, []float64{v}, each)
		want[i/2%3] += each[0]
	}
	got := zeros(rows.N)
	logit(rows, 0.1, x, got)
	near(t, "logdet by sample", got, want, 1e-14)
}

func TestLogisticPrior(t *testing.T) {
	rows := device.Rows{C: 2, N: 3, P: 2}
	x := random(newRand(41), rows.Len())
	logp := []float64{1, 2, 3}
	logisticLogProb(rows, x, logp)
	want := []float64{1, 2, 3}
	for i, v := range x {
		sigmoid := 1 / (1 + math.Exp(-v))
		want[i/2%3] += math.Log(sigmoid * (1 - sigmoid)) // the density is its distribution function's derivative
	}
	near(t, "logp", logp, want, 1e-12)

	const dlp = -0.3
	dx := zeros(len(x))
	logisticLogProbBackward(dlp, x, dx)
	gradient(t, "dx", func() float64 {
		logp := zeros(rows.N)
		logisticLogProb(rows, x, logp)
		return dlp * sum(logp)
	}, x, dx)

	tails := zeros(1)
	logisticLogProb(device.Rows{C: 2, N: 1, P: 1}, []float64{1e4, -1e4}, tails)
	near(t, "tails", tails, []float64{-2e4}, 1e-14)
}

// A sample's distribution function is the uniform number that it was made from, half a step up.
func TestLogisticInvertsItsDistribution(t *testing.T) {
	const scale = 0.7
	rng, at, rows := device.Stream{Seed: 3, ID: 4}, []float64{5, 6}, device.Rows{C: 3, N: 4, P: 5}
	x, want := zeros(rows.Len()), zeros(rows.Len())
	logistic(rows, scale, rng, at, x)
	noise(rows, rng, at, func(i int, u, _ float64) { want[i] = u + 0.5/(1<<24) })
	for i := range x {
		x[i] = 1 / (1 + math.Exp(-x[i]/scale))
	}
	near(t, "u", x, want, 1e-14)
}

func TestClassAffineInvertsAndItsGradients(t *testing.T) {
	const classes, dld = 4, 0.8
	rows := device.Rows{C: 2, N: 5, P: 3}
	label := []float64{3, 0, 1, 3, 0} // none of class 2
	logs, b := random(newRand(42), classes*rows.C), random(newRand(43), classes*rows.C)
	x, dy, start := random(newRand(44), rows.Len()), random(newRand(45), rows.Len()), random(newRand(46), rows.N)
	forward := func() (y, logdet []float64) {
		y, logdet = clone(x), clone(start)
		classAffine(rows, label, logs, b, y, logdet)
		return y, logdet
	}
	loss := func() float64 {
		y, logdet := forward()
		return dot(y, dy) + dld*sum(logdet)
	}
	y, logdet := forward()
	// y[c,n,p] at c = 1, n = 2, p = 1: class 1.
	if got, want := y[(1*5+2)*3+1], (x[(1*5+2)*3+1]+b[1*2+1])*math.Exp(logs[1*2+1]); math.Abs(got-want) > 1e-14 {
		t.Errorf("y[1,2,1] = %v, want %v", got, want)
	}
	near(t, "logdet[3]", logdet[3:4], []float64{start[3] + 3*(logs[3*2]+logs[3*2+1])}, 1e-14)
	classAffineInverse(rows, label, logs, b, y, logdet)
	near(t, "inverse", y, x, 1e-13)
	near(t, "logdet of the inverse", logdet, start, 1e-13)

	y, _ = forward()
	dx := clone(dy)
	var db []float64
	dlogs := added(len(logs), func(dlogs []float64) {
		db = added(len(b), func(db []float64) { classAffineBackward(rows, label, logs, b, y, dx, dld, dlogs, db) })
	})
	near(t, "x", y, x, 1e-13)
	gradient(t, "dx", loss, x, dx)
	gradient(t, "dlogs", loss, logs, dlogs)
	gradient(t, "db", loss, b, db)
	near(t, "gradients of a class without samples", append(dlogs[4:6:6], db[4:6]...), zeros(4), 0)
}

// The cases that say they go to the ends of the uniform numbers do.
func TestLogisticEnds(t *testing.T) {
	end := math.Log(1<<25 - 1) // log u - log(1-u) at u = 1 - 2^-25
	for _, c := range []struct {
		sample int
		want   float64
	}{{shortest, -end}, {longest, end}} {
		x := zeros(fourOfASample.Len())
		logistic(fourOfASample, 1, endsOfLogistic, []float64{0, float64(c.sample)}, x)
		if !slices.ContainsFunc(x, func(v float64) bool { return math.Abs(v-c.want) < 1e-9 }) {
			t.Errorf("sample %d: %v, want %v among them", c.sample, x, c.want)
		}
	}
}
