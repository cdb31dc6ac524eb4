package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func resumeCommand(env train.Env) *cobra.Command {
	var over train.Config
	c := &cobra.Command{
		Use:   "resume DIR",
		Short: "Go on with a run that was stopped, or train a finished one further",
		Long: `Go on with a run that was stopped, or train a finished one further.

On the device it was trained on, a resumed run ends with the same bits as one that was never stopped. With another
number of steps a cosine schedule is stretched to it.`,
		Example: "  train resume runs/digits\n  train resume runs/digits --steps 3000",
		GroupID: groupTrain,
		Args:    exactly("DIR"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&over.Steps, "steps", 0, "training steps in all (default: as before)")
	f.Float64Var(&over.LR, "lr", 0, "learning rate (default: as before)")
	f.Float32Var(&over.Adam.Clip, "clip", 0, "greatest global norm of the gradient of bits/dim (default: as before)")
	f.StringVar(&over.Device, "device", "", "device (default: as before)")
	f.StringVar(&over.Data, "data", "", "folder of the data, if it has moved (default: as before)")
	c.RunE = func(c *cobra.Command, args []string) error {
		result, err := train.Resume(c.Context(), args[0], func(cfg *train.Config) {
			for name, set := range map[string]func(){
				"steps":  func() { cfg.Steps = over.Steps },
				"lr":     func() { cfg.LR = over.LR },
				"clip":   func() { cfg.Adam.Clip = over.Adam.Clip },
				"device": func() { cfg.Device = over.Device },
				"data":   func() { cfg.Data = over.Data },
			} {
				if f.Changed(name) {
					set()
				}
			}
		}, env)
		if err != nil {
			return err
		}
		conclude(c, result)
		return nil
	}
	return c
}

// useFlags say where a trained model is used.
func useFlags(c *cobra.Command, u *train.Use) {
	c.Flags().StringVar(&u.Device, "device", "", "device (default: the one of the run, or the best there is)")
}

func evalCommand(env train.Env) *cobra.Command {
	var use train.Use
	var asJSON bool
	c := &cobra.Command{
		Use:   "eval DIR",
		Short: "Score all held-out images: bits/dim with its standard error",
		Long: `Score all held-out images with the averaged weights: bits/dim with its standard error over the images. Every
preprocessing constant is counted, the last batch is not dropped, and a value that is no number is an error.`,
		Example: "  train eval runs/digits\n  train eval runs/digits --json",
		GroupID: groupUse,
		Args:    exactly("DIR"),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print one JSON object: bits_per_dim, stderr, nats, n, device")
	c.Flags().StringVar(&use.Data, "data", "", "other data to score (default: the run's)")
	useFlags(c, &use)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := train.Evaluate(c.Context(), args[0], use, env)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(r)
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s (%.2f nats each) on %s\n", r.Score, r.Nats, r.Device)
		return err
	}
	return c
}

func sampleCommand(env train.Env) *cobra.Command {
	var use train.Use
	var n int
	var temperature float64
	var seed uint64
	var out string
	c := &cobra.Command{
		Use:     "sample DIR",
		Short:   "Draw images from a trained model into a picture",
		Example: "  train sample runs/digits --n 100 --temperature 0.8 --seed 7 --out digits.png",
		GroupID: groupUse,
		Args:    exactly("DIR"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&n, "n", 64, "number of images")
	f.Float64Var(&temperature, "temperature", 0.7, "standard deviation of the latent: 1 samples the model, less is tamer")
	f.Uint64Var(&seed, "seed", 1, "the same seed gives the same images")
	f.StringVar(&out, "out", "grid.png", "the picture")
	useFlags(c, &use)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := train.Sample(args[0], n, temperature, seed, out, use, env); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "%d samples at temperature %g in %s\n", n, temperature, filepath.Clean(out))
		return err
	}
	return c
}

func inspectCommand(_ train.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "inspect DIR",
		Short:   "Show a run's settings and its model's layers, shapes and parameters",
		Example: "  train inspect runs/digits",
		GroupID: groupUse,
		Args:    exactly("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			return train.Inspect(args[0], c.OutOrStdout())
		},
	}
}
