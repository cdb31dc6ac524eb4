package main

import (
	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

// workload is a model and how it is trained.
type workload struct {
	name  string
	model flowgpu.Config
	batch int
	mode  flowgpu.Mode
	adam  device.Adam
}

// workloadFlags choose a workload.
type workloadFlags struct {
	preset  string
	batch   int
	columns int
}

func (f *workloadFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.preset, "preset", "glow-mnist", "`name` of a model and how it is trained; \"train presets\" lists them")
	c.Flags().IntVar(&f.batch, "batch", 0, "samples per step (default: the preset's)")
	c.Flags().IntVar(&f.columns, "columns", 63, "of random numbers, for presets that take tables of any width")
}

func (f *workloadFlags) workload() (workload, error) {
	p, err := train.Preset(f.preset)
	if err != nil {
		return workload{}, err
	}
	w := workload{name: p.Preset, model: p.Model, batch: p.Batch, mode: p.Memory, adam: p.Adam}
	switch {
	case f.batch < 0 || f.batch > 1<<16:
		return workload{}, usagef("--batch is %d: it must be from 1 to %d", f.batch, 1<<16)
	case f.batch > 0:
		w.batch = f.batch
	}
	if w.model.Channels == train.AutoDims {
		if f.columns < 1 || f.columns > 1<<10 {
			return workload{}, usagef("--columns is %d: it must be from 1 to %d", f.columns, 1<<10)
		}
		w.model.Channels = f.columns
	}
	return w, nil
}
