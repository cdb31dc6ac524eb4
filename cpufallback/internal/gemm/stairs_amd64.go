//go:build amd64 && !noasm

package gemm

// stairAssembly gives the kernels of an instruction set that has its own.
func stairAssembly(isa string) *StairKernels {
	switch isa {
	case "avx512":
		return avx512Stairs()
	case "avx2":
		return avx2Stairs()
	}
	return nil
}
