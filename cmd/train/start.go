package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// startFlags make c start a new run.
func startFlags(c *cobra.Command, env train.Env) {
	first := train.Presets()[0]
	var preset, out string
	var dry bool
	c.Flags().SortFlags = false
	c.Flags().StringVar(&preset, "preset", first.Preset, "where all settings start; \"train presets\" lists them")
	c.Flags().BoolVar(&dry, "dry-run", false, "train nothing: tell parameters, memory, arithmetic and how long the run would take here, from a few steps")
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
		if dry {
			return dryRun(c, cfg, env)
		}
		if out == "" {
			out = filepath.Join("runs", runName(cfg.Data))
		}
		result, err := train.Start(c.Context(), cfg, out, env)
		if err != nil {
			return err
		}
		conclude(c, result)
		return nil
	}
}

// runName is the last part of the data's path, without what makes a file of it: runs/two-moons, runs/stars.
func runName(data string) string {
	name := filepath.Base(filepath.Clean(data))
	for _, ext := range []string{".gz", ".csv", ".tsv", ".txt", ".data", ".npy", ".npz"} {
		name = strings.TrimSuffix(name, ext)
	}
	return strings.ReplaceAll(name, ":", "-") // of a toy with a number of samples
}

// bind makes a flag of every setting. What a flag shows as its default is what c holds now.
func bind(f *pflag.FlagSet, c *train.Config) {
	f.StringVar(&c.Data, "data", c.Data, "images: \"digits\", a folder of pictures, of idx (MNIST) or of CIFAR files, or a .npy or .npz file;\nvectors: a .csv, .tsv, .txt, .npy or .npz file, a folder with train and test, or the name of a toy, such as two-moons")
	f.Var(sizeFlag{c}, "size", "side, or height x width, of the images that are modelled")
	f.StringVar(&c.Fit, "fit", c.Fit, "make images of another size fit: crop, resize or pad")
	f.Var(newPadFlag(c), "pad", "short for --fit pad --size")
	f.Var(channelsFlag{c}, "channels", "convert images to 1 (grey), 3 (RGB) or 4 (RGBA) channels (default: as they are)")
	f.Var(bitsFlag{c}, "bits", "reduce intensities to this depth (default: as they are)")
	f.Var(classesFlag{&c.Model.Classes}, "classes", "condition the prior, of tarflow all, on so many classes, or \"auto\": as many as the data has")
	f.Float64Var(&c.Validation, "val-fraction", c.Validation, "share held out of data that has no split of its own (default: a tenth); of vectors as much again for the test")
	f.Uint64Var(&c.SplitSeed, "split-seed", c.SplitSeed, "of what is held out there")
	f.StringVar(&c.BadFiles, "bad-files", c.BadFiles, "pictures that cannot be read: fail, or skip and name them")
	f.BoolVar(&c.Flip, "flip", c.Flip, "mirror training images at random")
	f.IntVar(&c.Shift, "shift", c.Shift, "move training images at random by up to so many pixels")
	f.IntVar(&c.Workers, "workers", c.Workers, "images read at once (default: as the data needs)")
	f.StringVar(&c.Columns, "columns", c.Columns, "vectors: names of the columns that are modelled, between commas (default: all)")
	f.StringVar(&c.Context, "context", c.Context, "vectors: columns that a conditional model is told, between commas; NAME:class takes numbers as categories\n(realnvp-vector, nsf, maf, iaf: the model is of the other columns given these)")
	f.StringVar(&c.Range, "range", c.Range, "vectors: LO,HI of the circle or the interval of --domain in the units of the data, such as 0,360 (default: -pi,pi or 0,1)")
	f.StringVar(&c.Delimiter, "delimiter", c.Delimiter, "vectors in text: comma, semicolon, tab or space (default: what the first line has)")
	f.StringVar(&c.Header, "header", c.Header, "vectors in text: yes or no, whether the first line is names (default: if it is no numbers)")
	f.StringVar(&c.Missing, "missing", c.Missing, "vectors: rows that lack a value, fail, or drop and count them (default: fail)")
	f.StringVar(&c.Quantum, "quantum", c.Quantum, "vectors: step of quantised columns: auto, none, a number, or NAME=NUMBER,... (default: auto)")
	f.BoolVar(&c.Raw, "raw", c.Raw, "vectors: model columns as they are, not with mean 0 and variance 1")
	f.StringVar(&c.Device, "device", c.Device, "auto, cpu, or one that \"train devices\" lists")
	f.StringVar(&c.Precision, "precision", c.Precision, "of the networks: fp32, bf16 (also on CPUs with AVX512_BF16), or on GPUs tf32 (default: tf32 where there is, else fp32)")
	f.Var(graphFlag{&c.NoGraph}, "graph", "on, or off: enqueue a GPU's steps op by op instead of as one recorded graph")
	f.StringVar((*string)(&c.Memory), "memory", string(c.Memory), "stash, recompute or reversible: from fastest to smallest")
	f.Uint64Var(&c.Seed, "seed", c.Seed, "of weights, order and noise")

	f.IntVar(&c.Model.Levels, "levels", c.Model.Levels, "glow, realnvp, ffjord: levels; each halves the image")
	f.IntVar(&c.Model.Steps, "depth", c.Model.Steps, "glow: flow steps per level; nice, realnvp-vector, nsf, jet: couplings; maf, iaf: layers; tarflow: blocks; ffjord: flows")
	f.IntVar(&c.Model.Hidden, "hidden", c.Model.Hidden, "channels inside the couplings' networks")
	f.IntVar(&c.Model.Depth, "blocks", c.Model.Depth, "realnvp: residual blocks of a network; nice, realnvp-vector, ffjord: its hidden layers; nsf, maf, iaf: either, see --net; jet, tarflow: layers of a transformer")
	f.StringVar(&c.Model.Coupling, "coupling", c.Model.Coupling, "glow, realnvp, realnvp-vector, jet: sigmoid, exp, tanh or additive; jet: also shifted, the shift before the scale")
	f.StringVar(&c.Model.Permutation, "permutation", c.Model.Permutation, "glow: lu, reverse or shuffle; nsf, maf, iaf: also natural, between couplings or layers")
	f.StringVar(&c.Model.Curve, "curve", c.Model.Curve, "nsf, maf, iaf: rational, quadratic or linear splines, logistics or gaussians (mixtures), or affine")
	f.IntVar(&c.Model.Bins, "bins", c.Model.Bins, "of a spline; logistics, gaussians: components")
	f.Float64Var(&c.Model.Bound, "bound", c.Model.Bound, "splines bend from -bound to bound and leave alone what is outside")
	f.StringVar(&c.Model.Domain, "domain", c.Model.Domain, "nsf, maf, iaf: line, circle or interval that splines bend on; the last two come with a uniform prior")
	f.StringVar(&c.Model.Net, "net", c.Model.Net, "nsf, maf, iaf: residual or mlp; nsf and realnvp-vector (mlp) also transformer, a token for every feature; glow: conv or transformer")
	f.Float64Var(&c.Model.Dropout, "dropout", c.Model.Dropout, "flowpp, nsf with --net residual: share of what a block computes that training leaves out, 0: none")
	f.StringVar(&c.Model.NetNorm, "net-norm", c.Model.NetNorm, "nsf with --net residual: none or batchnorm, inside the blocks")
	f.StringVar(&c.Model.Layers, "layers", c.Model.Layers, "chain: the layers in order, such as \"affine, planar*8, affine\" or \"mixcdf(k=8, logistic)\"")
	f.StringVar(&c.Model.Prior, "prior", c.Model.Prior, "learned, standard, logistic (nice, realnvp-vector), mixture, of the last level, or of a chain uniform or beta(a,b)")
	f.IntVar(&c.Model.Components, "components", c.Model.Components, "gmm, prior mixture: Gaussians")
	f.StringVar(&c.Model.Covariance, "covariance", c.Model.Covariance, "gmm, prior mixture: diagonal or full (default: diagonal)")
	f.Float64Var(&c.Model.Floor, "floor", c.Model.Floor, "gmm, prior mixture: least variance of a component; of images in intensities squared,\nof which dequantisation noise has 1/12 (default: that, of vectors and latents 1e-6)")
	f.StringVar(&c.Model.Layout, "layout", c.Model.Layout, "realnvp: notes or paper, by the last level; nice, realnvp-vector, nsf: evenodd or half")
	f.StringVar(&c.Model.Norm, "norm", c.Model.Norm, "realnvp-vector, nsf, maf, iaf, ffjord: none, actnorm or batchnorm after each coupling or layer")
	f.IntVar(&c.Model.Patch, "patch", c.Model.Patch, "jet, tarflow: side of the square of pixels that is a token")
	f.IntVar(&c.Model.Heads, "heads", c.Model.Heads, "of a transformer's attention")
	f.Float64Var(&c.Model.Noise, "noise", c.Model.Noise, "tarflow: standard deviation of Gaussian noise on pixels from -1 to 1, in place of uniform noise")
	f.StringVar(&c.Model.Dequantization, "dequantization", c.Model.Dequantization, "images: uniform noise on intensities, or variational, a flow that sees the image")
	f.IntVar(&c.Model.DequantSteps, "dequant-steps", c.Model.DequantSteps, "couplings of variational dequantisation (default: 4)")
	f.IntVar(&c.Model.DequantHidden, "dequant-hidden", c.Model.DequantHidden, "channels inside their networks (default: 32)")
	f.Float64Var(&c.Model.Logit, "logit", c.Model.Logit, "alpha of the logit that takes intensities to the real line, 0: none")

	odeFlags(f, &c.Model.ODE)

	f.StringVar(&c.Method, "method", c.Method, "gradient, or em: fit a gmm by expectation maximisation (default: gradient)")
	f.Float64Var(&c.Tolerance, "tolerance", c.Tolerance, "em: stop where an iteration gains less than this, in bits/dim or nats of a vector")
	f.IntVar(&c.Steps, "steps", c.Steps, "training steps, or iterations of em at most")
	f.IntVar(&c.Patience, "patience", c.Patience, "stop after so many validations without a new best one, whose weights are kept; 0: never")
	f.IntVar(&c.Batch, "batch", c.Batch, "images per step")
	f.Float64Var(&c.LR, "lr", c.LR, "learning rate")
	f.IntVar(&c.Warmup, "warmup", c.Warmup, "steps in which the learning rate rises")
	f.StringVar(&c.Schedule, "schedule", c.Schedule, "of the learning rate afterwards: constant or cosine")
	f.Var(optimizerFlag{&c.Adam.Max}, "optimizer", "adam or adamax")
	f.Float32Var(&c.Adam.Beta1, "beta1", c.Adam.Beta1, "decay of the optimizer's first moment")
	f.Float32Var(&c.Adam.Beta2, "beta2", c.Adam.Beta2, "decay of its second moment")
	f.Float32Var(&c.Adam.Eps, "eps", c.Adam.Eps, "its epsilon")
	f.Float32Var(&c.Adam.Clip, "clip", c.Adam.Clip, "greatest global norm of the gradient of bits/dim (of vectors: nats), 0: no clipping")
	f.Float32Var(&c.Adam.EMADecay, "ema", c.Adam.EMADecay, "decay of the averaged weights, 0: none")

	f.IntVar(&c.LogEvery, "log-every", c.LogEvery, "steps between lines of the log, at most 64")
	f.IntVar(&c.EvalEvery, "eval-every", c.EvalEvery, "steps between validations, 0: only at the end")
	f.IntVar(&c.EvalSamples, "eval-samples", c.EvalSamples, "held-out images or vectors scored before the end, 0: all")
	f.IntVar(&c.SampleEvery, "sample-every", c.SampleEvery, "steps between sample grids, 0: only at the end")
	f.IntVar(&c.CheckpointEvery, "checkpoint-every", c.CheckpointEvery, "steps between checkpoints, 0: only at the end")
	f.IntVar(&c.Samples, "samples", c.Samples, "images of a sample grid, or vectors drawn at the end")
	f.Float64Var(&c.Temperature, "temperature", c.Temperature, "of sample grids: 1 is the model's own")
}

// settings is a preset with the flags that were given.
func settings(c train.Config, given *pflag.FlagSet) (train.Config, error) {
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	if domain := given.Lookup("domain"); domain != nil && domain.Changed { // flags that are given too go before what it brings with it
		c.Model = c.Model.OnDomain(domain.Value.String())
	}
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
	of := ""
	if r.Best > 0 {
		of = fmt.Sprintf(", weights of step %d", r.Best)
	}
	fmt.Fprintf(out, "done      held-out %s after %d steps%s\n", r.Score, r.Steps, of)
	fmt.Fprintf(out, "samples   %s\n", r.Samples)
	fmt.Fprintf(out, "curves    %s\n", r.Curves)
	next := "--n 100 --temperature 0.8"
	if r.Score.Dims > 0 {
		next = "--n 1000"
	}
	fmt.Fprintf(out, "next      %s sample %s %s\n", os.Args[0], r.Dir, next)
}
