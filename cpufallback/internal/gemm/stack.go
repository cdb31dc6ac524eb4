package gemm

// Stack is products one after another, a conditioner: what a layer computes is the operand of the next. A worker takes a tile of
// columns through all layers while it is in the L2 cache.
//
// What lies between two layers is hidden, in panels, the order in which the kernels write and read it: column m of row c is
//
//	Hidden[m/lanes*panelStride(rows) + c*lanes + m%lanes]
//
// so that nothing is packed or copied. The columns of the last panel that do not exist are computed like the others; their
// gradients are 0, because the panels that dy is packed in end in zeros.
type Stack struct {
	Layers []Layer // two at least
	X, Y   []float32
	DX     []float32 // of the backward pass, which adds to it; Y is then dy
	M      int
	Image  int  // pixels
	Keep   bool // of the forward pass: what is hidden, for the backward pass

	// The first layer reads X through taps, and its gradient goes back through the same, flipped; the last layer likewise.
	In, InFlip   *Taps
	Out, OutFlip *Taps

	C    []float32 // of the backward pass: Parts times Floats
	Tree *Tree     // of a fused stack's

	// What Plan says.
	Tile      int  // columns, a multiple of line and of Image
	Fused     bool // the weights and their gradients fit into the L2 cache with a tile, which goes through all layers at a time
	Parts     int  // of the columns, for sums over them; the most that a layer has
	PartTiles int  // tiles in a part of a fused stack
	Floats    int  // of a part
	lanesAll  int  // float32s of a fused stack's sums of rows, before their lanes are added up
	AddsUp    bool // a fused stack's StackBackward adds the gradients to DW and DB: they are too small to be shared out
}

// Layer is one product of a Stack.
type Layer struct {
	In, Out int
	Taps    int // 9 where the operand is shifted copies of rows, else 1
	Bias    []float32
	ReLU    bool    // ends the layer
	W       Weights // forward: Out rows, or for the last layer with taps those that are folded
	Back    Weights // of the gradient: In rows, or for the first layer with taps those that are folded
	Hidden  []float32
	DW, DB  []float32 // of the backward pass
	Set     bool      // which sets them, whatever they hold, and does not add to them

	together []float32 // the weights that Back has a copy of, see Spread
	Gradient
}

const (
	stackTile  = 256      // columns, at most where images allow: some hidden arrays of 128 rows in the L2 cache
	stackMost  = 1024     // columns, at most where they do not
	tileClaims = 4        // tiles that occupy a few cores
	leastTile  = 32       // columns: a tile of C
	tileWork   = 1 << 19  // multiplications that are worth a claim, whatever the cores
	stackParts = 16       // claims that occupy many cores
	fusedMost  = 64 << 10 // weights: a quarter of the L2 cache
	addedMost  = 16 << 10 // weights: to add up fewer takes less than a fork and join
)

// StackTile is how many columns of m, in images of some pixels, are taken through so many weights at a time. It is 0 if whole
// images do not come out on cache lines before the tile gets too large.
func StackTile(m, image, weights int) int {
	unit := image / gcd(image, line) * line
	if unit > stackMost {
		return 0
	}
	tile, claims := stackTile, tileClaims
	if weights > fusedMost { // a tile is long work, and leaves no part of a sum behind
		claims *= 2
	}
	for tile > leastTile && m < claims*tile && tile/2*weights >= tileWork {
		tile /= 2
	}
	return max(1, tile/unit) * unit
}

// Plan cuts the columns, and the gradients of weights, by shapes alone.
func (p *Stack) Plan(lanes int) {
	weights := 0
	for i := range p.Layers {
		weights += p.Layers[i].In * p.Layers[i].Out * p.Layers[i].Taps
	}
	p.Tile = StackTile(p.M, p.Image, weights)
	tiles := (p.M + p.Tile - 1) / p.Tile
	p.Fused = weights <= fusedMost
	p.AddsUp = weights <= addedMost && p.Layers[0].Taps == 1 && p.Layers[len(p.Layers)-1].Taps == 1
	p.PartTiles = (tiles + stackParts - 1) / stackParts
	p.Parts, p.Floats, p.lanesAll = 0, 0, 0
	for i := range p.Layers {
		p.planGradient(i, tiles)
		g := &p.Layers[i].Gradient
		g.At = p.Floats
		if !g.direct {
			p.Floats += roundUp(g.rows*g.cols, line)
		}
		g.SumsAt = p.Floats
		if sums := p.Layers[i].Out * lanes; p.Fused {
			g.lanesAt, p.lanesAll = p.lanesAll, p.lanesAll+sums
			p.Floats += roundUp(p.Layers[i].Out, line)
		} else {
			p.Floats += roundUp(sums, line)
		}
		p.Parts = max(p.Parts, g.Parts)
	}
}

