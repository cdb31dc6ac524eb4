package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

// untilFlags ask how long it takes to train to a score.
type untilFlags struct {
	score float64
	data  string
	every int
}

func (f *untilFlags) add(c *cobra.Command) {
	c.Flags().Float64Var(&f.score, "until", 0, "train until held-out samples score this `many` bits/dim, or nats if they are vectors, and tell how long it took")
	c.Flags().StringVar(&f.data, "data", "", "with --until: what is trained on, as `train --data` has it (default: the preset's)")
	c.Flags().IntVar(&f.every, "eval-every", 25, "with --until: `steps` from one look at the score to the next")
}

func (f *untilFlags) given(c *cobra.Command) bool { return c.Flags().Changed("until") }

// alone refuses the flags that only --until has.
func (f *untilFlags) alone(c *cobra.Command) error {
	for _, flag := range []string{"data", "eval-every"} {
		if c.Flags().Changed(flag) {
			return usagef("--%s is for --until, which is not given", flag)
		}
	}
	return nil
}

// reached is how long training took to a score.
type reached struct {
	Preset  string  `json:"preset"`
	Device  string  `json:"device"`
	Data    string  `json:"data"`
	Until   float64 `json:"until"`
	Unit    string  `json:"unit"`
	Reached bool    `json:"reached"`
	Score   float64 `json:"score"`   // the last; the best where Until was not reached
	Step    int     `json:"step"`    // of the score
	Seconds float64 `json:"seconds"` // from the first step on, validations included
	Ms      float64 `json:"ms_per_step"`
	Startup float64 `json:"startup_seconds"` // before the first step: reading data, building the model, first batch
}

// runUntil trains a preset in a folder that is removed afterwards. The preset's own number of steps is the most that it may take.
func (f *stepFlags) runUntil(c *cobra.Command) error {
	cfg, err := f.untilConfig(c)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-until-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, enough := context.WithCancel(c.Context())
	defer enough()
	r := reached{Preset: cfg.Preset, Data: cfg.Data, Until: f.until.score, Score: math.Inf(1)}
	began := time.Now()
	env := train.Env{Open: f.opener(&r.Device), Out: io.Discard, Scored: func(step int, seconds float64, s train.Score) {
		if r.Step == 0 {
			r.Startup = time.Since(began).Seconds() - seconds
		}
		score := s.BitsPerDim
		if r.Unit = "bits/dim"; s.Dims > 0 {
			score, r.Unit = s.Nats, "nats"
		}
		if r.Reached || score >= r.Score {
			return
		}
		r.Score, r.Step, r.Seconds = score, step, seconds
		if r.Reached = score <= r.Until; r.Reached {
			enough()
		}
	}}
	if _, err := train.Start(ctx, cfg, dir, env); err != nil && !(r.Reached && errors.Is(err, train.ErrInterrupted)) {
		return err
	}
	r.Ms = 1e3 * r.Seconds / float64(max(r.Step, 1))
	if done, err := printed(f.formatFlags, c.OutOrStdout(), []reached{r}); done {
		return err
	}
	return r.write(c.OutOrStdout())
}

// untilConfig is the run that the flags ask for.
func (f *stepFlags) untilConfig(c *cobra.Command) (cfg train.Config, err error) {
	for _, flag := range []string{"rounds", "seconds", "baseline", "tolerance", "plot", "columns"} {
		if c.Flags().Changed(flag) {
			return cfg, usagef("--until and --%s: a run to a score is one run, give one of them", flag)
		}
	}
	if math.IsNaN(f.until.score) || math.IsInf(f.until.score, 0) {
		return cfg, usagef("--until is %v: give a number of bits/dim or nats", f.until.score)
	}
	if len(f.presets) != 1 || len(f.batches) > 1 {
		return cfg, usagef("--until is about one preset and one batch")
	}
	if err := f.check(); err != nil {
		return cfg, err
	}
	p, err := train.Preset(f.presets[0])
	if err != nil {
		return cfg, err
	}
	cfg = p.Config
	cfg.Device, cfg.Precision, cfg.NoGraph = f.choice.Name, f.choice.Precision, f.graph == "off"
	cfg.EvalEvery, cfg.SampleEvery, cfg.CheckpointEvery = f.until.every, 0, 0
	if f.until.data != "" {
		cfg.Data = f.until.data
	}
	if len(f.batches) == 1 {
		cfg.Batch = f.batches[0]
	}
	if f.memory != "" {
		w, err := f.only()
		if err != nil {
			return cfg, err
		}
		cfg.Memory = w.mode
	}
	if f.until.every < 1 {
		return cfg, usagef("--eval-every is %d: it must be at least 1", f.until.every)
	}
	return cfg, nil
}

func (r reached) write(out io.Writer) error {
	if !r.Reached {
		_, err := fmt.Fprintf(out, "%s on %s, %s: %g %s was not reached; the best was %.3f at step %d, after %s s\n",
			r.Preset, r.Data, r.Device, r.Until, r.Unit, r.Score, r.Step, show.Number(r.Seconds))
		return err
	}
	_, err := fmt.Fprintf(out, "%s on %s, %s: %.3f %s at step %d, %s s after the first step began (%s ms a step, validations included), which was %s s after the start\n",
		r.Preset, r.Data, r.Device, r.Score, r.Unit, r.Step, show.Number(r.Seconds), show.Number(r.Ms), show.Number(r.Startup))
	return err
}
