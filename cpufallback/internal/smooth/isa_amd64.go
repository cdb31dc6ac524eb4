//go:build amd64 && !noasm

package smooth

//go:generate ../gen/vec/smooth.sh

// assembly gives the kernels of an instruction set that has its own, else nil. The caller knows that the machine has it.
func assembly(isa string) *Kernels {
	k := &Kernels{}
	switch isa {
	case "avx512":
		k.Bend[0], k.BendBackward[0] = bendTanhAVX512, bendTanhBackwardAVX512
		k.Pair[0], k.PairBackward[0] = pairTanhAVX512, pairTanhBackwardAVX512
		k.Bend[1], k.BendBackward[1] = bendSoftplusAVX512, bendSoftplusBackwardAVX512
		k.Pair[1], k.PairBackward[1] = pairSoftplusAVX512, pairSoftplusBackwardAVX512
		k.Bend[2], k.BendBackward[2] = bendSiLUAVX512, bendSiLUBackwardAVX512
		k.Pair[2], k.PairBackward[2] = pairSiLUAVX512, pairSiLUBackwardAVX512
		k.Bend[Linear], k.BendBackward[Linear] = bendLinearAVX512, bendLinearBackwardAVX512
		return k
	case "avx2":
		k.Bend[0], k.BendBackward[0] = bendTanhAVX2, bendTanhBackwardAVX2
		k.Pair[0], k.PairBackward[0] = pairTanhAVX2, pairTanhBackwardAVX2
		k.Bend[1], k.BendBackward[1] = bendSoftplusAVX2, bendSoftplusBackwardAVX2
		k.Pair[1], k.PairBackward[1] = pairSoftplusAVX2, pairSoftplusBackwardAVX2
		k.Bend[2], k.BendBackward[2] = bendSiLUAVX2, bendSiLUBackwardAVX2
		k.Pair[2], k.PairBackward[2] = pairSiLUAVX2, pairSiLUBackwardAVX2
		k.Bend[Linear], k.BendBackward[Linear] = bendLinearAVX2, bendLinearBackwardAVX2
		return k
	}
	return nil
}
