package gemm

// Gradient is how the gradient of a layer's weights is computed: C = A B over the columns of a part, A panels of one of its two
// operands, read where they lie, B the other one's, turned. The rows of A are those of dy (with the last layer's taps), and the
// columns of B what the layer read (with the first's): C is then DW, but for the last layer's taps. Where that would leave most of
// B's vectors empty, A and B change places.
type Gradient struct {
	rows, cols int  // of C
	swapped    bool // A is what the layer read
	width      int  // columns of B that are taken at a time
	direct     bool // there is one part, and it is added to DW at once
	Parts      int
	PartTiles  int // tiles in a part
	At, SumsAt int // of C in a part, and of the sums of dy's rows, lane by lane: [Out][lanes]
}

// Chunks of an unfused stack.
const (
	leastWidth  = 32   // columns of B: a tile of C
	mostWidth   = 128  // columns of B: fewer would read a long A too often
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
	g.width = g.cols
	if !p.Fused {
		g.width = min(g.cols, max(leastWidth, min(p.M/leastWidth, mostWidth)/leastWidth*leastWidth))
		parts := max(1, min(stackParts/g.chunks(), p.M/partColumns))
		g.PartTiles = (tiles + parts - 1) / parts
		g.Parts = (tiles + g.PartTiles - 1) / g.PartTiles
		g.direct = g.Parts == 1 && !g.swapped && (!last || l.Taps == 1)
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

// chunks is how many widths the columns are.
func (g *Gradient) chunks() int { return (g.cols + g.width - 1) / g.width }

// Chunks is how many pieces of work the gradient is in an unfused stack.
func (g *Gradient) Chunks() int { return g.Parts * g.chunks() }

// StackWeights does one chunk of layer i's gradient, and with the first of a part's the sums.
func (k *Kernels) StackWeights(s *Scratch, p *Stack, i, chunk int) {
	g := &p.Layers[i].Gradient
	part, b0 := chunk/g.chunks(), chunk%g.chunks()*g.width
	b1 := min(b0+g.width, g.cols)
	c := p.C[part*p.Floats:][:p.Floats]
	to := p.Layers[i].DW
	if !g.direct {
		to = c[g.At:]
		for r := range g.rows {
			clear(to[r*g.cols+b0 : r*g.cols+b1])
		}
	}
	if b0 == 0 {
		clear(c[g.SumsAt:][:p.Layers[i].Out*k.lanes])
	}
	end, step := min(p.M, (part+1)*g.PartTiles*p.Tile), p.sumTile()
	for m := part * g.PartTiles * p.Tile; m < end; m += step {
		n := min(step, end-m)
		dy := k.dyOf(s, p, i, m, n)
		k.gradient(s, p, i, dy, m, n, b0, b1, to)
		if b0 == 0 {
			k.rowSums(p, i, dy, n, c)
		}
	}
	s.forget()
}

// gradient adds columns [b0, b1) of C over columns [m, m+n) of the batch.
func (k *Kernels) gradient(s *Scratch, p *Stack, i int, dy panels, m, n, b0, b1 int, c []float32) {
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
	vecs, _ := k.split(n)
	w := Weights{W: a.p, Groups: 1, Rows: a.rows, Row: k.lanes, Segs: vecs, Seg: a.stride, K: k.lanes, Col: 1}
	if k.half != nil {
		k.roundPanels(s, &w, a, vecs)
	}
	width := k.vectors * k.lanes
	for ; b0 < b1; b0 += width { // what is turned stays in the L1 cache
		cols := min(width, b1-b0)
		k.multiply(s, &w, k.turnRows(s, b, b0, cols, vecs), cols, c[b0:], g.cols, &End{Add: true})
	}
}

// turnRows gives rows of x, from r on, as columns of panels, whose rows are the columns of x.
func (k *Kernels) turnRows(s *Scratch, x panels, r, rows, vecs int) []float32 {
	stride := k.panelStride(vecs * k.lanes)
	whole, rest := rows/k.lanes, rows%k.lanes
	turned := Grow(&s.turned, k.vectors*stride)
	square := Grow(&s.square, k.lanes*k.lanes) // the last rows, and zeros
	clear(square)
	for v := range vecs {
		from, to := x.p[v*x.stride+r*k.lanes:], turned[v*k.lanes*k.lanes:]
		if whole > 0 {
			k.turn(to, from, stride, whole)
		}
		if rest > 0 {
			copy(square, from[whole*k.lanes*k.lanes:][:rest*k.lanes])
			k.turn(to[whole*stride:], square, stride, 1)
		}
	}
	return turned
}

// rowSums adds the rows of dy, lane by lane, to the sums in c: of each tap that is the pixel itself.
func (k *Kernels) rowSums(p *Stack, i int, dy panels, n int, c []float32) {
	l := &p.Layers[i]
	vecs, _ := k.split(n)
	sums := c[l.SumsAt:][:l.Out*k.lanes]
	if dy.rows == l.Out {
		k.adds(sums, dy.p, dy.stride, vecs)
		return
	}
	for o := range l.Out {
		k.adds(sums[o*k.lanes:][:k.lanes], dy.p[(o*l.Taps+l.Taps/2)*k.lanes:], dy.stride, vecs)
	}
}

// AddChunks is in how many chunks of rows AddGradient adds up layer i's.
func (p *Stack) AddChunks(i int) int {
	rows := p.addRows(i)
	return (p.Layers[i].rows + rows - 1) / rows
}

func (p *Stack) addRows(i int) int {
	const enough = 1 << 16 // additions
	g := &p.Layers[i].Gradient
	if g.direct {
		return g.rows
	}
	return max(1, enough/(g.Parts*g.cols))
}

// AddGradient adds the parts of a chunk of rows to DW, and with the first chunk the sums to db, in order.
func (k *Kernels) AddGradient(p *Stack, i, chunk int, db []float32) {
	l := &p.Layers[i]
	g := &l.Gradient
	if chunk == 0 {
		for part := range g.Parts {
			k.sums(db, p.C[part*p.Floats+g.SumsAt:], k.lanes, k.lanes)
		}
	}
	if g.direct {
		return
	}
	perChunk := p.addRows(i)
	for r := chunk * perChunk; r < min((chunk+1)*perChunk, g.rows); r++ {
		row := p.C[g.At+r*g.cols:]
		switch {
		case g.swapped: // row r is column r of DW
			k.addParts(p, g, r)
			for j, v := range row[:g.cols] {
				l.DW[j*g.rows+r] += v
			}
		case g.cols == l.In && l.Taps > 1: // row r is tap r%Taps of output r/Taps
			k.addParts(p, g, r)
			dw := l.DW[r/l.Taps*l.In*l.Taps+r%l.Taps:]
			for j, v := range row[:g.cols] {
				dw[j*l.Taps] += v
			}
		default:
			k.adds(l.DW[r*g.cols:][:g.cols], row, p.Floats, g.Parts)
		}
	}
}

// addParts adds all parts of a row to the first.
func (k *Kernels) addParts(p *Stack, g *Gradient, r int) {
	if g.Parts > 1 {
		k.adds(p.C[g.At+r*g.cols:][:g.cols], p.C[p.Floats+g.At+r*g.cols:], p.Floats, g.Parts-1)
	}
}
