// Command bench measures how fast flows train here, what memory that takes, and how near each operation comes to what the
// machine can do.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program; it returns the exit status: 2 if the command line was wrong, 1 if something failed.
func run(args []string, stdout, stderr io.Writer) int {
	err := execute(args, stdout, stderr)
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "bench:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, &train.UsageError{}) {
		return 2
	}
	return 1
}

func execute(args []string, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:                "bench",
		Short:              "Measure training steps, memory and operations of normalizing flows",
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(stepCommand(), memoryCommand(), opsCommand(), accuracyCommand(), trafficCommand(), reportCommand(), peakCommand(), devicesCommand())
	root.InitDefaultHelpCmd()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)

	// Cobra answers these two with a success and with an error that looks like any other.
	if len(args) == 0 {
		return usagef("no command given: `bench --help` lists the commands")
	}
	if _, _, err := root.Find(args); err != nil {
		return usagef("%w: `bench --help` lists the commands", err)
	}
	return root.Execute()
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

// noArgs is cobra.NoArgs with our exit status.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%q is too much: use it as `%s`", args[0], c.UseLine())
	}
	return nil
}

// deviceFlags say what computes.
type deviceFlags struct {
	choice device.Choice
	graph  string
}

func (f *deviceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.choice.Name, "device", "auto", "auto, cpu or a `name` that bench devices lists")
	c.Flags().StringVar(&f.choice.Precision, "precision", "", "of the networks on a GPU: fp32, tf32 or bf16 (default: tf32 where there is, else fp32)")
	c.Flags().StringVar(&f.graph, "graph", "on", "on, or off: enqueue a GPU's steps op by op instead of as one recorded graph")
}

// open opens what the flags ask for.
func (f *deviceFlags) open() (device.Backend, error) {
	if f.graph != "on" && f.graph != "off" {
		return nil, usagef("--graph is %q: use on or off", f.graph)
	}
	f.choice.NoGraph = f.graph == "off"
	return openDevice(f.choice)
}

func openDevice(c device.Choice) (device.Backend, error) {
	be, err := cpufallback.Open(c)
	if err != nil {
		return nil, train.UsageError{Err: err}
	}
	return be, nil
}

// budget checks --seconds.
func budget(seconds float64) (time.Duration, error) {
	if !(seconds >= 0 && seconds <= 3600) {
		return 0, usagef("--seconds is %v: it must be from 0 to 3600", seconds)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
