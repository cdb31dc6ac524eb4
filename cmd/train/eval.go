package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func evalCommand(env train.Env) *cobra.Command {
	var use train.Use
	var detail train.Detail
	var asJSON bool
	c := &cobra.Command{
		Use:   "eval DIR",
		Short: "Score all held-out images or vectors: bits/dim or nats with its standard error",
		Long: `Score all held-out images with the averaged weights: bits/dim with its standard error over the images. Every
preprocessing constant is counted, the last batch is not dropped, and a value that is no number is an error.

Vectors are scored in nats per sample, as a density in the units of the data: those of the test part, with the weights of the
best validation where training stops early. Of a toy, whose density is known, it is told how much the best model of all takes.

--by-level tells where the bits come from: dequantisation, preprocessing, the log-determinant of every layer, the prior of
every level. They add up to the score. Numbers below 0 are bits saved.

Where the dequantisation is variational the score is a bound: what is exact of it, -log p(v+u), is told apart from log q(u|v), what
the noise was chosen by.

--k K gives, beside the score, the bound of K noises per image, -log 1/K sum p(v + u)/q(u|v): it comes closer to what the model says
of whole-number images, the integral of p over their cell, and costs K times the time.`,
		Example: "  train eval runs/digits\n  train eval runs/digits --by-level\n  train eval runs/digits --k 16 --json",
		GroupID: groupUse,
		Args:    exactly("DIR"),
	}
	f := c.Flags()
	f.SortFlags = false
	f.BoolVar(&detail.Terms, "by-level", false, "tell where the bits come from, by level and by layer")
	f.IntVar(&detail.K, "k", 0, "noises per image of an importance-weighted bound (default: none)")
	f.BoolVar(&asJSON, "json", false, "print one JSON object: bits_per_dim, stderr, nats, n, device, and breakdown and bound if asked for")
	f.StringVar(&use.Data, "data", "", "other data to score (default: the run's)")
	useFlags(c, &use)
	c.RunE = func(c *cobra.Command, args []string) error {
		if f.Changed("k") && detail.K < 1 {
			return misuse("--k is %d: it must be at least 1", detail.K)
		}
		r, err := train.Evaluate(c.Context(), args[0], detail, use, env)
		if err != nil {
			return err
		}
		if asJSON {
			return json.NewEncoder(c.OutOrStdout()).Encode(r)
		}
		return writeEvaluation(c.OutOrStdout(), r)
	}
	return c
}

func writeEvaluation(out io.Writer, r *train.Evaluation) error {
	unit, thing, factor := "bits/dim", "image", 1.0
	if r.Dims > 0 {
		unit, thing, factor = "nats", "sample", float64(r.Dims)*math.Ln2
	}
	_, err := fmt.Fprintf(out, "%s on %s\n", scored(r.Score), r.Device)
	if v := r.Variational; v != nil && err == nil {
		_, err = fmt.Fprintf(out, "a bound: %.4f exact, of the images with their noise, and %+.4f for the choice of the noise\n", v.Flow, v.Noise)
	}
	if s := r.Solved; s != nil && err == nil {
		_, err = fmt.Fprintln(out, s)
	}
	if e := r.Exact; e != nil && err == nil {
		_, err = fmt.Fprintf(out, "the true density takes %.4f of them (entropy %.4f): %.4f ± %.4f nats less\n", e.Nats, e.Entropy, e.KL, e.KLStderr)
	}
	if d := r.Discrete; d != nil && err == nil {
		_, err = fmt.Fprintf(out, "at most %.4f nats (%.4f bits) for the values on their steps\n", *d, *d/math.Ln2)
	}
	if b := r.Bound; b != nil && err == nil {
		_, err = fmt.Fprintf(out, "\n%d noises per %s  %s\none noise            %s\ndifference           %.5f ± %.5f %s\n",
			b.K, thing, b.Score, b.One, b.Gain, b.GainStderr, unit)
	}
	if b := r.Breakdown; b != nil && err == nil {
		_, err = fmt.Fprintln(out)
		if err == nil {
			err = writeBreakdown(out, b, unit, factor)
		}
	}
	return err
}

// writeBreakdown writes one table of levels and one of terms, in a unit of which a bit/dim is so many.
func writeBreakdown(out io.Writer, b *train.Breakdown, unit string, factor float64) error {
	bits := func(v float64) string {
		if v == 0 {
			return "-"
		}
		return strconv.FormatFloat(v*factor, 'f', 4, 64)
	}
	levels := [][]string{{"level", "dequantisation", "preprocessing", "log-determinants", "prior", unit}}
	for _, l := range b.Levels {
		name := "data"
		if l.Level > 0 {
			name = strconv.Itoa(l.Level)
		}
		levels = append(levels, []string{name, bits(l.Dequantisation), bits(l.Preprocessing), bits(l.LogDet), bits(l.Prior), bits(l.BitsPerDim)})
	}
	levels = append(levels, []string{"sum", "", "", "", "", bits(b.Sum)})
	terms := [][]string{{"term", "kind", unit}}
	for _, t := range b.Terms {
		terms = append(terms, []string{t.Name, t.Kind, bits(t.BitsPerDim)})
	}
	terms = append(terms, []string{"sum", "", bits(b.Sum)})
	if err := writeTable(out, levels); err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out); err != nil {
		return err
	}
	return writeTable(out, terms)
}
