//go:build arm64 && !noasm

package smooth

// assembly gives the kernels of an instruction set that has its own, else nil.
func assembly(isa string) *Kernels {
	if isa != "neon" {
		return nil
	}
	k := &Kernels{}
	k.Bend[0], k.BendBackward[0] = bendTanhNEON, bendTanhBackwardNEON
	k.Pair[0], k.PairBackward[0] = pairTanhNEON, pairTanhBackwardNEON
	k.Bend[1], k.BendBackward[1] = bendSoftplusNEON, bendSoftplusBackwardNEON
	k.Pair[1], k.PairBackward[1] = pairSoftplusNEON, pairSoftplusBackwardNEON
	k.Bend[2], k.BendBackward[2] = bendSiLUNEON, bendSiLUBackwardNEON
	k.Pair[2], k.PairBackward[2] = pairSiLUNEON, pairSiLUBackwardNEON
	k.Bend[Linear], k.BendBackward[Linear] = bendLinearNEON, bendLinearBackwardNEON
	return k
}