// ReserveStack makes room in s, so that a Stack allocates nothing.
func (k *Kernels) ReserveStack(s *Scratch, p *Stack) {
	vecs, _ := k.split(p.sumTile())
	first, last := &p.Layers[0], &p.Layers[len(p.Layers)-1]
	Grow(&s.x, vecs*k.panelStride(first.In*first.Taps))
	Grow(&s.y, vecs*k.panelStride(last.Out*last.Taps))
	Grow(&s.folds, max(first.In*first.Taps, last.Out*last.Taps)*p.foldRow())
	Grow(&s.square, k.lanes*k.lanes)
	if p.Fused || !p.Keep {
		for i := range p.Layers[:len(p.Layers)-1] {
			Grow(&s.passing[i%2], vecs*k.panelStride(p.Layers[i].Out))
		}
	}
	Grow(&s.lanes, p.lanesAll)
	sums := 0
	for i := range p.Layers {
		l := &p.Layers[i]
		sums = max(sums, k.sumsFloats(&l.W), k.sumsFloats(&l.Back))
		if vecs*k.lanes > maxDepth {
			sums = max(sums, l.height*k.vectors*k.lanes)
		}
	}
	k.reserveHalfStack(s, p)
	Grow(&s.sums, sums)
	Grow(&s.turned, k.vectors*k.panelStride(vecs*k.lanes))
}

// foldRow is the stride of rows that are folded.
func (p *Stack) foldRow() int { return p.Tile + line }

// panels are rows of a tile's columns.
type panels struct {
	p            []float32
	rows, stride int // stride from vector to vector
}

// hidden is what layer i computes, from column m on.
func (k *Kernels) hidden(p *Stack, i, m int) panels {
	l := &p.Layers[i]
	stride := k.panelStride(l.Out)
	return panels{l.Hidden[m/k.lanes*stride:], l.Out, stride}
}

// passing is memory for what layer i computes, or its gradient, in n columns that do not leave the cache.
func (k *Kernels) passing(s *Scratch, p *Stack, i, n int) panels {
	vecs, _ := k.split(n)
	y := panels{rows: p.Layers[i].Out, stride: k.panelStride(p.Layers[i].Out)}
	y.p = Grow(&s.passing[i%2], vecs*y.stride)
	return y
}

// fetch lets the products up to the next fetch bring some of what is hidden into the cache, as many rows and columns as the product of
// a has: from column m on of layer i, if there is any.
func (k *Kernels) fetch(s *Scratch, p *Stack, a *Weights, i, m int) {
	t := &s.tile
	t.AheadLines = 0
	if i < 0 || m >= p.M {
		return
	}
	h := k.hidden(p, i, m)
	lines, depth := k.vectors*h.stride/line, a.Segs*a.K
	t.Ahead, t.AheadAt, t.AheadLines = h.p, 0, (lines+depth/2)/depth
	t.AheadRow, s.aheadStep = t.AheadLines*line, k.vectors*h.stride
}

// packX packs columns of X through the taps of the first layer, packY those of Y through the flipped taps of the last.
func (k *Kernels) packX(s *Scratch, p *Stack, m, n int) panels {
	return k.packEnd(s, &s.x, Pixels{X: p.X, M: p.M, Chans: p.Layers[0].In, Taps: p.In}, m, n)
}

func (k *Kernels) packY(s *Scratch, p *Stack, m, n int) panels {
	return k.packEnd(s, &s.y, Pixels{X: p.Y, M: p.M, Chans: p.Layers[len(p.Layers)-1].Out, Taps: p.OutFlip}, m, n)
}

func (k *Kernels) packEnd(s *Scratch, buf *[]float32, x Pixels, m, n int) panels {
	vecs, tail := k.split(n)
	to := panels{rows: x.Rows(), stride: k.panelStride(x.Rows())}
	to.p = Grow(buf, vecs*to.stride)
	k.packRows(s, &x, 0, x.Chans, m, vecs, tail, to.p, to.stride, k.lanes)
	return to
}

// StackForward computes columns [m, m+n) of Y and of what is hidden, n at most p.Tile, m a multiple of that.
func (k *Kernels) StackForward(s *Scratch, p *Stack, m, n int) {
	vecs, _ := k.split(n)
	x, last := k.packX(s, p, m, n), len(p.Layers)-1
	for i := range p.Layers[:last] {
		l, y := &p.Layers[i], panels{}
		if !p.Keep {
			y = k.passing(s, p, i, n)
		} else if y = k.hidden(p, i, m); i+1 < last {
			k.fetch(s, p, &l.W, i+1, m)
		} else {
			k.fetch(s, p, &l.W, 0, m+p.Tile)
		}
		k.multiplyTo(s, &l.W, x.p, vecs*k.lanes, target{c: y.p, row: k.lanes, vec: y.stride}, &End{Bias: l.Bias, ReLU: l.ReLU})
		x = y
	}
	l := &p.Layers[last]
	s.tile.AheadLines = 0
	k.toPlain(s, p, &l.W, p.Out, x, m, n, l.Out, p.Y, &End{Bias: l.Bias, ReLU: l.ReLU})
	s.forget()
}

