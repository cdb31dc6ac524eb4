package cpufallback

import (
	"fmt"
	"testing"

	"cuflow/device"
)

// stacks are the conditioners of the models that ship.
var stacks = []struct {
	model string
	device.Images
	kernel   int
	channels []int
}{
	{"mnist", device.Images{N: 64, H: 16, W: 16}, 3, []int{2, 128, 128, 4}},
	{"mnist", device.Images{N: 64, H: 8, W: 8}, 3, []int{4, 128, 128, 8}},
	{"mnist", device.Images{N: 64, H: 4, W: 4}, 3, []int{8, 128, 128, 16}},
	{"digits", device.Images{N: 64, H: 4, W: 4}, 3, []int{2, 64, 64, 4}},
	{"digits", device.Images{N: 64, H: 2, W: 2}, 3, []int{4, 64, 64, 8}},
	{"plane", device.Images{N: 512, H: 1, W: 1}, 1, []int{1, 64, 64, 2}},
	{"table", device.Images{N: 512, H: 1, W: 1}, 1, []int{31, 512, 512, 64}},
	{"table", device.Images{N: 64, H: 1, W: 1}, 1, []int{31, 512, 512, 64}},
	{"cifar10", device.Images{N: 64, H: 16, W: 16}, 3, []int{6, 512, 512, 12}},
}

// BenchmarkStack reports the speed of both passes, and its share of what the machine could do in the same second.
func BenchmarkStack(b *testing.B) {
	for _, isa := range ISAs() {
		for _, workers := range []int{1, 2} {
			be, err := NewWorkers("cpu:"+isa, workers)
			if err != nil {
				b.Fatal(err)
			}
			for _, s := range stacks {
				b.Run(fmt.Sprintf("%s/%d/%s/%v_%dx%dx%d", isa, workers, s.model, s.channels, s.N, s.H, s.W), func(b *testing.B) {
					benchmarkStack(b, be, s.Images, s.kernel, s.channels)
				})
			}
			be.Close()
		}
	}
}

func benchmarkStack(b *testing.B, be *Backend, g device.Images, kernel int, channels []int) {
	var all []device.Buffer
	alloc := func(n int, v float32) device.Buffer {
		buf, err := be.Alloc(n)
		if err != nil {
			b.Fatal(err)
		}
		be.Fill(buf, v)
		all = append(all, buf)
		return buf
	}
	defer func() {
		for _, buf := range all {
			be.Free(buf)
		}
	}()
	m, last := g.N*g.H*g.W, len(channels)-2
	var units []device.Unit
	flops := 0.0
	for i := range last + 1 {
		u := device.Unit{Cin: channels[i], Cout: channels[i+1], K: 1, Act: device.ReLU}
		if i == 0 || i == last {
			u.K = kernel
		}
		n := u.Cin * u.Cout * u.K * u.K
		flops += 2 * float64(n*m)
		u.W, u.B, u.DW, u.DB = alloc(n, 0), alloc(u.Cout, 1), alloc(n, 0), alloc(u.Cout, 0)
		if i == last {
			u.Act = device.NoAct
		} else {
			u.Hidden = alloc(device.HiddenLen(u.Cout, m), 0)
		}
		units = append(units, u)
	}
	x, dx, y, dy := alloc(channels[0]*m, 1), alloc(channels[0]*m, 0), alloc(channels[last+1]*m, 0), alloc(channels[last+1]*m, 1)
	for _, op := range []struct {
		name   string
		passes float64
		do     func()
	}{
		{"forward", 1, func() { be.StackForward(g, units, x, y, true) }},
		{"backward", 2, func() { be.StackBackward(g, units, x, dy, dx) }},
	} {
		b.Run(op.name, func(b *testing.B) {
			for b.Loop() {
				op.do()
			}
			gflops := op.passes * flops * float64(b.N) / b.Elapsed().Seconds() / 1e9
			b.ReportMetric(gflops, "GFLOP/s")
			b.ReportMetric(100*gflops/PeakGFLOPS(be.Name(), be.Precision(), be.pool.Workers()), "%peak")
		})
	}
}
