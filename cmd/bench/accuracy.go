package main

import (
	"encoding/json"
	"fmt"
	"io"

	"cuflow/device/devicetest"

	"github.com/spf13/cobra"
)

type accuracyFlags struct {
	deviceFlags
	large bool
	json  bool
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
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object a line")
	return c
}

func runAccuracy(out io.Writer, f accuracyFlags) error {
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
	if f.json {
		e := json.NewEncoder(out)
		for _, a := range all {
			if err := e.Encode(a); err != nil {
				return err
			}
		}
		return nil
	}
	t := table{left: 1}
	t.add("operation", "cases", "values", "ulp", "max", "rms")
	for _, a := range all {
		t.add(a.Op, fmt.Sprint(a.Cases), fmt.Sprint(a.Values), fmt.Sprintf("%.1f", a.ULP), fmt.Sprintf("%.1e", a.Max), fmt.Sprintf("%.1e", a.RMS))
	}
	return t.write(out)
}
