//go:build cuda && cgo && linux

package device

import (
	"fmt"
	"runtime"
	"time"

	"cuflow/device/internal/cudax"
	"gorgonia.org/cu"
)

// failed puts a call's error into words. It asks the device whether it still works: an error of enqueued work comes back from any
// call that follows, and no call works from then on.
func (d *cuda) failed(call string, err error) error {
	err = explain(call, err)
	if d.lost == nil && d.copies != (cu.Stream{}) {
		if _, e := cudax.Idle(d.copies); e != nil {
			d.lost = fmt.Errorf("the GPU is lost: %w", explain(call, e))
			return d.lost
		}
	}
	return err
}

const checkpointed = "Training goes on from its last checkpoint"

// explain adds to a CUresult what can be done about it.
func explain(call string, err error) error {
	code, ok := cudax.Cause(err)
	if !ok {
		return fmt.Errorf("%s: %w", call, err)
	}
	advice := ""
	switch code {
	case cudax.IllegalAddress, cudax.IllegalInstruction, cudax.MisalignedAddress, cudax.LaunchFailed:
		advice = ": a kernel went wrong; CUDA_LAUNCH_BLOCKING=1 and --graph=off tell which, compute-sanitizer where. " + checkpointed
	case cudax.OutOfResources:
		advice = ": the kernel needs more registers or shared memory than this GPU has"
	case cudax.LaunchTimeout:
		advice = ": a GPU that drives a display may not compute for long at a time; use another, or a smaller batch"
	case cudax.UncorrectableMemory, cudax.UncorrectableLink:
		advice = ": the hardware failed; `nvidia-smi -q` tells more. " + checkpointed
	case cudax.DeviceUnavailable:
		advice = ": another program has this GPU for itself; `nvidia-smi` lists programs and compute modes"
	case cudax.UnsupportedPTXVersion:
		advice = ": the NVIDIA driver is too old; " + neededDriver
	case cudax.NoBinaryForGPU, cudax.InvalidPTX:
		advice = ": this GPU cannot run the kernels"
	case cudax.JITCompilerNotFound:
		advice = ": the NVIDIA driver lacks libnvidia-ptxjitcompiler.so.1; install it whole"
	case cudax.DriverMismatch:
		advice = ": the NVIDIA driver was replaced while it ran; restart the machine"
	}
	return fmt.Errorf("%s: %w%s", call, code, advice)
}

// wait returns when an event has come. The device is lost when it makes no progress for as long as the time-out. Nothing but
// the driver's own calls can hang here, and those that are used do not wait for the device.
func (d *cuda) wait(e cu.Event) error {
	done, err := d.done(e)
	if done || err != nil {
		return err
	}
	began := time.Now()
	for limit := began.Add(d.timeout); ; {
		if done, err = d.done(e); done || err != nil {
			return err
		}
		now := time.Now()
		if d.progressed() {
			limit = now.Add(d.timeout)
		}
		if now.After(limit) {
			d.hung = true
			d.lost = fmt.Errorf("the GPU is lost: it made no progress for %v: a kernel hangs, or something else keeps the GPU busy; "+
				"`nvidia-smi` lists the programs on it. %s", d.timeout, checkpointed)
			return d.lost
		}
		if waited := now.Sub(began); waited < 2*time.Millisecond {
			runtime.Gosched()
		} else {
			time.Sleep(min(waited/20, time.Millisecond)) // so that it is overslept by a twentieth at most
		}
	}
}

// done asks whether an event has come.
func (d *cuda) done(e cu.Event) (done bool, err error) {
	err = d.do("cuEventQuery", func() (err error) {
		done, err = cudax.Done(e)
		return err
	})
	return done, err
}

func (d *cuda) Sync() error {
	if err := d.ready(); err != nil {
		return err
	}
	if err := d.do("cuEventRecord", func() error { return d.idle.Record(d.compute) }); err != nil {
		return err
	}
	return d.wait(d.idle)
}
