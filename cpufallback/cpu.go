// Package cpufallback is the Backend for machines without a GPU: plain Go loops for every op on every architecture, and
// hand-scheduled AVX2, AVX-512 and NEON assembly for what dominates, chosen when the backend is opened.
package cpufallback

import (
	"fmt"
	"runtime"

	"cuflow/cpufallback/internal/gemm"
	"cuflow/cpufallback/internal/nn"
	"cuflow/cpufallback/internal/pool"
	"cuflow/cpufallback/internal/smooth"
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// Backend computes on host memory. It is driven from one goroutine and spreads each op over its pool.
type Backend struct {
	name string
	pool *pool.Pool
	vec  *vec.Kernels  // elementwise, reductions: flow.go, train.go, memory.go
	gemm *gemm.Kernels // matrix products: conv.go, mix.go

	steps *gemm.StairKernels // products of masked networks: maskednet*.go
	nn    *nn.Kernels        // of transformers: attention.go, layernorm.go, gelu.go

	elem   elemTasks
	conv   convTasks
	cdf    cdfTasks
	curves curveTasks
	masked maskedTasks
	nets   netTasks
	ode    odeTasks
	smooth *smooth.Kernels
	mapped mappings

	transformer transformerTasks
}

var _ device.Backend = (*Backend)(nil)

// ISAs are the names that New takes after "cpu:" on this machine, the fastest first.
func ISAs() []string { return vec.ISAs() }

// New opens the CPU backend: "cpu" takes the fastest instruction set that the machine has, "cpu:generic", "cpu:avx2",
// "cpu:avx512" and "cpu:neon" name one. The error lists what there is.
func New(name string) (*Backend, error) { return NewWorkers(name, runtime.GOMAXPROCS(0)) }

// NewWorkers is New on a given number of cores. Results do not depend on it.
func NewWorkers(name string, workers int) (*Backend, error) {
	have := ISAs()
	isa := have[0]
	if name != "cpu" {
		isa = ""
		for _, h := range have {
			if name == "cpu:"+h {
				isa = h
			}
		}
		if isa == "" {
			return nil, fmt.Errorf("device %q: this machine has cpu, %s", name, names(have))
		}
	}
	return &Backend{name: "cpu:" + isa, pool: pool.New(workers), vec: vec.For(isa), gemm: gemm.For(isa), smooth: smooth.For(isa, gemm.For(isa).Lanes()), steps: gemm.StairsFor(isa), nn: nn.For(isa)}, nil
}

func names(isas []string) (s string) {
	for i, isa := range isas {
		if i > 0 {
			s += ", "
		}
		s += "cpu:" + isa
	}
	return s
}
