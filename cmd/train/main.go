// Command train trains normalizing flows on images and vectors, and evaluates, samples and inspects what came of it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu/train"

	"golang.org/x/term"
)

// Exit statuses.
const (
	ok          = 0
	failed      = 1
	misused     = 2   // the command line was wrong
	interrupted = 130 // as shells have it for Ctrl-C
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand(environment(stdout, stderr))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return ok
	case errors.Is(err, train.ErrInterrupted):
		return interrupted
	}
	fmt.Fprintln(stderr, "train:", strings.ReplaceAll(err.Error(), "\n", "; "))
	if errors.As(err, &train.UsageError{}) {
		return misused
	}
	return failed
}

func environment(stdout, stderr io.Writer) train.Env {
	f, isFile := stdout.(*os.File)
	return train.Env{Open: openDevice, Out: stdout, Notes: stderr, Terminal: isFile && term.IsTerminal(int(f.Fd()))}
}

// openDevice opens what --device, --precision and --graph ask for.
func openDevice(c device.Choice) (device.Backend, error) {
	be, err := cpufallback.Open(c)
	if err != nil {
		return nil, train.UsageError{Err: err}
	}
	return be, nil
}
