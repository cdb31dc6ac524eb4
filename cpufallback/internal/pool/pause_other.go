//go:build (!amd64 && !arm64) || noasm

package pool

import "runtime"

// pause lets other goroutines run, whatever n is.
func pause(n uint32) { runtime.Gosched() }
