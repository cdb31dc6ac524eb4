package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"cuflow/flowgpu/plot"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func plotCommand(env train.Env) *cobra.Command {
	var use train.Use
	var p train.Plotting
	c := &cobra.Command{
		Use:   "plot DIR",
		Short: "Draw what a model of vectors has learned, beside held-out data",
		Long: `Draw what a model of vectors has learned, beside held-out data.

One column: the density over a histogram of the data, the distribution functions, the map from data to latent with its slope, and
the density after each layer. Two: the density and its logarithm, samples over data, what the flow does to a grid, and samples
on their way through the layers, as a strip and as an animated GIF; of a continuous flow its density over time with trajectories, too.
More: every pair of columns, and each column by itself.

It prints the Kolmogorov-Smirnov distance of samples and data in each column, and in one and two dimensions what the density
integrates to. --csv writes the numbers of each picture beside it.`,
		Example: `  train plot runs/two-moons
  train plot runs/diamonds --columns carat,depth,price --n 10000 --format svg
  train plot runs/bimodal --out figures --format pdf --csv`,
		GroupID: groupUse,
		Args:    exactly("DIR"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&p.Dir, "out", "", "folder of the pictures (default: plots in the run's folder)")
	f.IntVar(&p.N, "n", 4000, "samples of the model, and held-out rows at most")
	f.Uint64Var(&p.Seed, "seed", 1, "the same seed gives the same samples, and the same files")
	f.StringVar(&p.Format, "format", "png", strings.Join(plot.Formats(), ", "))
	f.StringSliceVar(&p.Columns, "columns", nil, "`names` of the columns to draw pairs of (default: the first)")
	f.BoolVar(&p.CSV, "csv", false, "write the numbers too")
	f.StringVar(&use.Data, "data", "", "where the data is (default: the run's data)")
	useFlags(c, &use)
	c.RunE = func(c *cobra.Command, args []string) error {
		done, err := train.Plot(c.Context(), args[0], p, use, env)
		if err != nil {
			return err
		}
		return writePlotted(c.OutOrStdout(), done)
	}
	return c
}

func writePlotted(out io.Writer, done *train.Plotted) error {
	if _, err := fmt.Fprintf(out, "%d samples against %d held-out rows\n\n", done.N, done.Rows); err != nil {
		return err
	}
	rows := [][]string{{"column", "KS distance", "usual at most"}}
	for _, d := range done.Distances {
		rows = append(rows, []string{d.Column, fmt.Sprintf("%.4f", d.KS), fmt.Sprintf("%.4f", d.Usual)})
	}
	if err := writeTable(out, rows); err != nil {
		return err
	}
	if done.Integral != nil {
		if _, err := fmt.Fprintf(out, "\n%s\n", done.Integral); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	for _, path := range done.Files {
		if _, err := fmt.Fprintf(out, "wrote %s\n", filepath.Clean(path)); err != nil {
			return err
		}
	}
	return nil
}
