package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// noiseTask is Dequantize, Normal, Logistic or Uniform. Uniform numbers are made a tile at a time and turned into what is asked for
// on the way to x.
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
		t.k.Uniforms(u, uint32(e/4), t.first+uint32(n), t.step, t.rng.ID, uint32(t.rng.Seed), uint32(t.rng.Seed>>32))
		if t.kind == normal {
			for i := 0; i < count; i += 2 {
				u[i], u[i+1] = t.normals(u[i], u[i+1])
			}
		}
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
			t.k.UniformRows(u[:4*w], uint32(block), t.first+uint32(n), t.step, t.rng.ID, uint32(t.rng.Seed), uint32(t.rng.Seed>>32))
			if t.kind == normal {
				for i := range count {
					u[i], u[w+i] = t.normals(u[i], u[w+i])
					u[2*w+i], u[3*w+i] = t.normals(u[2*w+i], u[3*w+i])
				}
			}
			for j := range min(4, t.C-4*block) {
				t.put(u[j*w:][:count], (4*block+j)*t.N+n)
			}
		}
	}
}

// normals turns a pair of uniform numbers into normal ones. A uniform number is 24 bits of a word.
func (t *noiseTask) normals(even, odd float32) (a, b float32) {
	x, y := device.NormalOf(uint32(even*0x1p24)<<8, uint32(odd*0x1p24)<<8)
	return float32(float64(t.std) * x), float32(float64(t.std) * y)
}

// put writes the noise u to x from element i on.
func (t *noiseTask) put(u []float32, i int) {
	x := t.x[i:][:len(u)]
	switch t.kind {
	case dequantize:
		t.k.Dequantize(t.v[i:][:len(u)], u, x, t.levels)
	case logistic: // u is halfway between two multiples of 2^-24, and so is 1-u: never 0
		for j, v := range u {
			odd := 2*float64(v*0x1p24) + 1
			x[j] = float32(float64(t.std) * math.Log(odd/(0x1p25-odd)))
		}
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
