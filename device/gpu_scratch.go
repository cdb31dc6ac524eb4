package device

import "fmt"

// scratch is memory that an op takes for its partial sums and leaves at its end. It grows to what the largest op has asked
// for and stays; what it had before stays too, since recorded work may name it.
type scratch struct {
	blocks []block // the last is in use
	top    int     // bytes of it taken
}

type block struct {
	addr uint64
	size int
}

// leastScratch is the first block's size in bytes.
const leastScratch = 1 << 20

// poisoner is a Driver that can forget what memory holds, so that reading it is an error.
type poisoner interface {
	Poison(addr uint64, bytes int) error
}

// reset begins a new op.
func (s *scratch) reset(d Driver) error {
	if s.top == 0 {
		return nil
	}
	top := s.top
	s.top = 0
	if p, ok := d.(poisoner); ok {
		return p.Poison(s.blocks[len(s.blocks)-1].addr, top)
	}
	return nil
}

// take gives n float32s on a 256-byte boundary.
func (s *scratch) take(d Driver, n int) (uint64, error) {
	bytes := (4*n + 255) &^ 255
	last := block{}
	if len(s.blocks) > 0 {
		last = s.blocks[len(s.blocks)-1]
	}
	if s.top+bytes > last.size {
		size := max(leastScratch, 2*last.size, 2*bytes)
		a, err := d.Alloc(int64(size))
		if err != nil {
			return 0, fmt.Errorf("scratch memory: %w", err)
		}
		last = block{a, size}
		s.blocks = append(s.blocks, last)
		s.top = 0
	}
	a := last.addr + uint64(s.top)
	s.top += bytes
	return a, nil
}