// toPlain computes n columns of rows in plain order, from column m on: y = End(a x), folded where there are taps.
func (k *Kernels) toPlain(s *Scratch, p *Stack, a *Weights, taps *Taps, x panels, m, n, rows int, y []float32, end *End) {
	if taps.N == 1 {
		k.multiply(s, a, x.p, n, y[m:], p.M, end)
		return
	}
	row := p.foldRow()
	t := Grow(&s.folds, rows*taps.N*row)
	k.multiply(s, a, x.p, n, t, row, &End{})
	f := &s.fold
	f.T, f.TRow, f.Mask, f.MaskTap = t, row, taps.from(m), taps.row
	for i, off := range taps.Off {
		f.Off[i] = i*row + off
	}
	f.Y, f.YRow, f.Chans, f.Bias, f.Flags = y[m:], p.M, rows, end.Bias, end.flags()
	f.Vecs, f.Tail = k.split(n)
	k.fold(f)
}

// StackBackward goes back through a fused stack, in all tiles of a part: columns of DX, and the part of the sums over them. The
// gradient of what is hidden never leaves the cache. The last part to be done leaves the sums of all in the first one's memory.
func (k *Kernels) StackBackward(s *Scratch, p *Stack, part int) {
	at, add := p.Tree.begin(p, part)
	c := p.C[at*p.Floats:][:p.Floats]
	lanes := Grow(&s.lanes, p.lanesAll)
	clear(lanes)
	for tile := part * p.PartTiles; tile < (part+1)*p.PartTiles; tile++ {
		m := tile * p.Tile
		n := min(p.Tile, p.M-m)
		if n <= 0 {
			break
		}
		dy, last := k.packY(s, p, m, n), len(p.Layers)-1
		k.rowSums(p, last, dy, 0, p.Layers[last].Out, n, lanes[p.Layers[last].lanesAt:])
		for i := last; i >= 0; i-- {
			l := &p.Layers[i]
			k.gradient(s, p, i, dy, m, n, 0, l.rows, 0, l.cols, c[l.At:], add || tile > part*p.PartTiles, turning{})
			var dx panels
			var sums []float32
			if i > 0 {
				dx = k.passing(s, p, i-1, n)
				sums = lanes[p.Layers[i-1].lanesAt:][:l.In*k.lanes]
			}
			if i > 1 {
				k.fetch(s, p, &l.Back, i-2, m)
			} else {
				k.fetch(s, p, &l.Back, last-1, m+p.Tile)
			}
			k.back(s, p, i, dy, dx, sums, m, n)
			s.tile.AheadLines = 0
			dy = dx
		}
	}
	for i := range p.Layers {
		l := &p.Layers[i]
		sums := c[l.SumsAt:][:l.Out]
		if !add {
			clear(sums)
		}
		k.sums(sums, lanes[l.lanesAt:], k.lanes, k.lanes)
	}
	s.forget()
	if p.Tree.end(k, p, part, add) && p.AddsUp {
		for i := range p.Layers {
			for chunk := range p.AddChunks(i) {
				k.AddGradient(p, i, chunk)
			}
		}
	}
}

// StackBack computes columns [m, m+n) of the gradient of what layer i of an unfused stack read, for those of what it computed; m and
// n are as in StackForward. What is hidden becomes its gradient.
func (k *Kernels) StackBack(s *Scratch, p *Stack, i, m, n int) {
	var dx panels
	if i > 0 {
		dx = k.hidden(p, i-1, m)
	}
	dy := k.dyOf(s, p, i, m, n)
	if i < len(p.Layers)-1 { // while some columns are multiplied, the next ones come
		k.fetch(s, p, &p.Layers[i].Back, i, m+k.vectors*k.lanes)
	}
	k.back(s, p, i, dy, dx, nil, m, n)
	s.forget()
}

// dyOf is the gradient of what layer i computed: where it was hidden, or Y.
func (k *Kernels) dyOf(s *Scratch, p *Stack, i, m, n int) panels {
	if i == len(p.Layers)-1 {
		return k.packY(s, p, m, n)
	}
	return k.hidden(p, i, m)
}

// back computes dx, the gradient of what layer i read, and adds its rows to sums, if given; or it adds to DX.
func (k *Kernels) back(s *Scratch, p *Stack, i int, dy, dx panels, sums []float32, m, n int) {
	l := &p.Layers[i]
	if i == 0 {
		k.toPlain(s, p, &l.Back, p.InFlip, dy, m, n, l.In, p.DX, &End{Add: true})
		return
	}
	vecs, _ := k.split(n)
	to := target{c: dx.p, row: k.lanes, vec: dx.stride, old: k.hidden(p, i-1, m).p, sums: sums}
	k.multiplyTo(s, &l.Back, dy.p, vecs*k.lanes, to, &End{Mask: p.Layers[i-1].ReLU})
}
