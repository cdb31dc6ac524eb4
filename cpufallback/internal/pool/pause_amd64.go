//go:build amd64 && !noasm

package pool

// pause executes n PAUSE instructions: it waits without taking the core's units from its other hyperthread.
func pause(n uint32)
