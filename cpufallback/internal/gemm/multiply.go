package gemm

const (
	panelLines  = 4        // lines that a panels kernel fetches in every block and segment, as ../gen/gemm has it
	maxDepth    = 512      // rows of B that one call of a tile kernel runs over
	blockFloats = 64 << 10 // weights that meet all panels of a tile before the next: a quarter of the L2 cache
)

// target is where a product goes: vector v of row i begins at c[i*row+v*vec].
type target struct {
	c        []float32
	row, vec int
	old      []float32 // what a mask goes by, laid out as c; c itself if it is not given
	sums     []float32 // if given, rows of c are added to these vectors, one for each
}

// multiply computes c[i*cRow+j], j < cols, from packed panels.
func (k *Kernels) multiply(s *Scratch, a *Weights, panels []float32, cols int, c []float32, cRow int, end *End) {
	k.multiplyTo(s, a, panels, cols, target{c: c, row: cRow, vec: k.lanes}, end)
}

// multiplyTo computes cols columns of the target from packed panels. A few rows of a at a time meet all panels while they are in
// the cache. Where the sum is too long for one call, its parts wait in scratch. Unless something else is to be fetched meanwhile, the
// next few rows are.
func (k *Kernels) multiplyTo(s *Scratch, a *Weights, panels []float32, cols int, to target, end *End) {
	width := k.vectors * k.lanes
	switch {
	case a.Half != nil:
		panels, a, k = k.pairsOf(s, a, panels, cols), a.Half, &k.half.Kernels
	case a.Groups*a.Segs == 1 && a.K <= maxFew && k.few[a.K] != nil && cols%width == 0 && !end.Add:
		k.multiplyFew(s, a, panels, cols/width, &to, end)
		return
	}
	depth, parts := a.depth()
	sums := Grow(&s.sums, k.sumsFloats(a))
	units, perUnit, step := k.steps(a)
	stride := a.Row // from unit to unit
	if a.Groups > 1 {
		stride = a.Group
	}

	t := &s.tile
	t.BVec, t.Row, t.Col, t.Seg = k.panelStride(depth), a.Row, a.Col, a.Seg
	ahead, lines := t.AheadAt, t.AheadLines
	aheadStep := s.aheadStep
	if aheadStep == 0 {
		aheadStep = width
	}
	vecs, _ := k.split(cols)
	next := lines == 0 && units > step && a.Groups*a.Segs == 1 && (a.Row == 1 || a.Row == a.K)
	for u := 0; u < units; u += step {
		n, row := min(step, units-u), u*perUnit
		if next {
			after := u + step
			if after >= units {
				after = 0 // for the next panels
			}
			ahead, lines = k.fetchRows(t, a, after, min(step, units-after), vecs)
			aheadStep = lines * line
		} else if u > 0 {
			lines = 0 // fetched with the first rows
		}
		for v := 0; v < vecs; v += k.vectors {
			nv := min(k.vectors, vecs-v)
			t.Cols = min(cols-v*k.lanes, nv*k.lanes)
			out := to.c[row*to.row+v*to.vec:]
			for p := range parts {
				w, done := a.part(t, p, parts)
				t.B = panels[v*t.BVec+done*k.lanes:]
				t.AheadAt, t.AheadLines = ahead+v/k.vectors*aheadStep+done*t.AheadRow, lines
				b := base{w: a.W[w+u*stride:], c: sums, d: sums}
				t.CRow, t.CGap, t.DRow, t.Flags = width, 0, width, addD
				if p == 0 {
					b.d, t.DRow, t.Flags = out, to.row, end.flags()&addD
				}
				if p == parts-1 {
					b.c, t.CRow, t.CGap = out, to.row, to.vec-k.lanes
					if to.sums != nil {
						t.Flags |= sumRows
						b.sums = to.sums[row*k.lanes:]
					}
					if to.old != nil {
						b.old = to.old[row*to.row+v*to.vec:]
					}
					t.Flags |= end.flags() &^ addD
				}
				if end.Bias != nil {
					b.bias = end.Bias[row:]
				}
				k.runUnits(t, b, a, nv, n)
			}
		}
	}
}

// multiplyFew is multiplyTo for sums of few terms, that are stored, in a number of tiles.
func (k *Kernels) multiplyFew(s *Scratch, a *Weights, panels []float32, tiles int, to *target, end *End) {
	t := &s.tile
	ahead, lines := t.AheadAt, t.AheadLines
	t.A, t.ABlk, t.Col, t.K, t.Blocks = a.W, a.Row, a.Col, a.K, a.Rows
	t.BVec, t.CBlk, t.CGap, t.Cols = k.panelStride(a.K), to.row, to.vec-k.lanes, k.vectors*k.lanes
	t.Flags, t.Bias, t.BiasBlk = end.flags(), end.Bias, 1
	if to.sums != nil {
		t.Flags |= sumRows
		t.Sums, t.SumsBlk = to.sums, k.lanes
	}
	for i := range tiles {
		v := i * k.vectors
		t.B, t.C = panels[v*t.BVec:], to.c[v*to.vec:]
		t.Old = t.C
		if to.old != nil {
			t.Old = to.old[v*to.vec:]
		}
		t.AheadAt, t.AheadLines = ahead+i*s.aheadStep, lines
		k.few[a.K](t)
	}
}

