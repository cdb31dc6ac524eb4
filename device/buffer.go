package device

// Buffer is a handle on n float32s owned by a Backend: host memory for a CPU backend, a device address for a GPU.
// It is a small value: slicing it allocates nothing. The zero Buffer means "not given" where an op says that an
// operand is optional.
type Buffer struct {
	host []float32
	addr uint64
	n    int
}

// HostBuffer wraps host memory. Only backends that compute on the host make and read such buffers.
func HostBuffer(h []float32) Buffer { return Buffer{host: h, n: len(h)} }

// DeviceBuffer is n float32s at a device address.
func DeviceBuffer(addr uint64, n int) Buffer { return Buffer{addr: addr, n: n} }

// Len is the number of float32s.
func (b Buffer) Len() int { return b.n }

// Nil says that the operand was not given.
func (b Buffer) Nil() bool { return b.n == 0 }

// Host is the memory of a host buffer, nil for others.
func (b Buffer) Host() []float32 { return b.host }

// Addr is the device address, 0 for host buffers.
func (b Buffer) Addr() uint64 { return b.addr }

// Slice is the part [i, j). It panics if the part does not lie within the buffer.
func (b Buffer) Slice(i, j int) Buffer {
	if i < 0 || j < i || j > b.n {
		panic("device: slice out of range")
	}
	if b.host != nil {
		return Buffer{host: b.host[i:j:j], n: j - i}
	}
	return Buffer{addr: b.addr + 4*uint64(i), n: j - i}
}

// Phantom is a buffer of n float32s with nothing behind it, for a Tally.
func Phantom(n int) Buffer { return Buffer{n: n} }
