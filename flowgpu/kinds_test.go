package flowgpu

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"cuflow/device"
)

// The latents of RealNVP's two layouts, as the papers and notes give them for c x 32 x 32.
func TestRealNVPLatents(t *testing.T) {
	for _, c := range []int{1, 3} {
		for layout, want := range map[string][]device.Rows{
			"notes": {{C: 16 * c, N: 1, P: 4 * 4}, {C: 4 * c, N: 1, P: 8 * 8}, {C: 2 * c, N: 1, P: 16 * 16}},
			"paper": {{C: 4 * c, N: 1, P: 8 * 8}, {C: 4 * c, N: 1, P: 8 * 8}, {C: 2 * c, N: 1, P: 16 * 16}},
		} {
			m, err := New(&device.Tally{}, Config{Kind: "realnvp", Channels: c, Height: 32, Width: 32, Intensities: 256,
				Levels: 3, Hidden: 8, Depth: 1, Layout: layout})
			if err != nil {
				t.Fatal(err)
			}
			if got := latentRegions(m.blocks); !slices.Equal(got, want) {
				t.Errorf("%s, %d channels: latents %v, want %v", layout, c, got, want)
			}
			couplings := 0
			for _, b := range m.blocks {
				if b.step {
					couplings++
				}
			}
			if want := map[string]int{"notes": 18, "paper": 16}[layout]; couplings != want {
				t.Errorf("%s: %d couplings, want %d", layout, couplings, want)
			}
		}
	}
}

// NICE's partitions: the first coupling moves the even dimensions by the odd ones, or the second half by the first.
func TestNICEPartitions(t *testing.T) {
	for layout, moved := range map[string]func(i, d int) bool{
		"evenodd": func(i, _ int) bool { return i%2 == 0 },
		"half":    func(i, d int) bool { return i >= d/2 },
	} {
		be := openCPU(t, "cpu")
		m := newMoved(t, be, Config{Kind: "nice", Channels: 1, Height: 3, Width: 5, Steps: 1, Hidden: 6, Depth: 1, Layout: layout})
		w, err := m.NewWorkspace(1, "")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		// Move one dimension at a time: where it conditions, others move with it.
		z := func(x []float32) []float32 {
			be.Upload(w.s.x, x)
			w.forward(1, false)
			out := make([]float32, len(x))
			if err := be.Download(out, w.s.x); err != nil {
				t.Fatal(err)
			}
			return out
		}
		x := make([]float32, 15)
		for i := range x {
			x[i] = 0.1 * float32(i%4)
		}
		base := z(x)
		for i := range x {
			changed := slices.Clone(x)
			changed[i] += 0.5
			n := 0
			for j, v := range z(changed) {
				if v != base[j] {
					n++
				}
			}
			if conditions := n > 1; conditions == moved(i, 15) {
				t.Errorf("%s: dimension %d changes %d latents", layout, i, n)
			}
		}
	}
}

// Every kind of model samples, encodes and decodes, and is the same model after it was saved and loaded, in training
// for a few steps before: running averages belong to it.
func TestKindsRoundTrip(t *testing.T) {
	for name, cfg := range variants() {
		t.Run(name, func(t *testing.T) {
			be := openCPU(t, "cpu")
			m, err := New(be, cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			s, err := NewStepper(m, StepConfig{Batch: 8, Mode: Stash, Adam: device.Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Clip: 5}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			x := pixels(cfg, 8)
			s.Initialise(x)
			for range 20 {
				s.Step(x, 2e-3)
			}
			if _, err := s.Read(); err != nil {
				t.Fatal(err)
			}
			samples, err := m.Sample(5, 0.8, 4)
			if err != nil {
				t.Fatal(err)
			}
			z, err := m.Encode(samples)
			if err != nil {
				t.Fatal(err)
			}
			back, err := m.Decode(z)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range samples.Data().([]float32) {
				got := back.Data().([]float32)[i]
				if !(math.Abs(float64(got-v)) <= 2e-2) { // of 17 intensities, through the logit's flat ends
					t.Fatalf("x[%d] = %v came back as %v", i, v, got)
				}
			}
			var file bytes.Buffer
			if err := m.Save(&file); err != nil {
				t.Fatal(err)
			}
			other, err := Load(be, &file)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			if got, want := logProbs(t, other, 3), logProbs(t, m, 3); !slices.Equal(got, want) {
				t.Fatalf("log p %v after loading, %v before", got, want)
			}
		})
	}
}

func ExampleNew() {
	m, err := New(&device.Tally{}, Config{Kind: "nice", Channels: 1, Height: 28, Width: 28, Intensities: 256, Steps: 4, Hidden: 1000, Depth: 5})
	if err != nil {
		panic(err)
	}
	fmt.Println(m.NumParams(), m.Config().Prior, m.Config().Layout)
	// Output: 19158352 logistic evenodd
}
