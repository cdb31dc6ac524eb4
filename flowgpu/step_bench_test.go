package flowgpu

import (
	"testing"

	"cuflow/device"
)

// BenchmarkStep is one training step of the standard models, in every memory mode.
func BenchmarkStep(b *testing.B) {
	digits := Config{Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Steps: 8, Hidden: 64}
	mnist := Config{Kind: "glow", Channels: 1, Height: 32, Width: 32, Intensities: 256, Levels: 3, Steps: 8, Hidden: 128}
	for name, cfg := range map[string]Config{"digits": digits, "mnist": mnist} {
		for _, mode := range []Mode{Stash, Recompute, Reversible} {
			b.Run(name+"/"+string(mode), func(b *testing.B) {
				m, err := New(openCPU(b, "cpu"), cfg)
				if err != nil {
					b.Fatal(err)
				}
				defer m.Close()
				s, err := NewStepper(m, StepConfig{Batch: 64, Mode: mode, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 50, EMADecay: 0.99}})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				x := pixels(cfg, 64)
				s.Initialise(x)
				b.ReportAllocs()
				for b.Loop() {
					s.Step(x, 1e-4)
					if _, err := s.Read(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(s.Flops())*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}
