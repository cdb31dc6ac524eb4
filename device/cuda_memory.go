//go:build cuda && cgo && linux

package device

import (
	"errors"
	"fmt"
	"unsafe"

	"cuflow/device/internal/cudax"
	"gorgonia.org/cu"
)

func (d *cuda) Alloc(bytes int64) (uint64, error) {
	if err := d.Sync(); err != nil { // cuMemAlloc may wait for the device, and then for ever
		return 0, err
	}
	if bytes < 0 {
		return 0, fmt.Errorf("%s: cannot allocate %d bytes", d.Name(), bytes)
	}
	addr, err := d.alloc(bytes)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", d.Name(), err)
	}
	d.memory[addr] = true
	return addr, nil
}

func (d *cuda) alloc(bytes int64) (uint64, error) {
	var p cu.DevicePtr
	err := d.do("cuMemAlloc", func() (err error) {
		p, err = cu.MemAlloc(max(bytes, 1))
		return err
	})
	if errors.Is(err, cudax.OutOfMemory) {
		return 0, fmt.Errorf("out of memory: %s asked, %s of %s free; take smaller batches, or end other programs on this GPU, "+
			"which `nvidia-smi` lists: %w", amount(bytes), amount(d.Chip().Free), amount(d.chip.Memory), cudax.OutOfMemory)
	}
	return uint64(p), err
}

func (d *cuda) Free(addr uint64) error {
	if err := d.Sync(); err != nil { // cuMemFree waits too, but for ever
		return err
	}
	if addr == 0 {
		return nil
	}
	if !d.memory[addr] {
		return fmt.Errorf("free of %#x, which was not allocated", addr)
	}
	delete(d.memory, addr)
	return d.do("cuMemFree", func() error { return cu.MemFree(cu.DevicePtr(addr)) })
}

const (
	segments     = 4
	segmentBytes = 2 << 20
)

// bounce is page-locked memory that copies pass through. The device copies from and to it by itself while the host goes on;
// pageable memory would make each copy wait for the device. It is used in turns, in segments.
type bounce struct {
	all     []byte
	segment [segments]struct {
		used int      // bytes
		done cu.Event // behind all that uses them
	}
	turn int
}

func (b *bounce) events() (all []*cu.Event) {
	for i := range b.segment {
		all = append(all, &b.segment[i].done)
	}
	return all
}

func (b *bounce) open() (err error) {
	b.all, err = cudax.AllocHost(segments * segmentBytes)
	return err
}

func (b *bounce) close() error {
	if b.all == nil {
		return nil
	}
	return cu.MemFreeHost(unsafe.Pointer(&b.all[0]))
}

// bytes is a segment's memory.
func (b *bounce) bytes(i int) []byte { return b.all[i*segmentBytes:][:segmentBytes] }

// next waits until the segment whose turn is next is free.
func (d *cuda) next() error {
	b := &d.bounce
	b.turn = (b.turn + 1) % segments
	s := &b.segment[b.turn]
	s.used = 0
	return d.wait(s.done)
}

func (d *cuda) CopyIn(dst uint64, src []byte) error {
	if err := d.ready(); err != nil {
		return err
	}
	b := &d.bounce
	for len(src) > 0 {
		if b.segment[b.turn].used == segmentBytes {
			if err := d.next(); err != nil {
				return err
			}
		}
		s := &b.segment[b.turn]
		room := b.bytes(b.turn)[s.used:]
		n := copy(room, src)
		err := d.do("cuMemcpyHtoDAsync", func() error {
			if err := cu.MemcpyHtoDAsync(cu.DevicePtr(dst), unsafe.Pointer(&room[0]), int64(n), d.compute); err != nil {
				return err
			}
			return s.done.Record(d.compute)
		})
		if err != nil {
			return err
		}
		s.used = min((s.used+n+15)&^15, segmentBytes)
		dst += uint64(n)
		src = src[n:]
	}
	return nil
}

func (d *cuda) CopyOut(dst []byte, src uint64) error {
	if err := d.ready(); err != nil {
		return err
	}
	if len(dst) == 0 {
		return d.Sync()
	}
	b := &d.bounce
	asked, got := 0, 0 // segments: the device has been told to fill the first, the host has taken the second
	for all := (len(dst) + segmentBytes - 1) / segmentBytes; got < all; {
		part := func(k int) []byte { return dst[k*segmentBytes : min(len(dst), (k+1)*segmentBytes)] }
		if asked < all && asked-got < segments {
			if err := d.next(); err != nil {
				return err
			}
			b.segment[b.turn].used = segmentBytes
			err := d.do("cuMemcpyDtoHAsync", func() error {
				from := cu.DevicePtr(src + uint64(asked)*segmentBytes)
				if err := cu.MemcpyDtoHAsync(unsafe.Pointer(&b.bytes(b.turn)[0]), from, int64(len(part(asked))), d.compute); err != nil {
					return err
				}
				return b.segment[b.turn].done.Record(d.compute)
			})
			if err != nil {
				return err
			}
			asked++
			continue
		}
		oldest := (b.turn + segments - (asked - got - 1)) % segments
		if err := d.wait(b.segment[oldest].done); err != nil {
			return err
		}
		copy(part(got), b.bytes(oldest))
		got++
	}
	return nil
}

