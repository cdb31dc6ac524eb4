package main

import (
	"errors"
	"fmt"
	"strconv"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	groupTrain = "train"
	groupUse   = "use"
	groupLook  = "look"
)

// rootCommand is `train`: without a subcommand it trains a new run.
func rootCommand(env train.Env) *cobra.Command {
	root := &cobra.Command{
		Use:   "train",
		Short: "Train normalizing flows on images and vectors",
		Long: `Train normalizing flows on images and vectors, on any CPU.

Without arguments, train trains a small Glow on the built-in 8x8 digits into runs/digits. A run's folder holds its
checkpoint, its log (log.jsonl, one object a line), its curves and its samples, and is all that the other commands need;
TensorBoard shows it too. Ctrl-C writes a checkpoint first; a resumed run ends with the same bits as one that was never
stopped. Images are the built-in digits, or a folder or file of your own: see --data, --size and --fit. Vectors are toys with
known densities, or tables of numbers: see --preset realnvp-tab, --data and --columns.`,
		Example: `  train
  train --preset glow-mnist --data data/mnist --out runs/mnist
  train --preset glow-small --data photos --size 48x64 --fit crop --flip
  train --preset realnvp-digits --out runs/realnvp
  train --preset realnvp-2d
  train --preset realnvp-tab --data stars.csv --columns ra,dec,mag --patience 10
  train --levels 1 --hidden 32 --steps 200 --out runs/small
  train resume runs/digits --steps 3000
  train eval runs/digits --json
  train sample runs/digits --n 100 --temperature 0.8 --out grid.png
  train plot runs/two-moons
  train score runs/digits test --csv scores.csv
  train interpolate runs/digits test:0 test:1
  train export runs/digits --format npz`,
		Args:          unknownCommand,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	startFlags(root, env)
	root.AddGroup(
		&cobra.Group{ID: groupTrain, Title: "Training:"},
		&cobra.Group{ID: groupUse, Title: "Using a run:"},
		&cobra.Group{ID: groupLook, Title: "What there is:"})
	root.AddCommand(
		resumeCommand(env), importCommand(env),
		evalCommand(env), scoreCommand(env), sampleCommand(env), plotCommand(env), interpolateCommand(env), reconstructCommand(env), inspectCommand(env), exportCommand(env),
		presetsCommand(), devicesCommand())
	return root
}

// flagError says what is wrong with a flag, without the names of Go's functions.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		cause := errors.Unwrap(err)
		if number := (*strconv.NumError)(nil); errors.As(err, &number) {
			cause = number.Err
		}
		err = fmt.Errorf("--%s %q: %w", invalid.GetFlag().Name, invalid.GetValue(), cause)
	}
	return train.UsageError{Err: fmt.Errorf("%w: `%s --help` lists the flags", err, c.CommandPath())}
}

// unknownCommand is what arguments of the root are.
func unknownCommand(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return train.UsageError{Err: fmt.Errorf("unknown command %q: `train --help` lists the commands", args[0])}
	}
	return nil
}

// exactly is cobra.ExactArgs with words.
func exactly(what ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(what) {
			return nil
		}
		return train.UsageError{Err: fmt.Errorf("wrong number of arguments: use it as `%s`", c.UseLine())}
	}
}

// atLeast is cobra.MinimumNArgs with words.
func atLeast(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) >= n {
			return nil
		}
		return exactly(make([]string, n)...)(c, args)
	}
}

// atMostOne is cobra.MaximumNArgs(1) with words.
func atMostOne(c *cobra.Command, args []string) error {
	if len(args) <= 1 {
		return nil
	}
	return exactly("NAME")(c, args)
}

// misuse is a mistake on the command line.
func misuse(format string, args ...any) error {
	return train.UsageError{Err: fmt.Errorf(format, args...)}
}

// givenClass refuses the one class that stands for none, where it was given.
func givenClass(f *pflag.FlagSet, class int) error {
	if f.Changed("class") && class < 0 {
		return misuse("--class is %d: classes count from 0", class)
	}
	return nil
}
