package device

import (
	"fmt"
	"strconv"
	"strings"

	"cuflow/kernels"
)

// Choice is what a user asks for.
type Choice struct {
	// Name is "auto", "cpu", "cpu:avx2" and its like, "cuda", "cuda:1", "sim" or "sim:70".
	Name string
	// Precision is of the conditioners' products: "fp32", "tf32", "bf16", or "" for what suits the device, see NewGPU. A CPU has fp32,
	// and bf16 where it has instructions for it.
	Precision string
	// NoGraph has steps enqueued op by op, never recorded.
	NoGraph bool
	// Say is told which device "auto" has chosen and why, and what takes long at the first start. nil: nobody.
	Say func(text string)
}

func (c Choice) say(format string, args ...any) {
	if c.Say != nil {
		c.Say(fmt.Sprintf(format, args...))
	}
}

// Open gives the backend that is asked for. "auto" takes the first GPU that can be used, else the fastest CPU backend. cpu opens
// the CPU backends, with c's precision: this package does not know them.
func Open(c Choice, cpu func(name string) (Backend, error)) (Backend, error) {
	kind, which, _ := strings.Cut(c.Name, ":")
	switch kind {
	case "auto":
		if which != "" {
			break
		}
		d, why := openCUDA(-1, c.Say)
		if why != nil {
			c.say("no GPU: %v; the CPU computes", why)
			return openCPU(Choice{Name: "cpu", Precision: c.Precision}, cpu)
		}
		c.say("%s is the first GPU that can be used", d.Chip().Name)
		return c.overDriver(d)
	case "cpu":
		return openCPU(c, cpu)
	case "cuda":
		n := 0
		if which != "" {
			var err error
			if n, err = strconv.Atoi(which); err != nil || n < 0 {
				return nil, fmt.Errorf("device %q: a GPU is named by its number: cuda:0", c.Name)
			}
		}
		d, err := openCUDA(n, c.Say)
		if err != nil {
			return nil, fmt.Errorf("device %q: %w", c.Name, err)
		}
		return c.overDriver(d)
	case "sim":
		switch which {
		case "", "70", "80":
			return c.overDriver(NewSim(SimConfig{Target: kernels.Target(which)}))
		}
	}
	return nil, fmt.Errorf("unknown device %q: use auto, cpu, cuda, cuda:NUMBER or sim; `train devices` lists what this machine has", c.Name)
}

// openCPU refuses what only GPUs have.
func openCPU(c Choice, cpu func(name string) (Backend, error)) (Backend, error) {
	if c.Precision != "" && c.Precision != "fp32" && c.Precision != "bf16" {
		return nil, fmt.Errorf("device %q computes in fp32, or bf16 where the processor can: --precision %s is for GPUs", c.Name, c.Precision)
	}
	return cpu(c.Name)
}

func (c Choice) overDriver(d Driver) (Backend, error) {
	be, err := NewGPU(d, c.Precision)
	if err != nil {
		d.Close()
		return nil, err
	}
	if c.NoGraph {
		be = unrecorded{be.(*gpu)}
	}
	return be, nil
}

// unrecorded hides that a Backend is a Recorder, and nothing else.
type unrecorded struct{ *gpu }

// Record hides the method of that name under one that no Recorder has.
func (unrecorded) Record() {}

// Found is one device that was looked for.
type Found struct {
	Name   string
	Usable bool
	Why    string // what was found, or what is missing
}

// Probe lists the devices that a Choice can name, and says which of them this machine has; cpus are the usable CPU backends.
func Probe(cpus []string) []Found {
	why := map[string]string{
		"avx512":  "AVX-512 F, BW, DQ, VL",
		"avx2":    "AVX2 and FMA",
		"neon":    "NEON, which is arm64's",
		"generic": "plain Go, every processor",
	}
	found := probeCUDA()
	for _, isa := range []string{"avx512", "avx2", "neon", "generic"} {
		f := Found{Name: "cpu:" + isa, Why: why[isa]}
		for _, c := range cpus {
			f.Usable = f.Usable || c == isa
		}
		if !f.Usable {
			f.Why = "this processor or build lacks " + f.Why
		}
		found = append(found, f)
	}
	return append(found, Found{Name: "sim", Usable: true, Why: "the GPU's kernels in an interpreter that checks every access: for tests, very slow"})
}
