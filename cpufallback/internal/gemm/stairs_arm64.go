//go:build arm64 && !noasm

package gemm

// stairAssembly gives the kernels of an instruction set that has its own.
func stairAssembly(isa string) *StairKernels {
	if isa == "neon" {
		return neonStairs()
	}
	return nil
}
