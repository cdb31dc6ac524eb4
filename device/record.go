package device

import "fmt"

// Recorder is a Backend that can record ops and do them again for less than it costs to enqueue each: a CUDA graph.
type Recorder interface {
	// Record calls f, whose ops are kept instead of done. f must have run before, so that the memory that its ops need is there,
	// and must neither allocate nor copy from or to the host. The error says which op cannot be recorded; the backend is then
	// as it was before.
	Record(f func()) (Recording, error)
}

// Recording is work that can be done again, on the same buffers with the same numbers.
type Recording interface {
	// Replay enqueues the work.
	Replay()
	// Close frees what it holds.
	Close()
}

type recording struct {
	g     *gpu
	graph Graph
}

func (g *gpu) Record(f func()) (Recording, error) {
	if g.err != nil {
		return nil, g.err
	}
	g.op = "Record"
	if err := g.d.Record(); err != nil {
		return nil, fmt.Errorf("%s: %w", g.d.Name(), err)
	}
	g.recording = true
	f()
	g.recording = false
	graph, err := g.d.Stop()
	if g.err != nil { // an op that cannot be recorded: nothing has been done, and the device is well
		err, g.err = g.err, nil
		if graph != nil {
			graph.Close()
		}
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: recording: %w", g.d.Name(), err)
	}
	return &recording{g, graph}, nil
}

func (r *recording) Replay() {
	r.g.op = "Replay"
	if r.g.err == nil {
		r.g.keep(r.graph.Replay())
	}
}

func (r *recording) Close() {
	r.g.op = "Close"
	r.g.keep(r.graph.Close())
}
