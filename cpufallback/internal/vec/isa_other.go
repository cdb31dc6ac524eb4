//go:build (!amd64 && !arm64) || noasm

package vec

// ISAs are the instruction sets that this machine has kernels for: plain Go alone, in this build.
func ISAs() []string { return []string{"generic"} }

func assembly(isa string) *Kernels { return nil }
