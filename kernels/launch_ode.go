package kernels

// FieldLaunch is how field_value and field_back take n samples with so many tangents each through a network: a block takes tiles of Size
// samples in turn, with Stride floats of scratch memory.
type FieldLaunch struct {
	Shape
	Size, Stride int
}

// Field is the launch for n samples of d dimensions through depth hidden layers of h units; keep is for field_back, which keeps all
// activations of a tile.
func Field(n, d, h, depth, tangents int, keep bool) FieldLaunch {
	const (
		rows   = 64  // of a tile, about
		blocks = 264 // two for each multiprocessor of the largest chips
	)
	size := max(1, min(rows/(1+tangents), ceil(n, blocks/2)))
	wide, all := max(d, h), size*(1+tangents)
	activations := 3 * wide
	if keep {
		activations = (2*(depth+1) + 2) * wide
	}
	stride := all*(activations+d) + 2*wide
	return FieldLaunch{Shape{min(ceil(n, size), blocks), 1, 256, 0}, size, (stride + 31) / 32 * 32}
}
