package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/cmd/bench/internal/stats"
	"cuflow/flowgpu"

	"github.com/spf13/cobra"
)

type startFlags struct {
	workloadFlags
	deviceFlags
	formatFlags
	times int
	only  bool
}

func startCommand() *cobra.Command {
	var f startFlags
	c := &cobra.Command{
		Use:   "start",
		Short: "Time from the program's start to its first finished step",
		Long: `Start this program again and again, and time each from before it starts until it has taken a training step and ended: the wait
before training begins, without reading any data.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.only {
				return f.takeOne(c.OutOrStdout())
			}
			return f.run(c.OutOrStdout())
		},
	}
	f.workloadFlags.add(c)
	f.deviceFlags.add(c)
	f.formatFlags.add(c)
	c.Flags().IntVar(&f.times, "times", 5, "that the program is started")
	c.Flags().BoolVar(&f.only, "one-step", false, "take the step and end: what is timed")
	return c
}

// startReport is how long starts took.
type startReport struct {
	Preset string  `json:"preset"`
	Batch  int     `json:"batch"`
	Device string  `json:"device"` // as asked for
	Times  int     `json:"times"`
	Ms     float64 `json:"ms"`
	Min    float64 `json:"min"`
	P95    float64 `json:"p95"`
}

func (f *startFlags) run(out io.Writer) error {
	w, err := f.workloadFlags.only()
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if f.times < 1 || f.times > 1000 {
		return usagef("--times is %d: it must be from 1 to 1000", f.times)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	t, err := stats.Measure(make(stats.Times, 0, f.times), f.times, 0, func() error {
		text, err := exec.Command(program, f.args(w)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("a start failed: %w: %s", err, text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r := startReport{w.name, w.batch, f.choice.Name, len(t), milliseconds(t.Median()), milliseconds(t.Min()), milliseconds(t.P95())}
	if done, err := printed(f.formatFlags, out, []startReport{r}); done {
		return err
	}
	_, err = fmt.Fprintf(out, "%s, batches of %d: %s ms from the start of the program to the end of its first step (min %s, p95 %s, %s)\n",
		r.Preset, r.Batch, show.Number(r.Ms), show.Number(r.Min), show.Number(r.P95), counted(r.Times, "start"))
	return err
}

// args make another process take one step of the same work.
func (f *startFlags) args(w workload) []string {
	args := []string{"start", "--one-step", "--preset", w.name, "--batch", fmt.Sprint(w.batch), "--columns", fmt.Sprint(f.columns), "--memory", string(w.mode),
		"--device", f.choice.Name, "--graph", f.graph, "--cores", fmt.Sprint(f.cores)}
	if f.choice.Precision != "" {
		args = append(args, "--precision", f.choice.Precision)
	}
	return args
}

// takeOne builds the model, takes a step and says when.
func (f *startFlags) takeOne(out io.Writer) error {
	began := time.Now()
	w, err := f.workloadFlags.only()
	if err != nil {
		return err
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	m, err := flowgpu.New(be, w.model)
	if err != nil {
		return err
	}
	defer m.Close()
	s, err := flowgpu.NewStepper(m, w.stepping())
	if err != nil {
		return err
	}
	defer s.Close()
	x := randomSamples(w.model, w.batch)
	s.Initialise(x)
	if err := takeSteps(s, x, 1); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "first step done after %s ms\n", show.Number(milliseconds(time.Since(began))))
	return err
}
