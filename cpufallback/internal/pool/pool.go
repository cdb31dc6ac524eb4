// Package pool spreads the chunks of one op over a few goroutines, with a fork and join of well under a microsecond.
package pool

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Task is one op cut in chunks. Do is called once for every chunk, on any worker; worker indexes per-worker scratch.
type Task interface{ Do(chunk, worker int) }

// Pool is a claiming pool: chunks are claimed from an atomic counter by the caller of Run and by whichever workers are
// awake. The caller never waits for a worker that has not started, so that a descheduled worker costs at most the chunk
// that it holds. Workers look for work for about 100 microseconds after their last chunk, then park.
type Pool struct {
	workers int

	// The job. Run writes it before it stores left, and only who holds a chunk reads it; Run does not return, so the job
	// does not change, while anybody holds one.
	task   Task
	chunks int
	_      [64]byte

	// left counts the chunks not yet claimed: subtracting one claims, if the result is not negative. A worker that comes
	// late claims from whatever job there is then, or nothing; it never needs to know which job that is.
	left atomic.Int64
	_    [56]byte

	pending atomic.Int64 // chunks not yet done
	_       [56]byte

	parked atomic.Int32  // workers that nobody has promised a token to
	wake   chan struct{} // one token wakes one worker
	closed atomic.Bool
	ended  sync.WaitGroup
}

const (
	spinTime   = 100 * time.Microsecond // longer than the gap between two ops, shorter than anybody minds
	spinPauses = 10                     // PAUSE instructions between two looks at the counter
	spinRounds = 64                     // looks at the counter between two looks at the clock
)

// New starts a pool in which the caller of Run is worker 0, and workers-1 goroutines are the others.
func New(workers int) *Pool {
	p := &Pool{workers: max(workers, 1)}
	p.wake = make(chan struct{}, p.workers)
	for w := 1; w < p.workers; w++ {
		p.ended.Go(func() { p.work(w) })
	}
	return p
}

// Workers is how many may be inside Do at the same time; worker numbers are below it.
func (p *Pool) Workers() int { return p.workers }

// Run calls t.Do(0) .. t.Do(chunks-1) and returns when all are done. It is for one goroutine at a time, Do must not call it.
func (p *Pool) Run(chunks int, t Task) {
	if chunks <= 1 || p.workers == 1 {
		for i := range chunks {
			t.Do(i, 0)
		}
		return
	}
	p.task, p.chunks = t, chunks
	p.pending.Store(int64(chunks))
	p.left.Store(int64(chunks))
	for range min(p.workers, chunks) - 1 {
		if !p.unpark() {
			break
		}
		p.wake <- struct{}{}
	}
	p.claim(0)
	for i := 0; p.pending.Load() > 0; i++ {
		if i < spinRounds {
			pause(spinPauses)
		} else {
			runtime.Gosched() // more workers than cores: let the one that holds the chunk run
		}
	}
	p.task = nil
}

// Close ends the workers. Run must not be called afterwards.
func (p *Pool) Close() {
	if !p.closed.Swap(true) {
		close(p.wake)
	}
	p.ended.Wait()
}

// claim does chunks until there are none left, and says whether it did any.
func (p *Pool) claim(worker int) (any bool) {
	for p.left.Load() > 0 {
		i := p.left.Add(-1)
		if i < 0 {
			break
		}
		p.task.Do(p.chunks-1-int(i), worker)
		p.pending.Add(-1)
		any = true
	}
	return any
}

// work is the life of a worker.
func (p *Pool) work(worker int) {
	for !p.closed.Load() {
		if p.claim(worker) || p.spin() {
			continue
		}
		p.parked.Add(1)
		if p.left.Load() > 0 && p.unpark() {
			continue // work came between the last look and parking, and Run did not see this worker parked
		}
		<-p.wake
	}
}

// spin waits for work for a short while and says whether there is some.
func (p *Pool) spin() bool {
	for start := time.Now(); time.Since(start) < spinTime && !p.closed.Load(); {
		for range spinRounds {
			if p.left.Load() > 0 {
				return true
			}
			pause(spinPauses)
		}
	}
	return false
}

// unpark takes one worker off the count of the parked, if there is one. Whoever does so on behalf of another worker owes
// it a token; a worker that does so for itself goes on without one.
func (p *Pool) unpark() bool {
	for {
		n := p.parked.Load()
		if n == 0 {
			return false
		}
		if p.parked.CompareAndSwap(n, n-1) {
			return true
		}
	}
}
