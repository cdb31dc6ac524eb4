//go:build arm64 && !noasm

package gemm

// assembly gives the kernels of an instruction set that has its own.
func assembly(isa string) *Kernels {
	if isa == "neon" {
		return neon()
	}
	return nil
}
