package gemm

// Weights is the left operand of a product, read where it lies. Row i = g*Rows + r of it is
//
//	A[i, s*K+k] = W[g*Group + r*Row + s*Seg + k*Col],  g < Groups, s < Segs, k < K
//
// so that a matrix, its transpose, the taps of a 3x3 kernel as rows and the same as columns need no copy.
type Weights struct {
	W            []float32
	Half         *Weights // rounded by Round; nil: the product is in float32
	Groups, Rows int
	Segs, K      int
	Group, Row   int // strides
	Seg, Col     int
}

// Pixels is the right operand: rows of a batch, channel c's in X[c*M : (c+1)*M], or the shifted copies of each channel by
// the taps (row c*Taps.N+t).
type Pixels struct {
	X     []float32
	M     int
	Chans int
	Taps  *Taps
}

// Rows is how many rows the operand has.
func (p *Pixels) Rows() int { return p.Chans * p.Taps.N }

// Product is C = End(A B), C of one row of B.M columns per row of A.
type Product struct {
	A   Weights
	B   Pixels
	C   []float32 // may be B.X, unless B has taps: of every tile, all of B's columns are read first
	End End

	// Fold, if given, makes C the sum of shifted products: row i of C is that of rows 9i .. 9i+8 of A B, each shifted by its
	// tap. B has no taps then. A tap of a pixel is in the same image, so work is done in whole images.
	Fold  *Taps
	Image int // pixels
}

// End is what is done to a result before it is stored in C.
type End struct {
	Add  bool      // add what C held
	Bias []float32 // by row, if given
	ReLU bool      // max(0, x)
	Mask bool      // 0 where C did not hold a positive value; excludes Add
}

func (e *End) flags() (f int) {
	if e.Add {
		f |= addD
	}
	if e.Bias != nil {
		f |= addBias
	}
	if e.ReLU {
		f |= relu
	}
	if e.Mask {
		f |= mask
	}
	return f
}

// tileColumns is how many columns to pack at a time, at most. More columns share the weights' way through the cache; fewer
// fit together with them.
const tileColumns = 128

// Foldable says whether folding images of so many pixels into rows/9 channels leaves the L2 cache some room.
func Foldable(rows, pixels int) bool { return rows*pixels <= 256<<10 }

// Columns is how many columns a worker should claim at a time: enough to pay for the claim, few enough to occupy many cores,
// and several tiles where that still leaves enough claims, because a tile's operands are fetched while the one before it is
// computed.
func (p *Product) Columns() int {
	const (
		enough = 1 << 18 // multiplications
		claims = 16
	)
	a := &p.A
	n := max(enough/(a.Groups*a.Rows*a.Segs*a.K), p.B.M/claims)
	n = roundUp(min(max(n, 1), 4*tileColumns), 2*line)
	if p.Fold != nil {
		n = roundUp(n, p.Image)
	}
	return n
}

// tile is how many columns to pack at a time: whole tiles of C.
func (p *Product) tile() int {
	const most = 64 << 10 // packed floats: a quarter of the L2 cache
	return max(2*line, min(tileColumns, most/p.B.Rows()/(2*line)*(2*line)))
}

// unit is how many columns to fold at a time: a few tiles, but at least one image.
func (p *Product) unit() int { return max(1, 2*tileColumns/p.Image) * p.Image }

// unitRow is the stride of a unit's rows: no power of two, which would put a column into few sets of the cache.
func (p *Product) unitRow() int { return roundUp(p.unit(), line) + line }

// Reserve makes room in s, so that Product allocates nothing.
func (k *Kernels) Reserve(s *Scratch, p *Product) {
	vecs, _ := k.split(p.tile())
	Grow(&s.panels, vecs*k.panelStride(p.B.Rows()))
	Grow(&s.sums, k.sumsFloats(&p.A))
	k.reserveHalf(s, &p.A, p.tile())
	if p.Fold != nil {
		Grow(&s.folds, p.A.Groups*p.A.Rows*p.unitRow())
	}
}

// Product computes columns [m0, m1) of C. m0 is a multiple of p.Columns. next is the column where the worker will probably go
// on.
func (k *Kernels) Product(s *Scratch, p *Product, m0, m1, next int) {
	if p.Fold == nil {
		k.tiles(s, p, m0, m1, next, p.C[m0:], p.B.M, &p.End)
	} else {
		k.folds(s, p, m0, m1, next)
	}
	s.forget()
}

// folds computes columns [m0, m1) of a folded product.
func (k *Kernels) folds(s *Scratch, p *Product, m0, m1, next int) {
	rows, row := p.A.Groups*p.A.Rows, p.unitRow()
	t := Grow(&s.folds, rows*row)
	f := &s.fold
	f.T, f.TRow, f.Mask, f.MaskTap = t, row, p.Fold.mask, p.Fold.row
	for i, off := range p.Fold.Off {
		f.Off[i] = i*row + off
	}
	f.YRow, f.Chans, f.Bias, f.Flags = p.B.M, rows/9, p.End.Bias, p.End.flags()
	for m := m0; m < m1; m += p.unit() {
		n, after := min(p.unit(), m1-m), m+p.unit()
		if after >= m1 {
			after = next
		}
		k.tiles(s, p, m, m+n, after, t, row, &End{})
		f.Y = p.C[m:]
		f.Vecs, f.Tail = k.split(n)
		k.fold(f)
	}
}

// tiles computes columns [m0, m1) of end(A B) to c, whose column 0 is m0.
func (k *Kernels) tiles(s *Scratch, p *Product, m0, m1, next int, c []float32, cRow int, end *End) {
	step := p.tile()
	for m := m0; m < m1; m += step {
		n, after := min(step, m1-m), m+step
		if after >= m1 {
			after = next
		}
		vecs, tail := k.split(n)
		stride := k.panelStride(p.B.Rows())
		panels := Grow(&s.panels, vecs*stride)
		k.packRows(s, &p.B, 0, p.B.Chans, m, vecs, tail, panels, stride, k.lanes)

		t := &s.tile
		t.Ahead, t.AheadAt, t.AheadRow, t.AheadLines = p.B.X, after, p.B.M, 0
		if p.B.Taps.N == 1 && after < p.B.M { // the few rows that taps are for stay in the cache by themselves
			t.AheadLines = k.vectors * k.lanes / line
		}
		k.multiply(s, &p.A, panels, n, c[m-m0:], cRow, end)
	}
}

// panelStride is from vector to vector of packed rows: no power of two where rows is one, so that a row lies in many sets of the cache.
func (k *Kernels) panelStride(rows int) int { return (rows + 1) * k.lanes }

// packRows packs channels [c0, c1) of b.
func (k *Kernels) packRows(s *Scratch, b *Pixels, c0, c1, m0, vecs, tail int, dst []float32, dstVec, dstRow int) {
	a := &s.pack
	t := b.Taps
	a.Src, a.At, a.Chan, a.Chans = b.X, c0*b.M+m0, b.M, c1-c0
	a.Taps, a.Off, a.Mask, a.MaskTap = t.N, t.Off, t.from(m0), t.row
	a.Vecs, a.Tail = vecs, tail
	a.Dst, a.DstVec, a.DstRow = dst, dstVec, dstRow
	k.pack(a)
}

// split says how many vectors cols columns are, and how many columns the last one has.
func (k *Kernels) split(cols int) (vecs, tail int) {
	vecs = (cols + k.lanes - 1) / k.lanes
	return vecs, cols - (vecs-1)*k.lanes
}
