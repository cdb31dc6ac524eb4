//go:build amd64 && !noasm

package nn

//go:generate ../gen/vec/gen.sh

// assembly gives the kernels of an instruction set that has its own, else nil.
func assembly(isa string) *Kernels {
	switch isa {
	case "avx512":
		return &Kernels{
			GELU: geluAVX512, GELUBackward: geluBackwardAVX512,
			Squares: squaresAVX512, Deviation: deviationAVX512, Normalize: normalizeAVX512, GradSums: gradSumsAVX512, GradFinish: gradFinishAVX512,
			Dots: dotsAVX512, Move: moveAVX512, Softmax: softmaxAVX512, Rows: rowsAVX512, Scores: scoresAVX512, ScoresTurned: scoresTurnedAVX512,
		}
	case "avx2":
		return &Kernels{
			GELU: geluAVX2, GELUBackward: geluBackwardAVX2,
			Squares: squaresAVX2, Deviation: deviationAVX2, Normalize: normalizeAVX2, GradSums: gradSumsAVX2, GradFinish: gradFinishAVX2,
			Dots: dotsAVX2, Move: moveAVX2, Softmax: softmaxAVX2, Rows: rowsAVX2, Scores: scoresAVX2, ScoresTurned: scoresTurnedAVX2,
		}
	}
	return nil
}
