package devicetest

import (
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/device"
)

// random gives n numbers of N(0, 1), the same in every run.
func random(r *rand.Rand, n int) []float64 {
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

func dot(a, b []float64) (s float64) {
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func clone(x []float64) []float64 { return append([]float64(nil), x...) }

func near(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d numbers, want %d", what, len(got), len(want))
	}
	for i := range want {
		if !(math.Abs(got[i]-want[i]) <= tol*max(1, math.Abs(want[i]))) {
			t.Errorf("%s[%d] = %.12g, want %.12g", what, i, got[i], want[i])
		}
	}
}

// gradient holds the gradient of loss by x against central differences. Where loss has terms of order 1, steps of 1e-5
// leave an error of some 1e-10.
func gradient(t *testing.T, what string, loss func() float64, x, got []float64) {
	t.Helper()
	const h = 1e-5
	want := make([]float64, len(x))
	for i, at := range x {
		x[i] = at + h
		up := loss()
		x[i] = at - h
		want[i] = (up - loss()) / (2 * h)
		x[i] = at
	}
	near(t, what, got, want, 1e-8)
}

// added returns what a backward function adds to a gradient that was not 0 before.
func added(n int, f func(d []float64)) []float64 {
	d := make([]float64, n)
	fill(d, 3)
	f(d)
	for i := range d {
		d[i] -= 3
	}
	return d
}

var testShapes = []device.ConvShape{
	{Cin: 2, Cout: 3, K: 1, N: 2, H: 3, W: 2},
	{Cin: 3, Cout: 2, K: 3, N: 2, H: 4, W: 3},
	{Cin: 1, Cout: 2, K: 3, N: 1, H: 1, W: 2},
}

// The enumeration of runs gives the documented loop, written out.
func TestConvForwardIsTheDocumentedLoop(t *testing.T) {
	for _, s := range testShapes {
		r := newRand(1)
		w, b, x := random(r, s.Weights()), random(r, s.Cout), random(r, s.Cin*s.M())
		want := make([]float64, s.Cout*s.M())
		for o := range s.Cout {
			for n := range s.N {
				for i := range s.H {
					for j := range s.W {
						y := b[o]
						for c := range s.Cin {
							for u := range s.K {
								for v := range s.K {
									ii, jj := i+u-s.K/2, j+v-s.K/2
									if ii >= 0 && ii < s.H && jj >= 0 && jj < s.W {
										y += w[((o*s.Cin+c)*s.K+u)*s.K+v] * x[((c*s.N+n)*s.H+ii)*s.W+jj]
									}
								}
							}
						}
						want[((o*s.N+n)*s.H+i)*s.W+j] = y
					}
				}
			}
		}
		got := make([]float64, len(want))
		fill(got, math.NaN()) // y is written, not added to
		convForward(s, device.NoAct, w, b, x, got)
		near(t, convName(s), got, want, 1e-13)
		convForward(s, device.ReLU, w, b, x, got)
		for i := range want {
			want[i] = max(0, want[i])
		}
		near(t, convName(s)+" ReLU", got, want, 1e-13)
	}
}

func TestConvGradients(t *testing.T) {
	for _, s := range testShapes {
		r := newRand(2)
		w, b, x, dy := random(r, s.Weights()), random(r, s.Cout), random(r, s.Cin*s.M()), random(r, s.Cout*s.M())
		loss := func() float64 {
			y := make([]float64, s.Cout*s.M())
			convForward(s, device.NoAct, w, b, x, y)
			return dot(y, dy)
		}
		name := convName(s)
		gradient(t, name+" dx", loss, x, added(len(x), func(d []float64) { convBackwardData(s, w, dy, d) }))
		gradient(t, name+" dw", loss, w, added(len(w), func(d []float64) { convBackwardWeight(s, x, dy, d, nil) }))
		gradient(t, name+" db", loss, b, added(len(b), func(d []float64) { convBackwardWeight(s, x, dy, make([]float64, len(w)), d) }))
	}
}

func TestConvBackwardActGradient(t *testing.T) {
	for _, s := range testShapes {
		for _, act := range []device.Act{device.NoAct, device.ReLU} {
			r := newRand(3)
			w, z, dy := random(r, s.Weights()), random(r, s.Cin*s.M()), random(r, s.Cout*s.M())
			activated := func() []float64 {
				h := clone(z)
				for i := range h {
					if act == device.ReLU {
						h[i] = max(0, h[i])
					}
				}
				return h
			}
			loss := func() float64 {
				y := make([]float64, s.Cout*s.M())
				convForward(s, device.NoAct, w, nil, activated(), y)
				return dot(y, dy)
			}
			h := activated()
			convBackwardAct(s, act, w, dy, h)
			gradient(t, convName(s), loss, z, h)
		}
	}
}

func TestRowScaleGradients(t *testing.T) {
	const rows, cols = 3, 4
	r := newRand(4)
	logs, w, b := random(r, rows), random(r, rows*cols), random(r, rows)
	dwf, dbf := random(r, rows*cols), random(r, rows)
	wf, bf := make([]float64, rows*cols), make([]float64, rows)
	loss := func() float64 {
		rowScale(rows, cols, logs, w, b, wf, bf)
		return dot(wf, dwf) + dot(bf, dbf)
	}
	loss()
	dw, db, dlogs := make([]float64, len(w)), make([]float64, rows), make([]float64, rows)
	rowScaleBackward(rows, cols, logs, wf, bf, dwf, dbf, dw, db, dlogs)
	rowScaleBackward(rows, cols, logs, wf, bf, dwf, dbf, dw, db, dlogs) // adds
	for _, d := range [][]float64{dw, db, dlogs} {
		for i := range d {
			d[i] /= 2
		}
	}
	gradient(t, "dw", loss, w, dw)
	gradient(t, "db", loss, b, db)
	gradient(t, "dlogs", loss, logs, dlogs)
}

func TestMixGradients(t *testing.T) {
	const c, m = 3, 4
	r := newRand(5)
	a, b, x, dy := random(r, c*c), random(r, c), random(r, c*m), random(r, c*m)
	loss := func() float64 {
		y := clone(x)
		mixForward(c, m, a, b, y)
		return dot(y, dy)
	}
	y := clone(x)
	mixForward(c, m, a, b, y)
	if want := b[1] + a[3]*x[2] + a[4]*x[m+2] + a[5]*x[2*m+2]; math.Abs(y[m+2]-want) > 1e-14 {
		t.Errorf("y[1,2] = %v, want %v", y[m+2], want)
	}
	dx := clone(dy)
	da := added(c*c, func(da []float64) { mixBackward(c, m, a, x, dx, da) })
	gradient(t, "dx", loss, x, dx)
	gradient(t, "da", loss, a, da)
}

// luOperands moves every parameter off 0; the halves that are not read hold NaN. The permutation is one cycle, which is
// not its own inverse.
func luOperands(c int) (perm, l, u, logd, sign []float64) {
	r := newRand(uint64(c))
	l, u, logd, sign = random(r, c*c), random(r, c*c), random(r, c), make([]float64, c)
	for i := range c {
		perm = append(perm, float64((i+1)%c))
		sign[i] = float64(1 - 2*(i%2))
		for j := range c {
			if j >= i {
				l[i*c+j] = math.NaN()
			}
			if j <= i {
				u[i*c+j] = math.NaN()
			}
		}
	}
	return perm, l, u, logd, sign
}

func TestLUCompose(t *testing.T) {
	const c = 5
	perm, l, u, logd, sign := luOperands(c)
	w, winv := make([]float64, c*c), make([]float64, c*c)
	luCompose(c, perm, l, u, logd, sign, w, winv)
	near(t, "w winv", matmul(c, w, winv), identity(c), 1e-10)
	near(t, "winv w", matmul(c, winv, w), identity(c), 1e-10)

	// P as a matrix: (P B)[i,:] = B[perm[i],:].
	p := make([]float64, c*c)
	for i := range c {
		p[i*c+int(perm[i])] = 1
	}
	lower, upper := triangles(c, l, u, logd, sign)
	near(t, "P L D", matmul(c, p, matmul(c, lower, upper)), w, 1e-13)
	for i := range c {
		if lower[i*c+i] != 1 || upper[i*c+i] != sign[i]*math.Exp(logd[i]) {
			t.Errorf("diagonals %v and %v", lower[i*c+i], upper[i*c+i])
		}
	}
}

func TestLUComposeGradients(t *testing.T) {
	const c, dld = 4, 0.7
	perm, l, u, logd, sign := luOperands(c)
	dw := random(newRand(6), c*c)
	loss := func() float64 {
		w, winv := make([]float64, c*c), make([]float64, c*c)
		luCompose(c, perm, l, u, logd, sign, w, winv)
		return dot(w, dw) + dld*sum(logd)
	}
	dl, du, dlogd := make([]float64, c*c), make([]float64, c*c), make([]float64, c)
	luComposeBackward(c, perm, l, u, logd, sign, dw, dld, dl, du, dlogd)
	gradient(t, "dlogd", loss, logd, dlogd)
	for i := range c {
		for j := range c {
			k := i*c + j
			if j < i {
				gradient(t, "dl", loss, l[k:k+1], dl[k:k+1])
			} else if dl[k] != 0 {
				t.Errorf("dl[%d,%d] = %v lies outside the triangle", i, j, dl[k])
			}
			if j > i {
				gradient(t, "du", loss, u[k:k+1], du[k:k+1])
			} else if du[k] != 0 {
				t.Errorf("du[%d,%d] = %v lies outside the triangle", i, j, du[k])
			}
		}
	}
	again := clone(dl)
	luComposeBackward(c, perm, l, u, logd, sign, dw, dld, again, clone(du), clone(dlogd))
	for i := range again {
		again[i] /= 2
	}
	near(t, "dl added twice", again, dl, 1e-14)
}

// Each law by its formula, as the papers write it.
func TestLaws(t *testing.T) {
	r := device.Rows{C: 1, N: 1, P: 1}
	for _, c := range []struct {
		law device.Law
		y   func(x, t, s, g float64) float64
	}{
		{device.Additive, func(x, t, s, g float64) float64 { return x + t }},
		{device.SigmoidScale, func(x, t, s, g float64) float64 { return (x + t) / (1 + math.Exp(-s-2)) }},
		{device.ExpScale, func(x, t, s, g float64) float64 { return x*math.Exp(2*math.Tanh(s/2)) + t }},
		{device.TanhScale, func(x, t, s, g float64) float64 { return x*math.Exp(g*math.Tanh(s)) + t }},
		{device.GaussScale, func(x, t, s, g float64) float64 { return (x + t) * math.Exp(6*math.Tanh(s/6)) }},
	} {
		for _, s := range []float64{-3, -0.1, 1e-8, 0.4, 5} {
			const x, shift, g, h = 0.7, -1.3, 1.4, 1e-5
			y, logdet := []float64{x}, []float64{10}
			coupling(r, c.law, []float64{g}, []float64{shift, s}[:c.law.Params()], y, logdet)
			near(t, "y", y, []float64{c.y(x, shift, s, g)}, 1e-14)
			slope := (c.y(x+h, shift, s, g) - c.y(x-h, shift, s, g)) / (2 * h)
			near(t, "logdet", logdet, []float64{10 + math.Log(slope)}, 1e-9)
		}
	}
}

func TestCouplingInverts(t *testing.T) {
	rows := device.Rows{C: 2, N: 3, P: 4}
	for _, l := range laws {
		r := newRand(7)
		g, st, x, logdet := random(r, rows.C), random(r, l.law.Params()*rows.Len()), random(r, rows.Len()), random(r, rows.N)
		y, ld := clone(x), clone(logdet)
		coupling(rows, l.law, g, st, y, ld)
		couplingInverse(rows, l.law, g, st, y, ld)
		near(t, l.name+" x", y, x, 1e-12)
		near(t, l.name+" logdet", ld, logdet, 1e-12)
	}
}

func TestCouplingGradients(t *testing.T) {
	const dld = -0.6
	rows := device.Rows{C: 2, N: 3, P: 2}
	for _, l := range laws {
		r := newRand(8)
		g, st, x := random(r, rows.C), random(r, l.law.Params()*rows.Len()), random(r, rows.Len())
		dy := random(r, rows.Len())
		forward := func() (y, logdet []float64) {
			y, logdet = clone(x), make([]float64, rows.N)
			coupling(rows, l.law, g, st, y, logdet)
			return y, logdet
		}
		loss := func() float64 {
			y, logdet := forward()
			return dot(y, dy) + dld*sum(logdet)
		}
		y, _ := forward()
		dst, dx := clone(st), clone(dy)
		dg := added(rows.C, func(dg []float64) { couplingBackward(rows, l.law, g, dst, y, dx, dld, dg) })
		near(t, l.name+" x", y, x, 1e-12)
		gradient(t, l.name+" dx", loss, x, dx)
		gradient(t, l.name+" dst", loss, st, dst)
		if l.law == device.TanhScale {
			gradient(t, l.name+" dg", loss, g, dg)
		}
	}
}

func TestActNormInvertsAndItsGradients(t *testing.T) {
	const c, m, dld = 3, 5, 0.8
	r := newRand(9)
	logs, b, x, dy := random(r, c), random(r, c), random(r, c*m), random(r, c*m)
	forward := func() []float64 {
		y := clone(x)
		actNorm(m, logs, b, y)
		return y
	}
	loss := func() float64 { return dot(forward(), dy) + dld*sum(logs) }
	y := forward()
	actNormInverse(m, logs, b, y)
	near(t, "inverse", y, x, 1e-13)

	y = forward()
	dx := clone(dy)
	var db []float64
	dlogs := added(c, func(dlogs []float64) {
		db = added(c, func(db []float64) { actNormBackward(m, logs, b, y, dx, dld, dlogs, db) })
	})
	near(t, "x", y, x, 1e-13)
	gradient(t, "dx", loss, x, dx)
	gradient(t, "dlogs", loss, logs, dlogs)
	gradient(t, "db", loss, b, db)
}

func TestActNormInit(t *testing.T) {
	const m = 50
	x := random(newRand(10), 3*m)
	for i := range m {
		x[i] = 100 + 7*x[i]
		x[2*m+i] = -4 // constant
	}
	logs, b := make([]float64, 3), make([]float64, 3)
	actNormInit(m, x, logs, b)
	actNorm(m, logs, b, x)
	for c, variance := range []float64{1, 1, 0} {
		row := x[c*m : (c+1)*m]
		near(t, "mean, variance", []float64{sum(row) / m, sumSquares(row) / m}, []float64{0, variance}, 1e-12)
	}
	near(t, "constant row", []float64{logs[2], b[2]}, []float64{math.Log(1000), 4}, 1e-14)
}

func TestSqueeze(t *testing.T) {
	x := []float64{ // 1 channel, 1 sample, 2 x 4
		0, 1, 2, 3,
		4, 5, 6, 7,
	}
	y := make([]float64, 8)
	squeeze(1, 1, 2, 4, x, y)
	near(t, "y", y, []float64{0, 2, 1, 3, 4, 6, 5, 7}, 0)

	const c, n, h, w = 3, 2, 4, 6
	x = random(newRand(11), c*n*h*w)
	y, back := make([]float64, len(x)), make([]float64, len(x))
	squeeze(c, n, h, w, x, y)
	unsqueeze(c, n, h, w, y, back)
	near(t, "unsqueeze of squeeze", back, x, 0)
	// y[4c+2u+v, n, i, j] = x[c, n, 2i+u, 2j+v] at c = 2, u = 1, v = 0, n = 1, i = 1, j = 2.
	if got, want := y[((10*n+1)*(h/2)+1)*(w/2)+2], x[((2*n+1)*h+3)*w+4]; got != want {
		t.Errorf("y[10,1,1,2] = %v, want %v", got, want)
	}
}

func TestGaussian(t *testing.T) {
	rows := device.Rows{C: 2, N: 3, P: 2}
	x := random(newRand(12), rows.Len())
	logp := []float64{1, 2, 3}
	gaussianLogProb(rows, x, logp)
	want := []float64{1, 2, 3}
	for c := range rows.C {
		for n := range rows.N {
			for p := range rows.P {
				v := x[(c*rows.N+n)*rows.P+p]
				want[n] += math.Log(math.Exp(-v*v/2) / math.Sqrt(2*math.Pi))
			}
		}
	}
	near(t, "logp", logp, want, 1e-12)
	const dlp = -0.3
	dx := make([]float64, len(x))
	gaussianLogProbBackward(dlp, x, dx)
	gradient(t, "dx", func() float64 {
		logp := make([]float64, rows.N)
		gaussianLogProb(rows, x, logp)
		return dlp * sum(logp)
	}, x, dx)
}

// The first step of Adam, by hand: m = (1-beta1) g, so that p moves by lr*g/(|g|+eps).
func TestAdamFirstStep(t *testing.T) {
	g, p, m, v, ema := []float64{3, -4}, []float64{1, 1}, []float64{0, 0}, []float64{0, 0}, []float64{5, 5}
	o := device.Adam{Beta1: 0.5, Beta2: 0.75, Eps: 0, Clip: 10, EMADecay: 0.5}
	adamStep(o, []float64{0.125, 1}, 25, g, p, m, v, ema)
	near(t, "p", p, []float64{0.875, 1.125}, 1e-15)
	near(t, "m", m, []float64{1.5, -2}, 1e-15)
	near(t, "v", v, []float64{0.25 * 9, 0.25 * 16}, 1e-15)
	d := 2.0 / 11
	near(t, "ema", ema, []float64{d*5 + (1-d)*0.875, d*5 + (1-d)*1.125}, 1e-15)
}

// The second step, with everything in it, against the formulas on one number.
func TestAdamSecondStep(t *testing.T) {
	const lr, g0, p0, m0, v0, e0 = 0.25, 8.0, 1.0, 0.5, 4.0, 2.0
	step := func(o device.Adam) (p, m, v, ema float64) {
		a := [][]float64{{g0}, {p0}, {m0}, {v0}, {e0}}
		adamStep(o, []float64{lr, 2}, 256, a[0], a[1], a[2], a[3], a[4])
		return a[1][0], a[2][0], a[3][0], a[4][0]
	}
	o := device.Adam{Beta1: 0.5, Beta2: 0.75, Eps: 0.125, Clip: 4, EMADecay: 0.125} // the norm is 16: g' = 2

	p, m, v, ema := step(o)
	near(t, "m, v", []float64{m, v}, []float64{0.5*0.5 + 0.5*2, 0.75*4 + 0.25*4}, 1e-15)
	near(t, "p", []float64{p}, []float64{1 - lr*(m/(1-0.25))/(math.Sqrt(v/(1-0.5625))+0.125)}, 1e-15)
	near(t, "ema", []float64{ema}, []float64{0.125*2 + 0.875*p}, 1e-15)

	o.Max = true
	p, m, v, _ = step(o)
	near(t, "Adamax m, v", []float64{m, v}, []float64{1.25, max(0.75*4, 2)}, 1e-15)
	near(t, "Adamax p", []float64{p}, []float64{1 - lr*(m/(1-0.25))/(v+0.125)}, 1e-15)

	o.Clip = 0
	_, m, v, _ = step(o)
	near(t, "unclipped m, v", []float64{m, v}, []float64{0.5*0.5 + 0.5*8, 8}, 1e-15)
}

// What is not finite is the oracle's own word, so it is said here once more.
func TestReferenceKeepsWhatIsNotFinite(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, x := range [][]float64{{1, nan, 2}, {nan, 1}, {inf, -inf}} {
		if got := sum(x); !math.IsNaN(got) {
			t.Errorf("sum of %v is %v", x, got)
		}
		if got := maxAbsDiff(x, []float64{inf, -inf, 0}[:len(x)], 0); !math.IsNaN(got) {
			t.Errorf("greatest difference from %v is %v", x, got)
		}
	}
	if got := sumSquares([]float64{1, -inf}); got != inf {
		t.Errorf("an infinity's square is %v", got)
	}
	if got := maxAbsDiff([]float64{1, 5}, []float64{2, 2}, 0.5); got != 3 {
		t.Errorf("greatest difference %v, want 3", got)
	}
	if got := maxAbsDiff(nil, nil, 0.5); got != 0.5 {
		t.Errorf("no differences leave %v, want 0.5", got)
	}
	for _, bad := range []float64{nan, inf} {
		p, m, v, ema := []float64{1}, []float64{2}, []float64{3}, []float64{4}
		adamStep(device.Adam{Beta1: 0.9, Beta2: 0.9, EMADecay: 0.5}, []float64{1, 1}, bad, []float64{1}, p, m, v, ema)
		near(t, "after a bad step", []float64{p[0], m[0], v[0], ema[0]}, []float64{1, 2, 3, 4}, 0)
	}
}

// A sample's noise is its own: whichever batch it is in, and wherever.
func TestNoiseDoesNotDependOnTheBatch(t *testing.T) {
	rng := device.Stream{Seed: 5, ID: 6}
	whole, part := device.Rows{C: 3, N: 5, P: 3}, device.Rows{C: 3, N: 2, P: 3}
	values := make([]float64, 2*whole.Len())
	noise(whole, rng, []float64{7, 100}, func(i int, u, n float64) { values[2*i], values[2*i+1] = u, n })
	seen := map[float64]bool{}
	for _, v := range values {
		if seen[v] {
			t.Errorf("%v comes twice", v)
		}
		seen[v] = true
	}
	noise(part, rng, []float64{7, 103}, func(i int, u, n float64) {
		c, k, p := i/6, i/3%2, i%3
		j := (c*whole.N+3+k)*whole.P + p
		if u != values[2*j] || n != values[2*j+1] {
			t.Errorf("sample %d, channel %d, pixel %d: %v, %v in a part and %v, %v in the whole", 3+k, c, p, u, n, values[2*j], values[2*j+1])
		}
	})
}

// Element e is word e%4 of counter (e/4, first+n, step, ID); normal numbers come in pairs.
func TestNoiseIsTheDocumentedCounter(t *testing.T) {
	rng := device.Stream{Seed: 0x1122334455667788, ID: 9}
	rows := device.Rows{C: 2, N: 2, P: 3}
	noise(rows, rng, []float64{11, 20}, func(i int, u, n float64) {
		c, sample, p := i/6, i/3%2, i%3
		e := uint32(c*3 + p)
		w := device.Philox([4]uint32{e / 4, 20 + uint32(sample), 11, 9}, [2]uint32{0x55667788, 0x11223344})
		even, odd := device.NormalOf(w[0], w[1])
		if e%4 >= 2 {
			even, odd = device.NormalOf(w[2], w[3])
		}
		want := []float64{even, odd}[e%2]
		if u != float64(w[e%4]>>8)/(1<<24) || n != want {
			t.Errorf("element %d of sample %d: %v, %v, want %v, %v", e, sample, u, n, float64(w[e%4]>>8)/(1<<24), want)
		}
	})
}

func TestDequantizeFillsTheCube(t *testing.T) {
	be := Reference()
	const levels, n = 4, 4000
	v, x := make([]float32, n), make([]float32, n)
	for i := range v {
		v[i] = float32(i % levels)
	}
	be.Dequantize(device.Rows{C: 1, N: n / 4, P: 4}, levels, device.Stream{Seed: 1}, device.HostBuffer([]float32{0, 0}),
		device.HostBuffer(v), device.HostBuffer(x))
	var cell [levels]float64
	for i, q := range x {
		u := (float64(q)+0.5)*levels - float64(v[i])
		if !(u >= 0 && u < 1+1e-6) {
			t.Fatalf("level %v became %v", v[i], q)
		}
		cell[int(v[i])] += u / (n / levels)
	}
	near(t, "mean within a level", cell[:], []float64{0.5, 0.5, 0.5, 0.5}, 0.05)
}
