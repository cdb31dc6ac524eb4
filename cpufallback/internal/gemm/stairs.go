package gemm

// Stair is a block of rows of a staircase: rows [Row, Row+Rows) of C are made of rows [From, From+K) of B, by the weights W
// [Rows][K]. Where K is 0 there is no W.
type Stair struct {
	Row, Rows int
	From, K   int
	W         []float32
}

// Stairs is C = End(A B) where A is zero but for its stairs, which follow each other row by row: what is zero is neither stored
// nor multiplied.
type Stairs struct {
	Steps []Stair
	B     Pixels // without taps
	C     []float32
	End   End
}

// StairRows is how high a stair should be: as much as a kernel takes at a time.
func (k *Kernels) StairRows() int { return k.rows }

// terms is how many multiplications a column is.
func (p *Stairs) terms() (n int) {
	for i := range p.Steps {
		n += p.Steps[i].Rows * p.Steps[i].K
	}
	return n
}

// Columns is how many columns a worker should claim at a time, as for a Product.
func (p *Stairs) Columns() int {
	const (
		enough = 1 << 18 // multiplications
		claims = 16
	)
	n := max(enough/max(1, p.terms()), p.B.M/claims)
	return roundUp(min(max(n, 1), 4*tileColumns), 2*line)
}

// tile is how many columns to pack at a time.
func (p *Stairs) tile() int {
	const most = 64 << 10 // packed floats: a quarter of the L2 cache
	return max(2*line, min(tileColumns, most/p.B.Rows()/line*line))
}

// ReserveStairs makes room in s, so that Stairs allocates nothing.
func (k *Kernels) ReserveStairs(s *Scratch, p *Stairs) {
	vecs, _ := k.split(p.tile())
	Grow(&s.panels, vecs*k.panelStride(p.B.Rows()))
	Grow(&s.sums, k.rows*k.vectors*k.lanes)
}

// Stairs computes columns [m0, m1) of C. Some stairs at a time, as many weights as leave the L2 cache some room, meet all panels of a
// tile before the next do, and a panel meets all of them while it is in the L1 cache.
func (k *Kernels) Stairs(s *Scratch, p *Stairs, m0, m1 int) {
	step, stride := p.tile(), k.panelStride(p.B.Rows())
	for m := m0; m < m1; m += step {
		n := min(step, m1-m)
		vecs, tail := k.split(n)
		panels := Grow(&s.panels, vecs*stride)
		k.packRows(s, &p.B, 0, p.B.Chans, m, vecs, tail, panels, stride, k.lanes)
		for first := 0; first < len(p.Steps); {
			last, weights := first, 0
			for last < len(p.Steps) && (last == first || weights < blockFloats) {
				weights += p.Steps[last].Rows * p.Steps[last].K
				last++
			}
			for v := 0; v < vecs; v += k.vectors {
				nv := min(k.vectors, vecs-v)
				cols := min(n-v*k.lanes, nv*k.lanes)
				for i := first; i < last; i++ {
					k.stair(s, p, &p.Steps[i], panels[v*stride:], stride, m+v*k.lanes, nv, cols)
				}
			}
			first = last
		}
	}
	s.forget()
}

// stair computes one block of rows for nv vectors of columns from column m on. Where a sum is too long for one call, its parts wait in
// scratch.
func (k *Kernels) stair(s *Scratch, p *Stairs, a *Stair, panels []float32, stride, m, nv, cols int) {
	out := p.C[a.Row*p.B.M+m:]
	if a.K == 0 {
		p.End.nothing(out, a.Row, a.Rows, p.B.M, cols)
		return
	}
	parts, width := (a.K+maxDepth-1)/maxDepth, k.vectors*k.lanes
	sums := Grow(&s.sums, a.Rows*width)
	t := &s.tile
	t.Row, t.Col, t.Seg, t.Segs, t.BVec, t.AheadLines, t.Cols = a.K, 1, 0, 1, stride, 0, cols
	for part := range parts {
		k0, k1 := a.K*part/parts, a.K*(part+1)/parts
		t.K = k1 - k0
		t.B = panels[(a.From+k0)*k.lanes:]
		b := base{w: a.W[k0:], c: sums, d: sums}
		t.CRow, t.DRow, t.Flags = width, width, addD
		if part == 0 {
			b.d, t.DRow, t.Flags = out, p.B.M, p.End.flags()&addD
		}
		if part == parts-1 {
			b.c, t.CRow = out, p.B.M
			t.Flags |= p.End.flags() &^ addD
		}
		if p.End.Bias != nil {
			b.bias = p.End.Bias[a.Row:]
		}
		k.run(t, b, nv, 0, a.Rows, 1, 0, 0)
	}
}

// Nothing ends rows of n columns whose product is 0.
func (e *End) Nothing(c []float32, rows, n int) { e.nothing(c, 0, rows, n, n) }

// nothing ends rows whose product is 0.
func (e *End) nothing(c []float32, row, rows, cRow, n int) {
	if e.Add {
		return
	}
	for i := range rows {
		v := float32(0)
		if e.Bias != nil {
			v = e.Bias[row+i]
		}
		if e.ReLU {
			v = max(0, v)
		}
		for j := range c[i*cRow:][:n] {
			c[i*cRow+j] = v
		}
	}
}
