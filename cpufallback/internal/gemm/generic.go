package gemm

import "runtime"

// generic is the plain Go of every kernel: what the assembly must agree with, and what runs where there is none. A tile is
// small enough for 16 registers.
func generic() *Kernels {
	k := &Kernels{lanes: 4, vectors: 1, rows: 2, dotRows: 2, pack: pack, fold: fold, sums: sums, adds: adds, turn: turn, peak: peak}
	k.tile[1][1], k.tile[1][2] = tile1, tile2
	k.dots[1], k.dots[2] = dots1, dots2
	k.cross[1], k.cross[2] = cross1, cross2
	for n := 1; n < len(k.few); n++ {
		k.few[n] = few
	}
	for c := range k.mix {
		k.mix[c] = mix
	}
	return k
}

func mix(a, bias, x []float32, row, vecs int) {
	c := len(bias)
	var y [maxMix]float32
	for m := range 4 * vecs {
		for i, sum := range bias {
			for j, w := range a[i*c : (i+1)*c] {
				sum += w * x[j*row+m]
			}
			y[i] = sum
		}
		for i, v := range y[:c] {
			x[i*row+m] = v
		}
	}
}

func tile1(t *tileArgs) {
	for blk := range t.Blocks {
		var c [4]float32
		b := t.B
		for s := range t.Segs {
			a := t.A[blk*t.ABlk+s*t.Seg:]
			for k := range t.K {
				x := a[k*t.Col]
				p := b[:4]
				c[0] += x * p[0]
				c[1] += x * p[1]
				c[2] += x * p[2]
				c[3] += x * p[3]
				b = b[4:]
			}
		}
		t.store(blk, 0, &c)
	}
}

func tile2(t *tileArgs) {
	for blk := range t.Blocks {
		var c00, c01, c02, c03, c10, c11, c12, c13 float32
		b := t.B
		for s := range t.Segs {
			a := t.A[blk*t.ABlk+s*t.Seg:]
			i := 0
			for range t.K {
				x, y := a[i], a[i+t.Row]
				i += t.Col
				p := b[:4]
				c00 += x * p[0]
				c10 += y * p[0]
				c01 += x * p[1]
				c11 += y * p[1]
				c02 += x * p[2]
				c12 += y * p[2]
				c03 += x * p[3]
				c13 += y * p[3]
				b = b[4:]
			}
		}
		t.store(blk, 0, &[4]float32{c00, c01, c02, c03})
		t.store(blk, 1, &[4]float32{c10, c11, c12, c13})
	}
}

// store ends row i of a block. A tile is one vector wide, so that there is no gap.
func (t *tileArgs) store(blk, i int, sum *[4]float32) {
	at := blk*t.CBlk + i*t.CRow
	c := t.C[at:][:t.Cols]
	for j := range c {
		v := sum[j]
		if t.Flags&addD != 0 {
			v += t.D[blk*t.DBlk+i*t.DRow+j]
		}
		if t.Flags&addBias != 0 {
			v += t.Bias[blk*t.BiasBlk+i]
		}
		if t.Flags&relu != 0 {
			v = max(0, v)
		}
		if t.Flags&mask != 0 && !(t.Old[at+j] > 0) {
			v = 0
		}
		c[j] = v
		if t.Flags&sumRows != 0 {
			t.Sums[blk*t.SumsBlk+i*4+j] += v
		}
	}
}

func dots1(a *dotArgs) {
	n := a.Steps * 4
	x := a.X[:n]
	for g := range a.Groups {
		y := a.Y[4*g*a.YRow:]
		y0, y1, y2, y3 := y[:n], y[a.YRow:][:n], y[2*a.YRow:][:n], y[3*a.YRow:][:n]
		var c0, c1, c2, c3 float32
		for k, v := range x {
			c0 += v * y0[k]
			c1 += v * y1[k]
			c2 += v * y2[k]
			c3 += v * y3[k]
		}
		addTo(a.C[4*g:], c0, c1, c2, c3)
	}
}

