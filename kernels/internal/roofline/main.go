// Command roofline prints, for one training step of a preset, what each kernel asks of an H200 on paper: launches, arithmetic, bytes
// from and to memory, the time below which it cannot be, and how its blocks fill the chip. Nothing is computed but the table: the
// step runs on a driver that only notes what is launched.
//
//	go run ./kernels/internal/roofline -preset glow-cifar10 -batch 64 -precision bf16 -watch
//
// It is run in the root of the repository, where docs/ptxas.txt has the kernels' occupancy.
package main

import (
	"flag"
	"fmt"
	"os"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/train"
	"cuflow/kernels/ptx"
)

func main() {
	preset := flag.String("preset", "glow-cifar10", "`name` of a model and how it is trained")
	batch := flag.Int("batch", 64, "images or rows a step")
	features := flag.Int("features", 63, "columns of a table, for a preset that takes them from its data")
	precision := flag.String("precision", "bf16", "of the conditioners' products: fp32, tf32 or bf16")
	watch := flag.Bool("watch", false, "also run the conformance cases of models' shapes in the interpreter, which takes a minute or two, and print what it counts")
	flag.Parse()
	if err := run(*preset, *batch, *features, *precision, *watch); err != nil {
		fmt.Fprintln(os.Stderr, "roofline:", err)
		os.Exit(1)
	}
}

func run(preset string, batch, features int, precision string, watch bool) error {
	resident, err := occupancy("docs/ptxas.txt", "sm_90")
	if err != nil {
		return err
	}
	launches, err := step(preset, batch, features, precision)
	if err != nil {
		return err
	}
	var seen map[string]*ptx.Stats
	if watch {
		if seen, err = interpret(precision); err != nil {
			return err
		}
	}
	return write(os.Stdout, launches, resident, seen)
}

// step gives the launches of one training step, without those that are done once.
func step(preset string, batch, features int, precision string) ([]launch, error) {
	p, err := train.Preset(preset)
	if err != nil {
		return nil, err
	}
	if p.Model.Channels < 1 {
		p.Model.Channels = features
	}
	d := &ledger{}
	be, err := device.NewGPU(d, precision)
	if err != nil {
		return nil, err
	}
	m, err := flowgpu.New(be, p.Model)
	if err != nil {
		return nil, err
	}
	s, err := flowgpu.NewStepper(m, flowgpu.StepConfig{Batch: batch, Mode: p.Memory, Adam: p.Adam})
	if err != nil {
		return nil, err
	}
	x := make([]float32, batch*p.Model.D())
	s.Initialise(x)
	s.Step(x, 1e-3)
	d.launches = nil
	s.Step(x, 1e-3)
	return d.launches, nil
}
