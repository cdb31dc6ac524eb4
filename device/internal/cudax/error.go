//go:build cuda && cgo && linux

package cudax

// #include "cuda.h"
import "C"

import (
	"fmt"
	"reflect"

	"gorgonia.org/cu"
)

// Error is a CUresult other than success.
type Error int

// The errors that something can be done about.
const (
	OutOfMemory           = Error(cu.OutOfMemory)
	DeviceUnavailable     = Error(C.CUDA_ERROR_DEVICE_UNAVAILABLE)
	NoDevice              = Error(cu.NoDevice)
	NoBinaryForGPU        = Error(cu.NoBinaryForGpu)
	UncorrectableMemory   = Error(cu.EccUncorrectable)
	InvalidPTX            = Error(cu.InvalidPtx)
	UncorrectableLink     = Error(cu.NvlinkUncorrectable)
	JITCompilerNotFound   = Error(cu.JitCompilerNotFound)
	UnsupportedPTXVersion = Error(C.CUDA_ERROR_UNSUPPORTED_PTX_VERSION)
	IllegalAddress        = Error(cu.IllegalAddress)
	OutOfResources        = Error(cu.LaunchOutOfResources)
	LaunchTimeout         = Error(cu.LaunchTimeout)
	IllegalInstruction    = Error(cu.IllegalInstruction)
	MisalignedAddress     = Error(cu.MisalignedAddress)
	LaunchFailed          = Error(cu.LaunchFailed)
	DriverMismatch        = Error(cu.SystemDriverMismatch)
)

// Error gives the driver's name and text of it.
func (e Error) Error() string {
	var name, text *C.char
	if C.cuGetErrorName(C.CUresult(e), &name) != C.CUDA_SUCCESS || C.cuGetErrorString(C.CUresult(e), &text) != C.CUDA_SUCCESS {
		return fmt.Sprintf("CUDA error %d", int(e))
	}
	return fmt.Sprintf("%s (%s)", C.GoString(name), C.GoString(text))
}

func check(r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	return Error(r)
}

// Cause is the Error behind an error of gorgonia.org/cu, whose type for it has no name outside; and behind one of this package.
func Cause(err error) (Error, bool) {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Int {
		return Error(v.Int()), true
	}
	return 0, false
}
