package gemm

// Outer is C = X Y^T: C[i,j] = sum over columns m of X[i,m]*Y[j,m], and the sums of single rows. The columns are cut in
// parts and C in blocks, so that many workers find work; each part has its own C, and whoever adds them does so in order.
//
// Every worker packs rows of Y, once for all rows of X, which are read where they lie.
type Outer struct {
	X Pixels // without taps
	Y Pixels
	// Sums are those of the rows of X, or of Y (of its channels, if it has taps), or of neither.
	SumX, SumY bool

	C    []float32 // Parts times PartFloats: X.Chans rows of CRow floats, then the sums
	CRow int

	Parts            int // of the columns
	XBlocks, YBlocks int // of the channels

	adds bool      // to C, which is not a part: see Into
	sums []float32 // and to these
}

const (
	outerDepth = 512               // columns of Y packed at a time
	outerRows  = 128               // rows of Y packed at a time: with the above, a quarter of the L2 cache
	outerRow   = outerDepth + line // stride of packed rows: no power of two, so that they lie in many sets of the cache
)

// Plan cuts the product, by shapes alone, and lays C out.
func (o *Outer) Plan() {
	const (
		claims    = 16      // occupy many cores
		fewClaims = 4       // occupy a few; not worth packing Y once more for each
		small     = 1 << 18 // multiplications that one core does in the time that it takes to share them
	)
	y := o.Y.Rows()
	o.CRow = roundUp(y, line)
	o.YBlocks = min((y+outerRows-1)/outerRows, max(1, o.Y.Chans/dotCols))
	o.Parts, o.XBlocks = 1, 1
	if o.X.Chans*y*o.X.M > small {
		o.Parts = max(1, min((claims+o.YBlocks-1)/o.YBlocks, o.X.M/outerDepth))
		o.XBlocks = max(1, min(fewClaims/(o.YBlocks*o.Parts), o.X.Chans/32))
	}
}

// Into lets the product be added to c, of Y.Rows() floats a row, and the sums to sums: no parts lie in between. That takes a Plan of one
// part and, since kernels write whole groups of columns, whole groups of rows of Y. It says whether it is so.
func (o *Outer) Into(c, sums []float32) bool {
	if o.Parts > 1 || o.Y.Rows()%dotCols != 0 {
		return false
	}
	o.C, o.CRow, o.sums, o.adds = c, o.Y.Rows(), sums, true
	return true
}

// Chunks is how many pieces of work there are.
func (o *Outer) Chunks() int { return o.Parts * o.XBlocks * o.YBlocks }

// PartFloats is the size of a part's C and sums.
func (o *Outer) PartFloats() int { return o.SumsAt() + roundUp(max(o.X.Chans, o.Y.Chans), line) }

// SumsAt is where the sums begin in a part.
func (o *Outer) SumsAt() int { return o.X.Chans * o.CRow }

// piece is a chunk: channels [x0, x1) and [y0, y1), columns [m0, m1).
type piece struct{ part, x0, x1, y0, y1, m0, m1 int }

func (o *Outer) piece(chunk int) (p piece) {
	p.part = chunk / (o.XBlocks * o.YBlocks)
	by, bx := chunk/o.XBlocks%o.YBlocks, chunk%o.XBlocks
	p.x0, p.x1 = cut(o.X.Chans, o.XBlocks, bx, 1)
	p.y0, p.y1 = cut(o.Y.Chans, o.YBlocks, by, dotCols) // kernels write whole groups of columns of C
	p.m0, p.m1 = cut(o.X.M, o.Parts, p.part, line)
	return p
}

// cut is the i-th of parts of n, cut on multiples of align.
func cut(n, parts, i, align int) (lo, hi int) {
	lo, hi = n*i/parts/align*align, n*(i+1)/parts/align*align
	if i == parts-1 {
		hi = n
	}
	return lo, hi
}

