package cpufallback

import (
	"fmt"
	"unsafe"

	"cuflow/device"
)

// Large allocations are mapped on their own, where the system offers it: on huge pages, which a pass over memory is up to
// twice as fast on, and given back by Free at once. Using such a buffer after Free is a segmentation fault.
const mapFrom = 2 << 20 // bytes

// mappings are the mapped allocations by the address of their first element.
type mappings map[*float32][]byte

// Name is the device name that New takes.
func (b *Backend) Name() string { return b.name }

// Alloc gives n float32s set to 0.
func (b *Backend) Alloc(n int) (device.Buffer, error) {
	mustFit(n >= 0)
	if mapped && 4*n >= mapFrom {
		raw, err := mapMemory(4*n + mapFrom)
		if err != nil {
			return device.Buffer{}, fmt.Errorf("%s: no memory for %d float32s (%.1f GB): %w", b.name, n, float64(n)*4e-9, err)
		}
		x := aligned(raw, mapFrom, n)
		if b.mapped == nil {
			b.mapped = mappings{}
		}
		b.mapped[&x[0]] = raw
		return device.HostBuffer(x), nil
	}
	return device.HostBuffer(aligned(make([]byte, 4*n+64), 64, n)), nil
}

// aligned is n float32s in raw from the first address that is a multiple of align, a power of 2.
func aligned(raw []byte, align uintptr, n int) []float32 {
	off := -uintptr(unsafe.Pointer(&raw[0])) & (align - 1)
	return unsafe.Slice((*float32)(unsafe.Pointer(&raw[off])), n)[:n:n]
}

// Free gives an allocation back.
func (b *Backend) Free(x device.Buffer) {
	if x.Nil() {
		return
	}
	b.forgetStacks()
	first := &x.Host()[0]
	if raw, ok := b.mapped[first]; ok {
		delete(b.mapped, first)
		unmapMemory(raw)
	}
}

// Close ends the workers and gives back all memory.
func (b *Backend) Close() error {
	b.pool.Close()
	for _, raw := range b.mapped {
		unmapMemory(raw)
	}
	b.mapped = nil
	return nil
}

// Upload: dst[i] = src[i].
func (b *Backend) Upload(dst device.Buffer, src []float32) {
	mustFit(dst.Len() == len(src))
	copy(dst.Host(), src)
}

// Download: dst[i] = src[i]. An op is done when its method returns, so there is nothing to wait for, and nothing fails.
func (b *Backend) Download(dst []float32, src device.Buffer) error {
	mustFit(src.Len() == len(dst))
	copy(dst, src.Host())
	return nil
}

// Sync has nothing to wait for.
func (b *Backend) Sync() error { return nil }

// Fill: x[i] = v.
func (b *Backend) Fill(x device.Buffer, v float32) {
	b.runFlat(x.Len(), flatTask{a: v, x: x.Host(), do: func(t *flatTask, lo, hi int) {
		t.k.Fill(t.x[lo:hi], t.a)
	}})
}

// Copy: dst[i] = src[i].
func (b *Backend) Copy(dst, src device.Buffer) {
	mustFit(dst.Len() == src.Len())
	b.runFlat(src.Len(), flatTask{x: src.Host(), y: dst.Host(), do: func(t *flatTask, lo, hi int) {
		copy(t.y[lo:hi], t.x[lo:hi])
	}})
}

// Axpy: y[i] += a*x[i].
func (b *Backend) Axpy(a float32, x, y device.Buffer) {
	mustFit(x.Len() == y.Len())
	b.runFlat(x.Len(), flatTask{a: a, x: x.Host(), y: y.Host(), do: func(t *flatTask, lo, hi int) {
		t.k.Axpy(t.a, t.x[lo:hi], t.y[lo:hi])
	}})
}

// Sum: out[0] = a * sum_i x[i].
func (b *Backend) Sum(a float32, x, out device.Buffer) {
	out.Host()[0] = float32(float64(a) * b.sum(x))
}

// AddSum: out[j] += a * sum_i v[i].
func (b *Backend) AddSum(a float32, v, out device.Buffer) {
	s := float32(float64(a) * b.sum(v))
	b.runFlat(out.Len(), flatTask{a: s, x: out.Host(), do: func(t *flatTask, lo, hi int) {
		t.k.MulAdd(t.x[lo:hi], 1, t.a)
	}})
}

func (b *Backend) sum(x device.Buffer) float64 {
	return b.runRows(1, x.Len(), rowTask{x: x.Host(), do: func(t *rowTask, cell, _, lo, hi int) {
		t.sums[0][cell] = float64(t.k.Sum(t.x[lo:hi]))
	}}).rowSum(0, 0)
}

// SumSquares: out[0] = sum_i x[i]^2.
func (b *Backend) SumSquares(x, out device.Buffer) {
	t := b.runRows(1, x.Len(), rowTask{x: x.Host(), do: func(t *rowTask, cell, _, lo, hi int) {
		t.sums[0][cell] = float64(t.k.SumSquares(t.x[lo:hi]))
	}})
	out.Host()[0] = float32(t.rowSum(0, 0))
}

// MaxAbsDiff: out[0] = max(out[0], max_i |x[i]-y[i]|).
func (b *Backend) MaxAbsDiff(x, y, out device.Buffer) {
	mustFit(x.Len() == y.Len())
	t := b.runRows(1, x.Len(), rowTask{x: x.Host(), y: y.Host(), do: func(t *rowTask, cell, _, lo, hi int) {
		t.sums[0][cell] = float64(t.k.MaxAbsDiff(t.x[lo:hi], t.y[lo:hi]))
	}})
	m := out.Host()[0]
	for _, v := range t.sums[0] {
		m = max(m, float32(v)) // max carries NaN through
	}
	out.Host()[0] = m
}
