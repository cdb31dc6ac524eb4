//go:build !(cuda && cgo && linux)

package device

import (
	"fmt"
	"runtime"
)

// openCUDA opens a GPU by its number. say, where it is not nil, is told what takes long.
func openCUDA(n int, say func(string)) (Driver, error) { return nil, errNoCUDA() }

// probeCUDA lists the GPUs, or says why there is none.
func probeCUDA() []Found { return []Found{{Name: "cuda", Why: errNoCUDA().Error()}} }

func errNoCUDA() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("GPUs are driven on Linux only, this is %s", runtime.GOOS)
	}
	return fmt.Errorf("this build has no CUDA driver: build it with a C compiler by scripts/setup")
}
