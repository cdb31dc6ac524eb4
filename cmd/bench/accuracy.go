package main

import (
	"fmt"
	"io"

	"cuflow/cmd/bench/internal/show"
	"cuflow/device/devicetest"

	"github.com/spf13/cobra"
)

type accuracyFlags struct {
	deviceFlags
	large bool
	formatFlags
}

func accuracyCommand() *cobra.Command {
	var f accuracyFlags
	c := &cobra.Command{
		Use:   "accuracy",
		Short: "Compare every operation with a float64 reference",
		Long: `Compare every operation of a device with a float64 reference, on the cases that the tests use. ulp is the greatest error in units
of the last place of the right result, large where sums cancel; max and rms are errors in units of the root mean square of
the operation's right results.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runAccuracy(c.OutOrStdout(), f) },
	}
	f.deviceFlags.add(c)
	c.Flags().BoolVar(&f.large, "large", false, "the sizes that models have too: hours on sim")
	f.formatFlags.add(c)
	return c
}

func runAccuracy(out io.Writer, f accuracyFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	var some []devicetest.Case
	for _, c := range devicetest.Cases() {
		if f.large || !c.Bench {
			some = append(some, c)
		}
	}
	all, err := devicetest.Measure(be, some)
	if err != nil {
		return err
	}
	if done, err := printed(f.formatFlags, out, all); done {
		return err
	}
	t := show.Table{Left: 1}
	t.Add("operation", "cases", "values", "ulp", "max", "rms")
	for _, a := range all {
		t.Add(a.Op, fmt.Sprint(a.Cases), fmt.Sprint(a.Values), fmt.Sprintf("%.1f", a.ULP), fmt.Sprintf("%.1e", a.Max), fmt.Sprintf("%.1e", a.RMS))
	}
	return t.Write(out)
}
