//go:build cuda && cgo && linux

// Package lazycuda stands between gorgonia.org/cu and libcuda.so.1: it defines the driver's entry points, which open the
// library when the first of them is called. A program that is linked with it starts on machines without a driver.
//
// gorgonia.org/cu asks the linker for -lcuda and the compiler for cuda.h. The first is answered here by lib/libcuda.a, an
// archive of nothing, since the symbols come from lazycuda.c. The second is answered by CGO_CFLAGS: scripts/with-cuda sets it.
package lazycuda

// #cgo LDFLAGS: -L${SRCDIR}/lib -ldl
// #include "lazycuda.h"
import "C"
import "errors"

// Open opens the driver if that has not been tried. The error says why there is none; it stays as long as the process does.
func Open() error {
	var why *C.char
	if C.lazycuda_open(&why) != 0 {
		return errors.New(C.GoString(why))
	}
	return nil
}
