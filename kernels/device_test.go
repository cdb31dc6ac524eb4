package kernels_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"testing"

	"cuflow/device"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// machine runs the embedded PTX of one target in the interpreter with every check on, one launch after the other, and
// keeps the first fault. It is a device.Backend: what each op launches is in ops_test.go.
type machine struct {
	target  kernels.Target
	mem     *ptx.Memory
	modules map[string]*ptx.Module
	table   map[string]kernels.Kernel
	err     error
	scratch []uint64
	stats   map[string]*ptx.Stats // by kernel

	precision kernels.Precision

	// How a convolution is cut: Conv and Weight of package kernels, unless a test wants another tile.
	convTile   func(p kernels.Precision, op string, k, rows, steps, m int) kernels.Tile
	weightTile func(p kernels.Precision, k, rows, cols, m int) kernels.Tile
}

// parsed holds the modules of a target: parsing the largest takes a while, and every test runs the same.
var parsed = map[kernels.Target]func() (map[string]*ptx.Module, error){
	kernels.Compute70: sync.OnceValues(func() (map[string]*ptx.Module, error) { return parse(kernels.Compute70) }),
	kernels.Compute80: sync.OnceValues(func() (map[string]*ptx.Module, error) { return parse(kernels.Compute80) }),
}

func parse(t kernels.Target) (map[string]*ptx.Module, error) {
	modules := map[string]*ptx.Module{}
	for _, k := range kernels.Table(t) {
		if modules[k.Family] != nil {
			continue
		}
		text, err := kernels.Module(k.Family, t)
		if err != nil {
			return nil, err
		}
		if modules[k.Family], err = ptx.Parse(k.Family+"_"+string(t)+".ptx", text); err != nil {
			return nil, err
		}
	}
	return modules, nil
}

func open(t kernels.Target) (*machine, error) {
	modules, err := parsed[t]()
	if err != nil {
		return nil, err
	}
	m := &machine{
		target: t, mem: ptx.NewMemory(1<<30, true), modules: modules, table: map[string]kernels.Kernel{}, stats: map[string]*ptx.Stats{},
		convTile: kernels.Conv, weightTile: kernels.Weight,
	}
	for _, k := range kernels.Table(t) {
		m.table[k.Name] = k
	}
	return m, nil
}

// launch runs one kernel. Each argument is given as its letter in the table asks: a Buffer, an address, an int or a float32.
func (m *machine) launch(name string, s kernels.Shape, args ...any) {
	if m.err != nil || s.GridX == 0 {
		return
	}
	k, ok := m.table[name]
	if !ok {
		panic("kernels: no kernel " + name)
	}
	if len(args) != len(k.Args) {
		panic(fmt.Sprintf("kernels: %s takes %d arguments, not %d", name, len(k.Args), len(args)))
	}
	l := ptx.Launch{Grid: [3]int{s.GridX, s.GridY, 1}, Block: [3]int{s.Block, 1, 1}, Shared: s.Shared}
	for i, a := range args {
		var slot uint64
		size := 8
		switch a := a.(type) {
		case device.Buffer:
			slot = letter(k, i, 'p', a.Addr())
		case uint64:
			slot = letter(k, i, 'p', a)
		case int:
			slot = uint64(a)
			if k.Args[i] != 'l' {
				slot, size = letter(k, i, 'i', uint64(uint32(a))), 4
			}
		case float32:
			slot, size = letter(k, i, 'f', uint64(math.Float32bits(a))), 4
		default:
			panic(fmt.Sprintf("kernels: %s: argument %d is a %T", name, i, a))
		}
		l.Args, l.ArgSizes = append(l.Args, slot), append(l.ArgSizes, size)
	}
	entry, err := m.modules[k.Family].Kernel(name)
	if err == nil {
		if m.stats[name] == nil {
			m.stats[name] = &ptx.Stats{}
		}
		err = entry.Run(m.mem, l, ptx.Options{Check: true, Races: true, Stats: m.stats[name]})
	}
	m.err = err
}

func letter(k kernels.Kernel, i int, want byte, v uint64) uint64 {
	if k.Args[i] != want {
		panic(fmt.Sprintf("kernels: %s: argument %d is a %c, the table says %c", k.Name, i, want, k.Args[i]))
	}
	return v
}

// part is scratch memory of n floats, never written before, until the op ends.
func (m *machine) part(n int) uint64 {
	addr, err := m.mem.Alloc(4 * n)
	if err != nil && m.err == nil {
		m.err = err
	}
	m.scratch = append(m.scratch, addr)
	return addr
}

// end gives the op's scratch memory back.
func (m *machine) end() {
	for _, a := range m.scratch {
		if err := m.mem.Free(a); err != nil && m.err == nil {
			m.err = err
		}
	}
	m.scratch = m.scratch[:0]
}

func fit(ok bool) {
	if !ok {
		panic("kernels: operand of wrong length")
	}
}

func (m *machine) Name() string { return "interpreter:" + string(m.target) }

func (m *machine) Alloc(n int) (device.Buffer, error) {
	if n < 0 {
		return device.Buffer{}, fmt.Errorf("kernels: cannot allocate %d float32s", n)
	}
	if n == 0 {
		return device.Buffer{}, nil
	}
	if n > 1<<40 {
		return device.Buffer{}, fmt.Errorf("kernels: cannot allocate %d float32s", n)
	}
	addr, err := m.mem.Alloc(4 * n)
	if err == nil {
		err = m.mem.Fill(addr, 4*n, 0)
	}
	return device.DeviceBuffer(addr, n), err
}

func (m *machine) Free(b device.Buffer) {
	if b.Nil() {
		return
	}
	if err := m.mem.Free(b.Addr()); err != nil && m.err == nil {
		m.err = err
	}
}

func (m *machine) Upload(dst device.Buffer, src []float32) {
	fit(dst.Len() == len(src))
	b := make([]byte, 0, 4*len(src))
	for _, v := range src {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	if len(b) == 0 {
		return
	}
	if err := m.mem.CopyIn(dst.Addr(), b); err != nil && m.err == nil {
		m.err = err
	}
}

func (m *machine) Download(dst []float32, src device.Buffer) error {
	fit(len(dst) == src.Len())
	if m.err != nil || len(dst) == 0 {
		return m.err
	}
	b := make([]byte, 4*len(dst))
	if err := m.mem.CopyOut(b, src.Addr()); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

func (m *machine) Sync() error  { return m.err }
func (m *machine) Close() error { return m.err }

// targets runs a test on the PTX of each target.
func targets(t *testing.T, f func(t *testing.T, target kernels.Target)) {
	for _, target := range []kernels.Target{kernels.Compute70, kernels.Compute80} {
		t.Run("compute_"+string(target), func(t *testing.T) { f(t, target) })
	}
}
