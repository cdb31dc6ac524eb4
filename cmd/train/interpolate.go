package main

import (
	"fmt"
	"path/filepath"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func interpolateCommand(env train.Env) *cobra.Command {
	var use train.Use
	var way train.Way
	c := &cobra.Command{
		Use:   "interpolate DIR A B",
		Short: "Draw the way from one image to another through the latent space",
		Long: `Draw the way from one image to another through the latent space: both are encoded, the images at equal steps between the
latents are decoded. Pixels are encoded at their middle, v + 1/2, without random noise, so that the ends are A and B
themselves; how near they come is printed. Under a class-conditional model the latents are those of class 0.

Samples of a Gaussian in many dimensions lie near a sphere. The spherical path keeps to it, the linear one cuts through,
where images are greyer than any.

` + imageHelp,
		Example: "  train interpolate runs/digits test:0 test:1\n  train interpolate runs/faces a.png b.jpg --fit resize --steps 12 --out path.png",
		GroupID: groupUse,
		Args:    exactly("DIR", "A", "B"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&way.Steps, "steps", 8, "images on the way, both ends counted")
	f.StringVar(&way.Path, "path", "", "linear or spherical (default: spherical, of a logistic or mixture prior linear)")
	f.StringVar(&way.Picture, "out", "path.png", "the picture")
	imageFlags(c, &use, &way.Picking)
	c.RunE = func(c *cobra.Command, args []string) error {
		r, err := train.Interpolate(args[0], args[1], args[2], way, use, env)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(c.OutOrStdout(), "%d images on a %s path in %s; its ends are off by at most %.2g intensities\n",
			way.Steps, r.Path, filepath.Clean(way.Picture), r.Ends)
		return err
	}
	return c
}
