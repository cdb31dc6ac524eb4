package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func sampleCommand(env train.Env) *cobra.Command {
	var use train.Use
	var temperature float64
	g := train.Sampling{}
	c := &cobra.Command{
		Use:   "sample DIR",
		Short: "Draw images from a trained model into a picture, or vectors into a .csv, and a file of arrays",
		Long: `Draw images from a trained model into a picture, with the averaged weights. Several temperatures are shown side by side,
drawn of the same noise. A class-conditional model draws one class per column, or one that --class gives.

Vectors are drawn into a text file, a row each, in the units of the data and on its steps, where it has some. A conditional
model is told what to draw under by --context: 'a=1.5,kind=old', or a table, whose rows take turns.

--npz writes the values for numpy.load, T being the temperatures: continuous (T, N, C, H, W) as the model draws them, rounded,
the same as pixels, temperature (T), seed, and class (N) of a class-conditional model. Vectors are of shape (T, N, D).`,
		Example: `  train sample runs/digits --n 100 --temperature 0.8 --seed 7 --out digits.png
  train sample runs/digits --temperatures 0,0.25,0.5,0.7,1 --out temperatures.png
  train sample runs/digits --n 1000 --temperature 1 --npz samples.npz
  train sample runs/two-moons --n 10000 --out moons.csv
  train sample runs/stars --n 1000 --context 'magnitude=9.5' --out stars.csv`,
		GroupID: groupUse,
		Args:    exactly("DIR"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.IntVar(&g.N, "n", 64, "images or vectors, at each temperature; of a table of contexts as many as its rows")
	f.Float64Var(&temperature, "temperature", 0.7, "standard deviation of the latent: 1, usual for vectors, samples the model, less is tamer")
	f.Float64SliceVar(&g.Temperatures, "temperatures", nil, "`several`, side by side, such as 0,0.5,1")
	f.Uint64Var(&g.Seed, "seed", 1, "the same seed gives the same images")
	f.IntVar(&g.Class, "class", train.AllClasses, "class that a class-conditional model draws (default: one per column)")
	f.Float64Var(&g.Guidance, "guidance", 0, "of a tarflow with classes: take samples so far away from those of no class, such as 1 (default: 0, not)")
	f.BoolVar(&g.Denoise, "denoise", false, "of a model trained with --noise: take the noise off, by one step along the gradient of the density")
	f.StringVar(&g.Context, "context", "", "of a conditional model: NAME=VALUE,... or a table with its context's columns, whose rows take turns")
	f.StringVar(&g.Picture, "out", "", "the file (default \"grid.png\", of vectors \"samples.csv\")")
	f.StringVar(&g.Arrays, "npz", "", "file of the values, for numpy.load (default: none)")
	f.Lookup("class").DefValue, f.Lookup("temperatures").DefValue = "0", "" // are not shown: the words say it
	useFlags(c, &use)
	c.RunE = func(c *cobra.Command, args []string) error {
		if !f.Changed("n") && g.Context != "" && !strings.Contains(g.Context, "=") {
			g.N = train.EachContext
		}
		switch {
		case f.Changed("temperatures") && f.Changed("temperature"):
			return misuse("give one of --temperature and --temperatures")
		case f.Changed("temperature"):
			g.Temperatures = []float64{temperature}
		}
		if err := givenClass(f, g.Class); err != nil {
			return err
		}
		if err := train.Sample(args[0], &g, use, env); err != nil {
			return err
		}
		var at []string
		for _, t := range g.Temperatures {
			at = append(at, fmt.Sprint(t))
		}
		each, where := "", filepath.Clean(g.Picture)
		if len(at) > 1 {
			each = " each"
		}
		if g.Arrays != "" {
			where += " and " + filepath.Clean(g.Arrays)
		}
		_, err := fmt.Fprintf(c.OutOrStdout(), "%d samples%s at temperature %s in %s\n", g.N, each, strings.Join(at, ", "), where)
		return err
	}
	return c
}
