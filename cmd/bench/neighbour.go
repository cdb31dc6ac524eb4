package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/spf13/cobra"
)

// spinCommand is what bench scale starts beside a workload: a process that keeps a core busy until its input ends, which it does
// when whoever has started it ends.
func spinCommand() *cobra.Command {
	var seconds float64
	c := &cobra.Command{
		Use:    "spin",
		Short:  "Keep a core busy",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			limit, err := budget(seconds)
			if err != nil {
				return err
			}
			ended := make(chan struct{})
			go func() {
				io.Copy(io.Discard, c.InOrStdin())
				close(ended)
			}()
			spin(limit, ended)
			return nil
		},
	}
	c.Flags().Float64Var(&seconds, "seconds", 600, "at most")
	return c
}

// spin computes on one core for a while.
func spin(limit time.Duration, ended <-chan struct{}) {
	runtime.LockOSThread()
	x := 1.0
	for start := time.Now(); time.Since(start) < limit; {
		select {
		case <-ended:
			return
		default:
		}
		for range 1 << 16 {
			x = x*1.0000001 + 1e-9
		}
	}
	runtime.KeepAlive(x)
}

// besideNeighbour calls f while another process keeps a core busy.
func besideNeighbour(f func() error) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(program, "spin")
	leash, err := c.StdinPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return fmt.Errorf("a process to keep a core busy: %w", err)
	}
	defer c.Wait()
	defer leash.Close()
	time.Sleep(100 * time.Millisecond) // until it has begun
	return f()
}
