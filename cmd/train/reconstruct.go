package main

import (
	"fmt"
	"path/filepath"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func reconstructCommand(env train.Env) *cobra.Command {
	var use train.Use
	var r train.Mirror
	c := &cobra.Command{
		Use:   "reconstruct DIR [IMAGE...]",
		Short: "Take images to their latents and back, and measure the error",
		Long: `Take images to their latents and back. The picture has three rows: the images x, f^-1(f(x)), and the difference of the two
times the power of ten that makes it visible. An exact flow has rounding errors alone. Pixels are taken at their middle,
v + 1/2, without random noise. Without images, the first held-out ones are taken.

` + imageHelp + `
A folder of pictures, another data set, "test" and "train" are all their images.`,
		Example: "  train reconstruct runs/digits\n  train reconstruct runs/digits test:3 test:141 --out two.png",
		GroupID: groupUse,
		Args:    atLeast(1),
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&r.N, "n", 16, "images at most")
	f.StringVar(&r.Picture, "out", "reconstruction.png", "the picture")
	imageFlags(c, &use, &r.Picking)
	c.RunE = func(c *cobra.Command, args []string) error {
		r.Images = args[1:]
		m, err := train.Reconstruct(args[0], r, use, env)
		if err != nil {
			return err
		}
		of := ""
		if m.Worst != "" {
			of = " (" + m.Worst + ")"
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d images in %s: largest error %.2g intensities%s, mean %.2g\n", m.N, filepath.Clean(r.Picture), m.Largest, of, m.Mean)
		return err
	}
	return c
}
