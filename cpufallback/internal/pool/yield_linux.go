package pool

import (
	"runtime"
	"syscall"
)

// yield lets other goroutines, and other threads that wait for this core, run first.
func yield() {
	runtime.Gosched()
	syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0)
}
