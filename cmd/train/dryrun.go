package main

import (
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

// dryRun tells what a run would take.
func dryRun(c *cobra.Command, cfg train.Config, env train.Env) error {
	if c.Flags().Changed("out") {
		return misuse("--dry-run and --out: a dry run leaves nothing behind, give one of them")
	}
	e, err := train.DryRun(c.Context(), cfg, env)
	if err != nil {
		return err
	}
	return e.Write(c.OutOrStdout())
}
