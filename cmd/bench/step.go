package main

import (
	"time"

	"cuflow/device"

	"github.com/spf13/cobra"
)

type stepFlags struct {
	workloadFlags
	deviceFlags
	roundFlags
	outputFlags
	until untilFlags
}

func stepCommand() *cobra.Command {
	var f stepFlags
	c := &cobra.Command{
		Use:   "step",
		Short: "Time whole training steps",
		Long: `Time whole training steps: upload, dequantisation, forward, backward and optimiser, on random samples.

gflops counts the products and convolutions of a step as the memory mode does them, peak_share compares them with the
fused multiply-adds that the same device did in the same run. With several presets or batches all are measured once in
every round, one after another, so that what disturbs the machine for a while disturbs them alike.

--baseline compares with what --json has stored, and the exit status is 1 if anything is slower by more than --tolerance.
--until trains on a data set instead, until held-out samples score so many bits/dim or nats, and tells how long it took.`,
		Example: `  bench step --preset glow-mnist --batch 1,8,64 --rounds 6 --json > before.jsonl
  bench step --preset glow-mnist --batch 1,8,64 --baseline before.jsonl --tolerance 5
  bench step --preset glow-digits --until 2.4`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.until.given(c) {
				return f.runUntil(c)
			}
			if err := f.until.alone(c); err != nil {
				return err
			}
			return f.run(c, timeSteps)
		},
	}
	f.workloadFlags.add(c)
	f.deviceFlags.add(c)
	f.roundFlags.add(c, 8)
	f.outputFlags.add(c)
	f.until.add(c)
	return c
}

// timer times a workload for a round.
type timer func(device.Backend, workload, time.Duration) (*record, error)

// run measures the workloads that the flags ask for, and tells what came of it.
func (f *stepFlags) run(c *cobra.Command, time timer) error {
	all, err := f.workloads()
	if err != nil {
		return err
	}
	return f.measure(c, all, time)
}

func (f *stepFlags) measure(c *cobra.Command, all []workload, time timer) error {
	baseline, err := f.readBaseline()
	if err != nil {
		return err
	}
	rounds, limit, err := f.rounds(c, baseline != nil)
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	records, err := inRounds(be, all, rounds, limit, time)
	if err != nil {
		return err
	}
	if err := f.print(c.OutOrStdout(), records); err != nil {
		return err
	}
	if err := f.plot(be, all, records); err != nil {
		return err
	}
	return f.judge(c.OutOrStdout(), c.ErrOrStderr(), baseline, records)
}

// inRounds measures every workload once in each round, on memory of its own every time.
func inRounds(be device.Backend, all []workload, rounds int, limit time.Duration, time timer) ([]*record, error) {
	records := make([]*record, len(all))
	for range rounds {
		for i, w := range all {
			r, err := time(be, w, limit)
			switch {
			case err != nil:
				return nil, err
			case records[i] == nil:
				records[i] = r
			default:
				records[i].add(r)
			}
		}
	}
	return records, nil
}
