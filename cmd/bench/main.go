// Command bench measures how fast flows train here, what memory that takes, and how near each operation comes to what the
// machine can do.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program; it returns the exit status: 2 if the command line was wrong, 1 if something failed.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := execute(ctx, args, stdout, stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "bench:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, &train.UsageError{}) {
		return 2
	}
	return 1
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var f reportFlags
	root := &cobra.Command{
		Use:   "bench",
		Short: "Measure training steps, memory and operations of normalizing flows",
		Long: `Measure how fast normalizing flows train here, and why. Alone, bench prints one page about this machine: its peaks, the standard
workloads, and where the time of one of them goes. Times are of a monotonic clock, without what warms up.`,
		Example: `  bench
  bench step --preset glow-mnist,realnvp-tab --batch 1,8,64
  bench layers --preset nsf-tab
  bench scale --preset glow-digits --plot plots
  bench compare before.jsonl after.jsonl`,
		Args: unknownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.OutOrStdout()) },

		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	f.add(root)
	root.AddCommand(stepCommand(), sampleCommand(), opsCommand(), layersCommand(), scaleCommand(), memoryCommand(), startCommand(), compareCommand(),
		kernelsCommand(), trafficCommand(), peakCommand(), accuracyCommand(), devicesCommand(), collectCommand(), spinCommand())
	root.InitDefaultHelpCmd()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

func usagef(format string, args ...any) error {
	return train.UsageError{Err: fmt.Errorf(format, args...)}
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
	return usagef("%w: `%s --help` lists the flags", err, c.CommandPath())
}

// unknownCommand is what arguments of bench alone are.
func unknownCommand(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unknown command %q: `bench --help` lists the commands", args[0])
	}
	return nil
}

// noArgs is cobra.NoArgs with our exit status.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is too much: use it as `%s`", args[0], c.UseLine())
	}
	return nil
}
