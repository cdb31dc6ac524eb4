package flowgpu

import "cuflow/device"

// repeat is work that is the same every time it is done, on the same buffers. It is enqueued the first time, so that the memory that
// it needs is there; recorded the second time, where the device can; and replayed from then on. K is what the work depends on
// beside the buffers: when it changes, all begins anew.
type repeat[K comparable] struct {
	key       K
	done      int // times
	recording device.Recording
	err       error // why it could not be recorded

	live bool // the work waits for numbers of the device, and goes on as they say: it is never recorded
}

// do enqueues the work.
func (r *repeat[K]) do(be device.Backend, key K, work func()) {
	if r.live {
		work()
		return
	}
	if key != r.key {
		r.close()
		*r = repeat[K]{key: key}
	}
	r.done++
	if r.recording == nil && r.err == nil && r.done > 1 {
		if recorder, ok := be.(device.Recorder); ok {
			r.recording, r.err = recorder.Record(work)
		}
	}
	if r.recording != nil {
		r.recording.Replay()
		return
	}
	work()
}

func (r *repeat[K]) close() {
	if r.recording != nil {
		r.recording.Close()
		r.recording = nil
	}
}
