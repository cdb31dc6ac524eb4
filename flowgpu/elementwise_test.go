package flowgpu

import (
	"math"
	"testing"

	"cuflow/device"
)

// Far out the log-determinants are those of the tails, exact to float32, where the functions themselves have long run into their ends.
func TestElementwiseTails(t *testing.T) {
	asinh := func(x float64) float64 { return -0.5 * math.Log1p(x*x) }
	for _, c := range []struct {
		name string
		f    device.Func
		want func(x float64) float64 // log f' for |x| of 17 and more
	}{
		{"sigmoid", device.SigmoidMap, func(x float64) float64 { return -math.Abs(x) }},
		{"tanh", device.TanhMap, func(x float64) float64 { return 2*math.Ln2 - 2*math.Abs(x) }},
		{"softplus", device.SoftplusMap, func(x float64) float64 { return min(x, 0) }},
		{"asinh", device.AsinhMap, asinh},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachDevice(t, func(t *testing.T, be device.Backend) {
				x := []float32{17, -17, 40, -40, 80, -80, 90, -90, 200, -200, 1e4, -1e4, 1e8, -1e8}
				y, logDet := pass(t, be, NewElementwise(c.f).Forward, x)
				for i, v := range x {
					want := c.want(float64(v))
					if got := float64(logDet[i]); !(math.Abs(got-want) <= 3e-7*(1+math.Abs(want))) {
						t.Errorf("log f'(%v) = %v, want %v", v, got, want)
					}
					if f := float64(y[i]); math.IsInf(f, 0) || math.IsNaN(f) {
						t.Errorf("f(%v) = %v", v, f)
					}
				}
			})
		})
	}
}

// What float32 takes back, to the accuracy that device.Elementwise tells; what lies beyond comes back as the end.
func TestElementwiseRange(t *testing.T) {
	const eps = 0x1p-24
	for _, c := range []struct {
		name   string
		f      device.Func
		lo, hi float64                    // the range
		err    func(x, y float64) float64 // that x comes back with
	}{
		{"sigmoid", device.SigmoidMap, -87.33, 16.63, func(x, y float64) float64 { return 2*eps*math.Abs(x) + eps/(1-min(y, 1-eps)) }},
		{"tanh", device.TanhMap, -8.66, 8.66, func(x, y float64) float64 { return 2*eps*math.Abs(x) + eps/(1-min(math.Abs(y), 1-eps)) }},
		{"softplus", device.SoftplusMap, -87.33, math.MaxFloat32, func(x, y float64) float64 { return 4*eps*math.Abs(x) + 2*eps }},
		{"asinh", device.AsinhMap, -math.MaxFloat32, math.MaxFloat32, func(x, y float64) float64 {
			return 4 * eps * math.Abs(x) * max(1, math.Abs(y)) // y's last digit is that much of x
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			eachDevice(t, func(t *testing.T, be device.Backend) {
				var x []float32
				for _, v := range []float64{1e-30, 1e-10, 1e-3, 0.1, 1, 2, 4, 8, 12, 16, 17, 20, 40, 80, 87, 88, 100, 1e3, 1e6, 1e20, 1e38} {
					x = append(x, float32(v), float32(-v))
				}
				y, _ := pass(t, be, NewElementwise(c.f).Forward, x)
				back, _ := pass(t, be, NewElementwise(c.f).Inverse, y)
				for i, v := range x {
					want := min(max(float64(v), c.lo), c.hi)
					tol := 2 * c.err(want, float64(y[i]))
					if want != float64(v) {
						tol = 0.02
					}
					if got := float64(back[i]); !(math.Abs(got-want) <= tol) {
						t.Errorf("%v became %v and came back as %v, want %v within %.2g", v, y[i], got, want, tol)
					}
				}
			})
		})
	}
}

// The number that the end counts as, and what lies beyond it.
func TestElementwiseEnds(t *testing.T) {
	eachDevice(t, func(t *testing.T, be device.Backend) {
		y, _ := pass(t, be, NewElementwise(device.LogitMap).Forward, []float32{0, 1, -1e-3, 1.001})
		if !(y[0] > -88 && y[0] < -87 && y[1] > 16 && y[1] < 17) {
			t.Errorf("logit of 0 and 1: %v", y[:2])
		}
		for i, v := range y[2:] {
			if v == v {
				t.Errorf("logit of a number outside (0, 1), number %d: %v, want NaN", i, v)
			}
		}
	})
}
