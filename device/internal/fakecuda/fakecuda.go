//go:build cuda && cgo && linux

// Package fakecuda is for tests: it builds a libcuda.so.1 without hardware and puts it in the real one's place, so that what goes
// through gorgonia.org/cu can be watched, made to fail, and executed by the interpreter of kernels/ptx.
package fakecuda

/*
#cgo LDFLAGS: -ldl
#include "testdata/fakecuda.h"
#include <dlfcn.h>
#include <stdlib.h>

static struct {
    void (*reset)(void);
    void (*set)(const char *, long long);
    long long (*get)(const char *);
    void (*hook)(struct fake_hooks);
    const char *(*log)(void);
    const char *(*violation)(void);
} fake;

static const char *load(const char *path) {
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib) return dlerror();
    fake.reset = dlsym(lib, "fake_reset");
    fake.set = dlsym(lib, "fake_set");
    fake.get = dlsym(lib, "fake_get");
    fake.hook = dlsym(lib, "fake_hook");
    fake.log = dlsym(lib, "fake_log");
    fake.violation = dlsym(lib, "fake_violation");
    return NULL;
}

static void reset(void) { fake.reset(); }
static void set(const char *name, long long v) { fake.set(name, v); }
static long long get(const char *name) { return fake.get(name); }
static const char *log_(void) { return fake.log(); }
static const char *violation(void) { return fake.violation(); }

extern uint64_t fakecudaAlloc(uintptr_t, size_t);
extern void fakecudaRelease(uintptr_t, uint64_t);
extern int fakecudaCopy(uintptr_t, int, uint64_t, void *, size_t);
extern uintptr_t fakecudaLoad(uintptr_t, char *);
extern int fakecudaLaunch(uintptr_t, uintptr_t, char *, unsigned *, unsigned *, unsigned, uint64_t *, int *, int);

static void hook(uintptr_t self) {
    struct fake_hooks h = {self, fakecudaAlloc, fakecudaRelease, fakecudaCopy};
    h.load = (void *)fakecudaLoad; // Go's declarations have no const
    h.launch = (void *)fakecudaLaunch;
    fake.hook(h);
}
*/
import "C"

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/cgo"
	"strings"
	"unsafe"
)

// Build compiles the fake driver into a folder as libcuda.so.1. It is for tests, which run somewhere in the module.
func Build(folder string) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	for {
		if _, err := os.Stat(filepath.Join(here, "go.mod")); err == nil {
			break
		}
		if here == filepath.Dir(here) {
			return fmt.Errorf("fakecuda: not run in a module")
		}
		here = filepath.Dir(here)
	}
	internal := filepath.Join(here, "device", "internal")
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		return err
	}
	args := append(strings.Fields(string(cc)), "-O2", "-g", "-shared", "-fPIC", "-pthread", "-Wl,-soname,libcuda.so.1",
		"-I", filepath.Join(internal, "lazycuda"), "-o", filepath.Join(folder, "libcuda.so.1"),
		filepath.Join(internal, "fakecuda", "testdata", "fakecuda.c"))
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// Load builds the fake driver and loads it into this process. Whoever opens libcuda.so.1 afterwards gets it, because the loader takes
// what it has under that name.
func Load() error {
	folder, err := os.MkdirTemp("", "fakecuda")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := Build(folder); err != nil {
		return err
	}
	path := C.CString(filepath.Join(folder, "libcuda.so.1"))
	defer C.free(unsafe.Pointer(path))
	if why := C.load(path); why != nil {
		return fmt.Errorf("fakecuda: %s", C.GoString(why))
	}
	return nil
}

// Reset makes the driver forget all: settings, memory, faults.
func Reset() { C.reset() }

// Set changes a setting; testdata/fakecuda.c lists them.
func Set(name string, value int) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	C.set(s, C.longlong(value))
}

// Get reads a setting or a count.
func Get(name string) int {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	return int(C.get(s))
}

// Log is what was written since the last Reset, while the setting log was 1: a line for each call, then one with its arguments,
// indented.
func Log() string { return C.GoString(C.log_()) }

// Violation is the first misuse since the last Reset that a real driver would not tell: a wait that would never end, memory or a
// graph freed while work that uses it is in a queue.
func Violation() string { return C.GoString(C.violation()) }

// install puts an Interpreter behind the driver.
func install(self cgo.Handle) { C.hook(C.uintptr_t(self)) }
