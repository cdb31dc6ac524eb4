package cpufallback

import (
	"math"

	"cuflow/device"
)

// luColumns is how many columns of a matrix, or rows, are a chunk.
const luColumns = 16

// luFactors are L and D = U + diag(sign*exp(logd)) of w = P L D, in float64: they are small beside the products that use w.
type luFactors struct {
	c            int
	perm         []float32
	lower, upper []float64
}

// luFactors writes the triangles out, and gives memory for one more matrix.
func (b *Backend) luFactors(c int, perm, l, u, logd, sign device.Buffer) (f luFactors, more []float64) {
	mustFit(perm.Len() == c && l.Len() == c*c && u.Len() == c*c && logd.Len() == c && sign.Len() == c)
	buf := grow(&b.conv.lu, 3*c*c)
	f = luFactors{c, perm.Host(), buf[:c*c], buf[c*c : 2*c*c]}
	clear(buf[:2*c*c])
	for i := range c {
		row := i * c
		for j, v := range l.Host()[row : row+i] {
			f.lower[row+j] = float64(v)
		}
		f.lower[row+i] = 1
		f.upper[row+i] = float64(sign.Host()[i]) * math.Exp(float64(logd.Host()[i]))
		for j := i + 1; j < c; j++ {
			f.upper[row+j] = float64(u.Host()[row+j])
		}
	}
	return f, buf[2*c*c:]
}

// luCompose computes w and its inverse, each chunk some columns of both, but that the inverse's columns are in the order of P.
type luCompose struct {
	luFactors
	x      []float64 // (L D)^-1
	w, inv []float32
}

func (b *Backend) LUCompose(c int, perm, l, u, logd, sign, w, winv device.Buffer) {
	mustFit(w.Len() == c*c && winv.Len() == c*c)
	f, x := b.luFactors(c, perm, l, u, logd, sign)
	b.conv.compose = luCompose{f, x, w.Host(), winv.Host()}
	b.pool.Run((c+luColumns-1)/luColumns, &b.conv.compose)
	b.conv.compose = luCompose{}
}

func (t *luCompose) Do(chunk, _ int) {
	c, lower, upper := t.c, t.lower, t.upper
	j0 := chunk * luColumns
	j1 := min(j0+luColumns, c)
	var sums [luColumns]float64
	for i := range c { // w[i,:] = (L D)[p,:], and D[k,j] = 0 for k > j
		p, row := int(t.perm[i]), sums[:j1-j0]
		clear(row)
		addRows(lower[p*c:][:min(p+1, j1)], 1, upper[j0:], c, row)
		for j, v := range row {
			t.w[i*c+j0+j] = float32(v)
		}
	}
	row := func(i int) []float64 { return t.x[i*c+j0 : i*c+j1] }
	for i := range c { // x = L^-1, row by row from the first: (-L[i,j0:i]) x[j0:i], and 1 on the diagonal
		clear(row(i))
		if i > j0 {
			addRows(lower[i*c+j0:i*c+i], 1, t.x[j0*c+j0:], c, row(i))
		}
		for j := range row(i) {
			row(i)[j] = -row(i)[j]
		}
		if i >= j0 && i < j1 {
			row(i)[i-j0]++
		}
	}
	for i := c - 1; i >= 0; i-- { // then D^-1 of that, from the last
		clear(sums[:])
		if i+1 < c {
			addRows(upper[i*c+i+1:(i+1)*c], 1, t.x[(i+1)*c+j0:], c, sums[:j1-j0])
		}
		for j := range row(i) {
			row(i)[j] = (row(i)[j] - sums[j]) / upper[i*c+i]
		}
	}
	for i, p := range t.perm { // w^-1 = x P^T
		if j := int(p); j >= j0 && j < j1 {
			for k := range c {
				t.inv[k*c+i] = float32(t.x[k*c+j])
			}
		}
	}
}

// luBackward adds the gradients of the factors: with G = P^T dw, chunks of rows of G D^T, which is L's below the diagonal, and chunks of
// columns of L^T G, which is U's above it.
type luBackward struct {
	luFactors
	g          []float64
	dld        float64
	dl, du, dd []float32
}

func (b *Backend) LUComposeBackward(c int, perm, l, u, logd, sign, dw device.Buffer, dld float32, dl, du, dlogd device.Buffer) {
	mustFit(dw.Len() == c*c && dl.Len() == c*c && du.Len() == c*c && dlogd.Len() == c)
	f, g := b.luFactors(c, perm, l, u, logd, sign)
	for i, p := range f.perm {
		for j, v := range dw.Host()[i*c : (i+1)*c] {
			g[int(p)*c+j] = float64(v)
		}
	}
	b.conv.factors = luBackward{f, g, float64(dld), dl.Host(), du.Host(), dlogd.Host()}
	b.pool.Run((c+luColumns-1)/luColumns, &b.conv.factors)
	b.conv.factors = luBackward{}
}

func (t *luBackward) Do(chunk, _ int) {
	c, g := t.c, t.g
	j0 := chunk * luColumns
	j1 := min(j0+luColumns, c)
	for i := j0; i < j1; i++ {
		for j := range i { // D[j,k] = 0 for k < j
			t.dl[i*c+j] += float32(dotOf4(g[i*c+j:(i+1)*c], t.upper[j*c+j:(j+1)*c]))
		}
	}
	var sums [luColumns]float64
	for i := range j1 { // columns from i on are wanted, and L[k,i] = 0 for k < i
		row := sums[:j1-j0]
		clear(row)
		addRows(t.lower[i*c+i:], c, g[i*c+j0:], c, row)
		for j := max(i, j0); j < j1; j++ {
			if v := row[j-j0]; j > i {
				t.du[i*c+j] += float32(v)
			} else {
				t.dd[i] += float32(v*t.upper[i*c+i] + t.dld)
			}
		}
	}
}

// addRows is y[j] += sum_k a[k*aStep] x[k*xRow+j], over all of a: four rows at a time, since y is then read and written less often.
func addRows(a []float64, aStep int, x []float64, xRow int, y []float64) {
	n := (len(a) + aStep - 1) / aStep
	k := 0
	for ; k+4 <= n; k += 4 {
		a0, a1, a2, a3 := a[k*aStep], a[(k+1)*aStep], a[(k+2)*aStep], a[(k+3)*aStep]
		x0, x1 := x[k*xRow:][:len(y)], x[(k+1)*xRow:][:len(y)]
		x2, x3 := x[(k+2)*xRow:][:len(y)], x[(k+3)*xRow:][:len(y)]
		for j := range y {
			y[j] += (a0*x0[j] + a1*x1[j]) + (a2*x2[j] + a3*x3[j])
		}
	}
	for ; k < n; k++ {
		for j, v := range x[k*xRow:][:len(y)] {
			y[j] += a[k*aStep] * v
		}
	}
}

// dotOf4 is the sum of products, added up in four sums that do not wait for each other.
func dotOf4(x, y []float64) float64 {
	var s [4]float64
	k := 0
	for ; k+4 <= len(x); k += 4 {
		a, b := x[k:][:4], y[k:][:4]
		s[0] += a[0] * b[0]
		s[1] += a[1] * b[1]
		s[2] += a[2] * b[2]
		s[3] += a[3] * b[3]
	}
	for ; k < len(x); k++ {
		s[0] += x[k] * y[k]
	}
	return (s[0] + s[1]) + (s[2] + s[3])
}
