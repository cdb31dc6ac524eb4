package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

func presetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "presets [NAME]",
		Short:   "List the presets, or tell where one comes from and what it sets",
		Example: "  train presets\n  train presets glow-mnist",
		GroupID: groupLook,
		Args:    atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			out := c.OutOrStdout()
			if len(args) == 1 {
				p, err := train.Preset(args[0])
				if err != nil {
					return err
				}
				return p.Write(out)
			}
			w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
			for _, p := range train.Presets() {
				fmt.Fprintf(w, "%s\t%s\n", p.Preset, p.Title)
			}
			return w.Flush()
		},
	}
}

func devicesCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "devices",
		Short:   "List the devices, which of them this machine has, and why",
		GroupID: groupLook,
		Args:    exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			return writeDevices(c.OutOrStdout(), device.Probe(cpufallback.ISAs()))
		},
	}
}

func writeDevices(out io.Writer, found []device.Found) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range found {
		usable := "no"
		if f.Usable {
			usable = "yes"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Name, usable, f.Why)
	}
	return w.Flush()
}
