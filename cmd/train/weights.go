package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func exportCommand(env train.Env) *cobra.Command {
	var x train.Exporting
	c := &cobra.Command{
		Use:   "export DIR",
		Short: "Write a run's weights for other frameworks, as safetensors or npz",
		Long: `Write a run's weights for other frameworks, as a safetensors or an npz file: one float32 array for each parameter, and as
metadata all that is needed to build the model. "go doc cuflow/flowgpu/weights" documents names, shapes and meaning layer by
layer. The settings of the run go along, but for the place of its data.`,
		Example: "  train export runs/digits\n  train export runs/digits --format npz --weights raw --out digits.npz",
		GroupID: groupUse,
		Args:    exactly("DIR"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&x.Format, "format", "", "safetensors or npz (default: by --out, else safetensors)")
	f.StringVar(&x.Weights, "weights", "", "best, those of the best validation, ema, the averaged ones, or raw (default: those that eval uses)")
	f.StringVar(&x.Out, "out", "", "the file (default: weights.safetensors or weights.npz in the run's folder)")
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := train.Export(args[0], x, env)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d arrays, %d values, %s weights in %s\n", r.Arrays, r.Values, r.Weights, r.Path)
		return err
	}
	return c
}

func importCommand(env train.Env) *cobra.Command {
	var im train.Importing
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Make a run of exported weights",
		Long: `Make a run of the weights that "train export" or another framework wrote. The file's own settings are used, or those of a
--preset whose model it must fit. Every bit comes back: eval, score, sample and inspect give what they give of the run that
was exported. resume trains on from these weights, as from a new run's first ones: from step 1, with a fresh optimiser and
the warm-up of the learning rate.`,
		Example: "  train import weights.safetensors --out runs/imported\n  train import theirs.npz --preset glow-digits --out runs/theirs",
		GroupID: groupTrain,
		Args:    exactly("FILE"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&im.Preset, "preset", "", "preset that the weights are for (default: the settings in the file)")
	f.StringVar(&im.Data, "data", "", "the run's data (default: as in the settings, if they tell, or the preset's)")
	f.StringVar(&im.Out, "out", "", "folder of the run (default \"runs/\" and the name of the file)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if im.Out == "" {
			name := filepath.Base(args[0])
			im.Out = filepath.Join("runs", strings.TrimSuffix(name, filepath.Ext(name)))
		}
		r, err := train.Import(args[0], im, env)
		if err != nil {
			return err
		}
		out := c.OutOrStdout()
		_, err = fmt.Fprintf(out, "%d arrays of %s: %s\nnext  %s eval %s\n", r.Arrays, r.Preset, r.Model, os.Args[0], r.Dir)
		return err
	}
	return c
}
