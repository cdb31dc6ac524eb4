// Package ptx runs PTX, the assembly language of NVIDIA GPUs, on a CPU, and finds what a GPU would let pass.
//
// It exists so that tests without a GPU execute the very kernels that ship. Parse reads the text that a compiler made;
// Kernel.Run executes a launch of it on a Memory, block by block on all cores, each block warp by warp:
//
//	m, err := ptx.Parse("conv_80.ptx", text)
//	k, err := m.Kernel("conv_forward")
//	mem := ptx.NewMemory(1<<30, true)
//	x, err := mem.Alloc(4 * n)
//	err = k.Run(mem, ptx.Launch{Grid: [3]int{64, 1, 1}, Block: [3]int{256, 1, 1}, Args: []uint64{x, n}}, ptx.Options{Check: true})
//
// The instruction set is in the files isa_*.go, as tables that read like the PTX manual. It covers what NVRTC makes of
// C++ for compute_70 and compute_80: no calls, no textures, nothing that is new with compute_90. An instruction outside it
// is an error of Parse, with its line.
//
// What is checked: see Kind and Options. What is not: values of registers that were never written (they are zero), races
// within one block in global memory, and local memory read before it is written. Between blocks, and between threads of
// a block, races are told apart to four bytes in global memory and to two in shared memory; threads that touch different
// bytes within these are never reported.
//
// A launch gives the same bits for any number of workers when its blocks do not race. Float atomics and the order of
// blocks in an integer atomic's old value are the exceptions, as on hardware.
package ptx
