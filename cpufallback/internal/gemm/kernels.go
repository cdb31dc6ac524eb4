// Package gemm holds the matrix products behind the convolutions of the CPU backend, for channel-major batches: every
// matrix with pixels in it has one row per channel and one column per pixel of the batch.
//
// There are two products. Product is C = A B: A are weights, read where they lie, and B are rows of pixels, packed. Outer is
// C = X Y^T, a sum over pixels, for the gradient of weights. Both are written once, over the few kernels of an instruction
// set; the kernels exist as plain Go (generic.go), and in assembly that ../gen/gemm writes.
//
// Rows of a batch lie far apart, often by a power of two, so that a column of them falls into few sets of the caches and on
// as many pages as there are rows. Hence what is read more than once is copied first, in the order in which it is read, and
// what comes next is fetched meanwhile.
package gemm

// Kernels are the innermost loops of one instruction set, and the sizes that they work in.
type Kernels struct {
	lanes   int // float32s in a vector
	vectors int // vectors in a row of a tile of C, at most
	rows    int // rows of a tile of C, at most
	dotRows int // rows of X that meet dotCols rows of Y, at most

	tile [maxVectors + 1][maxRows + 1]func(*tileArgs) // by vectors and rows
	dots [maxDotRows + 1]func(*dotArgs)               // by rows

	// panels are tiles of all vectors by as many rows as long operands are cut in, rows or one less: A is panels, Row and K are lanes, Col is 1.
	panels [maxRows + 1]func(*tileArgs)

	// few does what tile does, for rows of all vectors and sums of few terms, by their number: blocks are of one row, and nothing is added.
	few [maxFew + 1]func(*tileArgs)

	// cross is dots of panels, by rows of X: C[i,j] += sum_k X[i,k] * Y[j,k], where element k of row i is
	// x[k/lanes*xVec + i*lanes + k%lanes], for vecs vectors of k and groups of four j.
	cross [maxDotRows + 1]func(x, y, c []float32, xVec, yVec, cRow, groups, vecs int)

	mix  [maxMix + 1]func(a, bias, x []float32, row, vecs int) // by channels, see Mix
	pack func(*packArgs)
	fold func(*foldArgs)
	peak func(n int)                                 // n times 24 vectors of multiply-adds
	sums func(dst, src []float32, stride, n int)     // dst[i] += sum of src[i*stride : i*stride+n]; n a multiple of lanes
	adds func(dst, src []float32, stride, parts int) // dst[i] += src[i] + src[stride+i] + .. (parts of them)
	half *halfKernels                                // if factors are rounded to BF16

	// dst[b*stride + (p*lanes+j)*lanes + i] = src[p*from + (b*lanes+i)*lanes + j], i and j < lanes, b < n, p < panels
	turn func(dst, src []float32, stride, n, from, panels int)
}

const (
	maxVectors = 2
	maxRows    = 9
	maxDotRows = 6
	maxMix     = 16
	maxFew     = 4
	dotCols    = 4

	// line is what columns, rows of scratch and starts of tiles are rounded up to: a cache line, the widest vector.
	line = 16
)

// For gives the kernels of "generic", "avx2", "avx512" or "neon". The caller knows that the machine has them.
func For(isa string) *Kernels {
	if k := assembly(isa); k != nil {
		return k
	}
	return generic()
}

// tileArgs is one call of a tile kernel, the arguments of
//
//	C[i,j] = act(bias[i] + D[i,j] + sum_{s,k} A[i,s,k] * B[s*K+k, j])
//
// for a tile of rows x vectors*lanes, Blocks times: from one block to the next A, C, D and Bias go on. Strides are in
// float32s. The assembly knows the order of the fields, here and below; the last ones are its own, for what it has no
// register for.
type tileArgs struct {
	A             []float32
	Row, Col, Seg int // strides of A: i, k, s
	Segs, K       int
	B             []float32 // packed: vector v of row k is B[v*BVec+k*lanes:][:lanes]
	BVec          int
	C             []float32
	CRow          int
	CGap          int       // float32s between one vector of a row of C and the next: 0 but for panels
	Old           []float32 // only with mask: by its signs, laid out as C, or C itself
	D             []float32 // only with addD
	DRow          int
	Bias          []float32 // only with addBias
	Sums          []float32 // only with sumRows: a vector for each row of C, which the row's are added to; all columns exist
	Flags         int
	Cols          int // columns of C that exist, 1 .. vectors*lanes
	Blocks        int
	ABlk          int // strides from block to block
	CBlk          int
	DBlk          int
	BiasBlk       int
	SumsBlk       int
	Ahead         []float32 // fetched into the cache: float32 AheadAt, and one every AheadRow for every k, for AheadLines lines; by panels panelLines of them for every s
	AheadAt       int
	AheadRow      int
	AheadLines    int

	_ [11]uintptr
}

// Flags of tileArgs and foldArgs.
const (
	addD    = 1 << iota // add D
	addBias             // add Bias
	relu                // act is max(0, x)
	mask                // act is Old > 0 ? x : 0
	sumRows             // add up rows of the result
)

// dotArgs is one call of a dot kernel: for its rows of X and Groups groups of four rows of Y,
//
//	C[i,j] += sum_k X[i,k] * Y[j,k], k < Steps*lanes
type dotArgs struct {
	X      []float32
	XRow   int
	Y      []float32
	YRow   int
	C      []float32
	CRow   int
	Steps  int
	Groups int
	Ahead  [2]aheadRows

	_ [7]uintptr
}

// aheadRows are rows of Steps vectors that will be needed soon: one is fetched into the cache during each group.
type aheadRows struct {
	X    []float32
	At   int // the first row begins here
	Row  int
	Rows int
}

// packArgs is one call of pack: for every channel and tap, a row of Vecs vectors goes from Src to Dst. Columns that the
// tap's mask leaves out become 0 and are not read.
type packArgs struct {
	Src     []float32 // the whole operand
	At      int       // the first column of the first channel
	Chan    int       // from channel to channel
	Chans   int
	Taps    int
	Off     []int  // by tap: where its columns lie, against those of the channel
	Mask    []byte // a bit per column, for the first tap, from the first column
	MaskTap int    // bytes from tap to tap
	Vecs    int
	Tail    int // columns of the last vector, 1 .. lanes; the rest become 0
	Dst     []float32
	DstVec  int // from vector to vector
	DstRow  int // from row to row, one for each channel and tap

	_ [3]uintptr
}

// foldArgs is one call of fold: every row of Y becomes the sum of nine rows of T, each shifted by its tap.
//
//	Y[c,j] = act(bias[c] + (Y[c,j] if addD) + sum_{t<9} T[9c*TRow + j + Off[t]] where the mask of t has j)
type foldArgs struct {
	T       []float32
	TRow    int
	Off     [9]int // by tap: its row, and its shift
	Mask    []byte
	MaskTap int
	Vecs    int
	Tail    int
	Y       []float32
	YRow    int
	Chans   int
	Bias    []float32
	Flags   int

	_ [3]uintptr
}
