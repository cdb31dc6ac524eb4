package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// adamTask is AdamStep.
type adamTask struct {
	k               *vec.Kernels
	chunks          int
	max             bool
	c               vec.AdamConsts
	keep, blend     float32 // of the averaged weights: ema = keep*ema + blend*p
	g, p, m, v, ema []float32
}

func (t *adamTask) Do(chunk, _ int) {
	first, last := share(len(t.p), t.chunks, chunk, line)
	step := t.k.Adam
	if t.max {
		step = t.k.Adamax
	}
	for lo := first; lo < last; lo += tile {
		hi := min(lo+tile, last)
		step(t.g[lo:hi], t.p[lo:hi], t.m[lo:hi], t.v[lo:hi], &t.c)
		if t.ema != nil {
			t.k.Lerp(t.keep, t.blend, t.p[lo:hi], t.ema[lo:hi])
		}
	}
}

// AdamStep updates every parameter, or none if the gradient is not finite.
func (b *Backend) AdamStep(o device.Adam, hyper, sumsq, g, p, m, v, ema device.Buffer) {
	mustFit(hyper.Len() == 2 && sumsq.Len() == 1 && g.Len() == p.Len() && m.Len() == p.Len() && v.Len() == p.Len())
	mustFit(o.EMADecay == 0 || ema.Len() == p.Len())
	square := float64(sumsq.Host()[0])
	if math.IsNaN(square) || math.IsInf(square, 0) {
		return
	}
	clip := 1.
	if o.Clip > 0 {
		clip = min(1, float64(o.Clip)/math.Sqrt(square))
	}
	lr, step := float64(hyper.Host()[0]), float64(hyper.Host()[1])
	beta1, beta2 := float64(o.Beta1), float64(o.Beta2)
	keep := min(float64(o.EMADecay), (1+step)/(10+step))

	t := &b.elem.adam
	*t = adamTask{
		k: b.vec, chunks: chunksOf(p.Len(), p.Len()), max: o.Max,
		c: vec.AdamConsts{
			Clip:  float32(clip),
			Beta1: o.Beta1, Rest1: float32(1 - beta1),
			Beta2: o.Beta2, Rest2: float32(1 - beta2),
			Step: float32(lr / (1 - math.Pow(beta1, step))),
			Fix2: float32(1 / (1 - math.Pow(beta2, step))),
			Eps:  o.Eps,
		},
		keep: float32(keep), blend: float32(1 - keep),
		g: g.Host(), p: p.Host(), m: m.Host(), v: v.Host(),
	}
	if o.EMADecay > 0 {
		t.ema = ema.Host()
	}
	b.pool.Run(t.chunks, t)
}
