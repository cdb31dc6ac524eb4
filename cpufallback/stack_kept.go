package cpufallback

import (
	"unsafe"

	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// A pass through a small stack takes as long as some tens of cache lines take from one core to another. What describes a pass
// is as long as that, and in the next step it is the same again: it is kept, and not written as long as it stays what it is, so that it stays in
// the caches of all cores.

// keptStacks are passes by the first unit, whose address is the network's own.
type keptStacks map[stackPass]*stackTask

type stackPass struct {
	first *device.Unit
	back  bool
}

// mostStacks bounds how many are kept: more than a deep model has.
const mostStacks = 1 << 12

// kept is the pass that t describes, where the workers know it from the last time.
func (b *Backend) kept(t *stackTask, first *device.Unit, back bool) *stackTask {
	gemm.ReserveAll(t.scratch, func(s *gemm.Scratch) { t.k.ReserveStack(s, &t.Stack) })
	key := stackPass{first, back}
	old := b.conv.kept[key]
	if old == nil {
		if b.conv.kept == nil || len(b.conv.kept) >= mostStacks {
			b.conv.kept = keptStacks{}
		}
		old = new(stackTask)
		b.conv.kept[key] = old
	}
	if old.differs(t) {
		layers := append(old.Layers[:0], t.Layers...)
		*old = *t
		old.Layers = layers
	}
	return old
}

// differs says whether two passes are not the same word for word.
func (t *stackTask) differs(u *stackTask) bool {
	if len(t.Layers) != len(u.Layers) {
		return true
	}
	for i := range t.Layers {
		if bits(&t.Layers[i]) != bits(&u.Layers[i]) {
			return true
		}
	}
	v := *u
	v.Layers = t.Layers
	return bits(t) != bits(&v)
}

// bits is the memory of x, to be compared.
func bits[T any](x *T) string { return unsafe.String((*byte)(unsafe.Pointer(x)), unsafe.Sizeof(*x)) }

// forgetStacks drops all of them, and what they point at.
func (b *Backend) forgetStacks() {
	b.conv.kept = nil
	layers := b.conv.stack.Layers
	clear(layers)
	b.conv.stack = stackTask{Stack: gemm.Stack{Layers: layers[:0]}}
}
