package gemm

// A mix multiplies every column of few channels by one matrix, in place: no operand is packed, and a vector of columns is in registers
// as a whole. Columns are those of a batch, rows m float32s apart.

// mixed is how many float32s of each operand stay in the L1 cache together.
const mixed = 4 << 10

// Mixes says whether there is a kernel for so many channels, and with gradient one for the sums over columns.
func (k *Kernels) Mixes(c int, gradient bool) bool {
	return c < len(k.mix) && k.mix[c] != nil && (!gradient || c%dotCols == 0)
}

// ReserveMix makes room in s, so that the two methods below allocate nothing.
func (k *Kernels) ReserveMix(s *Scratch) { Grow(&s.square, 2*maxMix*k.lanes) }

// Mix makes columns [m0, m1) of x [C][M] those of A x + bias, A [C][C] and bias [C].
func (k *Kernels) Mix(s *Scratch, a, bias, x []float32, m, m0, m1 int) {
	c := len(bias)
	vecs := (m1 - m0) / k.lanes
	if vecs > 0 {
		k.mix[c](a, bias, x[m0:], m, vecs)
	}
	if m0 += vecs * k.lanes; m0 < m1 {
		last := k.lastColumns(s, 0, x, c, m, m0, m1)
		k.mix[c](a, bias, last, k.lanes, 1)
		for i := range c {
			copy(x[i*m+m0:i*m+m1], last[i*k.lanes:])
		}
	}
}

// MixBackward adds dx x^T over columns [m0, m1) to da [C][C], and makes those of dx [C][M] those of A^T dx; at [C][C] is A^T, and none,
// [C], is zeros.
func (k *Kernels) MixBackward(s *Scratch, at, none, x, dx, da []float32, m, m0, m1 int) {
	c := len(none)
	step := mixed / c / k.lanes * k.lanes
	for ; m0 < m1; m0 += step {
		end := min(m0+step, m1)
		vecs := (end - m0) / k.lanes
		if vecs > 0 {
			k.mixSums(s, dx[m0:], x[m0:], da, c, m, vecs)
		}
		if rest := m0 + vecs*k.lanes; rest < end {
			k.mixSums(s, k.lastColumns(s, 0, dx, c, m, rest, end), k.lastColumns(s, 1, x, c, m, rest, end), da, c, k.lanes, 1)
		}
		k.Mix(s, at, none, dx, m, m0, end)
	}
}

// mixSums adds x y^T over vecs vectors to sums.
func (k *Kernels) mixSums(s *Scratch, x, y, sums []float32, c, row, vecs int) {
	d := &s.dot
	d.Y, d.YRow, d.XRow, d.CRow, d.Groups, d.Steps = y, row, row, c, c/dotCols, vecs
	d.Ahead = [2]aheadRows{{X: x}, {X: y}}
	blocks := (c + k.dotRows - 1) / k.dotRows
	for b := range blocks {
		r0, r1 := c*b/blocks, c*(b+1)/blocks
		d.X, d.C = x[r0*row:], sums[r0*c:]
		k.dots[r1-r0](d)
	}
	s.dot = dotArgs{}
}

// lastColumns is a copy of fewer columns than a vector has, and zeros.
func (k *Kernels) lastColumns(s *Scratch, copyOf int, x []float32, c, m, m0, m1 int) []float32 {
	last := Grow(&s.square, 2*maxMix*k.lanes)[copyOf*maxMix*k.lanes:][:c*k.lanes]
	clear(last)
	for i := range c {
		copy(last[i*k.lanes:], x[i*m+m0:i*m+m1])
	}
	return last
}
