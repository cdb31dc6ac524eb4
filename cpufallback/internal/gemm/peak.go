package gemm

// Peak does at least flops floating-point operations, multiply-adds of registers that wait for nothing, and returns how many
// it did. It is what the products are measured against; of BF16 where they round to it.
func (k *Kernels) Peak(flops int64) int64 {
	per := int64(24 * k.lanes * 2)
	peak := k.peak
	if k.half != nil {
		per, peak = 2*per, k.half.peak
	}
	n := (flops + per - 1) / per
	peak(int(n))
	return n * per
}