func dots2(a *dotArgs) {
	n := a.Steps * 4
	x0, x1 := a.X[:n], a.X[a.XRow:][:n]
	for g := range a.Groups {
		y := a.Y[4*g*a.YRow:]
		y0, y1, y2, y3 := y[:n], y[a.YRow:][:n], y[2*a.YRow:][:n], y[3*a.YRow:][:n]
		var c00, c01, c02, c03, c10, c11, c12, c13 float32
		for k, v := range x0 {
			w := x1[k]
			c00 += v * y0[k]
			c10 += w * y0[k]
			c01 += v * y1[k]
			c11 += w * y1[k]
			c02 += v * y2[k]
			c12 += w * y2[k]
			c03 += v * y3[k]
			c13 += w * y3[k]
		}
		addTo(a.C[4*g:], c00, c01, c02, c03)
		addTo(a.C[4*g+a.CRow:], c10, c11, c12, c13)
	}
}

func few(t *tileArgs) {
	for blk := range t.Blocks {
		var c [4]float32
		for k := range t.K {
			for j := range c {
				c[j] += t.A[blk*t.ABlk+k*t.Col] * t.B[4*k+j]
			}
		}
		t.store(blk, 0, &c)
	}
}

func cross1(x, y, c []float32, xVec, yVec, cRow, groups, vecs int) {
	cross(1, x, y, c, xVec, yVec, cRow, groups, vecs)
}

func cross2(x, y, c []float32, xVec, yVec, cRow, groups, vecs int) {
	cross(2, x, y, c, xVec, yVec, cRow, groups, vecs)
}

func cross(rows int, x, y, c []float32, xVec, yVec, cRow, groups, vecs int) {
	for i := range rows {
		for j := range 4 * groups {
			sum := float32(0)
			for k := range 4 * vecs {
				sum += x[k/4*xVec+4*i+k%4] * y[k/4*yVec+4*j+k%4]
			}
			c[i*cRow+j] += sum
		}
	}
}

func addTo(c []float32, c0, c1, c2, c3 float32) {
	c[0] += c0
	c[1] += c1
	c[2] += c2
	c[3] += c3
}

func pack(a *packArgs) {
	cols := (a.Vecs-1)*4 + a.Tail
	for c := range a.Chans {
		for tap := range a.Taps {
			src := a.At + c*a.Chan + a.Off[tap]
			bits := a.Mask[tap*a.MaskTap:]
			dst := a.Dst[(c*a.Taps+tap)*a.DstRow:]
			for j := range a.Vecs * 4 {
				v := float32(0)
				if j < cols && bits[j/8]>>(j%8)&1 != 0 {
					v = a.Src[src+j]
				}
				dst[j/4*a.DstVec+j%4] = v
			}
		}
	}
}

func fold(a *foldArgs) {
	cols := (a.Vecs-1)*4 + a.Tail
	for c := range a.Chans {
		y := a.Y[c*a.YRow:][:cols]
		for j, old := range y {
			v := float32(0)
			if a.Flags&addBias != 0 {
				v = a.Bias[c]
			}
			if a.Flags&addD != 0 {
				v += old
			}
			for tap, off := range a.Off {
				if a.Mask[tap*a.MaskTap+j/8]>>(j%8)&1 != 0 {
					v += a.T[9*c*a.TRow+j+off]
				}
			}
			if a.Flags&relu != 0 {
				v = max(0, v)
			}
			if a.Flags&mask != 0 && !(old > 0) {
				v = 0
			}
			y[j] = v
		}
	}
}

func sums(dst, src []float32, stride, n int) {
	for i := range dst {
		s := float32(0)
		for _, v := range src[i*stride:][:n] {
			s += v
		}
		dst[i] += s
	}
}

func adds(dst, src []float32, stride, parts int) {
	for p := range parts {
		s := src[p*stride:][:len(dst)]
		for i, v := range s {
			dst[i] += v
		}
	}
}

func turn(dst, src []float32, stride, n, from, panels int) {
	for p := range panels {
		for b := range n {
			for i := range 4 {
				for j := range 4 {
					dst[b*stride+(p*4+j)*4+i] = src[p*from+(b*4+i)*4+j]
				}
			}
		}
	}
}

func peak(n int) {
	x, y := float32(0.5), float32(1)
	c0, c1, c2, c3, c4, c5, c6, c7 := x, y, x, y, x, y, x, y
	for range n * 12 {
		c0 = c0*x + y
		c1 = c1*x + y
		c2 = c2*x + y
		c3 = c3*x + y
		c4 = c4*x + y
		c5 = c5*x + y
		c6 = c6*x + y
		c7 = c7*x + y
	}
	runtime.KeepAlive(c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7)
}
