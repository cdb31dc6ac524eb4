package plot

import (
	"math"
	"math/rand/v2"
)

// What is drawn here is known in closed form, so that tests need no model.

// mixture is two Gaussians on the line, of which the flow to a standard normal is z = Phi^-1(F(x)), and n draws.
func mixture(n int) (Curve, []float64) {
	w, m, s := []float64{0.35, 0.65}, []float64{-2, 1.2}, []float64{0.45, 0.9}
	c := Curve{Name: "height (m)"}
	for i := range 1601 {
		x := -4 + 8.5*float64(i)/1600
		p, cdf := 0.0, 0.0
		for k := range w {
			u := (x - m[k]) / s[k]
			p += w[k] * math.Exp(-u*u/2) / (s[k] * math.Sqrt(2*math.Pi))
			cdf += w[k] * math.Erfc(-u/math.Sqrt2) / 2
		}
		z := math.Sqrt2 * math.Erfinv(2*cdf-1)
		c.X, c.LogP, c.CDF, c.Z = append(c.X, x), append(c.LogP, math.Log(p)), append(c.CDF, cdf), append(c.Z, z)
		c.LogSlope = append(c.LogSlope, math.Log(p)+z*z/2+math.Log(2*math.Pi)/2)
	}
	r := rand.New(rand.NewPCG(1, 1))
	data := make([]float64, n)
	for i := range data {
		k := 0
		if r.Float64() > w[0] {
			k = 1
		}
		data[i] = m[k] + s[k]*r.NormFloat64()
	}
	return c, data
}

// throughUniform is the mixture's way to the latent: by its distribution function to the unit interval, and on to the normal.
func throughUniform(c Curve) []Stage {
	z := Stage{Name: "after normal (latent)", X: c.Z}
	for _, v := range c.Z {
		z.LogP = append(z.LogP, -v*v/2-math.Log(2*math.Pi)/2)
	}
	return []Stage{{"data", c.X, c.LogP}, {"after mixture", c.CDF, make([]float64, len(c.X))}, z}
}

// bent is a flow of the plane: x = 1.4 z1, y = z2/2 + z1^2 - 1, for a standard normal z.
func bent(z1, z2 float64) (x, y float64) { return 1.4 * z1, 0.5*z2 + z1*z1 - 1 }

func straightened(x, y float64) (z1, z2 float64) { z1 = x / 1.4; return z1, 2 * (y - z1*z1 + 1) }

func logBent(x, y float64) float64 {
	a, b := straightened(x, y)
	return -a*a/2 - b*b/2 - math.Log(2*math.Pi) + math.Log(2/1.4)
}

func normals(n int, seed uint64) (z Points) {
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		z.X, z.Y = append(z.X, r.NormFloat64()), append(z.Y, r.NormFloat64())
	}
	return z
}

func (p Points) through(f func(a, b float64) (float64, float64)) (q Points) {
	for i := range p.X {
		x, y := f(p.X[i], p.Y[i])
		q.X, q.Y = append(q.X, x), append(q.Y, y)
	}
	return q
}

func bentPlane(g Grid, samples Points) Plane {
	p := Plane{Names: [2]string{"width (mm)", "length (mm)"}, Grid: g}
	at := PointsOf(g.Points())
	for i := range at.X {
		p.LogP = append(p.LogP, logBent(at.X[i], at.Y[i]))
	}
	for i := range samples.X {
		p.LogPOfSamples = append(p.LogPOfSamples, logBent(samples.X[i], samples.Y[i]))
	}
	return p
}

func bentFrames(n int) []Frame {
	z := normals(n, 3)
	scaled := z.through(func(a, b float64) (float64, float64) { return 1.4 * a, b / 2 })
	return []Frame{{"latent z", z}, {"inverse of scale", scaled}, {"data x", z.through(bent)}}
}

func bentWarp() Warp {
	z := normals(1500, 1)
	w := Warp{Names: [2]string{"width (mm)", "length (mm)"}, Data: z.through(bent), Latent: z}
	w.DataGrid, w.LatentGrid = Lattice{-4, 4, -3, 8, 17, 200}, Lattice{-3, 3, -3, 3, 13, 200}
	w.DataImage = PointsOf(w.DataGrid.Coordinates()).through(straightened)
	w.LatentImage = PointsOf(w.LatentGrid.Coordinates()).through(bent)
	return w
}

// table is four columns that hang together; the samples' last is a little off.
func table(n int) []Column {
	columns := make([]Column, 4)
	for i, name := range []string{"carat", "depth (%)", "price (USD)", "width (mm)"} {
		columns[i].Name = name
	}
	r := rand.New(rand.NewPCG(5, 5))
	row := func(off float64) [4]float64 {
		a, b, c := r.NormFloat64(), r.NormFloat64(), r.NormFloat64()
		return [4]float64{math.Exp(0.4 * a), 61 + 1.5*b + 0.4*a*a, 4000 * math.Exp(0.5*a+0.2*c), 6 + a + 0.3*c + off}
	}
	for range n {
		for i, v := range row(0) {
			columns[i].Data = append(columns[i].Data, v)
		}
		for i, v := range row(0.2) {
			columns[i].Samples = append(columns[i].Samples, v)
		}
	}
	return columns
}
