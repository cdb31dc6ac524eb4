package cpufallback

import (
	"math"
	"slices"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// mixtureTask does one thing to every item of a mixture's work: a component, a dimension, a sample or a tile of samples. Which
// items make a chunk follows from shapes alone.
type mixtureTask struct {
	device.Components
	k             *vec.Kernels
	items, chunks int
	do            func(t *mixtureTask, item, worker int)

	a                        float32   // a factor
	logits, mean, logs, l    []float32 // parameters
	x, q, r, logp            []float32
	dx, dmean, dlogs, dlogit []float32
	pick                     []float32

	weights []float64 // by component
	wide    []float64 // D or N values a worker
	tiles   []float32 // two tiles a worker
	some    *sparse
}

func (t *mixtureTask) Do(chunk, worker int) {
	first, last := share(t.items, t.chunks, chunk, 1)
	for i := first; i < last; i++ {
		t.do(t, i, worker)
	}
}

// runMixture does t.do for every item; work is what all of them cost in elements.
func (b *Backend) runMixture(items, work int, t mixtureTask) {
	if items == 0 {
		return
	}
	t.k, t.items, t.chunks = b.vec, items, chunksOf(work, items)
	b.elem.mixture = t
	b.pool.Run(t.chunks, &b.elem.mixture)
	b.elem.mixture = mixtureTask{}
}

const mixtureTile = 128 // samples of a tile: a row of them stays in the L1 cache beside the sums

func mixtureTiles(n int) int { return (n + mixtureTile - 1) / mixtureTile }

// tileOf is item i of components x tiles: the component and its samples [lo, hi).
func (t *mixtureTask) tileOf(i int) (k, lo, hi int) {
	k, lo = i/mixtureTiles(t.N), i%mixtureTiles(t.N)*mixtureTile
	return k, lo, min(lo+mixtureTile, t.N)
}

// MixtureDiagonal: q[k,n] = log N(x[n]; mean[k], exp(-logs[k])^2).
func (b *Backend) MixtureDiagonal(s device.Components, mean, logs, x, q device.Buffer) {
	mustFit(mean.Len() == s.K*s.D && logs.Len() == s.K*s.D && x.Len() == s.D*s.N && q.Len() == s.K*s.N)
	b.runMixture(s.K*mixtureTiles(s.N), s.K*s.D*s.N, mixtureTask{Components: s, mean: mean.Host(), logs: logs.Host(), x: x.Host(), q: q.Host(),
		tiles: grow(&b.elem.tiles, b.pool.Workers()*2*mixtureTile), do: mixtureDiagonal})
}

func mixtureDiagonal(t *mixtureTask, i, worker int) {
	k, lo, hi := t.tileOf(i)
	v, sums := t.tiles[worker*2*mixtureTile:][:hi-lo], t.tiles[worker*2*mixtureTile+mixtureTile:][:hi-lo]
	clear(sums)
	constant := -float64(t.D) * halfLog2Pi
	for d := range t.D {
		kd := k*t.D + d
		copy(v, t.x[d*t.N+lo:])
		t.k.AddMul(v, -t.mean[kd], exp(t.logs[kd]))
		t.k.SegmentSquares(v, 1, sums)
		constant += float64(t.logs[kd])
	}
	for j, s := range sums {
		t.q[k*t.N+lo+j] = float32(constant - float64(s)/2)
	}
}

// sparse is the responsibilities that are not 0: in many dimensions a sample has one component or two. Those of component k are
// number start[k] .. start[k+1].
type sparse struct {
	start  []int
	sample []int32
	r      []float64
}

// set makes room for all of r at once: a later step with fewer zeros allocates nothing.
func (s *sparse) set(components, n int, r []float32) {
	s.start = append(slices.Grow(s.start[:0], components+1), 0)
	s.sample, s.r = slices.Grow(s.sample[:0], len(r)), slices.Grow(s.r[:0], len(r))
	for k := range components {
		for i, v := range r[k*n : (k+1)*n] {
			if v != 0 {
				s.sample, s.r = append(s.sample, int32(i)), append(s.r, float64(v))
			}
		}
		s.start = append(s.start, len(s.sample))
	}
}

// MixtureDiagonalBackward is MixtureDiagonal's gradients, weighted by the responsibilities r.
func (b *Backend) MixtureDiagonalBackward(s device.Components, dlp float32, mean, logs, r, x, dx, dmean, dlogs device.Buffer) {
	kd := s.K * s.D
	mustFit(mean.Len() == kd && logs.Len() == kd && r.Len() == s.K*s.N && x.Len() == s.D*s.N && dx.Len() == s.D*s.N && dmean.Len() == kd &&
		dlogs.Len() == kd)
	some := &b.elem.some
	some.set(s.K, s.N, r.Host())
	b.runMixture(s.D, s.D*(s.N+s.K+len(some.r)), mixtureTask{Components: s, a: dlp, mean: mean.Host(), logs: logs.Host(), x: x.Host(),
		dx: dx.Host(), dmean: dmean.Host(), dlogs: dlogs.Host(), some: some,
		wide: grow(&b.elem.partial, b.pool.Workers()*s.N), do: mixtureDiagonalBackward})
}

// mixtureDiagonalBackward is dimension d's part: nobody else adds to its gradients.
func mixtureDiagonalBackward(t *mixtureTask, d, worker int) {
	x, sums, dlp := t.x[d*t.N:(d+1)*t.N], t.wide[worker*t.N:][:t.N], float64(t.a)
	clear(sums)
	for k := range t.K {
		kd := k*t.D + d
		mean, e := float64(t.mean[kd]), math.Exp(float64(t.logs[kd]))
		dmean, dlogs := 0.0, 0.0
		for i := t.some.start[k]; i < t.some.start[k+1]; i++ {
			n, r := t.some.sample[i], t.some.r[i]
			v := (float64(x[n]) - mean) * e
			sums[n] += r * v * e
			dmean += r * v * e
			dlogs += r * (1 - v*v)
		}
		t.dmean[kd] += float32(dlp * dmean)
		t.dlogs[kd] += float32(dlp * dlogs)
	}
	for n, s := range sums {
		t.dx[d*t.N+n] = float32(-dlp * s)
	}
}

// logWeights are log softmax(logits).
func (b *Backend) logWeights(logits []float32) []float64 {
	w := grow(&b.elem.weightsOf, len(logits))
	top, sum := math.Inf(-1), 0.0
	for _, v := range logits {
		top = max(top, float64(v))
	}
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	whole := top + math.Log(sum)
	for k, v := range logits {
		w[k] = float64(v) - whole
	}
	return w
}

// MixtureEvidence: logp[n] += log sum_k pi[k] exp(q[k,n]); q becomes the responsibilities.
func (b *Backend) MixtureEvidence(k, n int, logits, q, logp device.Buffer) {
	mustFit(k > 0 && logits.Len() == k && q.Len() == k*n && logp.Len() == n)
	b.runMixture(mixtureTiles(n), 8*k*n, mixtureTask{Components: device.Components{K: k, N: n}, weights: b.logWeights(logits.Host()), q: q.Host(),
		logp: logp.Host(), do: mixtureEvidence})
}

func mixtureEvidence(t *mixtureTask, i, _ int) {
	_, lo, hi := t.tileOf(i)
	for n := lo; n < hi; n++ {
		top, sum := math.Inf(-1), 0.0
		for k, w := range t.weights {
			top = max(top, w+float64(t.q[k*t.N+n]))
		}
		for k, w := range t.weights {
			sum += math.Exp(w + float64(t.q[k*t.N+n]) - top)
		}
		e := top + math.Log(sum)
		t.logp[n] += float32(e)
		for k, w := range t.weights {
			q := &t.q[k*t.N+n]
			*q = float32(math.Exp(w + float64(*q) - e))
		}
	}
}

// MixtureEvidenceBackward: dlogits[k] += dlp * sum_n (r[k,n] - pi[k]).
func (b *Backend) MixtureEvidenceBackward(k, n int, dlp float32, logits, r, dlogits device.Buffer) {
	mustFit(k > 0 && logits.Len() == k && r.Len() == k*n && dlogits.Len() == k)
	b.runMixture(k, k*n, mixtureTask{Components: device.Components{K: k, N: n}, a: dlp, weights: b.logWeights(logits.Host()), r: r.Host(),
		dlogit: dlogits.Host(), do: func(t *mixtureTask, k, _ int) {
			sum := 0.0
			for _, v := range t.r[k*t.N : (k+1)*t.N] {
				sum += float64(v)
			}
			t.dlogit[k] += float32(float64(t.a) * (sum - float64(t.N)*math.Exp(t.weights[k])))
		}})
}

// AtMost: x = min(x, bound).
func (b *Backend) AtMost(bound float32, x device.Buffer) {
	b.runFlat(x.Len(), flatTask{a: bound, x: x.Host(), do: func(t *flatTask, lo, hi int) {
		for i, v := range t.x[lo:hi] {
			t.x[lo+i] = min(v, t.a)
		}
	}})
}
