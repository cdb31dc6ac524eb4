package cpufallback

import (
	"math"
	"testing"

	"cuflow/device"
)

// Rows of several blocks, whose spread is far below their mean: the squares must be taken about the mean.
func TestChannelStatsFarFromZero(t *testing.T) {
	const c, m = 3, 2*block + 77
	x := normals(1, c*m)
	for i := range x {
		x[i] = 1000 + x[i]/8
	}
	eachBackend(t, func(t *testing.T, b *Backend) {
		mean, variance := make([]float32, c), make([]float32, c)
		b.ChannelStats(c, m, device.HostBuffer(x), device.HostBuffer(mean), device.HostBuffer(variance))
		for i := range c {
			var sum, squares float64
			for _, v := range x[i*m : (i+1)*m] {
				sum += float64(v)
			}
			for _, v := range x[i*m : (i+1)*m] {
				squares += (float64(v) - sum/m) * (float64(v) - sum/m)
			}
			if e := math.Abs(float64(mean[i]) - sum/m); e > 1000*0x1p-24 {
				t.Errorf("mean %d is %v, want %v", i, mean[i], sum/m)
			}
			if e := math.Abs(float64(variance[i])*m/squares - 1); e > 0x1p-21 {
				t.Errorf("variance %d is %v, want %v", i, variance[i], squares/m)
			}
		}
	})
}

// A batch's normalisation does not change when its input is shifted or stretched, so the gradient has no part in either
// direction. Both ways of normalising, as a layer of the flow and inside a conditioner, give the same gradient.
func TestBatchNormGradientsAgree(t *testing.T) {
	const c, m = 3, 2*block + 77
	eachBackend(t, func(t *testing.T, b *Backend) {
		x, dy := normals(1, c*m), normals(2, c*m)
		for i := range x {
			x[i] = 2*x[i] + 3
		}
		buf := func(n int) device.Buffer { return device.HostBuffer(make([]float32, n)) }
		mean, variance, logs, bias, y := buf(c), buf(c), buf(c), buf(c), buf(c*m)
		b.ChannelStats(c, m, device.HostBuffer(x), mean, variance)
		b.BatchNormFold(c, 0, mean, variance, logs, bias)
		b.Copy(y, device.HostBuffer(x))
		b.ActNorm(c, m, logs, bias, y)

		gamma, dgamma, dbeta, inside := buf(c), buf(c), buf(c), buf(c*m)
		b.Fill(gamma, 1)
		b.Copy(inside, device.HostBuffer(dy))
		b.BatchNormActBackward(c, m, device.NoAct, 0, mean, variance, gamma, device.HostBuffer(x), y, inside, dgamma, dbeta)

		dlogs, dbias := buf(c), buf(c)
		b.ActNormBackward(c, m, logs, bias, y, device.HostBuffer(dy), 0, dlogs, dbias)
		b.BatchNormBackward(c, m, 1, 0, mean, variance, dlogs, dbias, y, device.HostBuffer(dy)) // y is x again

		for i := range c {
			var shift, stretch float64
			for j := i * m; j < (i+1)*m; j++ {
				shift += float64(dy[j])
				stretch += float64(dy[j]) * float64(x[j]-mean.Host()[i])
				if d := math.Abs(float64(dy[j] - inside.Host()[j])); d > 1e-6 {
					t.Fatalf("gradient %d is %g as a layer, %g inside a conditioner", j, dy[j], inside.Host()[j])
				}
			}
			if math.Abs(shift) > 0.01 || math.Abs(stretch) > 0.01 { // of thousands of terms of size 1
				t.Errorf("channel %d: gradient along a shift %g, along a stretch %g", i, shift, stretch)
			}
			if d := dgamma.Host()[i] - dlogs.Host()[i]; math.Abs(float64(d)) > 1e-3 {
				t.Errorf("channel %d: gradient of gamma %g, of logs %g", i, dgamma.Host()[i], dlogs.Host()[i])
			}
		}
	})
}

// Rows longer than a block have length g, and a gradient that leaves it so.
func TestWeightNormOfLongRows(t *testing.T) {
	const rows, cols = 5, block + 512
	g, v, dw := normals(1, rows), normals(2, rows*cols), normals(3, rows*cols)
	eachBackend(t, func(t *testing.T, b *Backend) {
		w, dv, dg := make([]float32, rows*cols), make([]float32, rows*cols), make([]float32, rows)
		b.WeightNorm(rows, cols, device.HostBuffer(g), device.HostBuffer(v), device.HostBuffer(w))
		b.WeightNormBackward(rows, cols, device.HostBuffer(g), device.HostBuffer(v), device.HostBuffer(dw),
			device.HostBuffer(dv), device.HostBuffer(dg))
		for i := range rows {
			var square, dot, along, size float64
			for j := i * cols; j < (i+1)*cols; j++ {
				square += float64(w[j]) * float64(w[j])
				size += float64(v[j]) * float64(v[j])
				dot += float64(dv[j]) * float64(v[j])
				along += float64(dw[j]) * float64(v[j])
			}
			if want := math.Abs(float64(g[i])); math.Abs(math.Sqrt(square)-want) > 1e-6*want {
				t.Errorf("row %d has length %v, want %v", i, math.Sqrt(square), want)
			}
			if math.Abs(dot) > 1e-3 {
				t.Errorf("row %d: the gradient of v is not across v: product %g", i, dot)
			}
			if want := along / math.Sqrt(size); math.Abs(float64(dg[i])-want) > 1e-5 {
				t.Errorf("row %d: gradient of g is %v, want %v", i, dg[i], want)
			}
		}
	})
}
