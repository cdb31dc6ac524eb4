//go:build !linux

package pool

import "runtime"

// yield lets other goroutines run first.
func yield() { runtime.Gosched() }