// fetchRows lets products of so many vectors of columns fetch rows [u, u+n) of a, which are one array: for every term of a sum some
// lines, from float32 at on for the first columns.
func (k *Kernels) fetchRows(t *tileArgs, a *Weights, u, n, vecs int) (at, lines int) {
	tiles := (vecs + k.vectors - 1) / k.vectors
	perTile := func(floats int) int { return (roundUp(floats, line)/line + tiles - 1) / tiles }
	t.Ahead = a.W
	if a.Row == 1 { // of a transpose: a term's rows lie side by side, and far from the next one's, which no processor expects
		t.AheadRow = a.Col
		return u, perTile(u%line + n)
	}
	lines = perTile(n)
	t.AheadRow = tiles * lines * line
	return u * a.Row, lines
}

// depth is how many terms a sum has, and in how many parts it is cut.
func (a *Weights) depth() (depth, parts int) {
	depth = a.Segs * a.K
	parts = (depth + maxDepth - 1) / maxDepth
	if a.Segs > 1 { // cut between segments
		parts = min(parts, a.Segs)
	}
	return depth, parts
}

// part sets the range of the sum of part p, and says where it starts in a.W and in the rows of B.
func (a *Weights) part(t *tileArgs, p, parts int) (w, row int) {
	if a.Segs > 1 {
		s0, s1 := a.Segs*p/parts, a.Segs*(p+1)/parts
		t.Segs, t.K = s1-s0, a.K
		return s0 * a.Seg, s0 * a.K
	}
	k0, k1 := a.K*p/parts, a.K*(p+1)/parts
	t.Segs, t.K = 1, k1-k0
	return k0 * a.Col, k0
}

// steps says how many units of perUnit rows a has (groups, or single rows if there is one group), and how many to take at
// a time.
func (k *Kernels) steps(a *Weights) (units, perUnit, step int) {
	fit := blockFloats / (a.Segs * a.K)
	if a.Groups == 1 {
		return a.Rows, 1, max(k.rows, fit/k.rows*k.rows)
	}
	return a.Groups, a.Rows, max(1, fit/a.Rows)
}

// sumsFloats is how much scratch sums in parts need.
func (k *Kernels) sumsFloats(a *Weights) int {
	if _, parts := a.depth(); parts == 1 {
		return 0
	}
	units, perUnit, step := k.steps(a)
	return min(step, units) * perUnit * k.vectors * k.lanes
}

// base is where the rows of a step begin.
type base struct{ w, c, old, d, bias, sums []float32 }

// runUnits does n rows, or groups, in blocks of nearly the same number of rows, so that none is small.
func (k *Kernels) runUnits(t *tileArgs, b base, a *Weights, nv, n int) {
	if a.Groups > 1 { // a kernel's blocks are the same few rows of all groups
		blocks := (a.Rows + k.rows - 1) / k.rows
		for i := range blocks {
			r0, r1 := a.Rows*i/blocks, a.Rows*(i+1)/blocks
			k.run(t, b, nv, r0, r1-r0, n, a.Group, a.Rows)
		}
		return
	}
	blocks := (n + k.rows - 1) / k.rows
	rows, more := n/blocks, n%blocks // the first few have a row more
	if more > 0 {
		k.run(t, b, nv, 0, rows+1, more, (rows+1)*a.Row, rows+1)
	}
	k.run(t, b, nv, more*(rows+1), rows, blocks-more, rows*a.Row, rows)
}

// run does blocks of rows from row on; from block to block a goes on by aBlk, and C by cRows rows.
func (k *Kernels) run(t *tileArgs, b base, nv, row, rows, blocks, aBlk, cRows int) {
	t.Blocks = blocks
	t.A, t.ABlk = b.w[row*t.Row:], aBlk
	t.C, t.CBlk = b.c[row*t.CRow:], cRows*t.CRow
	if t.Flags&mask != 0 {
		t.Old = t.C
		if b.old != nil {
			t.Old = b.old[row*t.CRow:]
		}
	}
	if t.Flags&sumRows != 0 {
		t.Sums, t.SumsBlk = b.sums[row*k.lanes:], cRows*k.lanes
	}
	if t.Flags&addD != 0 {
		t.D, t.DBlk = b.d[row*t.DRow:], cRows*t.DRow
	}
	if t.Flags&addBias != 0 {
		t.Bias, t.BiasBlk = b.bias[row:], cRows
	}
	kernel, lines := k.tileOf(t, nv, rows)
	kernel(t)
	fetched := min(blocks, t.AheadLines)
	t.AheadAt += fetched * lines * line
	t.AheadLines -= fetched
}

// tileOf is the kernel for a tile of rows and vectors, and how many lines it fetches of each row ahead.
func (k *Kernels) tileOf(t *tileArgs, nv, rows int) (kernel func(*tileArgs), lines int) {
	if nv == k.vectors && t.Segs > 1 && t.K == k.lanes && t.Row == k.lanes && t.Col == 1 && k.panels[rows] != nil {
		return k.panels[rows], panelLines
	}
	return k.tile[nv][rows], 1
}
