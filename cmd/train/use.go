package main

import (
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
	f.IntVar(&over.Patience, "patience", 0, "stop after so many validations without a new best one (default: as before)")
	f.Float64Var(&over.LR, "lr", 0, "learning rate (default: as before)")
	f.Float32Var(&over.Adam.Clip, "clip", 0, "greatest global norm of the gradient of bits/dim, of vectors nats (default: as before)")
	f.StringVar(&over.Device, "device", "", "device (default: as before)")
	f.StringVar(&over.Precision, "precision", "", "of the networks: fp32, bf16, or on GPUs tf32 (default: as before)")
	f.Var(graphFlag{&over.NoGraph}, "graph", "on, or off: enqueue a GPU's steps op by op (default: as before)")
	f.StringVar(&over.Data, "data", "", "folder or file of the data, if it has moved (default: as before)")
	c.RunE = func(c *cobra.Command, args []string) error {
		result, err := train.Resume(c.Context(), args[0], func(cfg *train.Config) {
			for name, set := range map[string]func(){
				"steps":     func() { cfg.Steps = over.Steps },
				"patience":  func() { cfg.Patience = over.Patience },
				"lr":        func() { cfg.LR = over.LR },
				"clip":      func() { cfg.Adam.Clip = over.Adam.Clip },
				"device":    func() { cfg.Device = over.Device },
				"precision": func() { cfg.Precision = over.Precision },
				"graph":     func() { cfg.NoGraph = over.NoGraph },
				"data":      func() { cfg.Data = over.Data },
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
	c.Flags().StringVar(&u.Precision, "precision", "", "of the networks: fp32, bf16, or on GPUs tf32 (default: that of the run)")
	odeUseFlags(c.Flags(), &u.ODE)
}

// imageHelp is what every command that takes images says of them.
const imageHelp = `An image is a picture file (PNG, JPEG, GIF, BMP, TIFF, WebP), made what the model takes: its channels (grey by luma), its
intensities (low bits dropped), and with --fit its size. "test:7" is image 7 of those that the run held out, from 0, and
"train:7" one of those that it was trained with; a file of such a name is ./test:7.`

// imageFlags say how images are read.
func imageFlags(c *cobra.Command, u *train.Use, p *train.Picking) {
	c.Flags().StringVar(&p.Fit, "fit", "", "make pictures of another size fit: crop, resize or pad (default: as in training)")
	c.Flags().StringVar(&u.Data, "data", "", "where test and train are (default: the run's data)")
	useFlags(c, u)
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
