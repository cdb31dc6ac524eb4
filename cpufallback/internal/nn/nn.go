// Package nn holds the loops of transformers on the CPU: on one core, on slices, without shapes. Every kernel exists as a plain Go
// loop (generic.go), and in assembly written by ../gen/vec for AVX2, AVX-512 and NEON.
//
// An element's result never depends on where in the slice it lies.
package nn

// Kernels are the loops of one instruction set. Slices of one call have the length of the first unless said otherwise, which assembly
// does not check; they may be the same memory, but not overlap in part.
//
// A panel is rows of as many columns as a register has lanes, one row after another: a part of a matrix, as package gemm takes it.
type Kernels struct {
	GELU         func(x, y []float32)  // y[i] = x[i]*sigmoid(2u), see GELU of package device
	GELUBackward func(x, dy []float32) // dy[i] *= the derivative at x[i]

	// The passes of a layer norm, over one channel of many columns at a time: xh = (x[i]-mean[i])*rstd[i].
	Squares    func(x, mean, acc []float32)                          // acc[i] += (x[i]-mean[i])^2
	Deviation  func(acc []float32, share, eps float32)               // acc[i] = 1/sqrt(share*acc[i] + eps)
	Normalize  func(x, mean, rstd, y []float32, gamma, beta float32) // y[i] = gamma*xh + beta
	GradSums   func(x, dy, mean, rstd, a, b []float32, gamma float32) (dgamma, dbeta float32)
	GradFinish func(x, dy, dx, mean, rstd, a, b []float32, gamma, share float32)

	// Move copies n registers' worth, each so many float32s from the one before: to[i*toStep+j] = from[i*fromStep+j].
	Move func(to, from []float32, toStep, fromStep, n int)
	// Softmax of the columns of a panel, times a, without the division: x = exp(a*x - top), top the column's greatest a*x; inv = 1/sum of
	// these, lse = top + log(sum). lse and inv are a row.
	Softmax func(x []float32, a float32, lse, inv []float32)
	// Dots: sum[j] = sum_i x[i,j]*y[i,j] over two panels; sum is a row.
	Dots func(x, y, sum []float32)
	// Rows: x[i,j] *= f[j] for all rows i of a panel.
	Rows func(x, f []float32)
	// Scores is the way back through Softmax, lse and delta a row: da = exp(a*x[i,j]-lse[j]) * (da[i,j]-delta[j]) * a.
	Scores func(x, da []float32, a float32, lse, delta []float32)
	// ScoresTurned has lse and delta by row, and keeps the weights: x = exp(a*x[i,j]-lse[i]); da = x*(da[i,j]-delta[i])*a.
	ScoresTurned func(x, da []float32, a float32, lse, delta []float32)
}

// GradSums: with g = gamma*dy[i]: a[i] += g, b[i] += g*xh; dgamma = sum_i dy[i]*xh, dbeta = sum_i dy[i].
//
// GradFinish: dx[i] += rstd[i] * (gamma*dy[i] - share*a[i] - xh*share*b[i]).

// For gives the kernels of an instruction set; of one that has none of its own the plain loops.
func For(isa string) *Kernels {
	if k := assembly(isa); k != nil {
		return k
	}
	return generic()
}
