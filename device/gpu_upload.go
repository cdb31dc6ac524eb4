package device

import "cuflow/kernels"

// ByteUploader is a Backend to which bytes cost less than float32s: a GPU, behind a bus.
type ByteUploader interface {
	// UploadBytes: dst[i] = src[i]. src may be reused when it returns. The copy runs beside the work that is enqueued already.
	UploadBytes(dst Buffer, src []byte)
}

func (g *gpu) UploadBytes(dst Buffer, src []byte) {
	fit(dst.n == len(src))
	g.begin("UploadBytes")
	if g.err != nil || len(src) == 0 {
		return
	}
	a, err := g.d.Stage(src)
	g.keep(err)
	g.run("widen", kernels.Flat(dst.n), num(dst.n), addr(a), ptr(dst))
}

// A copy of so many float32s is worth a detour over staging memory, where it does not wait for the work before it; parameters are
// larger, and there is no such work when they come.
const leastStaged, mostStaged = 1 << 14, 1 << 22

func (g *gpu) Upload(dst Buffer, src []float32) {
	fit(dst.n == len(src))
	g.begin("Upload")
	switch {
	case g.err != nil || len(src) == 0:
	case len(src) < leastStaged || len(src) > mostStaged:
		g.keep(g.d.CopyIn(dst.addr, bytesOf(src)))
	default:
		a, err := g.d.Stage(bytesOf(src))
		g.keep(err)
		g.run("copy", kernels.Flat(dst.n), num(dst.n), addr(a), ptr(dst))
	}
}
