package main

import (
	"errors"

	"cuflow/device"
	"cuflow/kernels"
)

// ledger is a device.Driver that computes nothing: it notes launches, and its memory is numbers. It does not record graphs, so that
// every step is launched.
type ledger struct {
	names    []string
	next     uint64
	launches []launch
}

type launch struct {
	name  string
	shape kernels.Shape
	args  []uint64
}

var errNoGraph = errors.New("a ledger keeps no graphs")

func (d *ledger) Name() string { return "ledger" }

func (d *ledger) Chip() device.Chip {
	const room = 1 << 50
	return device.Chip{Name: "paper", Major: 9, Multiprocessors: kernels.H200().Multiprocessors, Memory: room, Free: room}
}

func (d *ledger) Load(_, _ string, names []string) ([]device.Function, error) {
	var f []device.Function
	for _, n := range names {
		f = append(f, device.Function(len(d.names)))
		d.names = append(d.names, n)
	}
	return f, nil
}

func (d *ledger) Alloc(bytes int64) (uint64, error) {
	const line = 256
	d.next += line
	a := d.next
	d.next += uint64(bytes)
	d.next += -d.next % line
	return a, nil
}

func (d *ledger) Stage(src []byte) (uint64, error) { return d.Alloc(int64(len(src))) }
func (d *ledger) Free(uint64) error                { return nil }
func (d *ledger) CopyIn(uint64, []byte) error      { return nil }
func (d *ledger) Fetch(uint64, int) error          { return nil }
func (d *ledger) Fetched(dst []byte) error         { return d.CopyOut(dst, 0) }
func (d *ledger) Sync() error                      { return nil }
func (d *ledger) Record() error                    { return errNoGraph }
func (d *ledger) Stop() (device.Graph, error)      { return nil, errNoGraph }
func (d *ledger) Close() error                     { return nil }

func (d *ledger) CopyOut(dst []byte, _ uint64) error {
	clear(dst)
	return nil
}

func (d *ledger) Launch(l *device.Launch) error {
	d.launches = append(d.launches, launch{
		name:  d.names[l.Function],
		shape: kernels.Shape{GridX: l.GridX, GridY: l.GridY, Block: l.Block, Shared: l.Shared},
		args:  append([]uint64(nil), l.Args...),
	})
	return nil
}
