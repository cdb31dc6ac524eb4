//go:build cuda && cgo && linux

// Package cudax adds to gorgonia.org/cu what it does not have: page-locked host memory, more shared memory than 48 KiB to a block,
// graphs by recording a stream, what parameters a kernel has, a launch that allocates nothing, and errors in words.
//
// The driver's calls go to the context that is current on their thread, and goroutines wander between threads. So every call here
// and in gorgonia.org/cu, except [Context.Launch], must come between [Context.Enter] and [Context.Leave].
package cudax

/*
#include "cuda.h"

// Contexts are told apart by a number that is never used twice, since a new context may have an old one's address.
static uint64_t contexts;
static __thread uint64_t current; // on this thread

static uint64_t number_context(void) { return __atomic_add_fetch(&contexts, 1, __ATOMIC_RELAXED); }

static CUresult enter(CUcontext c, uint64_t number) {
    if (current == number) return CUDA_SUCCESS;
    CUresult r = cuCtxSetCurrent(c);
    current = r == CUDA_SUCCESS ? number : 0;
    return r;
}

enum { MOST_PARAMETERS = 64 };

static CUresult launch(CUcontext c, uint64_t number, CUfunction f, unsigned grid_x, unsigned grid_y, unsigned block, unsigned shared,
                       CUstream s, uint64_t *slots, int n) {
    CUresult r = enter(c, number);
    if (r != CUDA_SUCCESS) return r;
    void *at[MOST_PARAMETERS];
    for (int i = 0; i < n; i++) at[i] = slots + i;
    return cuLaunchKernel(f, grid_x, grid_y, 1, block, 1, 1, shared, s, at, NULL);
}
*/
import "C"

import (
	"runtime"
	"unsafe"

	_ "cuflow/device/internal/lazycuda" // the entry points
	"gorgonia.org/cu"
)

// MostParameters is how many a kernel can be launched with.
const MostParameters = C.MOST_PARAMETERS

// SharedOptIn asks for the shared memory that a block can have where its kernel raises the limit, in bytes.
const SharedOptIn cu.DeviceAttribute = C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN

// The handles of gorgonia.org/cu are structs of one C pointer each; this stops compiling when they are not.
const (
	_ = -(unsafe.Sizeof(cu.CUContext{}) ^ unsafe.Sizeof(C.CUcontext(nil)))
	_ = -(unsafe.Sizeof(cu.Function{}) ^ unsafe.Sizeof(C.CUfunction(nil)))
	_ = -(unsafe.Sizeof(cu.Stream{}) ^ unsafe.Sizeof(C.CUstream(nil)))
	_ = -(unsafe.Sizeof(cu.Event{}) ^ unsafe.Sizeof(C.CUevent(nil)))
)

func function(f cu.Function) C.CUfunction { return *(*C.CUfunction)(unsafe.Pointer(&f)) }
func stream(s cu.Stream) C.CUstream       { return *(*C.CUstream)(unsafe.Pointer(&s)) }
func event(e cu.Event) C.CUevent          { return *(*C.CUevent)(unsafe.Pointer(&e)) }

// Context is a context that goroutines can take turns to use.
type Context struct {
	c      C.CUcontext
	number C.uint64_t
}

// NewContext is for a context that was retained or made just now.
func NewContext(c cu.CUContext) Context {
	return Context{*(*C.CUcontext)(unsafe.Pointer(&c)), C.number_context()}
}

// Enter makes the context that of the calls until Leave. It costs some 50 ns.
func (c Context) Enter() error {
	runtime.LockOSThread()
	return check(C.enter(c.c, c.number))
}

// Leave ends what Enter began, whether it failed or not.
func (c Context) Leave() { runtime.UnlockOSThread() }

// Launch enqueues a kernel on a stream. Each parameter has a slot of eight bytes, at most MostParameters in all; the driver reads
// as many bytes of each as the kernel says. The slots may be reused when it returns.
func (c Context) Launch(f cu.Function, gridX, gridY, block, shared int, s cu.Stream, slots []uint64) error {
	var first *C.uint64_t
	if len(slots) > 0 {
		first = (*C.uint64_t)(&slots[0])
	}
	return check(C.launch(c.c, c.number, function(f), C.uint(gridX), C.uint(gridY), C.uint(block), C.uint(shared), stream(s),
		first, C.int(len(slots))))
}

// Done says whether the work that an event was last recorded behind is done; so is that of one never recorded.
func Done(e cu.Event) (bool, error) {
	r := C.cuEventQuery(event(e))
	if r == C.CUDA_ERROR_NOT_READY {
		return false, nil
	}
	return r == C.CUDA_SUCCESS, check(r)
}

// Idle says whether a stream has no work. It is an error when work of the context has gone wrong, on whichever stream.
func Idle(s cu.Stream) (bool, error) {
	r := C.cuStreamQuery(stream(s))
	if r == C.CUDA_ERROR_NOT_READY {
		return false, nil
	}
	return r == C.CUDA_SUCCESS, check(r)
}

// AllocHost gives page-locked memory, which the device copies from and to without help of the CPU. cu.MemFreeHost frees it.
func AllocHost(bytes int) ([]byte, error) {
	var p unsafe.Pointer
	if err := check(C.cuMemHostAlloc(&p, C.size_t(bytes), 0)); err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), bytes), nil
}

// AllowShared lets a kernel be launched with as much dynamic shared memory, in bytes.
func AllowShared(f cu.Function, bytes int) error {
	return check(C.cuFuncSetAttribute(function(f), C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes)))
}

// Parameters gives the sizes of a kernel's parameters in bytes; nil where the driver, of before CUDA 12.4, does not say.
func Parameters(f cu.Function) ([]int, error) {
	sizes := []int{}
	for len(sizes) <= MostParameters {
		var offset, size C.size_t
		switch r := C.cuFuncGetParamInfo(function(f), C.size_t(len(sizes)), &offset, &size); {
		case r == C.CUDA_ERROR_NOT_FOUND:
			return nil, nil
		case r == C.CUDA_ERROR_INVALID_VALUE: // there is no such parameter: those before were all
			return sizes, nil
		case r != C.CUDA_SUCCESS:
			return nil, Error(r)
		}
		sizes = append(sizes, int(size))
	}
	return sizes, nil
}

// BeginCapture keeps what is enqueued on a stream from now on instead of doing it. Other threads may go on with it.
func BeginCapture(s cu.Stream) error {
	return check(C.cuStreamBeginCapture(stream(s), C.CU_STREAM_CAPTURE_MODE_RELAXED))
}

// Graph is captured work, ready to be launched.
type Graph struct{ exec C.CUgraphExec }

// EndCapture gives what has been kept since BeginCapture.
func EndCapture(s cu.Stream) (Graph, error) {
	var graph C.CUgraph
	if err := check(C.cuStreamEndCapture(stream(s), &graph)); err != nil {
		return Graph{}, err
	}
	var g Graph
	err := check(C.cuGraphInstantiateWithFlags(&g.exec, graph, 0))
	if e := check(C.cuGraphDestroy(graph)); err == nil && e != nil {
		C.cuGraphExecDestroy(g.exec)
		return Graph{}, e
	}
	return g, err
}

// Launch enqueues the captured work.
func (g Graph) Launch(s cu.Stream) error { return check(C.cuGraphLaunch(g.exec, stream(s))) }

// Destroy frees a graph whose work is done.
func (g Graph) Destroy() error { return check(C.cuGraphExecDestroy(g.exec)) }
