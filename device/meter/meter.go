// Package meter tells what the ops of a Backend cost where they stand: their time, arithmetic and memory traffic, one by one, in the
// order in which a training step asks for them.
package meter

import (
	"time"

	"cuflow/device"
)

//go:generate go run ./internal/gen ..

// Call is one op that was asked for.
type Call struct {
	Op    string        // its method of device.Backend
	Stage int           // what Meter.Stage was
	Time  time.Duration // from before the op to its end
	Flops int64         // of products, two per multiply-add, as device.Tally counts them
	Bytes int64         // of operands: each once where it is read or written, twice where both
}

// Meter is a Backend that hands every op on to another and notes what it took. Ops are never recorded as a graph: each is waited for.
type Meter struct {
	device.Backend     // that computes
	Stage          int // is noted with every op

	tally   device.Tally
	waits   bool // the device works while the host goes on, so that an op's end must be waited for
	on      bool
	calls   []Call
	started time.Time
	took    time.Duration
	flops   int64 // counted before the op under way
}

var _ device.Backend = (*Meter)(nil)

// New meters a backend. With waits every op is waited for by Sync, before and after: right for a GPU, where the times then contain a
// launch and the way there and back; a CPU's ops are done when they return. The meter is off.
func New(be device.Backend, waits bool) *Meter { return &Meter{Backend: be, waits: waits} }

// Count is a meter of a device that computes nothing: ops have no time. It is on.
func Count() *Meter { return &Meter{Backend: &device.Tally{}, on: true} }

// Switch turns the meter on or off. Off, ops are only handed on.
func (m *Meter) Switch(on bool) { m.on = on }

// Calls are the ops since the last Reset while the meter was on. They are overwritten after the next Reset.
func (m *Meter) Calls() []Call { return m.calls }

// Reset forgets the calls and keeps their memory.
func (m *Meter) Reset() { m.calls = m.calls[:0] }

// Upload copies src to dst.
func (m *Meter) Upload(dst device.Buffer, src []float32) {
	m.begin()
	m.Backend.Upload(dst, src)
	m.end()
	m.note("Upload", 2*dst.Len())
}

func (m *Meter) begin() {
	if !m.on {
		return
	}
	m.wait()
	m.flops = m.tally.Flops
	m.started = time.Now()
}

func (m *Meter) end() {
	if m.on {
		m.wait()
		m.took = time.Since(m.started)
	}
}

// wait lets the device finish. Its error is kept by the device, and told by Download.
func (m *Meter) wait() {
	if m.waits {
		m.Backend.Sync()
	}
}

// note keeps the op that has ended; values is how many float32s it moved.
func (m *Meter) note(op string, values int) {
	if m.on {
		m.calls = append(m.calls, Call{Op: op, Stage: m.Stage, Time: m.took, Flops: m.tally.Flops - m.flops, Bytes: 4 * int64(values)})
	}
}