// ReserveOuter makes room in s, so that Outer allocates nothing.
func (k *Kernels) ReserveOuter(s *Scratch, o *Outer) {
	x, y := (o.X.Chans+o.XBlocks-1)/o.XBlocks, (o.Y.Chans+o.YBlocks-1)/o.YBlocks
	if o.X.M%k.lanes != 0 {
		Grow(&s.x, x*outerRow)
	}
	Grow(&s.y, roundUp((y+dotCols)*o.Y.Taps.N, dotCols)*outerRow)
}

// Outer does one chunk. next is the chunk that the worker will probably do after it.
func (k *Kernels) Outer(s *Scratch, o *Outer, chunk, next int) {
	p, t := o.piece(chunk), o.Y.Taps.N
	after := piece{m1: -1}
	if next < o.Chunks() {
		after = o.piece(next)
	}
	xn, yn := p.x1-p.x0, (p.y1-p.y0)*t
	ynPad := roundUp(yn, dotCols)
	c, sums := o.C, o.sums
	if !o.adds {
		c = o.C[p.part*o.PartFloats():][:o.PartFloats()]
		sums = c[o.SumsAt():]
	}
	out := c[p.x0*o.CRow+p.y0*t:]
	var sumX, sumY []float32
	if o.SumX && p.y0 == 0 {
		sumX = sums[p.x0:p.x1]
	}
	if o.SumY && p.x0 == 0 {
		sumY = sums[p.y0:p.y1]
	}
	if !o.adds {
		for i := range xn {
			clear(out[i*o.CRow:][:ynPad])
		}
		clear(sumX)
		clear(sumY)
	}

	y := Grow(&s.y, ynPad*outerRow)
	clear(y[yn*outerRow:])
	d := &s.dot
	d.Y, d.YRow, d.CRow, d.Groups = y, outerRow, o.CRow, ynPad/dotCols
	for m := p.m0; m < p.m1; m += outerDepth {
		n := min(outerDepth, p.m1-m)
		vecs, tail := k.split(n)
		k.packRows(s, &o.Y, p.y0, p.y1, m, vecs, tail, y, k.lanes, outerRow)
		k.sums(sumY, y[t/2*outerRow:], t*outerRow, vecs*k.lanes)
		x, xRow := o.X.X[p.x0*o.X.M+m:], o.X.M
		if tail < k.lanes { // the last vector ends in zeros
			x, xRow = Grow(&s.x, xn*outerRow), outerRow
			k.packRows(s, &o.X, p.x0, p.x1, m, vecs, tail, x, k.lanes, outerRow)
		}
		d.Steps, d.XRow = vecs, xRow

		// While a few rows of X are multiplied, the next few are fetched, and so is the Y that is packed next.
		nextY, rowsY := p.y0*o.Y.M+m+n, yn
		if m+n >= p.m1 {
			nextY, rowsY = after.y0*o.Y.M+after.m0, after.y1-after.y0
		}
		if t > 1 {
			rowsY = 0 // so few rows that they are in the cache by themselves
		}
		blocks := (xn + k.dotRows - 1) / k.dotRows
		for b := range blocks {
			r0, r1, r2 := xn*b/blocks, xn*(b+1)/blocks, min(xn, xn*(b+2)/blocks)
			d.Ahead[0] = aheadRows{o.X.X, (p.x0+r1)*o.X.M + m, o.X.M, r2 - r1}
			d.Ahead[1] = aheadRows{o.Y.X, nextY, o.Y.M, min(d.Groups, rowsY)}
			nextY += d.Groups * o.Y.M
			rowsY -= d.Groups
			d.X, d.C = x[r0*xRow:], out[r0*o.CRow:]
			k.dots[r1-r0](d)
			if sumX != nil {
				k.sums(sumX[r0:r1], d.X, xRow, vecs*k.lanes)
			}
		}
	}
	s.forget()
}

// Add is dst[i] += src[i] + src[stride+i] + .., one term for each of parts.
func (k *Kernels) Add(dst, src []float32, stride, parts int) { k.adds(dst, src, stride, parts) }
