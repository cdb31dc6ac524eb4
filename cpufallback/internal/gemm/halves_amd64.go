//go:build amd64 && !noasm

package gemm

import "github.com/klauspost/cpuid/v2"

// halves gives the kernels of BF16 where the machine has its instructions, else nil.
func halves() *halfKernels {
	if !cpuid.CPU.Supports(cpuid.AVX512BF16) {
		return nil
	}
	return bf16()
}
