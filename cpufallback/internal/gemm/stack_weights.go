package gemm

// Gradient is how the gradient of a layer's weights is computed: C = A B over the columns of a part, A panels of one of its two
// operands, read where they lie, B the other one's, turned. The rows of A are those of dy (with the last layer's taps), and the
// columns of B what the layer read (with the first's): C is then DW, but for the last layer's taps. Where that would leave most of
// B's vectors empty, A and B change places.
type Gradient struct {
	rows, cols int  // of C
	swapped    bool // A is what the layer read
	width      int  // columns of B in a chunk
	height     int  // rows of A in a chunk
	direct     bool // there is one part, and it goes to DW at once
	Parts      int
	PartTiles  int // tiles in a part
	left       int // parts that AddGradient adds up
	At, SumsAt int // of C in a part, and of the sums of dy's rows: of an unfused stack lane by lane, [Out][lanes]
	lanesAt    int // of a fused stack's sums, lane by lane
}

// Chunks of an unfused stack.
const (
	leastWidth  = 64   // columns of B: fewer would read A too often
	mostWidth   = 128  // columns of B, where A is long
	leastHeight = 128  // rows of A: fewer would turn B too often
	fewChunks   = 8    // occupy a few cores
	partColumns = 1024 // of the batch, worth a part that is added to the others afterwards
	sumColumns  = 256  // of the batch, taken at a time
)

// planGradient says how layer i's is computed, of a number of tiles of columns.
func (p *Stack) planGradient(i, tiles int) {
	l := &p.Layers[i]
	last := i == len(p.Layers)-1
	g := Gradient{rows: l.Out, cols: l.In * l.Taps, Parts: (tiles + p.PartTiles - 1) / p.PartTiles, PartTiles: p.PartTiles}
	if last && l.Taps > 1 {
		g.rows, g.cols = l.Out*l.Taps, l.In
	} else if i == 0 && 4*g.cols < 3*roundUp(g.cols, 2*line) {
		g.rows, g.cols, g.swapped = g.cols, g.rows, true
	}
	g.width, g.height = g.cols, g.rows
	if !p.Fused {
		g.width = min(g.cols, min(max(p.M/(2*line), leastWidth), mostWidth)/(2*line)*(2*line))
		parts := max(1, min(stackParts/g.widths(), p.M/partColumns))
		if parts*g.widths() < fewChunks {
			g.height = max(leastHeight, roundUp(g.rows*parts*g.widths()/fewChunks, line))
		}
		if many := min(stackParts, p.M/partColumns); last && l.Taps > 1 && many >= fewChunks { // packing dy once more for every width would cost as much
			g.width, g.height, parts = g.cols, g.rows, many
		}
		g.PartTiles = (tiles + parts - 1) / parts
		g.Parts = (tiles + g.PartTiles - 1) / g.PartTiles
		g.direct = g.Parts == 1 && !g.swapped && (!last || l.Taps == 1)
	}
	g.left = g.Parts
	if p.Fused {
		g.left = 1 // a Tree has added them up
	}
	l.Gradient = g
}

// sumTile is how many columns are taken at a time.
func (p *Stack) sumTile() int {
	if p.Fused {
		return p.Tile
	}
	return max(1, sumColumns/p.Tile) * p.Tile
}

// widths is how many widths the columns are.
func (g *Gradient) widths() int { return (g.cols + g.width - 1) / g.width }

// chunks is how many pieces of a width and a height a part is.
func (g *Gradient) chunks() int { return g.widths() * ((g.rows + g.height - 1) / g.height) }

// Chunks is how many pieces of work the gradient is in an unfused stack.
func (g *Gradient) Chunks() int { return g.Parts * g.chunks() }

// StackWeights does one chunk of layer i's gradient, and with the first of some rows of dy their sums.
func (k *Kernels) StackWeights(s *Scratch, p *Stack, i, chunk int) {
	g := &p.Layers[i].Gradient
	part, piece := chunk/g.chunks(), chunk%g.chunks()
	a0, b0 := piece/g.widths()*g.height, piece%g.widths()*g.width
	a1, b1 := min(a0+g.height, g.rows), min(b0+g.width, g.cols)
	c := p.C[part*p.Floats:][:p.Floats]
	to := p.Layers[i].DW
	if !g.direct {
		to = c[g.At:]
	}
	r0, r1 := 0, 0 // the rows of dy that this chunk adds up
	switch out := p.Layers[i].Out; {
	case g.rows == out && !g.swapped && b0 == 0:
		r0, r1 = a0, a1
	case (g.rows != out || g.swapped) && piece == 0:
		r1 = out
	}
	clear(c[g.SumsAt+r0*k.lanes:][:(r1-r0)*k.lanes])
	first, step := part*g.PartTiles*p.Tile, p.sumTile()
	end := min(p.M, first+g.PartTiles*p.Tile)
	for m := first; m < end; m += step {
		n := min(step, end-m)
		dy := k.dyOf(s, p, i, m, n)
		next := turning{m + n, b0}
		if m+n >= end { // then the next chunk, if it is of the same columns of the batch
			next = turning{first, (piece + 1) % g.widths() * g.width}
		}
		k.gradient(s, p, i, dy, m, n, a0, a1, b0, b1, to, m > first || g.direct && !p.Layers[i].Set, next)
		if r1 > r0 {
			k.rowSums(p, i, dy, r0, r1, n, c[g.SumsAt:])
		}
	}
	s.forget()
}

