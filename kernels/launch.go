package kernels

import "math/bits"

// Shape is a launch's grid and block, whose z and y are 1, and its dynamic shared memory in bytes. All shapes follow from
// the sizes of operands alone, since the order of sums does. Where GridX is 0 there is nothing to launch.
type Shape struct{ GridX, GridY, Block, Shared int }

// enough is how many blocks a launch is cut into where it can be: two for each multiprocessor of the largest chips.
const enough = 264

func ceil(n, d int) int { return (n + d - 1) / d }

// Flat is for n elements, a quad of them to a thread at a time.
func Flat(n int) Shape { return Shape{min(ceil(n, 4*256), 2048), 1, 256, 0} }

// Parts is for the first pass of a reduction of n elements, which leaves GridX parts.
func Parts(n int) Shape { return Shape{max(1, min(ceil(n, 4*1024), 512)), 1, 256, 0} }

// One is a single block: the second pass of a reduction.
func One() Shape { return Shape{1, 1, 256, 0} }

// Items is for n things, one to a thread.
func Items(n int) Shape { return Shape{ceil(n, 256), 1, 256, 0} }

// Warps is for n things, one to a warp.
func Warps(n int) Shape { return Shape{ceil(n, 4), 1, 128, 0} }

// Blocks is for n rows, one to a block.
func Blocks(n int) Shape { return Shape{n, 1, 128, 0} }

// Counters is for the noise of n samples of c*p elements, four of them to a thread.
func Counters(c, n, p int) Shape { return Items(ceil(c*p, 4) * n) }

// Lines is for the shape kernels that take lines of images apart.
func Lines(c, n, h, w int) Shape { return Items(c * n * h * w / 2) }

// Transposes is for count matrices of rows x cols, 32 x 32 of an element to a block.
func Transposes(count, rows, cols int) Shape {
	return Shape{count * ceil(rows, 32) * ceil(cols, 32), 1, 256, 0}
}

// Rows is how c rows of m columns are cut: tiles blocks to a row, of span columns each. A row of no columns has a block too,
// so that what is added to its sums is added.
func Rows(c, m int) (s Shape, span, tiles int) {
	span = 4096
	if c*ceil(m, span) < enough {
		span = 1024
	}
	tiles = max(1, ceil(m, span))
	threads := min(max(32, 1<<bits.Len(uint(ceil(max(m, 1), 4)-1))), 256)
	return Shape{c * tiles, 1, threads, 0}, span, tiles
}

// Pixels is for c rows of m columns, a column to a thread and tiles blocks to a row.
func Pixels(c, m int) (s Shape, tiles int) {
	tiles = ceil(m, 256)
	return Shape{c * tiles, 1, 256, 0}, tiles
}

// Cells is how per_sample (samples.cuh) shares out the rows of n samples: group samples to a block, or tiles blocks to a
// sample, and channels rows. Parts sums are left for each sample where that is more than 1.
type Cells struct {
	Shape
	Group, Tiles, Channels, Parts int
}

// Samples makes the Cells of c rows of n samples of p pixels.
func Samples(c, n, p int) Cells {
	const columns = 512
	k := Cells{Group: 1, Tiles: 1}
	if p > columns {
		k.Tiles = ceil(p, columns)
		k.GridX = n * k.Tiles
	} else {
		k.Group = columns / p
		if p%4 != 0 && k.Group >= 4 { // a block then starts on a 16-byte boundary
			k.Group &^= 3
		}
		k.GridX = ceil(n, k.Group)
	}
	k.Channels = ceil(c, min(c, ceil(enough, max(1, k.GridX))))
	k.GridY = ceil(c, k.Channels)
	k.Block = columns / 4
	k.Parts = k.GridY * k.Tiles
	return k
}

// ClassLanes is how many threads share a channel of a sample in class_affine_backward, whose launch is Items(c*n*lanes).
func ClassLanes(p int) int { return min(32, 1<<(bits.Len(uint(p))-1)) }

// Mix is the kernel and launch of the channel mix; c is at most 1024.
func Mix(c, m int) (name string, s Shape) {
	cols := 64
	name = "mix_64"
	switch {
	case c > 512:
		name, cols = "mix_8", 8
	case c > 256:
		name, cols = "mix_16", 16
	case c > 128:
		name, cols = "mix_32", 32
	}
	return name, Shape{ceil(m, cols), 1, 128, 4 * (2048 + 4*cols + c*cols)}
}

// LUTiles is the launch of lu_compose and lu_backward.
func LUTiles(c int) Shape { n := ceil(c, 16); return Shape{n * n, 1, 256, 0} }

// LUInvert is the launch of lu_invert.
func LUInvert(c int) Shape { return Shape{ceil(c, 4), 1, 128, 16 * c} }

