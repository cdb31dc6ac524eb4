package main

import (
	"strings"

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

// mostBatch is more samples than any step takes.
const mostBatch = 1 << 16

// workloadFlags choose workloads: every preset with every batch.
type workloadFlags struct {
	presets []string
	batches []int
	columns int
	memory  string
}

func (f *workloadFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.presets, "preset", []string{"glow-mnist"}, "`names` of models and how they are trained; \"train presets\" lists them")
	c.Flags().IntSliceVar(&f.batches, "batch", nil, "`numbers` of samples per step (default: the preset's)")
	c.Flags().IntVar(&f.columns, "columns", 0, "of random numbers, for presets that take tables of any width (default 2 where the preset is for the plane, else 63)")
	c.Flags().StringVar(&f.memory, "memory", "", "`mode`: stash, recompute or reversible (default: the preset's)")
}

// workloads are what the flags ask for, at least one.
func (f *workloadFlags) workloads() (all []workload, err error) {
	if len(f.presets) == 0 {
		return nil, usagef("--preset is empty: `train presets` lists the names")
	}
	for _, name := range f.presets {
		w, err := newWorkload(name, f.columns)
		if err != nil {
			return nil, err
		}
		if f.memory != "" {
			if w.mode, err = flowgpu.ParseMode(f.memory); err != nil {
				return nil, train.UsageError{Err: err}
			}
		}
		if len(f.batches) == 0 {
			all = append(all, w)
		}
		for _, w.batch = range f.batches {
			if w.batch < 1 || w.batch > mostBatch {
				return nil, usagef("--batch is %d: it must be from 1 to %d", w.batch, mostBatch)
			}
			all = append(all, w)
		}
	}
	return all, nil
}

// only is what the flags ask for where one is wanted.
func (f *workloadFlags) only() (workload, error) {
	all, err := f.workloads()
	if err != nil {
		return workload{}, err
	}
	if len(all) > 1 {
		return workload{}, usagef("--preset and --batch ask for %d workloads: give one", len(all))
	}
	return all[0], nil
}

// columnsOf is how many columns a preset's table has where nobody says it: those of its own data, if that is in the plane.
func columnsOf(preset train.Recipe) int {
	if strings.HasSuffix(preset.Preset, "-2d") {
		return 2
	}
	return 63
}

// newWorkload is a preset as it stands, on tables of so many columns where it takes any; 0: columnsOf.
func newWorkload(preset string, columns int) (workload, error) {
	p, err := train.Preset(preset)
	if err != nil {
		return workload{}, err
	}
	w := workload{name: p.Preset, model: p.Model, batch: p.Batch, mode: p.Memory, adam: p.Adam}
	if w.model.Channels == train.AutoDims {
		if columns == 0 {
			columns = columnsOf(p)
		}
		if columns < 1 || columns > 1<<10 {
			return workload{}, usagef("--columns is %d: it must be from 1 to %d", columns, 1<<10)
		}
		w.model.Channels = columns
	}
	return w, nil
}
