//go:build cuda && cgo && linux

package device

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"cuflow/device/internal/cudax"
	"cuflow/device/internal/lazycuda"
	"gorgonia.org/cu"
)

// What the embedded PTX asks for: its version is 8.1, which came with CUDA 12.1, and its lowest target is compute_70.
const (
	neededCUDA   = 12010 // 12.1 as the driver counts
	neededMajor  = 7
	neededMemory = 256 << 20 // free bytes, for kernels, buffers of copies and the smallest models
	neededDriver = "the kernels need CUDA 12.1, which came with driver 530: install that or a later one"
)

// CUDADevices lists the GPUs of this machine, also those that cannot be used. The error says why there is none at all. Asking
// each for its free memory takes a moment, and some of that memory.
func CUDADevices() ([]CUDADevice, error) {
	version, n, err := usableDriver()
	if err != nil {
		return nil, err
	}
	found := make([]CUDADevice, n)
	for i := range found {
		f := &found[i]
		var device cu.Device
		if device, f.Chip, f.Err = describe(i, version); f.Err != nil {
			continue
		}
		if _, f.Chip.Free, f.Err = retain(device); f.Err != nil {
			continue
		}
		device.ReleasePrimaryCtx()
		f.Err = enoughMemory(f.Chip)
	}
	return found, nil
}

// countCUDA counts the GPUs. The error says why there is none.
func countCUDA() (int, error) {
	_, n, err := usableDriver()
	return n, err
}

// usableDriver gives the driver's version, which is the CUDA version that it is for and, where the system tells, its own; and how
// many GPUs it has. The error says that there is no driver, one that is too old, or no GPU.
func usableDriver() (version string, gpus int, err error) {
	if err := lazycuda.Open(); err != nil {
		return "", 0, fmt.Errorf("%w; is it installed, and does `nvidia-smi` work?", err)
	}
	v := cu.Version()
	if v < 0 {
		return "", 0, errors.New("the NVIDIA driver does not tell its version: does `nvidia-smi` work?")
	}
	version = fmt.Sprintf("%d.%d", v/1000, v%1000/10)
	if own, err := os.ReadFile("/sys/module/nvidia/version"); err == nil {
		version += fmt.Sprintf(" (%s)", strings.TrimSpace(string(own)))
	}
	if v < neededCUDA {
		return "", 0, fmt.Errorf("the NVIDIA driver is too old: it is for CUDA %s; %s", version, neededDriver)
	}
	switch gpus, err = cu.NumDevices(); {
	case err != nil:
		return "", 0, explain("cuDeviceGetCount", err)
	case gpus == 0:
		return "", 0, errors.New("the NVIDIA driver finds no GPU: `nvidia-smi` lists what it sees, CUDA_VISIBLE_DEVICES may hide some")
	}
	return version, gpus, nil
}

// describe finds a GPU and says what it is, without its free memory. The error says why it cannot be used.
func describe(index int, version string) (device cu.Device, c Chip, err error) {
	if device, err = cu.GetDevice(index); err != nil {
		return 0, c, explain("cuDeviceGet", err)
	}
	if c.Name, err = device.Name(); err != nil {
		return 0, c, explain("cuDeviceGetName", err)
	}
	for _, a := range []struct {
		to   *int
		what cu.DeviceAttribute
	}{
		{&c.Major, cu.ComputeCapabilityMajor}, {&c.Minor, cu.ComputeCapabilityMinor}, {&c.Multiprocessors, cu.MultiprocessorCount},
	} {
		if *a.to, err = device.Attribute(a.what); err != nil {
			return 0, c, explain("cuDeviceGetAttribute", err)
		}
	}
	if c.Memory, err = device.TotalMem(); err != nil {
		return 0, c, explain("cuDeviceTotalMem", err)
	}
	c.Driver = version
	if c.Major < neededMajor {
		return 0, c, fmt.Errorf("compute capability %d.%d: the kernels need %d.0 or later (Volta, Turing, Ampere and what followed)",
			c.Major, c.Minor, neededMajor)
	}
	return device, c, nil
}

// retain makes the device's primary context or joins it, and asks how much memory is free. ReleasePrimaryCtx is its end, unless
// there is an error.
func retain(device cu.Device) (ctx cudax.Context, free int64, err error) {
	c, err := device.RetainPrimaryCtx()
	if err != nil {
		return ctx, 0, explain("cuDevicePrimaryCtxRetain", err)
	}
	ctx = cudax.NewContext(c)
	if err = ctx.Enter(); err == nil {
		free, _, err = cu.MemInfo()
	}
	ctx.Leave()
	if err != nil {
		device.ReleasePrimaryCtx()
		return ctx, 0, explain("cuMemGetInfo", err)
	}
	return ctx, free, nil
}

func enoughMemory(c Chip) error {
	if c.Free < neededMemory {
		return fmt.Errorf("too little memory: %s of %s free, at least %s are needed; `nvidia-smi` lists the programs that hold the rest",
			amount(c.Free), amount(c.Memory), amount(neededMemory))
	}
	return nil
}
