package devicetest

import (
	"math"

	"cuflow/device"
)

func (r *reference) MixForward(c, m int, a, b, x device.Buffer) {
	k := r.begin()
	mixForward(c, m, k.in(a, c*c), k.optional(b, c), k.out(x, c*m))
	k.done()
}

func mixForward(c, m int, a, b, x []float64) {
	y := make([]float64, c*m)
	for i := range c {
		for j := range c {
			axpy(a[i*c+j], x[j*m:(j+1)*m], y[i*m:(i+1)*m])
		}
		if b != nil {
			for q := range m {
				y[i*m+q] += b[i]
			}
		}
	}
	copy(x, y)
}

func (r *reference) MixBackward(c, m int, a, x, dx, da device.Buffer) {
	k := r.begin()
	mixBackward(c, m, k.in(a, c*c), k.in(x, c*m), k.out(dx, c*m), k.out(da, c*c))
	k.done()
}

func mixBackward(c, m int, a, x, dx, da []float64) {
	for i := range c {
		for j := range c {
			for q := range m {
				da[i*c+j] += dx[i*m+q] * x[j*m+q]
			}
		}
	}
	mixForward(c, m, transpose(c, a), nil, dx)
}

func (r *reference) LUCompose(c int, perm, l, u, logd, sign, w, winv device.Buffer) {
	k := r.begin()
	luCompose(c, k.in(perm, c), k.in(l, c*c), k.in(u, c*c), k.in(logd, c), k.in(sign, c), k.out(w, c*c), k.out(winv, c*c))
	k.done()
}

func luCompose(c int, perm, l, u, logd, sign, w, winv []float64) {
	lower, upper := triangles(c, l, u, logd, sign)
	lu := matmul(c, lower, upper)
	inv := matmul(c, inverseUpper(c, upper), inverseLower(c, lower))
	for i := range c {
		p := int(perm[i])
		for j := range c {
			w[i*c+j] = lu[p*c+j]     // W = P LU: row i of W is row perm[i] of LU,
			winv[j*c+i] = inv[j*c+p] // so column i of W^-1 = (LU)^-1 P^T is column perm[i] of (LU)^-1
		}
	}
}

// triangles gives L and D = U + diag(sign*exp(logd)) as whole matrices.
func triangles(c int, l, u, logd, sign []float64) (lower, upper []float64) {
	lower, upper = make([]float64, c*c), make([]float64, c*c)
	for i := range c {
		copy(lower[i*c:i*c+i], l[i*c:i*c+i])
		lower[i*c+i] = 1
		upper[i*c+i] = sign[i] * math.Exp(logd[i])
		copy(upper[i*c+i+1:(i+1)*c], u[i*c+i+1:(i+1)*c])
	}
	return lower, upper
}

// inverseLower solves L X = I from the first row down; L has a unit diagonal.
func inverseLower(c int, l []float64) []float64 {
	x := identity(c)
	for i := range c {
		for k := range i {
			axpy(-l[i*c+k], x[k*c:(k+1)*c], x[i*c:(i+1)*c])
		}
	}
	return x
}

// inverseUpper solves D X = I from the last row up.
func inverseUpper(c int, d []float64) []float64 {
	x := identity(c)
	for i := c - 1; i >= 0; i-- {
		for k := i + 1; k < c; k++ {
			axpy(-d[i*c+k], x[k*c:(k+1)*c], x[i*c:(i+1)*c])
		}
		for j := range c {
			x[i*c+j] /= d[i*c+i]
		}
	}
	return x
}

func identity(c int) []float64 {
	x := make([]float64, c*c)
	for i := range c {
		x[i*c+i] = 1
	}
	return x
}

func matmul(c int, a, b []float64) []float64 {
	y := make([]float64, c*c)
	copy(y, b)
	mixForward(c, c, a, nil, y)
	return y
}

func transpose(c int, a []float64) []float64 {
	t := make([]float64, c*c)
	for i := range c {
		for j := range c {
			t[j*c+i] = a[i*c+j]
		}
	}
	return t
}

func (r *reference) LUComposeBackward(c int, perm, l, u, logd, sign, dw device.Buffer, dld float32, dl, du, dlogd device.Buffer) {
	k := r.begin()
	luComposeBackward(c, k.in(perm, c), k.in(l, c*c), k.in(u, c*c), k.in(logd, c), k.in(sign, c), k.in(dw, c*c),
		float64(dld), k.out(dl, c*c), k.out(du, c*c), k.out(dlogd, c))
	k.done()
}

func luComposeBackward(c int, perm, l, u, logd, sign, dw []float64, dld float64, dl, du, dlogd []float64) {
	lower, upper := triangles(c, l, u, logd, sign)
	g := make([]float64, c*c) // P^T dw
	for i := range c {
		copy(g[int(perm[i])*c:], dw[i*c:(i+1)*c])
	}
	dLower := matmul(c, g, transpose(c, upper))
	dUpper := matmul(c, transpose(c, lower), g)
	for i := range c {
		for j := range c {
			if j < i {
				dl[i*c+j] += dLower[i*c+j]
			}
			if j > i {
				du[i*c+j] += dUpper[i*c+j]
			}
		}
		dlogd[i] += dUpper[i*c+i]*upper[i*c+i] + dld
	}
}
