//go:build cuda && cgo && linux

package device_test

import (
	"slices"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/device/internal/fakecuda"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// exact are the ops whose fp32 kernels move, add, multiply and fuse alone, in a fixed order: hardware and the interpreter, which
// both round to nearest, must agree bit for bit. The others take an exponential, a logarithm or a root, which hardware approximates.
var exact = []string{
	"Fill", "Copy", "Axpy", "Blend", "Sum", "SumSquares", "AddSum", "MaxAbsDiff",
	"ConvForward", "ConvBackwardData", "ConvBackwardAct", "ConvBackwardWeight", "MixForward", "MixBackward",
	"Permute", "Squeeze", "Unsqueeze", "CheckerPack", "CheckerUnpack", "Flatten", "Unflatten",
	"AffineAct", "GaussianLogProbBackward", "Uniform", "Dequantize",
}

// TestCUDASameBitsAsSim holds the hardware to the interpreter, and so the interpreter to the hardware.
func TestCUDASameBitsAsSim(t *testing.T) {
	if !*hardware {
		fake(t)
		fakecuda.Interpret(1<<30, ptx.Options{})
		fakecuda.Set("eager", 0)
	}
	cases := slices.DeleteFunc(smallCases(), func(c devicetest.Case) bool { return !slices.Contains(exact, c.Method) })
	for _, name := range exact {
		if !slices.ContainsFunc(cases, func(c devicetest.Case) bool { return c.Method == name }) {
			t.Errorf("no case of %s", name)
		}
	}
	sim := func() (device.Backend, error) {
		return device.NewGPU(device.NewSim(device.SimConfig{Target: kernels.Compute80, Unchecked: true}), "fp32")
	}
	devicetest.SameBitsCases(t, cases, sim, cudaBackend("fp32"))
}
