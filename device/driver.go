package device

// Driver is a CUDA-like device: memory, modules of PTX, launches. There are two: sim, the interpreter of kernels/ptx, and cuda,
// a real device. Nothing above a Driver knows which it is.
//
// Work is enqueued on one stream and done in order. A call returns what is known at once; what goes wrong later is returned
// by the next call that notices, at the latest by Sync. After an error of enqueued work the device is lost: every later call
// returns that error. Calls come from one goroutine at a time.
type Driver interface {
	// Name is what Open takes: "sim", "cuda:0".
	Name() string
	// Chip says what computes.
	Chip() Chip
	// Load translates a module of PTX and gives its kernels in the order of their names. file is for errors.
	Load(file, text string, names []string) ([]Function, error)

	// Alloc reserves memory of undefined content on a 256-byte boundary. The error says how much was asked for and is left.
	Alloc(bytes int64) (uint64, error)
	// Free waits for the work that may use the memory.
	Free(addr uint64) error
	// CopyIn enqueues a copy to the device; src may be reused when it returns.
	CopyIn(dst uint64, src []byte) error
	// CopyOut waits for all work and copies to the host.
	CopyOut(dst []byte, src uint64) error
	// Fetch enqueues a copy to the host of what the work so far leaves in memory. One is open at a time.
	Fetch(src uint64, bytes int) error
	// Fetched waits for the copy of the last Fetch, but not for work that was enqueued after it.
	Fetched(dst []byte) error
	// Stage copies src to memory of the driver's own, beside the work that is enqueued already rather than after it; what is
	// launched from now on waits for the copy. The memory is the caller's to read in the work that it enqueues before the
	// next Stage. src may be reused when Stage returns.
	Stage(src []byte) (uint64, error)

	// Launch enqueues a kernel. l may be reused when it returns.
	Launch(l *Launch) error
	// Sync waits for all work.
	Sync() error

	// Record begins to record: launches are kept instead of run until Stop. Memory, copies and Sync are errors meanwhile, and
	// so is a second Record.
	Record() error
	// Stop ends the recording. After an error nothing is recorded, and the driver is as before Record.
	Stop() (Graph, error)

	// Close frees everything, graphs included.
	Close() error
}

// Graph is a recorded sequence of launches.
type Graph interface {
	// Replay enqueues the launches again, with the arguments that they were recorded with.
	Replay() error
	// Close frees the graph; it waits for the work that uses it.
	Close() error
}

// Function is a Driver's handle on a kernel.
type Function uintptr

// Launch is a grid of GridX x GridY blocks of Block threads.
type Launch struct {
	Function     Function
	GridX, GridY int
	Block        int
	Shared       int // dynamic shared memory of a block, bytes
	// Args holds each argument in a slot of eight bytes, little end first; Sizes says how many bytes the caller believes that
	// each has. Drivers that can, check them against the kernel.
	Args  []uint64
	Sizes []int
}

// Chip is what is known of a device.
type Chip struct {
	Name            string // "NVIDIA H200"
	Major, Minor    int    // compute capability
	Multiprocessors int
	Memory, Free    int64  // bytes, Free at the time of asking
	Driver          string // the driver's version, "" if there is none
}