// Together says whether an unfused stack has so many parts of layer i's gradient that StackThrough takes the tiles of each through the layer, weights
// and operand.
func (p *Stack) Together(i int) bool {
	g := &p.Layers[i].Gradient
	return !p.Fused && g.chunks() == 1 && g.Parts >= fewChunks
}

// StackThrough goes back through layer i of an unfused stack in all tiles of a part, by what the layer computed and read while that is in the cache.
// If the layer is the first, it goes through the second before, where that has not been done.
func (k *Kernels) StackThrough(s *Scratch, p *Stack, i, part int) {
	l := &p.Layers[i]
	c := p.C[part*p.Floats:][:p.Floats]
	clear(c[l.SumsAt:][:l.Out*k.lanes])
	first := part * l.PartTiles * p.Tile
	end := min(p.M, first+l.PartTiles*p.Tile)
	for m := first; m < end; m += p.Tile {
		n := min(p.Tile, end-m)
		var dx panels
		if i > 0 {
			dx = k.hidden(p, i-1, m)
		} else if !p.Together(1) {
			k.StackBack(s, p, 1, m, n)
		}
		dy := k.dyOf(s, p, i, m, n)
		k.gradient(s, p, i, dy, m, n, 0, l.rows, 0, l.cols, c[l.At:], m > first, turning{m + n, 0})
		k.rowSums(p, i, dy, 0, l.Out, n, c[l.SumsAt:])
		s.tile.AheadLines = 0
		k.back(s, p, i, dy, dx, nil, m, n)
	}
	s.forget()
}

// turning is what a gradient turns next: column b of B and those that follow, from column m of the batch on.
type turning struct{ m, b int }

// gradient computes rows [a0, a1) and columns [b0, b1) of C over columns [m, m+n) of the batch, or adds them to what is there.
func (k *Kernels) gradient(s *Scratch, p *Stack, i int, dy panels, m, n, a0, a1, b0, b1 int, c []float32, add bool, next turning) {
	g := &p.Layers[i].Gradient
	var x panels
	if i == 0 {
		x = k.packX(s, p, m, n)
	} else {
		x = k.hidden(p, i-1, m)
	}
	a, b := dy, x
	if g.swapped {
		a, b = x, dy
	}
	a.p, a.rows = a.p[a0*k.lanes:], a1-a0
	vecs, _ := k.split(n)
	if k.half == nil && k.crosses(a.rows, b1-b0, vecs) {
		b.p, b.rows = b.p[b0*k.lanes:], b1-b0
		k.crossed(a, b, vecs, c[a0*g.cols+b0:], g.cols, add)
		return
	}
	w := Weights{W: a.p, Groups: 1, Rows: a.rows, Row: k.lanes, Segs: vecs, Seg: a.stride, K: k.lanes, Col: 1}
	if k.half != nil {
		k.roundPanels(s, &w, a, vecs)
	}
	width := k.vectors * k.lanes
	fetches := i > 0 && k.fetchesTurned(p, a.rows)
	for ; b0 < b1; b0 += width { // what is turned stays in the L1 cache
		cols := min(width, b1-b0)
		turned := k.turnRows(s, b, b0, cols, vecs)
		if fetches { // while these columns are multiplied, the next ones come
			from, at := b.p, b0+width
			if at >= b1 {
				from, at = k.hidden(p, i-1, min(next.m, p.M-1)/k.lanes*k.lanes).p, next.b
			}
			t := &s.tile
			t.Ahead, t.AheadAt, t.AheadRow, t.AheadLines = from, at*k.lanes, b.stride, width*k.lanes/line/panelLines
		}
		k.multiply(s, &w, turned, cols, c[a0*g.cols+b0:], g.cols, &End{Add: add})
		s.tile.AheadLines = 0
	}
}

// fetchesTurned says whether it pays to fetch what a gradient turns, and the kernels of so many rows of A can: those of panels, in blocks of
// k.rows or one less.
func (k *Kernels) fetchesTurned(p *Stack, rows int) bool {
	blocks := (rows + k.rows - 1) / k.rows
	return !p.Fused && k.half == nil && k.panels[k.rows] != nil && rows/blocks >= k.rows-1
}

// crosses says whether crossed is for so many rows of A and B: whether adding up the lanes of every sum, over vecs vectors of columns, is
// less work than turning B.
func (k *Kernels) crosses(rows, cols, vecs int) bool {
	return 2*rows <= 3*vecs && cols%dotCols == 0 && k.cross[1] != nil
}

// crossWidth is how many rows of B stay in the L1 cache while all rows of A meet them.
const crossWidth = 16

