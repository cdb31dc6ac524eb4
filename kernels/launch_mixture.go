package kernels

// The tiles of mixture.cu.
const (
	mixtureSamples = 128
	mixtureSlab    = 32 // rows, and steps of the sum between two stages
)

// MixtureTiles is the launch of mixture_squares: span dimensions to each of GridY splits of a sum.
func MixtureTiles(k, d, n int) (s Shape, span int) {
	s = MixtureSlabs(k, n)
	splits := max(1, min(ceil(enough, max(1, s.GridX)), ceil(d, mixtureSlab)))
	span = ceil(ceil(d, splits), mixtureSlab) * mixtureSlab
	s.GridY = ceil(d, span)
	return s, span
}

// MixtureSlabs is the launch of tiles of rows by samples.
func MixtureSlabs(rows, n int) Shape {
	return Shape{ceil(n, mixtureSamples) * ceil(rows, mixtureSlab), 1, 128, 0}
}

// MixturePlace is the launch of mixture_place_full.
func MixturePlace(d, n int) Shape { return Shape{ceil(n, 4), 1, 128, 16 * d} }
