package flowgpu_test

import (
	"bytes"
	"fmt"
	"log"

	"cuflow/cpufallback"
	"cuflow/flowgpu"

	"gorgonia.org/tensor"
)

func newExample() *flowgpu.Model {
	be, err := cpufallback.New("cpu")
	if err != nil {
		log.Fatal(err)
	}
	m, err := flowgpu.New(be, flowgpu.Config{
		Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Steps: 4, Hidden: 16,
	})
	if err != nil {
		log.Fatal(err)
	}
	return m
}

func ExampleModel_LogProb() {
	m := newExample()
	defer m.Close()
	x := tensor.New(tensor.WithShape(3, 1, 8, 8), tensor.Of(tensor.Float32)) // three black images
	logp, err := m.LogProb(x)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(logp.Shape())
	// Output: (3)
}

func ExampleModel_Sample() {
	m := newExample()
	defer m.Close()
	x, err := m.Sample(16, 0.7, 1)
	if err != nil {
		log.Fatal(err)
	}
	z, err := m.Encode(x)
	if err != nil {
		log.Fatal(err)
	}
	back, err := m.Decode(z)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(x.Shape(), z.Shape(), back.Shape())
	// Output: (16, 1, 8, 8) (16, 64) (16, 1, 8, 8)
}

func ExampleLoad() {
	m := newExample()
	defer m.Close()
	var file bytes.Buffer
	if err := m.Save(&file); err != nil {
		log.Fatal(err)
	}
	copied, err := flowgpu.Load(m.Backend(), &file)
	if err != nil {
		log.Fatal(err)
	}
	defer copied.Close()
	fmt.Println(copied.Config().Kind, copied.NumParams() == m.NumParams())
	// Output: glow true
}
