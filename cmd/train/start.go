package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// startFlags make c start a new run.
func startFlags(c *cobra.Command, env train.Env) {
	first := train.Presets()[0]
	var preset, out string
	c.Flags().SortFlags = false
	c.Flags().StringVar(&preset, "preset", first.Preset, "where all settings start; \"train presets\" lists them")
	c.Flags().StringVar(&out, "out", "", "folder of the run (default \"runs/\" and the name of the data)")
	shown := first.Config
	bind(c.Flags(), &shown)
	c.RunE = func(c *cobra.Command, _ []string) error {
		recipe, err := train.Preset(preset)
		if err != nil {
			return err
		}
		cfg, err := settings(recipe.Config, c.Flags())
		if err != nil {
			return err
		}
		if out == "" {
			out = filepath.Join("runs", filepath.Base(filepath.Clean(cfg.Data)))
		}
		result, err := train.Start(c.Context(), cfg, out, env)
		if err != nil {
			return err
		}
		conclude(c, result)
		return nil
	}
}

// bind makes a flag of every setting. What a flag shows as its default is what c holds now.
func bind(f *pflag.FlagSet, c *train.Config) {
	f.StringVar(&c.Data, "data", c.Data, "\"digits\", or a folder of idx files (MNIST, Fashion-MNIST)")
	f.Var(padFlag{c}, "pad", "pad images with background to this side")
	f.StringVar(&c.Device, "device", c.Device, "auto, cpu, or one that \"train devices\" lists")
	f.StringVar((*string)(&c.Memory), "memory", string(c.Memory), "stash, recompute or reversible: from fastest to smallest")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "of weights, order and noise")

	f.IntVar(&c.Model.Levels, "levels", c.Model.Levels, "levels; each halves the image")
	f.IntVar(&c.Model.Steps, "depth", c.Model.Steps, "flow steps per level")
	f.IntVar(&c.Model.Hidden, "hidden", c.Model.Hidden, "channels inside the couplings' networks")
	f.StringVar(&c.Model.Coupling, "coupling", c.Model.Coupling, "sigmoid, exp, tanh or additive")
	f.StringVar(&c.Model.Permutation, "permutation", c.Model.Permutation, "lu, reverse or shuffle")
	f.StringVar(&c.Model.Prior, "prior", c.Model.Prior, "learned or standard")

	f.IntVar(&c.Steps, "steps", c.Steps, "training steps")
	f.IntVar(&c.Batch, "batch", c.Batch, "images per step")
	f.Float64Var(&c.LR, "lr", c.LR, "learning rate")
	f.IntVar(&c.Warmup, "warmup", c.Warmup, "steps in which the learning rate rises")
	f.StringVar(&c.Schedule, "schedule", c.Schedule, "of the learning rate afterwards: constant or cosine")
	f.Var(optimizerFlag{&c.Adam.Max}, "optimizer", "adam or adamax")
	f.Float32Var(&c.Adam.Beta1, "beta1", c.Adam.Beta1, "decay of the optimizer's first moment")
	f.Float32Var(&c.Adam.Beta2, "beta2", c.Adam.Beta2, "decay of its second moment")
	f.Float32Var(&c.Adam.Eps, "eps", c.Adam.Eps, "its epsilon")
	f.Float32Var(&c.Adam.Clip, "clip", c.Adam.Clip, "greatest global norm of the gradient of bits/dim, 0: no clipping")
	f.Float32Var(&c.Adam.EMADecay, "ema", c.Adam.EMADecay, "decay of the averaged weights, 0: none")

	f.IntVar(&c.LogEvery, "log-every", c.LogEvery, "steps between lines of the log, at most 64")
	f.IntVar(&c.EvalEvery, "eval-every", c.EvalEvery, "steps between validations, 0: only at the end")
	f.IntVar(&c.EvalSamples, "eval-samples", c.EvalSamples, "held-out images scored before the end, 0: all")
	f.IntVar(&c.SampleEvery, "sample-every", c.SampleEvery, "steps between sample grids, 0: only at the end")
	f.IntVar(&c.CheckpointEvery, "checkpoint-every", c.CheckpointEvery, "steps between checkpoints, 0: only at the end")
	f.IntVar(&c.Samples, "samples", c.Samples, "images of a sample grid")
	f.Float64Var(&c.Temperature, "temperature", c.Temperature, "of sample grids: 1 is the model's own")
}

// settings is a preset with the flags that were given.
func settings(c train.Config, given *pflag.FlagSet) (train.Config, error) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	bind(f, &c)
	var err error
	given.Visit(func(g *pflag.Flag) {
		if f.Lookup(g.Name) != nil && err == nil {
			err = f.Set(g.Name, g.Value.String())
		}
	})
	return c, err
}

// conclude says what a finished run has come to and what to do with it.
func conclude(c *cobra.Command, r *train.Result) {
	out := c.OutOrStdout()
	fmt.Fprintf(out, "done      held-out %s after %d steps\n", r.Score, r.Steps)
	fmt.Fprintf(out, "samples   %s\n", r.Samples)
	fmt.Fprintf(out, "next      %s sample %s --n 100 --temperature 0.8\n", os.Args[0], r.Dir)
}

// optimizerFlag is the name of Adam or Adamax.
type optimizerFlag struct{ max *bool }

func (o optimizerFlag) Type() string { return "string" }

func (o optimizerFlag) String() string {
	if o.max != nil && *o.max {
		return "adamax"
	}
	return "adam"
}

func (o optimizerFlag) Set(s string) error {
	if s != "adam" && s != "adamax" {
		return fmt.Errorf("use adam or adamax")
	}
	*o.max = s == "adamax"
	return nil
}

// padFlag is the side of the square that images are padded to; 0 is none.
type padFlag struct{ c *train.Config }

func (p padFlag) Type() string { return "int" }

func (p padFlag) String() string {
	if p.c == nil || !p.c.Pad {
		return "0"
	}
	return strconv.Itoa(p.c.Model.Height)
}

func (p padFlag) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return fmt.Errorf("use a positive number of pixels")
	}
	p.c.Pad, p.c.Model.Height, p.c.Model.Width = true, n, n
	return nil
}
