package kernels

// Vectors is the launch of kernels that take n vectors of c values, one to a lane (vectors.cuh).
func Vectors(c, n int) Shape {
	warps := 1
	for warps < 8 && 2*warps <= c {
		warps *= 2
	}
	return Shape{ceil(n, 32), 1, 32 * warps, 0}
}

// HouseholderBackward is the launch of householder_backward.
func HouseholderBackward(rows int) Shape { return Shape{1, 1, 512, 8 * rows} }
