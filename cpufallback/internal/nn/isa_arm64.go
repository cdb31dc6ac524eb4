//go:build arm64 && !noasm

package nn

// assembly gives the kernels of an instruction set that has its own, else nil.
func assembly(isa string) *Kernels {
	if isa != "neon" {
		return nil
	}
	return &Kernels{
		GELU: geluNEON, GELUBackward: geluBackwardNEON,
		Squares: squaresNEON, Deviation: deviationNEON, Normalize: normalizeNEON, GradSums: gradSumsNEON, GradFinish: gradFinishNEON,
		Dots: dotsNEON, Move: moveNEON, Softmax: softmaxNEON, Rows: rowsNEON, Scores: scoresNEON, ScoresTurned: scoresTurnedNEON,
	}
}
