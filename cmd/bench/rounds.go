package main

import (
	"time"

	"github.com/spf13/cobra"
)

// roundFlags say how often and how long is measured.
type roundFlags struct {
	seconds float64
	count   int
}

const (
	mostRounds     = 1000
	comparedRounds = 6 // unless told otherwise: the least that bounds a median with 95 %
)

func (f *roundFlags) add(c *cobra.Command, seconds float64) {
	c.Flags().Float64Var(&f.seconds, "seconds", seconds, "measure each workload for at least this long, over all rounds")
	c.Flags().IntVar(&f.count, "rounds", 0, "in which all workloads are measured, one after another (default: 1, with --baseline 6)")
}

// rounds is how many there are, and how long a workload is measured in each.
func (f *roundFlags) rounds(c *cobra.Command, compared bool) (n int, each time.Duration, err error) {
	limit, err := budget(f.seconds)
	if err != nil {
		return 0, 0, err
	}
	n = f.count
	switch {
	case !c.Flags().Changed("rounds") && compared:
		n = comparedRounds
	case !c.Flags().Changed("rounds"):
		n = 1
	case n < 1 || n > mostRounds:
		return 0, 0, usagef("--rounds is %d: it must be from 1 to %d", n, mostRounds)
	}
	return n, limit / time.Duration(n), nil
}

// budget checks --seconds.
func budget(seconds float64) (time.Duration, error) {
	if !(seconds >= 0 && seconds <= 3600) {
		return 0, usagef("--seconds is %v: it must be from 0 to 3600", seconds)
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
