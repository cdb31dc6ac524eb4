//go:build !(cuda && cgo && linux)

package device

import (
	"errors"
	"fmt"
	"runtime"
)

// NewCUDA says why there is no GPU in this build.
func NewCUDA(int, CUDAConfig) (Driver, error) { return nil, errNoCUDA() }

// CUDADevices says why there is no GPU in this build.
func CUDADevices() ([]CUDADevice, error) { return nil, errNoCUDA() }

func countCUDA() (int, error) { return 0, errNoCUDA() }

func errNoCUDA() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("GPUs are driven on Linux only, this is %s", runtime.GOOS)
	}
	return errors.New("this build has no CUDA driver: scripts/setup builds one where there is a C compiler")
}
