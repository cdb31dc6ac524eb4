package cpufallback

import (
	"math"

	"cuflow/device"
)

// betaTask is BetaLogProb, BetaLogProbBackward or Beta, of x = logit u.
type betaTask struct {
	device.Rows
	chunks      int
	do          func(t *betaTask, lo, hi int) // samples, or elements for the backward pass
	size        int                           // how many of them
	a, b        float64
	logB        float64
	scale       float64 // of samples; of the backward pass dlp
	x, out      []float32
	rng         device.Stream
	step, first uint32
}

func (t *betaTask) Do(chunk, _ int) {
	lo, hi := share(t.size, t.chunks, chunk, 1)
	t.do(t, lo, hi)
}

func (b *Backend) runBeta(cost int, t betaTask) {
	t.chunks = chunksOf(cost, t.size)
	b.cdf.beta = t
	b.pool.Run(t.chunks, &b.cdf.beta)
}

// logBeta is log B(a, b).
func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// BetaLogProb: logp[n] += sum_{c,p} (a*log sigmoid(x) + b*log sigmoid(-x) - log B(a,b)).
func (b *Backend) BetaLogProb(r device.Rows, alpha, beta float32, x, logp device.Buffer) {
	mustFit(x.Len() == r.Len() && logp.Len() == r.N)
	t := betaTask{Rows: r, size: r.N, a: float64(alpha), b: float64(beta), x: x.Host(), out: logp.Host(), do: (*betaTask).logProb}
	t.logB = logBeta(t.a, t.b)
	b.runBeta(8*r.Len(), t)
}

func (t *betaTask) logProb(lo, hi int) {
	for n := lo; n < hi; n++ {
		sum := 0.0
		for c := range t.C {
			for _, v := range t.x[c*t.M()+n*t.P:][:t.P] {
				left := logSigmoid(float64(v))
				sum += t.a*left + t.b*(left-float64(v)) - t.logB
			}
		}
		t.out[n] += float32(sum)
	}
}

// BetaLogProbBackward: dx = dlp * (a*sigmoid(-x) - b*sigmoid(x)).
func (b *Backend) BetaLogProbBackward(alpha, beta, dlp float32, x, dx device.Buffer) {
	mustFit(x.Len() == dx.Len())
	b.runBeta(4*x.Len(), betaTask{
		size: x.Len(), a: float64(alpha), b: float64(beta), scale: float64(dlp), x: x.Host(), out: dx.Host(), do: (*betaTask).slopes,
	})
}

func (t *betaTask) slopes(lo, hi int) {
	for i, v := range t.x[lo:hi] {
		e := math.Exp(-math.Abs(float64(v)))
		near, far := e/(1+e), 1/(1+e) // sigmoid(-|x|), sigmoid(|x|)
		if v > 0 {
			near, far = far, near
		}
		t.out[lo+i] = float32(t.scale * (t.a*far - t.b*near))
	}
}

// Beta: x = scale * logit of the quantile of Beta(a, b) at a uniform number.
func (b *Backend) Beta(r device.Rows, alpha, beta, scale float32, rng device.Stream, at, x device.Buffer) {
	mustFit(at.Len() == 2 && x.Len() == r.Len())
	t := betaTask{Rows: r, size: r.N, a: float64(alpha), b: float64(beta), scale: float64(scale), x: x.Host(), do: (*betaTask).sample}
	t.logB = logBeta(t.a, t.b)
	t.rng, t.step, t.first = rng, uint32(at.Host()[0]), uint32(at.Host()[1])
	b.runBeta(256*r.Len(), t)
}

func (t *betaTask) sample(lo, hi int) {
	for n := lo; n < hi; n++ {
		var words [4]uint32
		for e := range t.C * t.P {
			if e%4 == 0 {
				words = t.rng.Words(uint32(e/4), t.first+uint32(n), t.step)
			}
			c, p := e/t.P, e%t.P
			t.x[c*t.M()+n*t.P+p] = float32(t.scale * t.quantile(words[e%4]>>8))
		}
	}
}

// quantile is logit u with I_u(a, b) = (k + 1/2)*2^-24, from the end that is nearer.
func (t *betaTask) quantile(k uint32) float64 {
	if k < 1<<23 {
		return lowerBeta(t.a, t.b, t.logB, math.Log((float64(k)+0.5)*0x1p-24))
	}
	return -lowerBeta(t.b, t.a, t.logB, math.Log((float64(1<<24-1-k)+0.5)*0x1p-24))
}

// lowerBeta is the z with log I(z) = logp <= log(1/2), I the distribution function of logit u, u of Beta(a, b). The density of
// logit u is log-concave, and so is I: Newton's method on log I comes to the left of the root in one step at most, and rises to it
// from there.
func lowerBeta(a, b, logB, logp float64) float64 {
	z := math.Log(a / b) // the mode
	for range 100 {
		logI, slope := logBetaCDF(z, a, b, logB)
		step := (logI - logp) / slope
		z -= step
		if math.Abs(step) <= 1e-7*(1+math.Abs(z)) { // the next one is its square
			break
		}
	}
	return z
}

// logBetaCDF is log I at z and its derivative. The continued fraction is that of the end on whose side of the mean z is.
func logBetaCDF(z, a, b, logB float64) (logI, slope float64) {
	x := logSigmoid(z)
	y := x - z // log(1-u)
	logf := a*x + b*y - logB
	if u := math.Exp(x); u < (a+1)/(a+b+2) {
		logI = logf + math.Log(betaFraction(a, b, u)/a)
	} else {
		logI = math.Log1p(-math.Exp(logf) * betaFraction(b, a, math.Exp(y)) / b)
	}
	return logI, math.Exp(logf - logI)
}

// betaFraction is the continued fraction 1/(1+d1/(1+d2/(1+...))) of I_u(a, b) = u^a (1-u)^b/(a B(a,b)) * fraction, DLMF 8.17.22,
// by Lentz's method. It takes some sqrt(max(a, b)) terms.
func betaFraction(a, b, u float64) float64 {
	const least = 1e-300 // instead of a 0 to divide by
	away := func(v float64) float64 {
		if math.Abs(v) < least {
			return least
		}
		return v
	}
	c, d := 1.0, 1/away(1-(a+b)*u/(a+1))
	f := d
	for i := 1; i <= 2000; i++ {
		m := float64(i)
		term := m * (b - m) * u / ((a + 2*m - 1) * (a + 2*m))
		d = 1 / away(1+term*d)
		c = away(1 + term/c)
		f *= d * c
		term = -(a + m) * (a + b + m) * u / ((a + 2*m) * (a + 2*m + 1))
		d = 1 / away(1+term*d)
		c = away(1 + term/c)
		f *= d * c
		if math.Abs(d*c-1) < 1e-14 {
			break
		}
	}
	return f
}
