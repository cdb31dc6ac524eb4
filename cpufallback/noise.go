package cpufallback

import (
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// noiseTask is Dequantize, Dropout, Normal, Logistic or Uniform. Random numbers are made a tile at a time; on the way to x, uniform ones
// become what is asked for.
type noiseTask struct {
	sampleWalk
	k           *vec.Kernels
	rng         device.Stream
	step, first uint32 // of the stream; first is the number of the batch's sample 0
	kind        noiseKind
	std, levels float32
	v, x        []float32
}

type noiseKind int

const (
	dequantize noiseKind = iota
	normal
	logistic
	uniform
	dropout
)

func (t *noiseTask) Do(chunk, worker int) {
	u, _ := t.scratch(worker)
	first, last := t.samples(chunk)
	if t.P == 1 {
		t.columns(u, first, last)
		return
	}
	for n := first; n < last; n++ {
		t.sample(u, n)
	}
}

// sample fills sample n. Its elements come in order, and each channel's pixels are a run of x.
func (t *noiseTask) sample(u []float32, n int) {
	d := t.C * t.P
	for e := 0; e < d; e += tile {
		count := min(tile, d-e)
		u := u[:roundUp(count, vec.UniformsUnit)]
		t.numbers(u, uint32(e/4), n, t.k.Uniforms, t.k.Normals, t.k.Logistics)
		for i := 0; i < count; {
			c, p := (e+i)/t.P, (e+i)%t.P
			run := min(count-i, t.P-p)
			t.put(u[i:i+run], c*t.M()+n*t.P+p)
			i += run
		}
	}
}

// columns fills samples of one pixel. Their elements are channels; the same word of neighbouring samples is a run of x.
func (t *noiseTask) columns(u []float32, first, last int) {
	for block := 0; 4*block < t.C; block++ {
		for n := first; n < last; n += tile / 4 {
			count := min(tile/4, last-n)
			w := roundUp(4*count, vec.UniformsUnit) / 4
			t.numbers(u[:4*w], uint32(block), n, t.k.UniformRows, t.k.NormalRows, t.k.LogisticRows)
			for j := range min(4, t.C-4*block) {
				t.put(u[j*w:][:count], (4*block+j)*t.N+n)
			}
		}
	}
}

// numbers fills u with what words become that begin at a block of elements of sample n.
func (t *noiseTask) numbers(u []float32, block uint32, n int, uniforms func(u []float32, c0, c1, c2, c3, k0, k1 uint32),
	normals, logistics func(u []float32, c0, c1, c2, c3, k0, k1 uint32, scale float32)) {
	low, high := uint32(t.rng.Seed), uint32(t.rng.Seed>>32)
	switch sample := t.first + uint32(n); t.kind {
	case normal:
		normals(u, block, sample, t.step, t.rng.ID, low, high, t.std)
	case logistic:
		logistics(u, block, sample, t.step, t.rng.ID, low, high, t.std)
	default:
		uniforms(u, block, sample, t.step, t.rng.ID, low, high)
	}
}

// put writes the noise u to x from element i on.
func (t *noiseTask) put(u []float32, i int) {
	x := t.x[i:][:len(u)]
	switch t.kind {
	case dequantize:
		t.k.Dequantize(t.v[i:][:len(u)], u, x, t.levels)
	case dropout:
		drop(u, x, t.levels, t.std)
	default:
		copy(x, u)
	}
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

func (b *Backend) runNoise(r device.Rows, rng device.Stream, at, x device.Buffer, t noiseTask) {
	mustFit(at.Len() == 2 && x.Len() == r.Len())
	t.sampleWalk, t.k = b.newSampleWalk(r, 2), b.vec
	t.rng, t.step, t.first = rng, uint32(at.Host()[0]), uint32(at.Host()[1])
	t.x = x.Host()
	b.elem.noise = t
	b.pool.Run(t.chunks, &b.elem.noise)
}

// Dequantize: x = (v + u)/levels - 1/2.
func (b *Backend) Dequantize(r device.Rows, levels int, rng device.Stream, at, v, x device.Buffer) {
	mustFit(v.Len() == r.Len())
	b.runNoise(r, rng, at, x, noiseTask{kind: dequantize, levels: float32(levels), v: v.Host()})
}

// Normal: x = std * N(0, 1).
func (b *Backend) Normal(r device.Rows, std float32, rng device.Stream, at, x device.Buffer) {
	b.runNoise(r, rng, at, x, noiseTask{kind: normal, std: std})
}

// Uniform: x uniform on [0, 1).
func (b *Backend) Uniform(r device.Rows, rng device.Stream, at, x device.Buffer) {
	b.runNoise(r, rng, at, x, noiseTask{kind: uniform})
}
