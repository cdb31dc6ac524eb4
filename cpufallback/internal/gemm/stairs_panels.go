package gemm

// Step is a block of rows of a staircase: rows [Row, Row+Rows) of C are made of rows [From, From+K) of B, by the weights
// W[i*RowStep+k*TermStep]. A matrix that is zero but for its steps is neither stored nor multiplied where it is zero.
type Step struct {
	Row, Rows         int
	From, K           int
	W                 []float32
	RowStep, TermStep int
}

// StepEnd is what is done to a sum before it is stored: the arrays are panels, of as many rows as C, or nil.
type StepEnd struct {
	Begun []float32 // the sum goes on from this: as if its terms had been the first of one sum; may be C
	Plus  []float32 // add this
	Bias  []float32 // add this, by row
	ReLU  bool      // max(0, x)
	Gate  []float32 // 0 where this is not positive; may be C
}

// Rows is how many rows a Step has, at most.
func (k *StairKernels) Rows() int { return k.rows }

// Step computes its rows of one panel of C from one of B.
func (k *StairKernels) Step(s *StairScratch, a *Step, b, c []float32, end StepEnd) {
	t, row := &s.tile, a.Row*PanelColumns
	t.A, t.Row, t.Col, t.K = a.W, a.RowStep, a.TermStep, a.K
	t.B, t.C, t.Flags = b[a.From*PanelColumns:], c[row:], 0
	if end.Begun != nil {
		t.S = end.Begun[row:]
		t.Flags |= begun
	}
	if end.Plus != nil {
		t.D = end.Plus[row:]
		t.Flags |= addD
	}
	if end.Bias != nil {
		t.Bias = end.Bias[a.Row:]
		t.Flags |= addBias
	}
	if end.ReLU {
		t.Flags |= relu
	}
	if end.Gate != nil {
		t.M = end.Gate[row:]
		t.Flags |= mask
	}
	k.tile[a.Rows](t)
}

// PanelRows are some rows of a number of panels: row i of panel p is X[p*Panel+i*PanelColumns:].
type PanelRows struct {
	X     []float32
	Panel int
}

// From is the same rows from row i of panel p on.
func (r PanelRows) From(p, i int) PanelRows {
	return PanelRows{r.X[p*r.Panel+i*PanelColumns:], r.Panel}
}

// DotRows is how many rows of X Dots takes, at most.
func (k *StairKernels) DotRows() int { return k.dotRows }

// DotGroup is how many rows of Y Dots takes at a time.
const DotGroup = 4

// Dots adds to c[i*cRow+j], of rows of X and groups*DotGroup rows of Y, the sum over all columns of some panels of X[i] Y[j].
func (k *StairKernels) Dots(s *StairScratch, x PanelRows, rows int, y PanelRows, groups, panels int, c []float32, cRow int) {
	if groups == 0 {
		return
	}
	t := &s.dots
	t.X, t.XPanel, t.Y, t.YPanel, t.Panels = x.X, x.Panel, y.X, y.Panel, panels
	t.C, t.CRow, t.Groups = c, cRow, groups
	k.dots[rows](t)
}

// Sums adds to dst[i] the sum over all columns of some panels of row i.
func (k *StairKernels) Sums(dst []float32, x PanelRows, panels int) {
	k.sums(dst, x.X, panels, x.Panel)
}

// Forget drops what the last calls pointed at: operands may be freed before this worker's next op.
func (s *StairScratch) Forget() { s.tile, s.dots = stairArgs{}, stairDotsArgs{} }

// Columns gathers n columns of a matrix whose rows are stride apart, n at most Rows: dst[k*n+i] = src[k*stride+i], i < n, k < rows.
func (k *StairKernels) Columns(dst, src []float32, n, stride, rows int) {
	k.columns(dst, src, n, stride, rows)
}
