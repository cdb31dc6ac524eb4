package main

import (
	"fmt"
	"io"
	"path/filepath"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func scoreCommand(env train.Env) *cobra.Command {
	var use train.Use
	var r train.Rating
	var seed uint64
	c := &cobra.Command{
		Use:   "score DIR IMAGE...",
		Short: "Score images or vectors one by one: log p and bits/dim of each, the best and the worst",
		Long: `Score images one by one with the averaged weights: log p in nats and bits/dim, as eval counts them. --csv writes a line for
every image (name,logp,bits_per_dim), --out shows the likeliest beside the least likely ones. However many images there
are, they are read as they are scored. A value that is no number is written to the file, and the command fails.

` + imageHelp + `
A folder of pictures, another data set (idx, CIFAR, .npy, .npz), "test" and "train" are all their images.

Vectors are those of a .csv, .npy or .npz file that has the model's columns, or of "test", "val" and "train". For a conditional
model each row has its context in columns of its own, or --context gives one for all.`,
		Example: `  train score runs/digits test --csv scores.csv
  train score runs/faces photos/ --fit resize --best 16 --worst 16 --out extremes.png
  train score runs/stars new.csv --csv scores.csv`,
		GroupID: groupUse,
		Args:    atLeast(2),
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&r.CSV, "csv", "", "file of all images' scores (default: none)")
	f.IntVar(&r.Best, "best", 5, "how many of the likeliest images to name and show")
	f.IntVar(&r.Worst, "worst", 5, "how many of the least likely ones")
	f.StringVar(&r.Picture, "out", "", "picture of those (default: none)")
	f.Uint64Var(&seed, "seed", 0, "of the dequantisation noise (default: eval's, the run's)")
	f.IntVar(&r.Class, "class", train.AllClasses, "class of pictures, for a class-conditional model (default: none)")
	f.Lookup("class").DefValue = "0" // is not shown: the words say it
	f.StringVar(&r.Context, "context", "", "of a conditional model, for all vectors: NAME=VALUE,... (default: the columns of the table)")
	imageFlags(c, &use, &r.Picking)
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.Changed("seed") {
			r.Seed = &seed
		}
		if err := givenClass(f, r.Class); err != nil {
			return err
		}
		r.Images = args[1:]
		rated, err := train.Rate(c.Context(), args[0], r, use, env)
		if err != nil {
			return err
		}
		return writeRated(c.OutOrStdout(), rated, r)
	}
	return c
}

// scored writes a score, of images with their nats.
func scored(s train.Score) string {
	if s.Dims > 0 {
		return s.String()
	}
	return fmt.Sprintf("%s (%.2f nats each)", s, s.Nats)
}

func writeRated(out io.Writer, rated *train.Rated, r train.Rating) error {
	if _, err := fmt.Fprintln(out, scored(rated.Score)); err != nil {
		return err
	}
	for _, part := range []struct {
		title string
		list  []train.RatedImage
	}{{"best", rated.Best}, {"worst", rated.Worst}} {
		if len(part.list) == 0 {
			continue
		}
		rows := [][]string{{part.title, "log p", "bits/dim"}}
		for _, i := range part.list {
			rows = append(rows, []string{i.Name, fmt.Sprintf("%.2f", i.LogP), fmt.Sprintf("%.4f", i.BitsPerDim)})
		}
		if rated.Dims > 0 { // vectors
			for i := range rows {
				rows[i] = rows[i][:2]
			}
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
		if err := writeTable(out, rows); err != nil {
			return err
		}
	}
	for _, file := range []struct{ name, path string }{{"scores", r.CSV}, {"picture", r.Picture}} {
		if file.path == "" {
			continue
		}
		if _, err := fmt.Fprintf(out, "\n%s in %s", file.name, filepath.Clean(file.path)); err != nil {
			return err
		}
	}
	if r.CSV != "" || r.Picture != "" {
		_, err := fmt.Fprintln(out)
		return err
	}
	return nil
}
