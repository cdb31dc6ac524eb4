// Package kernels holds the CUDA kernels: their sources, the PTX that they compile to, and the shapes of their launches.
//
// The .cu files say beside each kernel what it computes, its arguments and its launch. scripts/kernels compiles them;
// nothing else is needed to build or to run, since the PTX is embedded. A driver turns it into the machine code of its chip.
package kernels

import (
	"embed"
	"fmt"
)

//go:embed *.ptx
var files embed.FS

// Target is the architecture that PTX is compiled for. A chip takes the highest that is not above it.
type Target string

const (
	Compute70 Target = "70" // sm_70 and sm_75
	Compute80 Target = "80" // sm_80 and all that followed
)

// Module is the PTX text of a family for a target. Where that of Compute80 would be the same code, it is Compute70's.
func Module(family string, t Target) (string, error) {
	for _, t := range []Target{t, Compute70} {
		if b, err := files.ReadFile(family + "_" + string(t) + ".ptx"); err == nil {
			return string(b), nil
		}
	}
	return "", fmt.Errorf("kernels: no PTX of %s for compute_%s", family, t)
}
