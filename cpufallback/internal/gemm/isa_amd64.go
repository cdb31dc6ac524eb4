//go:build amd64 && !noasm

package gemm

// assembly gives the kernels of an instruction set that has its own.
func assembly(isa string) *Kernels {
	switch isa {
	case "avx512":
		return avx512()
	case "avx2":
		return avx2()
	}
	return nil
}
