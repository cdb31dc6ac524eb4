package gemm

// Peak does at least flops floating-point operations, multiply-adds of registers that wait for nothing, and returns how many
// it did. It is what the products are measured against.
func (k *Kernels) Peak(flops int64) int64 {
	per := int64(24 * k.lanes * 2)
	n := (flops + per - 1) / per
	k.peak(int(n))
	return n * per
}
