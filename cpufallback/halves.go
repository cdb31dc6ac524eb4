package cpufallback

import (
	"fmt"
	"runtime"

	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// Precision is "bf16" where the products of convolutions and stacks round their factors so, else "".
func (b *Backend) Precision() string {
	if b.gemm.RoundsToBF16() {
		return "bf16"
	}
	return ""
}

// NewBF16 is New of a backend whose convolutions and stacks round the factors of their products to BF16 and add up in float32;
// weights, gradients and all other ops stay float32. ConvBackwardWeight alone, outside of a stack, has factors in float32.
func NewBF16(name string) (*Backend, error) { return NewBF16Workers(name, runtime.GOMAXPROCS(0)) }

// NewBF16Workers is NewBF16 on a given number of cores. Results do not depend on it.
func NewBF16Workers(name string, workers int) (*Backend, error) {
	b, err := NewWorkers(name, workers)
	if err != nil {
		return nil, err
	}
	k := b.gemm.InBF16()
	if k == nil {
		err := fmt.Errorf("device %q has no instructions for --precision bf16: it takes cpu:avx512 on a processor with AVX512_BF16", b.name)
		b.Close()
		return nil, err
	}
	b.gemm = k
	return b, nil
}

// roundTask rounds the weights of some products, each in a chunk.
type roundTask struct {
	k       *gemm.Kernels
	scratch []gemm.Scratch
	a       []*gemm.Weights
	half    []gemm.Weights
	memory  []float32
	at      []int // of memory, by product
}

func (t *roundTask) Do(chunk, worker int) {
	t.k.Round(&t.scratch[worker], t.a[chunk], &t.half[chunk], t.memory[t.at[chunk]:])
}

// roundProduct rounds the weights of one product, where that is wanted.
func (b *Backend) roundProduct(a *gemm.Weights) {
	if b.gemm.RoundsToBF16() {
		b.conv.round.a = append(b.conv.round.a[:0], a)
		b.runRound()
	}
}

// roundStack rounds the weights of a pass through a stack, where that is wanted.
func (b *Backend) roundStack(layers []gemm.Layer, back bool) {
	if !b.gemm.RoundsToBF16() {
		return
	}
	t := &b.conv.round
	t.a = t.a[:0]
	for i := range layers {
		if back {
			t.a = append(t.a, &layers[i].Back)
		} else {
			t.a = append(t.a, &layers[i].W)
		}
	}
	b.runRound()
}

func (b *Backend) runRound() {
	t := &b.conv.round
	t.k, t.scratch = b.gemm, b.workerScratch()
	n := 0
	t.at = t.at[:0]
	for _, a := range t.a {
		t.at = append(t.at, n)
		n += (a.HalfFloats() + line - 1) / line * line
	}
	grow(&t.half, len(t.a))
	gemm.Grow(&t.memory, n)
	b.pool.Run(len(t.a), t)
	clear(t.a)
}

// open is a backend of the given name and precision.
func open(name, precision string) (device.Backend, error) {
	make := New
	if precision == "bf16" {
		make = NewBF16
	}
	b, err := make(name)
	if err != nil {
		return nil, err // not a nil *Backend in an interface
	}
	return b, nil
}
