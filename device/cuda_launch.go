//go:build cuda && cgo && linux

package device

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"cuflow/device/internal/cudax"
	"gorgonia.org/cu"
)

// cudaFunction is a kernel.
type cudaFunction struct {
	handle cu.Function
	name   string
	sizes  []int // of its parameters; nil if the driver does not say
}

// slow is how long translating may take before the user is told.
const slow = time.Second

func (d *cuda) Load(file, text string, names []string) ([]Function, error) {
	if err := d.ready(); err != nil {
		return nil, err
	}
	defer d.translate()()
	var functions []Function
	log := make([]byte, 8<<10)
	err := d.do("cuModuleLoadDataEx of "+file, func() error {
		m, err := cu.LoadDataEx(text, &cu.JITErrorLogBuffer{Buffer: log})
		runtime.KeepAlive(log) // the bindings hide it from the garbage collector
		if err != nil {
			return err
		}
		d.modules = append(d.modules, m)
		return nil
	})
	if err != nil {
		if said, _, _ := strings.Cut(string(log), "\x00"); strings.TrimSpace(said) != "" {
			err = fmt.Errorf("%w\n%s", err, strings.TrimSpace(said))
		}
		return nil, err
	}
	for _, name := range names {
		f := cudaFunction{name: name}
		if err := d.find(&f); err != nil {
			return nil, fmt.Errorf("kernel %s of %s: %w", name, file, err)
		}
		functions = append(functions, Function(len(d.functions)))
		d.functions = append(d.functions, f)
	}
	return functions, nil
}

// find fills in a kernel of the last module, and lets it have all the shared memory that a block can have.
func (d *cuda) find(f *cudaFunction) error {
	err := d.do("cuModuleGetFunction", func() (err error) {
		f.handle, err = d.modules[len(d.modules)-1].Function(f.name)
		return err
	})
	static := 0
	if err == nil {
		err = d.do("cuFuncGetAttribute", func() (err error) {
			static, err = f.handle.Attribute(cu.SharedSizeBytes)
			return err
		})
	}
	if err == nil {
		err = d.do("cuFuncSetAttribute", func() error { return cudax.AllowShared(f.handle, d.shared-static) })
	}
	if err == nil {
		err = d.do("cuFuncGetParamInfo", func() (err error) {
			f.sizes, err = cudax.Parameters(f.handle)
			return err
		})
	}
	return err
}

// translate begins to watch how long translating takes; what it returns ends that.
func (d *cuda) translate() func() {
	if d.notice == nil {
		return func() {}
	}
	var mu sync.Mutex
	said := false
	timer := time.AfterFunc(slow-d.translating, func() {
		mu.Lock()
		defer mu.Unlock()
		if !said {
			said = true
			d.notice("the NVIDIA driver translates the kernels for " + d.chip.Name + "; it keeps the result, so that the next start is quick")
		}
	})
	began := time.Now()
	return func() {
		timer.Stop()
		d.translating += time.Since(began)
		mu.Lock() // once the timer's call has ended, or before it begins
		defer mu.Unlock()
		if said {
			d.notice = nil
		}
		said = true
	}
}

func (d *cuda) Launch(l *Launch) error {
	if d.lost != nil {
		return d.lost
	}
	f := &d.functions[l.Function]
	if len(l.Args) != len(l.Sizes) || len(l.Args) > cudax.MostParameters || f.sizes != nil && !slices.Equal(f.sizes, l.Sizes) {
		return d.unlaunched(fmt.Errorf("kernel %s has parameters of %d bytes, not the %d of %d", f.name, f.sizes, len(l.Args), l.Sizes))
	}
	if err := d.ctx.Launch(f.handle, l.GridX, l.GridY, l.Block, l.Shared, d.compute, l.Args); err != nil {
		what := fmt.Sprintf("cuLaunchKernel of %s, grid %d x %d, block %d, %d bytes of shared memory",
			f.name, l.GridX, l.GridY, l.Block, l.Shared)
		return d.unlaunched(d.do(what, func() error { return err }))
	}
	return d.ahead(1)
}

// unlaunched keeps the first launch that fails while work is recorded: without it the graph would do something else.
func (d *cuda) unlaunched(err error) error {
	if d.recording && d.unrecorded == nil {
		d.unrecorded = err
	}
	return err
}

func (d *cuda) Record() error {
	if err := d.ready(); err != nil {
		return err
	}
	if err := d.do("cuStreamBeginCapture", func() error { return cudax.BeginCapture(d.compute) }); err != nil {
		return err
	}
	d.recording, d.unrecorded = true, nil
	return nil
}

func (d *cuda) Stop() (Graph, error) {
	if !d.recording {
		return nil, errors.New("no work is being recorded")
	}
	d.recording = false
	g := &cudaGraph{d: d}
	err := d.do("cuStreamEndCapture", func() (err error) {
		g.graph, err = cudax.EndCapture(d.compute)
		return err
	})
	if err != nil {
		return nil, cmp.Or(d.lost, d.unrecorded, err)
	}
	d.graphs[g] = true
	if err := cmp.Or(d.lost, d.unrecorded); err != nil {
		g.Close()
		return nil, err
	}
	return g, nil
}

// cudaGraph is a recording.
type cudaGraph struct {
	d     *cuda
	graph cudax.Graph
}

// replayWeight is how many launches a replay counts as in Driver's pace.
const replayWeight = fenceEvery / 2

func (g *cudaGraph) Replay() error {
	if err := g.d.ready(); err != nil {
		return err
	}
	if !g.d.graphs[g] {
		return errors.New("the graph was closed")
	}
	if err := g.d.do("cuGraphLaunch", func() error { return g.graph.Launch(g.d.compute) }); err != nil {
		return err
	}
	return g.d.ahead(replayWeight)
}

func (g *cudaGraph) Close() error {
	if !g.d.graphs[g] {
		return nil
	}
	if err := g.d.Sync(); err != nil { // Close of the Driver frees it, if anything can
		return err
	}
	delete(g.d.graphs, g)
	return g.d.do("cuGraphExecDestroy", g.graph.Destroy)
}

const (
	fenceEvery = 64 // launches
	fences     = 8
)

// pace keeps the host from running too far ahead: once the driver's own queue is full, a launch waits in the driver, where no
// time-out reaches. Behind every 64 launches there is a fence, and at most eight of these are open.
type pace struct {
	fence       [fences]cu.Event
	first, open int // the oldest, and how many
	launches    int // since the last
}

func (p *pace) events() (all []*cu.Event) {
	for i := range p.fence {
		all = append(all, &p.fence[i])
	}
	return all
}

// ahead counts launches.
func (d *cuda) ahead(launches int) error {
	p := &d.pace
	if d.recording {
		return nil
	}
	if p.launches += launches; p.launches < fenceEvery {
		return nil
	}
	for p.open == fences {
		if err := d.wait(p.fence[p.first]); err != nil {
			return err
		}
		d.progressed()
	}
	p.launches = 0
	last := p.fence[(p.first+p.open)%fences]
	p.open++
	return d.do("cuEventRecord", func() error { return last.Record(d.compute) })
}

// progressed says whether another fence has been reached since it was last asked.
func (d *cuda) progressed() bool {
	p := &d.pace
	if p.open == 0 {
		return false
	}
	if done, err := d.done(p.fence[p.first]); !done || err != nil {
		return false
	}
	p.first = (p.first + 1) % fences
	p.open--
	return true
}
