package main

import (
	"cuflow/cmd/bench/internal/show"
	"cuflow/cpufallback"
	"cuflow/device"

	"github.com/spf13/cobra"
)

func devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "devices",
		Short: "List what --device may name, and whether this machine has it",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t := show.Table{Left: 3}
			t.Add("device", "usable", "")
			for _, f := range device.Probe(cpufallback.ISAs()) {
				usable := "no"
				if f.Usable {
					usable = "yes"
				}
				t.Add(f.Name, usable, f.Why)
			}
			return t.Write(c.OutOrStdout())
		},
	}
}
