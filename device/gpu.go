package device

import (
	"fmt"
	"math"
	"unsafe"

	"cuflow/kernels"
)

// gpu is a Backend over a Driver: it enqueues the kernels of package kernels. Their arguments and launches are documented in
// the .cu files. No op waits, and none allocates once each shape has been seen.
type gpu struct {
	d         Driver
	target    kernels.Target
	table     map[string]*entry
	loaded    map[string]bool   // by family
	precision kernels.Precision // of the conditioners' products
	tiles     map[tileKey]kernels.Tile
	pick      func(tileKey) kernels.Tile // pickTile, unless a test wants another
	partials  scratch

	err       error // the first, for Sync and Download
	op        string
	recording bool
	next      Launch // the one being put together
	slots     [48]uint64
}

// entry is a kernel as the driver knows it.
type entry struct {
	kernels.Kernel
	f     Function // once the family is loaded
	sizes []int
}

// NewGPU gives the Backend that launches the kernels over a driver. A family of kernels is loaded when the first of them is
// launched: a driver may take seconds to translate those that a model does not need. precision is of the conditioners' products: "fp32", "tf32"
// or "bf16", the latter two from compute capability 8.0; "" chooses tf32 where there is, else fp32. The flow's own state and
// sums are fp32 always. The Backend owns the driver and closes it.
func NewGPU(d Driver, precision string) (Backend, error) {
	chip := d.Chip()
	target := kernels.Compute80
	if chip.Major < 8 {
		target = kernels.Compute70
	}
	p, err := precisionOf(precision, target)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name(), err)
	}
	g := &gpu{
		d: d, target: target, table: map[string]*entry{}, loaded: map[string]bool{}, precision: p,
		tiles: map[tileKey]kernels.Tile{}, pick: pickTile,
	}
	for _, k := range kernels.Table(target) {
		e := &entry{Kernel: k}
		for _, letter := range k.Args {
			size := 8
			if letter == 'i' || letter == 'f' {
				size = 4
			}
			e.sizes = append(e.sizes, size)
		}
		g.table[k.Name] = e
	}
	return g, nil
}

func precisionOf(name string, t kernels.Target) (kernels.Precision, error) {
	switch {
	case name == "fp32" || name == "" && t == kernels.Compute70:
		return kernels.FP32, nil
	case name == "" || name == "tf32" && t == kernels.Compute80:
		return kernels.TF32, nil
	case name == "bf16" && t == kernels.Compute80:
		return kernels.BF16, nil
	case name == "tf32" || name == "bf16":
		return "", fmt.Errorf("--precision %s needs tensor cores of compute capability 8.0 or later: use fp32", name)
	}
	return "", fmt.Errorf("unknown precision %q: use fp32, tf32 or bf16", name)
}

// load translates a family's module.
func (g *gpu) load(family string) error {
	if g.recording {
		return fmt.Errorf("kernels of %s are not loaded yet: do once what is to be recorded", family)
	}
	text, err := kernels.Module(family, g.target)
	if err != nil {
		return err
	}
	var all []*entry
	var names []string
	for _, k := range kernels.Table(g.target) {
		if k.Family == family {
			all, names = append(all, g.table[k.Name]), append(names, k.Name)
		}
	}
	functions, err := g.d.Load(family+"_"+string(g.target)+".ptx", text, names)
	if err != nil {
		return err
	}
	for i, e := range all {
		e.f = functions[i]
	}
	g.loaded[family] = true
	return nil
}

// begin starts an op: its name is for errors, and the scratch memory of the one before is free again, since work is done in order.
func (g *gpu) begin(op string) {
	g.op = op
	g.keep(g.partials.reset(g.d))
}

// keep remembers the first error.
func (g *gpu) keep(err error) {
	if err != nil && g.err == nil {
		g.err = fmt.Errorf("%s: %s: %w", g.d.Name(), g.op, err)
	}
}

// arg is an argument of a kernel: a pointer, a whole number or a float32.
type arg struct {
	v    uint64
	kind byte // 'p', 'i' or 'f'
}

