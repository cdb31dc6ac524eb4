package vec

import "math"

// generic is the plain Go of every kernel: what the assembly must agree with, and what runs where there is none.
// Functions are evaluated and sums are kept in float64.
func generic() *Kernels {
	return &Kernels{
		Fill: fill, Axpy: axpy, Scale: scale, Lerp: lerp, AddMul: addMul, MulAdd: mulAdd,
		Sum: sum, SumSquares: sumSquares, MaxAbsDiff: maxAbsDiff,
		SegmentSums: segmentSums, SegmentSquares: segmentSquares,
		Couple:          moves{coupleShiftSigmoid, coupleShiftTanh, coupleAffineTanh},
		Uncouple:        moves{uncoupleShiftSigmoid, uncoupleShiftTanh, uncoupleAffineTanh},
		CoupleBackward:  backwards{backShiftSigmoid, backShiftTanh, backAffineTanh},
		ActNormBackward: actNormBackward,
		Unzip:           unzip, Zip: zip,
		Uniforms: uniforms, UniformRows: uniformRows, Dequantize: dequantize,
		Normals: normals, NormalRows: normalRows, Logistics: logistics, LogisticRows: logisticRows,
		Adam: adam, Adamax: adamax,
		Raise: raise, Shares: shares,
		Affine: affine, AffineReLU: affineReLU, Mask: mask, AffineAbout: affineAbout,
		Sigmoid: sigmoid, Tanh: tanh, LogLogistic: logLogistic,
		Deviations: deviations, SumsAbout: sumsAbout, Logit: logit,
	}
}

func fill(x []float32, v float32) {
	for i := range x {
		x[i] = v
	}
}

func axpy(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] += a * v
	}
}

func scale(a float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = a * v
	}
}

func lerp(a, b float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = a*y[i] + b*v
	}
}

func addMul(x []float32, b, e float32) {
	for i := range x {
		x[i] = (x[i] + b) * e
	}
}

func mulAdd(x []float32, e, b float32) {
	for i := range x {
		x[i] = x[i]*e + b
	}
}

func sum(x []float32) float32 {
	var s float64
	for _, v := range x {
		s += float64(v)
	}
	return float32(s)
}

func sumSquares(x []float32) float32 {
	var s float64
	for _, v := range x {
		s += float64(v) * float64(v)
	}
	return float32(s)
}

func maxAbsDiff(x, y []float32) (m float32) {
	y = y[:len(x)]
	for i, v := range x {
		m = max(m, abs(v-y[i])) // max carries NaN through
	}
	return m
}

func segmentSums(v []float32, p int, acc []float32) {
	for j := range acc {
		acc[j] += sum(v[j*p : (j+1)*p])
	}
}

func segmentSquares(v []float32, p int, acc []float32) {
	for j := range acc {
		acc[j] += sumSquares(v[j*p : (j+1)*p])
	}
}

func coupleShiftSigmoid(x, t, s, ls []float32, _, b float32) {
	for i := range x {
		l := logSigmoid(float64(s[i]) + float64(b))
		x[i] = float32((float64(x[i]) + float64(t[i])) * math.Exp(l))
		ls[i] = float32(l)
	}
}

func coupleShiftTanh(x, t, s, ls []float32, a, b float32) {
	for i := range x {
		l := float64(a) * math.Tanh(float64(b)*float64(s[i]))
		x[i] = float32((float64(x[i]) + float64(t[i])) * math.Exp(l))
		ls[i] = float32(l)
	}
}

func coupleAffineTanh(x, t, s, ls []float32, a, b float32) {
	for i := range x {
		l := float64(a) * math.Tanh(float64(b)*float64(s[i]))
		x[i] = float32(float64(x[i])*math.Exp(l) + float64(t[i]))
		ls[i] = float32(l)
	}
}

func uncoupleShiftSigmoid(x, t, s, ls []float32, _, b float32) {
	for i := range x {
		l := logSigmoid(float64(s[i]) + float64(b))
		x[i] = float32(float64(x[i])*math.Exp(-l) - float64(t[i]))
		ls[i] = float32(l)
	}
}

func uncoupleShiftTanh(x, t, s, ls []float32, a, b float32) {
	for i := range x {
		l := float64(a) * math.Tanh(float64(b)*float64(s[i]))
		x[i] = float32(float64(x[i])*math.Exp(-l) - float64(t[i]))
		ls[i] = float32(l)
	}
}

func uncoupleAffineTanh(x, t, s, ls []float32, a, b float32) {
	for i := range x {
		l := float64(a) * math.Tanh(float64(b)*float64(s[i]))
		x[i] = float32((float64(x[i]) - float64(t[i])) * math.Exp(-l))
		ls[i] = float32(l)
	}
}

