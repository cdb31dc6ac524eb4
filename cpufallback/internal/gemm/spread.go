package gemm

// A pass back reads the transpose of a layer's weights, a few floats of every row at a time. Where they come from memory that is slow, since
// no processor expects it. Hence they are copied first, which brings them in order; rows of the copy lie one cache line further apart, which
// was measured to be better than as far as before.

const (
	spreadOver = blockFloats // weights: fewer are read from the L2 cache, all but once
	spreadRows = 64          // to copy at a time
)

// spreads says whether an unfused stack goes back through a copy of layer i's weights.
func (p *Stack) spreads(i int) bool {
	a := &p.Layers[i].Back
	return !p.Fused && i > 0 && a.Half == nil && a.Groups*a.Segs == 1 && a.Row == 1 && a.Rows == a.Col && a.Col%(4*line) == 0 &&
		a.K*a.Rows > spreadOver
}

// spreadRow is from row to row of a copy.
func spreadRow(a *Weights) int { return a.Rows + line }

// SpreadFloats is how much memory Spread takes.
func (p *Stack) SpreadFloats() (n int) {
	for i := range p.Layers {
		if a := &p.Layers[i].Back; p.spreads(i) {
			n += a.K * spreadRow(a)
		}
	}
	return n
}

// Spread lets StackBack read weights from copies in memory, which SpreadWeights makes.
func (p *Stack) Spread(memory []float32) {
	for i := range p.Layers {
		l := &p.Layers[i]
		if a := &l.Back; p.spreads(i) {
			n := a.K * spreadRow(a)
			l.together, a.W, a.Col = a.W, memory[:n:n], spreadRow(a)
			memory = memory[n:]
		}
	}
}

// SpreadChunks is in how many chunks of rows SpreadWeights copies layer i's.
func (p *Stack) SpreadChunks(i int) int {
	if p.Layers[i].together == nil {
		return 0
	}
	return (p.Layers[i].Back.K + spreadRows - 1) / spreadRows
}

// SpreadWeights copies a chunk of layer i's weights, shortly before StackBack reads them.
func (p *Stack) SpreadWeights(i, chunk int) {
	l := &p.Layers[i]
	a := &l.Back
	for r := chunk * spreadRows; r < min((chunk+1)*spreadRows, a.K); r++ {
		copy(a.W[r*a.Col:][:a.Rows], l.together[r*a.Rows:])
	}
}
