package cpufallback

import (
	"math"
	"testing"

	"cuflow/device"
)

// Odd and even heights, one row, widths around a register's; enough images for several chunks.
func TestCheckerboards(t *testing.T) {
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, s := range [][4]int{{3, 16, 32, 32}, {1, 1, 1, 2}, {2, 3, 1, 34}, {1, 2, 3, 30}, {2, 1, 5, 4}, {3, 700, 2, 6}} {
			c, n, h, w := s[0], s[1], s[2], s[3]
			x := normals(1, c*n*h*w)
			y, back := make([]float32, len(x)), make([]float32, len(x))
			for parity := range 2 {
				b.CheckerPack(c, n, h, w, parity, device.HostBuffer(x), device.HostBuffer(y))
				b.CheckerUnpack(c, n, h, w, parity, device.HostBuffer(y), device.HostBuffer(back))
				for at, v := range x {
					image, i, j := at/w/h, at/w%h, at%w
					colour := (i + j + parity) % 2
					if got := y[((colour*c*n+image)*h+i)*w/2+j/2]; got != v {
						t.Fatalf("%v, parity %d: pixel %d of row %d of image %d became %v, want %v", s, parity, j, i, image, got, v)
					}
					if back[at] != v {
						t.Fatalf("%v, parity %d: element %d came back as %v, want %v", s, parity, at, back[at], v)
					}
				}
			}
		}
	})
}

func TestLogisticsOnEveryWalk(t *testing.T) {
	const alpha = 0.05
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, r := range walks {
			x := normals(1, r.Len())
			for i := range x {
				x[i] = min(max(x[i]/6, -0.5), 0.5)
			}
			was := append([]float32(nil), x...)
			logdet, logp := make([]float64, r.N), make([]float64, r.N)
			for i, v := range x {
				p := alpha + (1-alpha)*(float64(v)+0.5)
				q := (1 - alpha) * max(0.5-float64(v), 0x1p-24)
				logdet[i%r.M()/r.P] += math.Log(1-alpha) - math.Log(p) - math.Log(q)
			}
			got := make([]float32, r.N)
			b.Logit(r, alpha, device.HostBuffer(x), device.HostBuffer(got))
			nearSums(t, r, "logdet", got, logdet)
			for i, v := range x {
				logp[i%r.M()/r.P] -= float64(v) + 2*math.Log1p(math.Exp(-float64(v)))
			}
			clear(got)
			b.LogisticLogProb(r, device.HostBuffer(x), device.HostBuffer(got))
			nearSums(t, r, "logp", got, logp)
			b.LogitInverse(r, alpha, device.HostBuffer(x))
			for i, v := range x {
				if math.Abs(float64(v-was[i])) > 1e-6 {
					t.Fatalf("%v: x[%d] is %g after there and back, want %g", r, i, v, was[i])
				}
			}
		}
	})
}

// nearSums is nearAll for terms of one sign, whose sum is rounded again for every channel.
func nearSums(t *testing.T, r device.Rows, what string, got []float32, want []float64) {
	t.Helper()
	for n, w := range want {
		if math.Abs(float64(got[n])-w) > 0x1p-23*math.Abs(w)*(2+math.Sqrt(float64(r.C))) {
			t.Fatalf("%v: %s[%d] is %v, want %v", r, what, n, got[n], w)
		}
	}
}

func TestLogisticNoiseOnEveryWalk(t *testing.T) {
	rng := device.Stream{Seed: 0x0123456789abcdef, ID: 7}
	at := device.HostBuffer([]float32{11, 1000})
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, r := range walks {
			x := make([]float32, r.Len())
			b.Logistic(r, 0.7, rng, at, device.HostBuffer(x))
			for i, got := range x {
				n, e := i%r.M()/r.P, i/r.M()*r.P+i%r.P
				u := (float64(rng.Words(uint32(e/4), uint32(1000+n), 11)[e%4]>>8) + 0.5) * 0x1p-24
				a, b := 0.7*math.Log(u), 0.7*math.Log1p(-u) // each is rounded
				if want := a - b; math.Abs(float64(got)-want) > 0x1p-22*(math.Abs(a)+math.Abs(b)) {
					t.Fatalf("%v: element %d of sample %d is %v, want %v", r, e, n, got, want)
				}
			}
		}
	})
}

func TestClassAffineOnEveryWalk(t *testing.T) {
	const classes, dld = 3, 0.25
	eachBackend(t, func(t *testing.T, b *Backend) {
		for _, r := range walks {
			label := make([]float32, r.N)
			for n := range label {
				label[n] = float32(n * n % 7 % classes)
			}
			logs, bias, x, dy := normals(1, classes*r.C), normals(2, classes*r.C), normals(3, r.Len()), normals(4, r.Len())
			y, dx, logdet := append([]float32(nil), x...), append([]float32(nil), dy...), make([]float32, r.N)
			dlogs, db := make([]float32, classes*r.C), make([]float32, classes*r.C)
			wantLogs, wantB, size := make([]float64, classes*r.C), make([]float64, classes*r.C), make([]float64, classes*r.C)
			host := device.HostBuffer
			b.ClassAffine(r, classes, host(label), host(logs), host(bias), host(y), host(logdet))
			for i, v := range x {
				c, n := i/r.M(), i%r.M()/r.P
				k := int(label[n])*r.C + c
				e := math.Exp(float64(logs[k]))
				want := (float64(v) + float64(bias[k])) * e
				if math.Abs(float64(y[i])-want) > 0x1p-22*e*(math.Abs(float64(v))+math.Abs(float64(bias[k]))) {
					t.Fatalf("%v: y[%d] is %v, want %v", r, i, y[i], want)
				}
				wantLogs[k] += dld + float64(dy[i])*want
				wantB[k] += float64(dy[i]) * e
				size[k] += dld + math.Abs(float64(dy[i])*want) + math.Abs(float64(dy[i])*e)
			}
			back := append([]float32(nil), y...)
			b.ClassAffineBackward(r, classes, host(label), host(logs), host(bias), host(back), host(dx), dld, host(dlogs), host(db))
			for k := range dlogs {
				if math.Abs(float64(dlogs[k])-wantLogs[k]) > 1e-6*size[k] || math.Abs(float64(db[k])-wantB[k]) > 1e-6*size[k] {
					t.Fatalf("%v: gradients %d are %v, %v, want %v, %v", r, k, dlogs[k], db[k], wantLogs[k], wantB[k])
				}
			}
			b.ClassAffineInverse(r, classes, host(label), host(logs), host(bias), host(y), host(logdet))
			for n, v := range logdet {
				if v != 0 {
					t.Fatalf("%v: logdet of sample %d is %g after there and back", r, n, v)
				}
			}
			for i, v := range x {
				k := int(label[i%r.M()/r.P])*r.C + i/r.M()
				if y[i] != back[i] {
					t.Fatalf("%v: x[%d] comes back as %g from the inverse, as %g from the backward pass", r, i, y[i], back[i])
				}
				if math.Abs(float64(y[i]-v)) > 0x1p-20*(math.Abs(float64(v))+math.Abs(float64(bias[k]))) {
					t.Fatalf("%v: x[%d] comes back as %g, want %g", r, i, y[i], v)
				}
			}
		}
	})
}
