//go:build arm64 && !noasm

package pool

// pause executes n YIELD instructions: it tells the core that it waits.
func pause(n uint32)