func backShiftSigmoid(x, dx, t, s []float32, _, b, dld float32) float32 {
	for i := range x {
		z := float64(s[i]) + float64(b)
		l := logSigmoid(z)
		y, dy := float64(x[i]), float64(dx[i])
		x[i] = float32(y*math.Exp(-l) - float64(t[i]))
		dx[i] = float32(dy * math.Exp(l))
		t[i] = dx[i]
		s[i] = float32((dy*y + float64(dld)) / (1 + math.Exp(z)))
	}
	return 0
}

func backShiftTanh(x, dx, t, s []float32, a, b, dld float32) float32 {
	var da float64
	for i := range x {
		th := math.Tanh(float64(b) * float64(s[i]))
		l := float64(a) * th
		y, dy := float64(x[i]), float64(dx[i])
		dl := dy*y + float64(dld)
		x[i] = float32(y*math.Exp(-l) - float64(t[i]))
		dx[i] = float32(dy * math.Exp(l))
		t[i] = dx[i]
		s[i] = float32(dl * float64(a) * float64(b) * (1 - th*th))
		da += dl * th
	}
	return float32(da)
}

func backAffineTanh(x, dx, t, s []float32, a, b, dld float32) float32 {
	var da float64
	for i := range x {
		th := math.Tanh(float64(b) * float64(s[i]))
		l := float64(a) * th
		dy, moved := float64(dx[i]), float64(x[i])-float64(t[i])
		dl := dy*moved + float64(dld)
		x[i] = float32(moved * math.Exp(-l))
		t[i] = dx[i]
		dx[i] = float32(dy * math.Exp(l))
		s[i] = float32(dl * float64(a) * float64(b) * (1 - th*th))
		da += dl * th
	}
	return float32(da)
}

func actNormBackward(x, dx []float32, e, inv, b float32) (dlogs, db float32) {
	var sy, sx float64
	for i, y := range x {
		dy := dx[i]
		sy += float64(dy) * float64(y)
		x[i] = y*inv - b
		dx[i] = dy * e
		sx += float64(dx[i])
	}
	return float32(sy), float32(sx)
}

func unzip(x []float32, stride int, even, odd []float32, step, w int) {
	for r := range rowsOf(len(even), step) {
		e, o := even[r*step:][:w], odd[r*step:][:w]
		row := x[r*stride:][:2*w]
		for j := range e {
			e[j], o[j] = row[2*j], row[2*j+1]
		}
	}
}

func zip(x []float32, stride int, even, odd []float32, step, w int) {
	for r := range rowsOf(len(even), step) {
		e, o := even[r*step:][:w], odd[r*step:][:w]
		row := x[r*stride:][:2*w]
		for j := range e {
			row[2*j], row[2*j+1] = e[j], o[j]
		}
	}
}

// rowsOf is how many rows begin in n elements.
func rowsOf(n, step int) int { return (n + step - 1) / max(step, 1) }

func dequantize(v, u, x []float32, levels float32) {
	for i := range v {
		x[i] = (v[i]+u[i])/levels - 0.5
	}
}

func adam(g, p, m, v []float32, c *AdamConsts) {
	for i := range g {
		gi := g[i] * c.Clip
		m[i] = c.Beta1*m[i] + c.Rest1*gi
		v[i] = c.Beta2*v[i] + c.Rest2*gi*gi
		p[i] -= m[i] * c.Step / (float32(math.Sqrt(float64(v[i]*c.Fix2))) + c.Eps)
	}
}

func adamax(g, p, m, v []float32, c *AdamConsts) {
	for i := range g {
		gi := g[i] * c.Clip
		m[i] = c.Beta1*m[i] + c.Rest1*gi
		v[i] = max(c.Beta2*v[i], abs(gi))
		p[i] -= m[i] * c.Step / (v[i] + c.Eps)
	}
}

func raise(a float32, x, top []float32) {
	for i, v := range x {
		top[i] = max(top[i], a*v)
	}
}

func shares(a float32, x, top, y, sum []float32) {
	for i, v := range x {
		y[i] = float32(math.Exp(float64(a*v - top[i])))
		sum[i] += y[i]
	}
}

// logSigmoid is log(1/(1+exp(-z))) without overflow.
func logSigmoid(z float64) float64 { return math.Min(z, 0) - math.Log1p(math.Exp(-math.Abs(z))) }

func abs(x float32) float32 { return float32(math.Abs(float64(x))) }
