package main

import (
	"github.com/spf13/cobra"
)

func sampleCommand() *cobra.Command {
	var f stepFlags
	c := &cobra.Command{
		Use:   "sample",
		Short: "Time drawing samples",
		Long: `Time drawing batches of samples at temperature 1, from the latents to the values on the host, with a model that has seen one batch.
A batch is 64 images or 1,000 vectors unless --batch says otherwise.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := f.workloads()
			if err != nil {
				return err
			}
			for i := range all {
				if len(f.batches) == 0 {
					all[i].batch = drawn(all[i])
				}
			}
			return f.measure(c, all, timeDraws)
		},
	}
	f.workloadFlags.add(c)
	f.deviceFlags.add(c)
	f.roundFlags.add(c, 8)
	f.outputFlags.add(c)
	return c
}

// drawn is how many samples a batch has where nobody says.
func drawn(w workload) int {
	if w.model.Intensities > 0 {
		return drawnImages
	}
	return drawnVectors
}
