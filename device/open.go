package device

import (
	"fmt"
	"runtime"
	"strings"
)

// Found is one device that was looked for.
type Found struct {
	Name   string
	Usable bool
	Why    string // what was found, or what is missing
}

// Open gives the named backend. "auto" takes the best device there is and "cpu" the fastest CPU backend; names such as
// "cpu:avx2" choose one. cpu opens the CPU backends: this package does not know them.
func Open(name string, cpu func(name string) (Backend, error)) (Backend, error) {
	switch {
	case name == "auto":
		return cpu("cpu")
	case name == "cpu" || strings.HasPrefix(name, "cpu:"):
		return cpu(name)
	case name == "cuda" || strings.HasPrefix(name, "cuda:") || name == "sim":
		return nil, fmt.Errorf("device %q: this build computes on CPUs only; use --device cpu", name)
	}
	return nil, fmt.Errorf("unknown device %q: use auto, cpu or cpu:NAME; `train devices` lists what this machine has", name)
}

// Probe lists the CPU backends of all machines and says which of them this one has; cpus are the usable ones.
func Probe(cpus []string) []Found {
	why := map[string]string{
		"avx512":  "AVX-512 F, BW, DQ, VL",
		"avx2":    "AVX2 and FMA",
		"generic": "plain Go, every processor",
	}
	var found []Found
	for _, isa := range []string{"avx512", "avx2", "generic"} {
		f := Found{Name: "cpu:" + isa, Why: why[isa]}
		for _, c := range cpus {
			f.Usable = f.Usable || c == isa
		}
		if !f.Usable {
			f.Why = "this processor or build lacks " + f.Why
		}
		found = append(found, f)
	}
	return append(found, Found{Name: "cuda", Why: "this build (" + runtime.GOOS + "/" + runtime.GOARCH + ") has no CUDA driver"})
}