// Tile is the shape of a convolution's launch: which kernel, and the part of the sum that each of GridY splits takes.
type Tile struct {
	Shape
	Kernel string
	Span   int
	// Folded is of a 3x3 convolution that is computed as a 1x1 convolution with 9 rows to a channel, one for each tap, whose results
	// conv_fold adds up. Each element of x is then fetched once in place of 9 times.
	Folded bool
	// Turned is of a 3x3 convolution's weight gradient that is computed as Cin x Cout*9, so that dy is unfolded in place of x.
	Turned bool
}

// Splits is how many parts of each result there are to add. 1 means that there is no second pass.
func (t Tile) Splits() int { return t.GridY }

// Precision is how a convolution rounds its factors. Sums are float32 always.
type Precision string

const (
	FP32 Precision = ""      // family conv
	TF32 Precision = "_tf32" // family tensor, Compute80 only
	BF16 Precision = "_bf16" // as TF32
)

// tile is a Tile of rows x cols results over steps, in tiles of down x across. A split has at least least steps, and no more are
// made than run at once.
func tile(name string, rows, cols, steps, down, across, least int) Tile {
	t := Tile{Kernel: name}
	t.GridX, t.Block = ceil(rows, down)*ceil(cols, across), 256
	splits := 1
	if t.GridX <= enough/4 { // else adding up the parts would cost what the idle multiprocessors could save
		splits = max(1, min(enough/max(1, t.GridX), steps/least))
	}
	t.Span = (ceil(steps, splits) + 15) &^ 15 // whole slabs, in any precision
	t.GridY = ceil(steps, t.Span)
	return t
}

// strip is a tile for few rows. On tensor cores it is less wide, and half as many threads suffice.
func strip(name string, p Precision, rows, cols, steps, least int) Tile {
	if p == FP32 {
		return tile(name, rows, cols, steps, 32, 256, least)
	}
	t := tile(name+string(p), rows, cols, steps, 32, 128, least)
	t.Block = 128
	return t
}

// ConvTiles are the launches that compute conv_forward (op "forward") or conv_data (op "data") with a kernel of size k: rows
// channels of m columns, each a sum of steps terms. First the tile for large grids, then for small ones, and last, of 1x1 the one
// for few rows, of 3x3 the folded one.
func ConvTiles(p Precision, op string, k, rows, steps, m int) [3]Tile {
	name := "conv_" + op + string(rune('0'+k))
	tiles := [3]Tile{
		tile(name+"_big"+string(p), rows, m, steps, 128, 128, 256),
		tile(name+"_flat"+string(p), rows, m, steps, 64, 128, 256),
	}
	if k == 1 {
		tiles[2] = strip(name+"_strip", p, rows, m, steps, 256)
	} else {
		tiles[2] = Conv(p, op, 1, 9*rows, steps/9, m)
		tiles[2].Folded = true
	}
	return tiles
}

// Conv picks one of ConvTiles. Folded are convolutions of few rows, so that what lies between is 9/4 of x at most.
func Conv(p Precision, op string, k, rows, steps, m int) Tile {
	tiles := ConvTiles(p, op, k, rows, steps, m)
	switch {
	case k == 1 && rows <= 32, k == 3 && 4*rows <= steps/9:
		return tiles[2]
	case rows > 64 && tiles[0].GridX >= enough/2:
		return tiles[0]
	}
	return tiles[1]
}

// WeightTiles are the launches that compute conv_weight: rows x cols weights, each a sum over m columns. Of 1x1 first the tile for
// large matrices, then for few columns, then for few rows; of 3x3 first the plain one, then the turned one.
func WeightTiles(p Precision, k, rows, cols, m int) []Tile {
	name := "conv_weight" + string(rune('0'+k))
	if k == 3 {
		turned := tile(name+"_tall"+string(p), cols/9, rows*9, m, 128, 64, 256)
		turned.Turned = true
		return []Tile{tile(name+"_tall"+string(p), rows, cols, m, 128, 64, 256), turned}
	}
	return []Tile{
		tile(name+"_big"+string(p), rows, cols, m, 128, 128, 256),
		tile(name+"_tall"+string(p), rows, cols, m, 128, 64, 256),
		strip(name+"_strip", p, rows, cols, m, 256),
	}
}

// Weight picks one of WeightTiles: the one that unfolds the fewer channels; of 1x1 the one that leaves the least empty.
func Weight(p Precision, k, rows, cols, m int) Tile {
	tiles := WeightTiles(p, k, rows, cols, m)
	switch {
	case k == 3 && cols/9 > rows:
		return tiles[1]
	case k == 3:
		return tiles[0]
	case rows <= 32:
		return tiles[2]
	case cols <= 64:
		return tiles[1]
	}
	return tiles[0]
}
