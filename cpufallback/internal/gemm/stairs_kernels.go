package gemm

// StairKernels are the innermost loops of products with staircases, of one instruction set. They work on panels: PanelColumns columns of
// all rows of a batch, row by row, so that what one product writes is what the next reads, and nothing is packed in between.
type StairKernels struct {
	rows    int // of a stair, at most
	dotRows int // rows of X that meet four rows of Y, at most

	tile [maxStairRows + 1]func(*stairArgs)   // by rows
	dots [maxDotRows + 1]func(*stairDotsArgs) // by rows
	sums func(dst, src []float32, panels, stride int)

	columns func(dst, src []float32, n, stride, rows int) // dst[k*n+i] = src[k*stride+i], i < n, k < rows; n is a step's rows
}

const (
	// PanelColumns is how many columns a panel has. Columns behind the last of a batch are there, and count as zeros in sums.
	PanelColumns = 32

	maxStairRows = 12
)

// stairArgs is one call of a stair's kernel, for one panel: with rows of PanelColumns one after another in B, C, D and M,
//
//	C[i,j] = act(bias[i] + D[i,j] + (S[i,j] + sum_k A[i*Row+k*Col] * B[k,j]))
//
// the terms of the sum added one after the other. Flags as of tileArgs, but that mask is M > 0 ? x : 0. The assembly knows the order of the fields; the last are its own.
type stairArgs struct {
	A        []float32
	Row, Col int
	K        int // may be 0
	B        []float32
	C        []float32
	D        []float32 // only with addD
	M        []float32 // only with mask
	Bias     []float32 // only with addBias
	S        []float32 // only with begun
	Flags    int

	_ [2]uintptr
}

// begun is a flag of stairArgs beside those of tileArgs: sums begin with S.
const begun = 1 << 4

// stairDotsArgs is one call of a dot kernel: for its rows of X and Groups groups of four rows of Y, over all columns of Panels panels, which
// are XPanel and YPanel apart,
//
//	C[i*CRow+j] += sum X[i] * Y[j]
type stairDotsArgs struct {
	X      []float32
	XPanel int
	Y      []float32
	YPanel int
	Panels int
	C      []float32
	CRow   int
	Groups int
}

// StairScratch is what one worker needs.
type StairScratch struct {
	tile stairArgs
	dots stairDotsArgs
	_    [64]byte // workers do not share cache lines
}

// StairsFor gives the kernels of "generic", "avx2", "avx512" or "neon". The caller knows that the machine has them.
func StairsFor(isa string) *StairKernels {
	if k := stairAssembly(isa); k != nil {
		return k
	}
	return genericStairs()
}