func ptr(b Buffer) arg    { return arg{b.addr, 'p'} }
func addr(a uint64) arg   { return arg{a, 'p'} }
func num(v int) arg       { return arg{uint64(v), 'i'} }
func float(v float32) arg { return arg{uint64(math.Float32bits(v)), 'f'} }
func word(v uint32) arg   { return arg{uint64(v), 'i'} }
func flag(v bool) arg {
	if v {
		return num(1)
	}
	return num(0)
}

// run enqueues a kernel, unless there is nothing to do or the device has failed.
func (g *gpu) run(name string, s kernels.Shape, args ...arg) {
	e := g.table[name]
	if e == nil {
		panic("device: no such kernel")
	}
	if len(args) != len(e.Args) {
		panic("device: wrong number of arguments for a kernel")
	}
	if g.err != nil || s.GridX == 0 {
		return
	}
	for i, a := range args {
		letter := e.Args[i]
		if a.kind != letter && !(a.kind == 'i' && letter == 'l') {
			panic("device: an argument of the wrong type for a kernel")
		}
		if letter == 'i' {
			a.v = uint64(uint32(a.v))
		}
		g.slots[i] = a.v
	}
	if !g.loaded[e.Family] {
		if err := g.load(e.Family); err != nil {
			g.keep(err)
			return
		}
	}
	l := &g.next
	l.Function, l.GridX, l.GridY, l.Block, l.Shared = e.f, s.GridX, s.GridY, s.Block, s.Shared
	l.Args, l.Sizes = g.slots[:len(args)], e.sizes
	if err := g.d.Launch(l); err != nil {
		g.keep(fmt.Errorf("kernel %s: %w", name, err))
	}
}

// part is scratch memory of n floats of undefined content, until the op ends.
func (g *gpu) part(n int) uint64 {
	a, err := g.partials.take(g.d, n)
	if err != nil && g.recording {
		err = fmt.Errorf("scratch memory must grow while work is recorded: do it once before: %w", err)
	}
	g.keep(err)
	return a
}

// fit panics where operands do not have the lengths that the op asks for.
func fit(ok bool) {
	if !ok {
		panic("device: operand of wrong length")
	}
}

func (g *gpu) Name() string { return g.d.Name() }

// Chip is what computes.
func (g *gpu) Chip() Chip { return g.d.Chip() }

// Precision is how the conditioners' products round their factors: "fp32", "tf32" or "bf16".
func (g *gpu) Precision() string {
	switch g.precision {
	case kernels.TF32:
		return "tf32"
	case kernels.BF16:
		return "bf16"
	}
	return "fp32"
}

func (g *gpu) Alloc(n int) (Buffer, error) {
	if n < 0 || n > 1<<40 {
		return Buffer{}, fmt.Errorf("%s: cannot allocate %d float32s", g.d.Name(), n)
	}
	if n == 0 {
		return Buffer{}, nil
	}
	if g.err != nil {
		return Buffer{}, g.err
	}
	a, err := g.d.Alloc(4 * int64(n))
	if err != nil {
		return Buffer{}, err
	}
	b := DeviceBuffer(a, n)
	g.Fill(b, 0)
	return b, g.err
}

func (g *gpu) Free(b Buffer) {
	g.op = "Free"
	if !b.Nil() {
		g.keep(g.d.Free(b.addr))
	}
}

func (g *gpu) Download(dst []float32, src Buffer) error {
	fit(len(dst) == src.n)
	g.op = "Download"
	if g.err == nil && len(dst) > 0 {
		g.keep(g.d.CopyOut(bytesOf(dst), src.addr))
	}
	if len(dst) == 0 {
		return g.Sync()
	}
	return g.err
}

// bytesOf is the memory of x. Devices and the hosts that they are found in are little-endian.
func bytesOf(x []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), 4*len(x))
}

func (g *gpu) Sync() error {
	g.op = "Sync"
	if g.err == nil {
		g.keep(g.d.Sync())
	}
	return g.err
}

func (g *gpu) Close() error { return g.d.Close() }
