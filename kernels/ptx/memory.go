package ptx

import (
	"fmt"
	"sort"
	"sync"
)

// Generic addresses: which memory an address without a state space means is told by its window.
const (
	localWindow  = uint64(0x7d) << 40
	sharedWindow = uint64(0x7e) << 40
	globalBase   = uint64(0x7f) << 40

	windowSize = uint64(1) << 40
	// redZone keeps allocations apart, so that a small overrun never lands in a neighbour.
	redZone = 256
)

// allocation is one piece of global memory. Freed pieces stay in the table without their bytes, and addresses are never
// given out twice: a use after free is recognised as such for ever.
type allocation struct {
	base     uint64
	size     uint64
	data     []byte
	written  []byte // one byte of shadow per byte of data, 1 once written; nil where the Memory keeps no shadow
	readOnly bool
	freed    bool
}

// Memory is a device's global memory.
type Memory struct {
	mu      sync.RWMutex
	limit   int64
	used    int64
	shadow  bool
	next    uint64
	pieces  []*allocation // by base
	modules map[*Module]uint64
	atoms   [64]sync.Mutex // one atomic operation at a time on an address
}

// NewMemory makes a device memory of at most limit bytes. With shadow it remembers which bytes were ever written, at the
// price of as much memory again; Options.Check needs that to find reads of memory never written.
func NewMemory(limit int64, shadow bool) *Memory {
	return &Memory{limit: limit, shadow: shadow, next: globalBase, modules: map[*Module]uint64{}}
}

// Alloc reserves n bytes, aligned to 256. Their content is undefined: every byte is 0xA5 until it is written.
func (m *Memory) Alloc(n int) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, err := m.alloc(n)
	if err != nil {
		return 0, err
	}
	for i := range a.data {
		a.data[i] = 0xA5
	}
	return a.base, nil
}

func (m *Memory) alloc(n int) (*allocation, error) {
	if n < 0 {
		return nil, fmt.Errorf("ptx: allocation of %d bytes", n)
	}
	if int64(n) > m.limit-m.used {
		return nil, fmt.Errorf("ptx: out of memory: %d bytes asked, %d of %d free", n, m.limit-m.used, m.limit)
	}
	a := &allocation{base: m.next, size: uint64(n), data: make([]byte, n)}
	if m.shadow {
		a.written = make([]byte, n)
	}
	m.used += int64(n)
	m.next += (uint64(n) + redZone + 255) &^ 255
	m.pieces = append(m.pieces, a)
	return a, nil
}

// Free gives back an allocation by its first address. Address 0 is ignored.
func (m *Memory) Free(addr uint64) error {
	if addr == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.find(addr)
	if a == nil || a.base != addr {
		return fmt.Errorf("ptx: free of %#x, which is not the start of an allocation", addr)
	}
	if a.freed {
		return fmt.Errorf("ptx: %#x freed twice", addr)
	}
	m.used -= int64(a.size)
	a.freed, a.data, a.written = true, nil, nil
	return nil
}

// Used is the number of bytes allocated.
func (m *Memory) Used() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.used
}

// find gives the last allocation that begins at or before addr.
func (m *Memory) find(addr uint64) *allocation {
	i := sort.Search(len(m.pieces), func(i int) bool { return m.pieces[i].base > addr })
	if i == 0 {
		return nil
	}
	return m.pieces[i-1]
}

// span is the allocation that holds n bytes at addr, or the reason why there is none.
func (m *Memory) span(addr uint64, n int) (*allocation, Kind, string) {
	a := m.find(addr)
	switch {
	case a == nil || addr-a.base > a.size+redZone:
		return nil, OutOfBounds, fmt.Sprintf("no memory at %#x", addr)
	case a.freed && addr-a.base < a.size:
		return nil, UseAfterFree, fmt.Sprintf("%#x is byte %d of a freed allocation of %d", addr, addr-a.base, a.size)
	case addr-a.base+uint64(n) > a.size:
		return nil, OutOfBounds, fmt.Sprintf("bytes %d to %d of an allocation of %d", addr-a.base, addr-a.base+uint64(n)-1, a.size)
	}
	return a, 0, ""
}

func (m *Memory) host(addr uint64, n int) (*allocation, uint64, error) {
	if n < 0 {
		return nil, 0, fmt.Errorf("ptx: copy of %d bytes", n)
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	a, kind, why := m.span(addr, n)
	if a == nil {
		return nil, 0, fmt.Errorf("ptx: %s: %s", kind, why)
	}
	return a, addr - a.base, nil
}

// CopyIn writes host bytes to the device.
func (m *Memory) CopyIn(addr uint64, src []byte) error {
	dst, err := m.Bytes(addr, len(src))
	copy(dst, src)
	return err
}

// CopyOut reads device bytes to the host. Where the memory keeps a shadow, bytes that nobody wrote are an error.
func (m *Memory) CopyOut(dst []byte, addr uint64) error {
	a, off, err := m.host(addr, len(dst))
	if err != nil {
		return err
	}
	if a.written != nil {
		for i, w := range a.written[off : off+uint64(len(dst))] {
			if w == 0 {
				return fmt.Errorf("ptx: copy to the host of %d bytes at %#x: byte %d was never written", len(dst), addr, i)
			}
		}
	}
	copy(dst, a.data[off:])
	return nil
}

// Fill sets n bytes to one value.
func (m *Memory) Fill(addr uint64, n int, value byte) error {
	dst, err := m.Bytes(addr, n)
	for i := range dst {
		dst[i] = value
	}
	return err
}

// Bytes is the device memory itself, for the host to read and write. All of it counts as written from then on, since the
// caller may write it at any time; CopyOut is the way to read that finds bytes never written.
func (m *Memory) Bytes(addr uint64, n int) ([]byte, error) {
	a, off, err := m.host(addr, n)
	if err != nil {
		return nil, err
	}
	if a.written != nil {
		w := a.written[off : off+uint64(n)]
		for i := range w {
			w[i] = 1
		}
	}
	return a.data[off : off+uint64(n) : off+uint64(n)], nil
}

// Poison marks n bytes as never written and fills them with 0xA5, as fresh memory is: for the owner of a larger piece who
// hands out parts of it again.
func (m *Memory) Poison(addr uint64, n int) error {
	if err := m.Fill(addr, n, 0xA5); err != nil {
		return err
	}
	a, off, err := m.host(addr, n)
	if err == nil && a.written != nil {
		clear(a.written[off : off+uint64(n)])
	}
	return err
}

// lock gives the mutex that orders atomic operations on an address.
func (m *Memory) lock(addr uint64) *sync.Mutex { return &m.atoms[addr>>3%uint64(len(m.atoms))] }
