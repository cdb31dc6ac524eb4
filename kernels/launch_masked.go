package kernels

// MaskedSquares is the launch of the kernels of masked.cu: tiles of 64 x 64 results.
func MaskedSquares(rows, columns int) Shape {
	const side = 64
	return Shape{ceil(rows, side) * ceil(columns, side), 1, 256, 0}
}

// MaskedLayers is how many layers the networks of maskedinverse.cu have, at most.
const MaskedLayers = 8

// maskedRoom is the most shared memory that a block of masked_inverse takes: what the smallest of the architectures lets a block have.
const maskedRoom = 64 << 10

// MaskedInverse is the launch of masked_inverse for a network of d dimensions with q values each and so many hidden arrays of h units, in
// steps of at most units. Not every network fits a block.
func MaskedInverse(d, h, q, arrays, units, n int) (s Shape, fits bool) {
	const samples, float = 8, 4
	bytes := float * samples * (d + q + units + arrays*h)
	return Shape{ceil(n, samples), 1, 256, bytes}, bytes <= maskedRoom
}
