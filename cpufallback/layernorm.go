package cpufallback

import (
	"cuflow/cpufallback/internal/nn"
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// layerNormTask does chunks of columns, in blocks of which all channels fit into the L1 cache.
type layerNormTask struct {
	vec                      *vec.Kernels
	k                        *nn.Kernels
	c, m, width, chunks      int
	eps                      float32
	memory                   []float32 // two rows of width for each worker
	partials                 []float32 // [chunks][2][C]
	gamma, beta, x, y, stats []float32
	dy, dx                   []float32 // backward only
}

func (t *layerNormTask) Do(chunk, worker int) {
	first, last := share(t.m, t.chunks, chunk, line)
	mem := t.memory[worker*2*t.width:][:2*t.width]
	var parts []float32
	if t.dy != nil {
		parts = t.partials[chunk*2*t.c:][:2*t.c]
		clear(parts)
	}
	for lo := first; lo < last; lo += t.width {
		hi := min(lo+t.width, last)
		if t.dy == nil {
			t.forward(lo, hi)
		} else {
			t.backward(lo, hi, mem[:hi-lo], mem[t.width:][:hi-lo], parts)
		}
	}
}

func (t *layerNormTask) forward(lo, hi int) {
	mean, rstd := t.stats[lo:hi], t.stats[t.m+lo:t.m+hi]
	share := 1 / float32(t.c)
	clear(mean)
	clear(rstd)
	for c := range t.c {
		t.vec.Axpy(share, t.x[c*t.m+lo:c*t.m+hi], mean)
	}
	for c := range t.c {
		t.k.Squares(t.x[c*t.m+lo:c*t.m+hi], mean, rstd)
	}
	t.k.Deviation(rstd, share, t.eps)
	for c := range t.c {
		t.k.Normalize(t.x[c*t.m+lo:c*t.m+hi], mean, rstd, t.y[c*t.m+lo:c*t.m+hi], t.gamma[c], t.beta[c])
	}
}

func (t *layerNormTask) backward(lo, hi int, a, b, parts []float32) {
	mean, rstd := t.stats[lo:hi], t.stats[t.m+lo:t.m+hi]
	clear(a)
	clear(b)
	for c := range t.c {
		dgamma, dbeta := t.k.GradSums(t.x[c*t.m+lo:c*t.m+hi], t.dy[c*t.m+lo:c*t.m+hi], mean, rstd, a, b, t.gamma[c])
		parts[c] += dgamma
		parts[t.c+c] += dbeta
	}
	for c := range t.c {
		t.k.GradFinish(t.x[c*t.m+lo:c*t.m+hi], t.dy[c*t.m+lo:c*t.m+hi], t.dx[c*t.m+lo:c*t.m+hi], mean, rstd, a, b, t.gamma[c], 1/float32(t.c))
	}
}

func (b *Backend) runLayerNorm(t layerNormTask) *layerNormTask {
	const floats = 8192 // of x that stay in the L1 cache
	t.vec, t.k = b.vec, b.nn
	t.width = min(block, max(line, floats/t.c/line*line))
	t.chunks = min(maxNormChunks, chunksOf(2*t.c*t.m, (t.m+line-1)/line))
	t.memory = grow(&b.transformer.columns, b.pool.Workers()*2*t.width)
	if t.dy != nil {
		t.partials = grow(&b.transformer.partials, t.chunks*2*t.c)
	}
	b.transformer.norm = t
	b.pool.Run(t.chunks, &b.transformer.norm)
	return &b.transformer.norm
}

// maxNormChunks bounds what is added up of the parameters' gradients.
const maxNormChunks = 64

// LayerNorm: y = gamma*(x-mean)*rstd + beta by columns.
func (b *Backend) LayerNorm(c, m int, eps float32, gamma, beta, x, y, stats device.Buffer) {
	mustFit(c >= 1 && gamma.Len() == c && beta.Len() == c && x.Len() == c*m && y.Len() == c*m && stats.Len() == 2*m)
	if m == 0 {
		return
	}
	b.runLayerNorm(layerNormTask{c: c, m: m, eps: eps, gamma: gamma.Host(), beta: beta.Host(), x: x.Host(), y: y.Host(), stats: stats.Host()})
	b.transformer.norm = layerNormTask{}
}

// LayerNormBackward adds the gradients of x, gamma and beta.
func (b *Backend) LayerNormBackward(c, m int, gamma, x, stats, dy, dx, dgamma, dbeta device.Buffer) {
	mustFit(c >= 1 && gamma.Len() == c && dgamma.Len() == c && dbeta.Len() == c && stats.Len() == 2*m)
	mustFit(x.Len() == c*m && dy.Len() == c*m && dx.Len() == c*m)
	if m == 0 {
		return
	}
	t := b.runLayerNorm(layerNormTask{c: c, m: m, gamma: gamma.Host(), x: x.Host(), stats: stats.Host(), dy: dy.Host(), dx: dx.Host()})
	for i := range c {
		var g, s float64
		for chunk := range t.chunks {
			g += float64(t.partials[chunk*2*c+i])
			s += float64(t.partials[chunk*2*c+c+i])
		}
		dgamma.Host()[i] += float32(g)
		dbeta.Host()[i] += float32(s)
	}
	b.transformer.norm = layerNormTask{}
}