// fetch is a copy to the host that is under way.
type fetch struct {
	host []byte // page-locked
	used int    // bytes
	done cu.Event
}

func (f *fetch) close() error {
	if f.host == nil {
		return nil
	}
	err := cu.MemFreeHost(unsafe.Pointer(&f.host[0]))
	f.host = nil
	return err
}

func (d *cuda) Fetch(src uint64, bytes int) error {
	if err := d.ready(); err != nil {
		return err
	}
	f := &d.fetch
	if f.used = bytes; bytes == 0 {
		return nil
	}
	if len(f.host) < bytes {
		if err := d.Sync(); err != nil {
			return err
		}
		err := d.do("cuMemHostAlloc", func() (err error) {
			if err = f.close(); err == nil {
				f.host, err = cudax.AllocHost(bytes)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return d.do("cuMemcpyDtoHAsync", func() error {
		if err := cu.MemcpyDtoHAsync(unsafe.Pointer(&f.host[0]), cu.DevicePtr(src), int64(bytes), d.compute); err != nil {
			return err
		}
		return f.done.Record(d.compute)
	})
}

func (d *cuda) Fetched(dst []byte) error {
	if d.lost != nil {
		return d.lost
	}
	if len(dst) != d.fetch.used {
		return fmt.Errorf("%d bytes were fetched, not %d", d.fetch.used, len(dst))
	}
	if len(dst) == 0 {
		return nil
	}
	if err := d.wait(d.fetch.done); err != nil {
		return err
	}
	copy(dst, d.fetch.host)
	return nil
}

// slots is how many batches Stage holds.
const slots = 2

// stage is where Stage copies to, in turns.
type stage struct {
	slot [slots]struct {
		host   []byte // page-locked
		addr   uint64
		copied cu.Event // on the copies' stream
		read   cu.Event // on the work's stream, behind all that may read the slot
	}
	turn int
}

func (s *stage) events() (all []*cu.Event) {
	for i := range s.slot {
		all = append(all, &s.slot[i].copied, &s.slot[i].read)
	}
	return all
}

func (s *stage) close() (first error) {
	for i := range s.slot {
		if err := s.free(i); first == nil {
			first = err
		}
	}
	return first
}

// free empties a slot that nothing uses.
func (s *stage) free(i int) error {
	t := &s.slot[i]
	host, addr := t.host, t.addr
	t.host, t.addr = nil, 0
	var err error
	if addr != 0 {
		err = cu.MemFree(cu.DevicePtr(addr))
	}
	if host != nil {
		if e := cu.MemFreeHost(unsafe.Pointer(&host[0])); err == nil {
			err = e
		}
	}
	return err
}

// grow gives a slot more memory.
func (d *cuda) grow(i, bytes int) error {
	if err := d.Sync(); err != nil {
		return err
	}
	t := &d.stage.slot[i]
	if err := d.do("cuMemFree", func() error { return d.stage.free(i) }); err != nil {
		return err
	}
	var err error
	if t.addr, err = d.alloc(int64(bytes)); err != nil {
		return fmt.Errorf("memory for a batch: %w", err)
	}
	return d.do("cuMemHostAlloc", func() (err error) {
		t.host, err = cudax.AllocHost(bytes)
		return err
	})
}

func (d *cuda) Stage(src []byte) (uint64, error) {
	if err := d.ready(); err != nil {
		return 0, err
	}
	s := &d.stage
	before := &s.slot[s.turn]
	if err := d.do("cuEventRecord", func() error { return before.read.Record(d.compute) }); err != nil {
		return 0, err
	}
	i := (s.turn + 1) % slots
	t := &s.slot[i]
	if len(t.host) < max(len(src), 1) {
		if err := d.grow(i, max(len(src), 1)); err != nil {
			return 0, err
		}
	}
	if err := d.wait(t.copied); err != nil { // which still reads the host's side of the slot
		return 0, err
	}
	copy(t.host, src)
	err := d.do("copy of a batch", func() error {
		if err := d.copies.Wait(t.read, 0); err != nil { // the work that still reads the device's side
			return err
		}
		if len(src) > 0 {
			if err := cu.MemcpyHtoDAsync(cu.DevicePtr(t.addr), unsafe.Pointer(&t.host[0]), int64(len(src)), d.copies); err != nil {
				return err
			}
		}
		if err := t.copied.Record(d.copies); err != nil {
			return err
		}
		return d.compute.Wait(t.copied, 0)
	})
	if err != nil {
		return 0, err
	}
	s.turn = i
	return t.addr, nil
}
