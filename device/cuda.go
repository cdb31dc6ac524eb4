//go:build cuda && cgo && linux

package device

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"cuflow/device/internal/cudax"
	"gorgonia.org/cu"
)

// cuda is a Driver of an NVIDIA GPU, by gorgonia.org/cu. Work goes to one stream; Stage copies on a second one beside it. The
// device's primary context is entered and left with every call, which costs less than handing calls to a thread of its own: 0.1 us
// instead of several.
type cuda struct {
	index   int
	timeout time.Duration
	notice  func(string)

	device cu.Device
	chip   Chip
	ctx    cudax.Context
	shared int // what a block can have, bytes

	compute, copies cu.Stream
	functions       []cudaFunction
	modules         []cu.Module
	memory          map[uint64]bool // what Alloc has given
	graphs          map[*cudaGraph]bool
	bounce          bounce
	stage           stage
	fetch           fetch
	pace            pace
	idle            cu.Event // of Sync

	recording   bool
	unrecorded  error         // the first launch that could not be recorded
	translating time.Duration // spent in the driver's compiler
	lost        error         // for every later call
	hung        bool          // the device was lost to a time-out: calls that wait for it would never return
}

// NewCUDA opens a GPU by its number among CUDADevices. The error says what is missing and what can be done about it.
func NewCUDA(index int, cfg CUDAConfig) (Driver, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = time.Minute
	}
	version, n, err := usableDriver()
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= n {
		return nil, fmt.Errorf("there is no GPU %d: the NVIDIA driver has %d, counted from 0", index, n)
	}
	device, chip, err := describe(index, version)
	if err != nil {
		return nil, fmt.Errorf("cuda:%d: %w", index, err)
	}
	ctx, free, err := retain(device)
	if err != nil {
		return nil, fmt.Errorf("cuda:%d: %w", index, err)
	}
	chip.Free = free
	if err := enoughMemory(chip); err != nil {
		device.ReleasePrimaryCtx()
		return nil, fmt.Errorf("cuda:%d: %w", index, err)
	}
	d := &cuda{
		index: index, timeout: cfg.Timeout, notice: cfg.Notice, device: device, chip: chip, ctx: ctx,
		memory: map[uint64]bool{}, graphs: map[*cudaGraph]bool{},
	}
	if err := d.open(); err != nil {
		d.do("release", d.release)
		return nil, fmt.Errorf("cuda:%d: %w", index, err)
	}
	return d, nil
}

// open makes what the Driver needs of its own.
func (d *cuda) open() error {
	err := d.do("cuDeviceGetAttribute", func() (err error) {
		d.shared, err = d.device.Attribute(cudax.SharedOptIn)
		return err
	})
	if err == nil {
		err = d.do("cuStreamCreate", func() (err error) {
			if d.compute, err = cu.MakeStream(cu.NonBlocking); err == nil {
				d.copies, err = cu.MakeStream(cu.NonBlocking)
			}
			return err
		})
	}
	if err == nil {
		err = d.do("cuEventCreate", func() error {
			for _, e := range d.events() {
				var err error
				if *e, err = cu.MakeEvent(cu.DisableTiming); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = d.do("cuMemHostAlloc", d.bounce.open)
	}
	return err
}

// events are all that the Driver has.
func (d *cuda) events() []*cu.Event {
	return slices.Concat(d.bounce.events(), d.stage.events(), d.pace.events(), []*cu.Event{&d.fetch.done, &d.idle})
}

func (d *cuda) Name() string { return fmt.Sprintf("cuda:%d", d.index) }

func (d *cuda) Chip() Chip {
	c := d.chip
	if d.lost == nil {
		d.do("cuMemGetInfo", func() (err error) {
			c.Free, _, err = cu.MemInfo()
			return err
		})
	}
	return c
}

// ready says whether the host may touch the device.
func (d *cuda) ready() error {
	if d.lost == nil && d.recording {
		return errRecording
	}
	return d.lost
}

// do makes calls of gorgonia.org/cu and cudax.
func (d *cuda) do(call string, f func() error) error {
	err := d.ctx.Enter()
	defer d.ctx.Leave()
	if err != nil {
		return explain("cuCtxSetCurrent", err)
	}
	if err = f(); err != nil {
		err = d.failed(call, err)
	}
	return err
}

var errClosed = errors.New("the GPU was closed")

func (d *cuda) Close() error {
	if d.lost == errClosed {
		return errClosed
	}
	err := d.lost
	if err == nil && d.recording {
		if g, e := d.Stop(); e == nil {
			err = g.Close()
		}
	}
	if err == nil {
		err = d.Sync()
	}
	if !d.hung { // else the driver would wait for ever; the end of the process frees what there is
		if e := d.do("release", d.release); err == nil {
			err = e
		}
	}
	d.lost = errClosed
	clear(d.graphs)
	return err
}

// release frees all that there is, goes on after errors and returns the first.
func (d *cuda) release() (first error) {
	keep := func(err error) {
		if first == nil {
			first = err
		}
	}
	for g := range d.graphs {
		keep(g.graph.Destroy())
	}
	for _, m := range d.modules {
		keep(m.Unload())
	}
	for addr := range d.memory {
		keep(cu.MemFree(cu.DevicePtr(addr)))
	}
	keep(d.stage.close())
	keep(d.bounce.close())
	keep(d.fetch.close())
	for _, e := range d.events() {
		if *e != (cu.Event{}) {
			keep(cu.DestroyEvent(e))
		}
	}
	for _, s := range []*cu.Stream{&d.compute, &d.copies} {
		if *s != (cu.Stream{}) {
			keep(s.Destroy())
		}
	}
	keep(d.device.ReleasePrimaryCtx())
	return first
}
