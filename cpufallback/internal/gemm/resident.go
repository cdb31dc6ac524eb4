package gemm

// A resident operand is the right factor of many small products by one worker: it is packed once and stays in its cache. Panels are vectors
// of columns: column j of row k lies at Panels[j/Lanes*Stride(rows) + k*Lanes + j%Lanes], and columns up to a whole vector are there.

// Lanes is how many float32s a vector has.
func (k *Kernels) Lanes() int { return k.lanes }

// Stride is from panel to panel of an operand of so many rows.
func (k *Kernels) Stride(rows int) int { return k.panelStride(rows) }

// ResidentFloats is the length of a resident operand.
func (k *Kernels) ResidentFloats(rows, cols int) int {
	return roundUp(cols, k.lanes) / k.lanes * k.panelStride(rows)
}

// PackResident packs B[i,j] = src[i*row+j*col], i < some. Rows from there on, and columns behind the last, are 0.
func (k *Kernels) PackResident(panels, src []float32, some, rows, cols, row, col int) {
	clear(panels)
	for j := range cols {
		p := panels[j/k.lanes*k.panelStride(rows)+j%k.lanes:]
		for i := range some {
			p[i*k.lanes] = src[i*row+j*col]
		}
	}
}

// ReserveResident makes room in s for sums too long for one call.
func (k *Kernels) ReserveResident(s *Scratch, a *Weights) { Grow(&s.sums, k.sumsFloats(a)) }

// TimesResident is C[i*cRow+j] = sum_k A[i,k]*B[k,j], or that added to C. cols is a whole number of vectors.
func (k *Kernels) TimesResident(s *Scratch, a *Weights, panels []float32, cols int, c []float32, cRow int, add bool) {
	s.tile.AheadLines = 0
	k.multiply(s, a, panels, cols, c, cRow, &End{Add: add})
}

// Forget drops what the last product pointed at.
func (s *Scratch) Forget() { s.forget() }
