package vec

import "math"

// The plain loops of batch normalisation, preprocessing and logistic priors, see generic.go.

func affine(a, b float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = a*v + b
	}
}

func affineReLU(a, b float32, x, y []float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = max(a*v+b, 0)
	}
}

func mask(y, dy []float32) {
	dy = dy[:len(y)]
	for i, v := range y {
		if !(v > 0) {
			dy[i] = 0
		}
	}
}

func deviations(x []float32, m float32) (sum, squares float32) {
	var s, q float64
	for _, v := range x {
		d := float64(v) - float64(m)
		s += d
		q += d * d
	}
	return float32(s), float32(q)
}

func sumsAbout(x, g []float32, m float32) (sum, dot float32) {
	var s, q float64
	g = g[:len(x)]
	for i, v := range x {
		s += float64(g[i])
		q += float64(g[i]) * (float64(v) - float64(m))
	}
	return float32(s), float32(q)
}

func affineAbout(x, dx []float32, m, e, a, b float32) {
	dx = dx[:len(x)]
	for i, v := range x {
		dx[i] = e*dx[i] + (b*(v-m) + a)
	}
}

func logit(x, l []float32, alpha, rest float32) {
	l = l[:len(x)]
	for i, v := range x {
		p := math.Log(float64(rest)*(float64(v)+0.5) + float64(alpha))
		q := math.Log(float64(rest) * max(0.5-float64(v), 0x1p-24))
		x[i], l[i] = float32(p-q), float32(-p-q)
	}
}

func logLogistic(x, l []float32) {
	l = l[:len(x)]
	for i, v := range x {
		u := math.Abs(float64(v))
		l[i] = float32(-u - 2*math.Log1p(math.Exp(-u)))
	}
}

func sigmoid(x []float32, a, b float32) {
	for i, v := range x {
		x[i] = float32(float64(a)/(1+math.Exp(-float64(v))) + float64(b))
	}
}

func tanh(x, y []float32, a, b float32) {
	y = y[:len(x)]
	for i, v := range x {
		y[i] = float32(float64(a) * math.Tanh(float64(b)*float64(v)))
	}
}
