package devicetest

import "cuflow/device"

// Wide is the reference on float64 memory: nothing is rounded between ops, so that a whole model can be differentiated
// by central differences. Upload widens and Download rounds; Values shows what is there.
type Wide struct {
	reference
	mem []float64
}

var _ device.Backend = (*Wide)(nil)

// Float64 opens a float64 reference.
func Float64() *Wide {
	w := &Wide{}
	w.wide = w
	return w
}

// wideBase keeps addresses away from 0. An address counts 4 bytes a value, as buffers do.
const wideBase = 1 << 20

func (w *Wide) Name() string { return "float64" }

// Alloc gives n values set to 0. Earlier results of Values go stale.
func (w *Wide) Alloc(n int) (device.Buffer, error) {
	lo := len(w.mem)
	w.mem = append(w.mem, make([]float64, n)...)
	return device.DeviceBuffer(wideBase+4*uint64(lo), n), nil
}

// Values is the memory of a buffer, to read and to write.
func (w *Wide) Values(b device.Buffer) []float64 {
	if b.Nil() {
		return nil
	}
	lo := int(b.Addr()-wideBase) / 4
	return w.mem[lo : lo+b.Len()]
}

func (w *Wide) Upload(dst device.Buffer, src []float32) {
	sameLen(dst.Len(), len(src))
	for i, v := range src {
		w.Values(dst)[i] = float64(v)
	}
}

func (w *Wide) Download(dst []float32, src device.Buffer) error {
	sameLen(len(dst), src.Len())
	for i, v := range w.Values(src) {
		dst[i] = float32(v)
	}
	return nil
}
