package pool

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// tally counts how often every chunk was done. Chunks take unequal time, and each worker keeps plain counters, so that the
// race detector sees two goroutines that share a worker number.
type tally struct {
	job     int
	seen    []int // by chunk: plain, as an op's output is
	scratch []int // by worker
	inside  atomic.Int32
	most    int32
}

func (t *tally) Do(chunk, worker int) {
	if n := t.inside.Add(1); n > int32(len(t.scratch)) {
		t.most = n
	}
	t.scratch[worker]++
	work := t.job
	for i := range (chunk * 7919 % 13) * 50 {
		work += i
	}
	t.seen[chunk] += 1 + work - work
	t.inside.Add(-1)
}

func TestEveryChunkOnce(t *testing.T) {
	for _, workers := range []int{1, 2, 5} {
		p := New(workers)
		task := &tally{scratch: make([]int, workers)}
		total := 0
		for job := range 4000 {
			chunks := []int{0, 1, 2, 3, 17, 64, 5, 200}[job%8]
			task.job, task.seen = job, make([]int, chunks)
			p.Run(chunks, task)
			for c, n := range task.seen {
				if n != 1 {
					t.Fatalf("%d workers, job %d: chunk %d of %d done %d times", workers, job, c, chunks, n)
				}
			}
			total += chunks
			if job%500 == 0 {
				time.Sleep(2 * spinTime) // let the workers park
			}
		}
		sum := 0
		for _, n := range task.scratch {
			sum += n
		}
		if sum != total || task.most != 0 {
			t.Errorf("%d workers: %d chunks counted for %d, up to %d inside at once", workers, sum, total, task.most)
		}
		p.Close()
		p.Close()
	}
}

// meet holds every chunk until two of them run at the same time.
type meet struct{ inside atomic.Int32 }

func (m *meet) Do(chunk, worker int) {
	m.inside.Add(1)
	for m.inside.Load() < 2 {
		runtime.Gosched()
	}
}

// A parked worker must be woken: two chunks that wait for each other need two workers.
func TestParkedWorkersWake(t *testing.T) {
	p := New(2)
	defer p.Close()
	for range 50 {
		for p.parked.Load() == 0 {
			time.Sleep(spinTime)
		}
		p.Run(2, new(meet))
	}
}

// own is two chunks for two workers, which count those that are not their own.
type own struct {
	meet
	others atomic.Int32
}

func (o *own) Do(chunk, worker int) {
	o.meet.Do(chunk, worker)
	if chunk != worker {
		o.others.Add(1)
	}
}

// Two workers that are both there do the same chunks in nearly every run: one that still looks for more of the run before may take
// another's.
func TestWorkersKeepTheirChunks(t *testing.T) {
	p := New(2)
	defer p.Close()
	o := new(own)
	for range 200 {
		o.inside.Store(0)
		p.Run(2, o)
	}
	if n := o.others.Load(); n > 100 {
		t.Errorf("%d of 400 chunks were done by the other worker", n)
	}
}

// lost is two chunks, one of which ends only when the caller of Run has fallen asleep.
type lost struct {
	meet
	p     *Pool
	slept atomic.Int32
}

func (l *lost) Do(chunk, worker int) {
	l.meet.Do(chunk, worker)
	for deadline := time.Now().Add(10 * time.Second); worker > 0 && time.Now().Before(deadline); time.Sleep(spinTime) {
		if l.p.asleep.Load() {
			l.slept.Add(1)
			return
		}
	}
}

// A worker that does not come back must not keep the caller spinning.
func TestCallerSleeps(t *testing.T) {
	p := New(2)
	defer p.Close()
	l := &lost{p: p}
	for range 20 {
		l.inside.Store(0)
		p.Run(2, l)
	}
	if n := l.slept.Load(); n != 20 {
		t.Errorf("the caller slept in %d of 20 runs", n)
	}
	if p.asleep.Load() || len(p.woken) > 0 {
		t.Error("a token is left, or asked for, after the last run")
	}
}

func TestIdlePoolParks(t *testing.T) {
	p := New(4)
	defer p.Close()
	p.Run(100, &tally{seen: make([]int, 100), scratch: make([]int, 4)})
	for deadline := time.Now().Add(10 * time.Second); p.parked.Load() != 3; time.Sleep(spinTime) {
		if time.Now().After(deadline) {
			t.Fatalf("%d of 3 workers parked", p.parked.Load())
		}
	}
}

func TestCloseEndsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	p := New(8)
	p.Run(20, &tally{seen: make([]int, 20), scratch: make([]int, 8)})
	p.Close()
	for i := 0; runtime.NumGoroutine() > before; i++ { // ended.Wait returns a moment before the last goroutine is gone
		if i == 1000 {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestRunAllocatesNothing(t *testing.T) {
	p := New(3)
	defer p.Close()
	task := &tally{seen: make([]int, 9), scratch: make([]int, 3)}
	if n := testing.AllocsPerRun(200, func() { p.Run(9, task) }); n != 0 {
		t.Errorf("%v allocations a run", n)
	}
}

type nothing struct{}

func (*nothing) Do(chunk, worker int) {}

func BenchmarkForkJoin(b *testing.B) {
	p := New(runtime.GOMAXPROCS(0))
	defer p.Close()
	for b.Loop() {
		p.Run(4, &nothing{})
	}
}
