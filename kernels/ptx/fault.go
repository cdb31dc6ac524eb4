package ptx

import (
	"fmt"
	"strings"
)

// Kind says what rule a kernel broke.
type Kind int

const (
	OutOfBounds       Kind = iota + 1 // an access outside every allocation, or outside shared, local or parameter memory
	UseAfterFree                      // an access to an allocation that was given back
	Misaligned                        // an address that is not a multiple of the access's size
	Uninitialized                     // a read of bytes that nobody wrote
	SharedRace                        // two threads of a block touch the same bytes of shared memory, one writing, with no barrier between
	GlobalRace                        // two blocks touch the same bytes of global memory, one writing, in one launch
	AsyncPending                      // an access to bytes that a cp.async still has in flight: a wait is missing
	BarrierDivergence                 // a barrier or a warp-wide instruction that not all of its threads reach
	BadShuffle                        // a shuffle reads a lane that does not take part in it
	ReadOnly                          // a write to constant memory
	Trapped                           // the kernel executed trap
	StepBudget                        // a thread executed more instructions than Options.Steps
)

var kindNames = map[Kind]string{
	OutOfBounds: "out of bounds", UseAfterFree: "use after free", Misaligned: "misaligned access",
	Uninitialized: "read of memory never written", SharedRace: "shared-memory race", GlobalRace: "race between blocks",
	AsyncPending: "missing wait for cp.async", BarrierDivergence: "barrier divergence", BadShuffle: "shuffle from an absent lane",
	ReadOnly: "write to constant memory", Trapped: "trap", StepBudget: "step budget exhausted",
}

func (k Kind) String() string { return kindNames[k] }

// Fault is what a kernel did wrong, and where.
type Fault struct {
	Kind   Kind
	Kernel string
	File   string // the module's name as given to Parse
	Line   int    // in the PTX text
	Code   string // the instruction at that line
	Block  [3]int
	Thread [3]int
	Addr   uint64 // of the access; 0 where the fault is none
	Detail string
}

func (f *Fault) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %s: kernel %s, block (%d,%d,%d), thread (%d,%d,%d), %s:%d: %s", f.Kind, f.Detail, f.Kernel,
		f.Block[0], f.Block[1], f.Block[2], f.Thread[0], f.Thread[1], f.Thread[2], f.File, f.Line, f.Code)
	return s.String()
}
