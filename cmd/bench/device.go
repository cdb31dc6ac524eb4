package main

import (
	"fmt"
	"runtime"
	"strings"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

// deviceFlags say what computes.
type deviceFlags struct {
	choice device.Choice
	graph  string
	cores  int
}

func (f *deviceFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.choice.Name, "device", "auto", "auto, cpu or a `name` that bench devices lists")
	c.Flags().StringVar(&f.choice.Precision, "precision", "", "of the networks: fp32, bf16 (also on CPUs with AVX512_BF16), or on GPUs tf32 (default: tf32 where there is, else fp32)")
	c.Flags().StringVar(&f.graph, "graph", "on", "on, or off: enqueue a GPU's steps op by op instead of as one recorded graph")
	c.Flags().IntVar(&f.cores, "cores", 0, "of a CPU (default: all that the program may use)")
}

// open opens what the flags ask for.
func (f *deviceFlags) open() (device.Backend, error) {
	if f.graph != "on" && f.graph != "off" {
		return nil, usagef("--graph is %q: use on or off", f.graph)
	}
	f.choice.NoGraph = f.graph == "off"
	if f.cores == 0 {
		return openDevice(f.choice)
	}
	name := f.choice.Name
	if name == "auto" {
		name = "cpu"
	}
	switch {
	case f.cores < 0 || f.cores > mostCores:
		return nil, usagef("--cores is %d: it must be from 1 to %d", f.cores, mostCores)
	case name != "cpu" && !strings.HasPrefix(name, "cpu:"):
		return nil, usagef("--cores is of a CPU, but --device is %s", name)
	case f.choice.Precision != "" && f.choice.Precision != "fp32":
		return nil, usagef("--cores and --precision %s: give one of them", f.choice.Precision)
	}
	return onCores(name, f.cores)
}

// mostCores is more than any machine has.
const mostCores = 1 << 12

func openDevice(c device.Choice) (device.Backend, error) {
	be, err := cpufallback.Open(c)
	if err != nil {
		return nil, train.UsageError{Err: err}
	}
	return be, nil
}

// onCores opens a CPU's backend on a number of cores.
func onCores(name string, cores int) (device.Backend, error) {
	be, err := cpufallback.NewWorkers(name, cores)
	if err != nil {
		return nil, train.UsageError{Err: err}
	}
	return be, nil
}

// workers is on how many cores the device computes, 0 if it is not a CPU.
func workers(be device.Backend) int {
	if c, ok := be.(*cpufallback.Backend); ok {
		return c.Workers()
	}
	return 0
}

// precision is how a device rounds the factors of its networks' products, "" for CPUs that do not.
func precision(be device.Backend) string {
	if g, ok := be.(interface{ Precision() string }); ok {
		return g.Precision()
	}
	return ""
}

// onGPU says whether the device is a GPU, or the interpreter of one: it works while the host goes on.
func onGPU(be device.Backend) bool { return workers(be) == 0 && precision(be) != "" }

// onDevice names a device as reports do.
func onDevice(be device.Backend) string {
	name := be.Name()
	if n := workers(be); n > 0 {
		name += fmt.Sprintf(" on %s", counted(n, "core"))
	}
	if p := precision(be); p != "" {
		name += " in " + p
	}
	return name
}

// counted is a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// platform is what the program runs on.
func platform() string {
	return fmt.Sprintf("%s, %s/%s, %s", processor(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// opener opens the device of the flags for a run, and notes what it is called.
func (f *deviceFlags) opener(name *string) func(device.Choice) (device.Backend, error) {
	return func(device.Choice) (device.Backend, error) {
		be, err := f.open()
		if err == nil {
			*name = onDevice(be)
		}
		return be, err
	}
}
