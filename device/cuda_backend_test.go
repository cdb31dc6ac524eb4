//go:build cuda && cgo && linux

package device_test

import (
	"slices"
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/device/internal/fakecuda"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// cudaBackend opens the Backend over a GPU.
func cudaBackend(precision string) devicetest.Open {
	return func() (device.Backend, error) {
		d, err := device.NewCUDA(0, device.CUDAConfig{})
		if err != nil {
			return nil, err
		}
		return device.NewGPU(d, precision)
	}
}

// TestCUDA holds every op to the truth table through gorgonia.org/cu: on hardware, of compute capability 8.0 or later, all of
// it in every precision; on the fake driver, which does all work as late as it may, the small cases.
func TestCUDA(t *testing.T) {
	if *hardware {
		devicetest.Run(t, cudaBackend("fp32"), 1, 4)
		convs := slices.DeleteFunc(devicetest.Cases(), func(c devicetest.Case) bool { return !strings.HasPrefix(c.Method, "Conv") })
		for _, p := range precisions[kernels.Compute80] {
			if p.unit > 0 {
				t.Run(p.name, func(t *testing.T) { devicetest.RunCases(t, cudaBackend(p.name), p.loosen(convs), 1, 4) })
			}
		}
		return
	}
	fake(t)
	fakecuda.Interpret(1<<30, ptx.Options{})
	fakecuda.Set("eager", 0)
	devicetest.RunCases(t, cudaBackend("fp32"), smallCases())
}
