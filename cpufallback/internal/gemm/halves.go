package gemm

import "math"

// BF16 is the upper half of a float32. Where k rounds to it, products take both factors so, two terms of a sum in the place of one
// float32, and add up in float32: what rounds Weights and panels is here, and all else is as it was, with half the terms.
//
// Rounding is to nearest, ties to even, and of denormal numbers to 0, as the instructions round.

// halfKernels are Kernels whose tiles multiply pairs, and what makes pairs.
type halfKernels struct {
	Kernels
	tile  [maxVectors + 1][maxRows + 1]func(*tileArgs)
	pairs func(*pairArgs)
	round func(dst, src []float32) // of a multiple of 32 numbers in their order
	peak  func(n int)              // n times 24 vectors of multiply-adds, two in each lane
}

// pairArgs is one call of pairs: of Vecs vectors of columns, rows 2q and 2q+1 of Src become row q of Dst, each number of which is a
// pair: the even row's in the lower half. A row beyond the last counts as zeros.
type pairArgs struct {
	Src    []float32
	SrcRow int // from row to row
	SrcVec int // from vector to vector
	Rows   int
	Vecs   int
	Dst    []float32
	DstRow int
	DstVec int
}

// InBF16 is k with products that round their factors to BF16; nil if this machine cannot.
func (k *Kernels) InBF16() *Kernels {
	half := halves()
	if half == nil || half.tile[maxVectors][k.rows] == nil || k.lanes != line {
		return nil
	}
	half.Kernels = *k
	half.Kernels.tile, half.Kernels.panels = half.tile, [maxRows + 1]func(*tileArgs){}
	rounding := *k
	rounding.half = half
	return &rounding
}

// RoundsToBF16 says whether products of k round their factors.
func (k *Kernels) RoundsToBF16() bool { return k.half != nil }

// pairsIn is how many pairs a sum of so many terms has.
func pairsIn(depth int) int { return (depth + 1) / 2 }

// HalfFloats is the length of what Round needs.
func (a *Weights) HalfFloats() int { return a.Groups * a.Rows * pairsIn(a.Segs*a.K) }

// Round makes half the weights of a in BF16, in memory of a.HalfFloats() float32s, for products to take. Rows of a that follow each
// other, and columns, are rounded by whole vectors.
func (k *Kernels) Round(s *Scratch, a, half *Weights, memory []float32) {
	depth := a.Segs * a.K
	p := pairsIn(depth)
	memory = memory[:a.HalfFloats()]
	*half = Weights{W: memory, Groups: a.Groups, Group: a.Rows * p, Rows: a.Rows, Row: p, Segs: 1, K: p, Col: 1}
	a.Half = half
	one := a.Groups == 1 && a.Segs == 1
	switch {
	case one && a.Col == 1 && a.Row == depth && depth%2 == 0:
		w := a.W[:a.Rows*depth]
		whole := len(w) &^ 31
		k.half.round(memory[:whole/2], w[:whole])
		for i := whole; i < len(w); i += 2 {
			memory[i/2] = pair(w[i], w[i+1])
		}
	case one && a.Row == 1 && a.Rows%k.lanes == 0:
		s.pair = pairArgs{Src: a.W, SrcRow: a.Col, SrcVec: k.lanes, Rows: depth, Vecs: a.Rows / k.lanes, Dst: memory, DstRow: a.Rows, DstVec: k.lanes}
		k.half.pairs(&s.pair)
		s.pair = pairArgs{}
		half.Row, half.Col = 1, a.Rows
	default:
		for i := range a.Groups * a.Rows {
			row := a.W[i/a.Rows*a.Group+i%a.Rows*a.Row:]
			at := func(d int) float32 {
				if d == depth {
					return 0
				}
				return row[d/a.K*a.Seg+d%a.K*a.Col]
			}
			for q := range p {
				memory[i*p+q] = pair(at(2*q), at(2*q+1))
			}
		}
	}
}

// pair is two numbers in BF16, in the bits of one float32.
func pair(low, high float32) float32 { return math.Float32frombits(bf16Of(low) | bf16Of(high)<<16) }

// bf16Of is the bits of v in BF16.
func bf16Of(v float32) uint32 {
	u := math.Float32bits(v)
	switch {
	case v != v:
		return u>>16 | 1<<6 // still not a number
	case u<<1>>24 == 0:
		return u >> 31 << 15
	}
	return (u + 0x7fff + u>>16&1) >> 16
}

// pairsOf is the panels of the right factor of a, rounded.
func (k *Kernels) pairsOf(s *Scratch, a *Weights, panels []float32, cols int) []float32 {
	depth := a.Segs * a.K
	vecs, _ := k.split(cols)
	stride := k.panelStride(pairsIn(depth))
	dst := Grow(&s.pairs, vecs*stride)
	s.pair = pairArgs{Src: panels, SrcRow: k.lanes, SrcVec: k.panelStride(depth), Rows: depth, Vecs: vecs, Dst: dst, DstRow: k.lanes, DstVec: stride}
	k.half.pairs(&s.pair)
	return dst
}

// roundPanels rounds a left factor that is panels, as the gradient of a Stack's weights has it.
func (k *Kernels) roundPanels(s *Scratch, a *Weights, from panels, vecs int) {
	n := ((vecs-1)*from.stride + from.rows*k.lanes) &^ (2*line - 1)
	dst := Grow(&s.rounded, vecs*from.stride/2)
	k.half.round(dst[:n/2], from.p[:n])
	for i := n; i < (vecs-1)*from.stride+from.rows*k.lanes; i += 2 {
		dst[i/2] = pair(from.p[i], from.p[i+1])
	}
	s.half = Weights{W: dst, Groups: 1, Rows: from.rows, Row: k.lanes / 2, Segs: vecs, Seg: from.stride / 2, K: k.lanes / 2, Col: 1}
	a.Half = &s.half
}

// reserveHalf makes room in s for what is rounded of a product of a and so many columns.
func (k *Kernels) reserveHalf(s *Scratch, a *Weights, cols int) {
	if k.half == nil || a.Half == nil {
		return
	}
	vecs, _ := k.split(cols)
	Grow(&s.pairs, vecs*k.panelStride(pairsIn(a.Segs*a.K)))
	Grow(&s.sums, k.half.sumsFloats(a.Half))
}

// reserveHalfStack makes room in s for what is rounded of a Stack.
func (k *Kernels) reserveHalfStack(s *Scratch, p *Stack) {
	if k.half == nil {
		return
	}
	vecs, _ := k.split(p.sumTile())
	Grow(&s.pairs, k.vectors*k.panelStride(vecs*k.lanes/2))
	for i := range p.Layers {
		l := &p.Layers[i]
		k.reserveHalf(s, &l.W, p.Tile)
		k.reserveHalf(s, &l.Back, p.Tile)
		Grow(&s.rounded, vecs*k.panelStride(max(l.In, l.Out)*l.Taps)/2)
	}
}