// crossed computes C = A B^T over vectors of columns, or adds it to what is there. Nothing is turned.
func (k *Kernels) crossed(a, b panels, vecs int, c []float32, cRow int, add bool) {
	for i := 0; i < a.rows && !add; i++ {
		clear(c[i*cRow:][:b.rows])
	}
	blocks := (a.rows + k.dotRows - 1) / k.dotRows
	for j := 0; j < b.rows; j += crossWidth {
		groups := min(crossWidth, b.rows-j) / dotCols
		for i := range blocks {
			r0, r1 := a.rows*i/blocks, a.rows*(i+1)/blocks
			k.cross[r1-r0](a.p[r0*k.lanes:], b.p[j*k.lanes:], c[r0*cRow+j:], a.stride, b.stride, cRow, groups, vecs)
		}
	}
}

// turnRows gives rows of x, from r on, as columns of panels, whose rows are the columns of x.
func (k *Kernels) turnRows(s *Scratch, x panels, r, rows, vecs int) []float32 {
	stride := k.panelStride(vecs * k.lanes)
	whole, rest := rows/k.lanes, rows%k.lanes
	turned := Grow(&s.turned, k.vectors*stride)
	from := x.p[r*k.lanes:]
	if whole > 0 {
		k.turn(turned, from, stride, whole, x.stride, vecs)
	}
	if rest > 0 {
		square := Grow(&s.square, k.lanes*k.lanes) // the last rows, and zeros
		clear(square)
		for v := range vecs {
			copy(square, from[v*x.stride+whole*k.lanes*k.lanes:][:rest*k.lanes])
			k.turn(turned[whole*stride+v*k.lanes*k.lanes:], square, stride, 1, 0, 1)
		}
	}
	return turned
}

// rowSums adds rows [r0, r1) of dy, lane by lane, to sums [Out][lanes]: of each tap that is the pixel itself.
func (k *Kernels) rowSums(p *Stack, i int, dy panels, r0, r1, n int, sums []float32) {
	l := &p.Layers[i]
	vecs, _ := k.split(n)
	if dy.rows == l.Out {
		k.adds(sums[r0*k.lanes:r1*k.lanes], dy.p[r0*k.lanes:], dy.stride, vecs)
		return
	}
	for o := r0; o < r1; o++ {
		k.adds(sums[o*k.lanes:][:k.lanes], dy.p[(o*l.Taps+l.Taps/2)*k.lanes:], dy.stride, vecs)
	}
}

// AddChunks is in how many chunks of rows AddGradient adds up layer i's.
func (p *Stack) AddChunks(i int) int {
	rows := p.addRows(i)
	return (p.Layers[i].rows + rows - 1) / rows
}

func (p *Stack) addRows(i int) int {
	const enough = 1 << 14 // additions
	g := &p.Layers[i].Gradient
	if g.direct {
		return g.rows
	}
	return max(1, enough/(g.left*g.cols))
}

// AddGradient adds the parts of a chunk of rows to DW, and with the first chunk the sums to DB, in order. What is to be set is cleared first:
// the cache then has it.
func (k *Kernels) AddGradient(p *Stack, i, chunk int) {
	l := &p.Layers[i]
	g := &l.Gradient
	if chunk == 0 {
		k.addSums(p, i)
	}
	if g.direct {
		return
	}
	perChunk := p.addRows(i)
	r0, r1 := chunk*perChunk, min((chunk+1)*perChunk, g.rows)
	folded := g.cols == l.In && l.Taps > 1
	if (!g.swapped || g.rows == 1) && !folded {
		if l.Set {
			clear(l.DW[r0*g.cols : r1*g.cols])
		}
		k.adds(l.DW[r0*g.cols:r1*g.cols], p.C[g.At+r0*g.cols:], p.Floats, g.left)
		return
	}
	for r := r0; r < r1; r++ {
		k.addParts(p, g, r)
		row := p.C[g.At+r*g.cols:][:g.cols]
		to, step := r, g.rows // row r is column r of DW
		if !g.swapped {       // row r is tap r%Taps of output r/Taps
			to, step = r/l.Taps*l.In*l.Taps+r%l.Taps, l.Taps
		}
		dw := l.DW[to:]
		if l.Set {
			for j, v := range row {
				dw[j*step] = v
			}
			continue
		}
		for j, v := range row {
			dw[j*step] += v
		}
	}
}

// addSums adds the sums of dy's rows to DB.
func (k *Kernels) addSums(p *Stack, i int) {
	l := &p.Layers[i]
	if l.Set {
		clear(l.DB)
	}
	if p.Fused {
		k.adds(l.DB, p.C[l.SumsAt:], 0, 1)
		return
	}
	sums := p.C[l.SumsAt:][:l.Out*k.lanes]
	if l.Parts > 1 {
		k.adds(sums, p.C[p.Floats+l.SumsAt:], p.Floats, l.Parts-1)
	}
	k.sums(l.DB, sums, k.lanes, k.lanes)
}

// addParts adds all parts of a row to the first.
func (k *Kernels) addParts(p *Stack, g *Gradient, r int) {
	if g.left > 1 {
		k.adds(p.C[g.At+r*g.cols:][:g.cols], p.C[p.Floats+g.At+r*g.cols:], p.Floats, g.left-1)
	}
}
