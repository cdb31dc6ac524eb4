//go:build cuda && cgo && linux

package fakecuda

// #include <stdint.h>
// #include <stddef.h>
import "C"

import (
	"runtime/cgo"
	"sync"
	"unsafe"

	"cuflow/kernels/ptx"
)

// The results that the hooks give.
const (
	outOfBounds  = 700 // CUDA_ERROR_ILLEGAL_ADDRESS
	launchFailed = 719 // CUDA_ERROR_LAUNCH_FAILED
)

// Interpreter executes kernels.
type Interpreter struct {
	mem     *ptx.Memory
	options ptx.Options
	modules []*ptx.Module

	mu  sync.Mutex
	err error
}

// parsed keeps modules between tests: the largest take a while to parse.
var parsed sync.Map

// Interpret has the fake driver's device compute, until the next Reset. What a kernel does wrong makes it fault.
func Interpret(memory int64, o ptx.Options) *Interpreter {
	i := &Interpreter{mem: ptx.NewMemory(memory, o.Check), options: o}
	install(cgo.NewHandle(i)) // never deleted: the driver may ask as long as the process lives
	return i
}

// Err is what went wrong on the device, in more words than the driver has.
func (i *Interpreter) Err() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.err
}

// keep remembers an error and gives the code for the driver.
func (i *Interpreter) keep(err error, code C.int) C.int {
	if err == nil {
		return 0
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err == nil {
		i.err = err
	}
	return code
}

func self(h C.uintptr_t) *Interpreter { return cgo.Handle(h).Value().(*Interpreter) }

//export fakecudaAlloc
func fakecudaAlloc(h C.uintptr_t, bytes C.size_t) C.uint64_t {
	a, err := self(h).mem.Alloc(int(bytes))
	self(h).keep(err, 0)
	return C.uint64_t(a)
}

//export fakecudaRelease
func fakecudaRelease(h C.uintptr_t, at C.uint64_t) { self(h).keep(self(h).mem.Free(uint64(at)), 0) }

//export fakecudaCopy
func fakecudaCopy(h C.uintptr_t, out C.int, device C.uint64_t, host unsafe.Pointer, bytes C.size_t) C.int {
	b := unsafe.Slice((*byte)(host), int(bytes))
	if out != 0 {
		return self(h).keep(self(h).mem.CopyOut(b, uint64(device)), outOfBounds)
	}
	return self(h).keep(self(h).mem.CopyIn(uint64(device), b), outOfBounds)
}

//export fakecudaLoad
func fakecudaLoad(h C.uintptr_t, text *C.char) C.uintptr_t {
	i, s := self(h), C.GoString(text)
	m, ok := parsed.Load(s)
	if !ok {
		module, err := ptx.Parse("module", s)
		if err != nil {
			i.keep(err, 0)
			return 0
		}
		m = module
		parsed.Store(s, m)
	}
	i.modules = append(i.modules, m.(*ptx.Module))
	return C.uintptr_t(len(i.modules))
}

//export fakecudaLaunch
func fakecudaLaunch(h, loaded C.uintptr_t, kernel *C.char, grid, block *C.uint, shared C.uint,
	slots *C.uint64_t, sizes *C.int, n C.int,
) C.int {
	i := self(h)
	k, err := i.modules[loaded-1].Kernel(C.GoString(kernel))
	if err != nil {
		return i.keep(err, launchFailed)
	}
	l := ptx.Launch{Shared: int(shared)}
	for j := range 3 {
		l.Grid[j] = int(unsafe.Slice(grid, 3)[j])
		l.Block[j] = int(unsafe.Slice(block, 3)[j])
	}
	for j, s := range unsafe.Slice(sizes, n) {
		l.Args = append(l.Args, uint64(unsafe.Slice(slots, n)[j]))
		l.ArgSizes = append(l.ArgSizes, int(s))
	}
	return i.keep(k.Run(i.mem, l, i.options), outOfBounds)
}
