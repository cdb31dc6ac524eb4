// Package pool spreads the chunks of one op over a few goroutines, with a fork and join of well under a microsecond.
package pool

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Task is one op cut in chunks. Do is called once for every chunk, on any worker; worker indexes per-worker scratch.
type Task interface{ Do(chunk, worker int) }

// Pool is a claiming pool: chunks are claimed from atomic counters by the caller of Run and by whichever workers are
// awake. Each has a share of its own, the same part of every job, and goes on to the others' when that is done: what an op leaves
// in a core's cache is there for the same chunk of the next, and cores may lie far apart. So do the counters: all that a worker needs to
// know of its share is in one cache line, which it waits for, and which nobody else touches but to help. The caller never waits for a worker
// that has not started, so that a descheduled worker costs at most the chunk that it holds; and while the caller waits for that,
// it sleeps, so that the worker can have its core. Workers look for work for about 100 microseconds after their last chunk, then
// park.
type Pool struct {
	workers int
	shares  []share // by worker

	asleep atomic.Bool   // the caller of Run waits for a token
	woken  chan struct{} // that token, from whoever does the last chunk of a share

	parked atomic.Int32  // workers that nobody has promised a token to
	wake   chan struct{} // one token wakes one worker
	closed atomic.Bool
	ended  sync.WaitGroup

	chance *rand.Rand // of Shuffle
}

// share is a worker's part of the job. Run writes it before it stores what is left, and only who holds a chunk of it reads it; Run does
// not return, so that it does not change, while anybody holds one. A worker that comes late claims from whatever job there is then, or
// nothing; it never needs to know which job that is.
type share struct {
	left   atomic.Int64 // chunks not yet claimed: subtracting one claims, if the result is not negative
	undone atomic.Int64 // chunks not yet done
	task   Task
	end    int      // the chunk after the last
	_      [88]byte // two cache lines in all, which some processors fetch together
}

const (
	spinTime   = 100 * time.Microsecond // longer than the gap between two ops or most chunks, shorter than anybody minds
	spinPauses = 10                     // PAUSE instructions between two looks at the counters
	spinRounds = 64                     // looks at the counters between two looks at the clock
)

// New starts a pool in which the caller of Run is worker 0, and workers-1 goroutines are the others.
func New(workers int) *Pool {
	p := &Pool{workers: max(workers, 1)}
	p.shares = make([]share, p.workers)
	p.wake, p.woken = make(chan struct{}, p.workers), make(chan struct{}, 1)
	for w := 1; w < p.workers; w++ {
		p.ended.Go(func() { p.work(w) })
	}
	return p
}

// Workers is how many may be inside Do at the same time; worker numbers are below it.
func (p *Pool) Workers() int { return p.workers }

// Run calls t.Do(0) .. t.Do(chunks-1) and returns when all are done. It is for one goroutine at a time, Do must not call it.
func (p *Pool) Run(chunks int, t Task) {
	if p.chance != nil {
		p.shuffled(chunks, t)
		return
	}
	if chunks <= 1 || p.workers == 1 {
		for i := range chunks {
			t.Do(i, 0)
		}
		return
	}
	for w := range p.shares {
		first, end := chunks*w/p.workers, chunks*(w+1)/p.workers
		if first == end {
			continue
		}
		s := &p.shares[w]
		s.task, s.end = t, end
		s.undone.Store(int64(end - first))
		s.left.Store(int64(end - first))
	}
	for range min(p.workers, chunks) - 1 {
		if !p.unpark() {
			break
		}
		p.wake <- struct{}{}
	}
	p.claim(0)
	p.await()
	for w := range p.shares {
		p.shares[w].task = nil
	}
}

// done says whether all chunks are.
func (p *Pool) done() bool {
	for w := range p.shares {
		if p.shares[w].undone.Load() > 0 {
			return false
		}
	}
	return true
}

// await returns when all chunks are done. Whoever holds one is about to end as a rule, which is worth spinning for. If it takes
// longer, the worker may have lost its core to another program: spinning would keep it from getting this one.
func (p *Pool) await() {
	for range spinRounds {
		if p.done() {
			return
		}
		pause(spinPauses)
	}
	for start := time.Now(); time.Since(start) < spinTime; {
		if p.done() {
			return
		}
		yield() // let the one that holds the chunk run, if it waits for this core
	}
	for !p.done() {
		p.asleep.Store(true)
		if p.done() && p.asleep.CompareAndSwap(true, false) {
			return // done between the last look and falling asleep, and nobody saw that there is somebody to wake
		}
		<-p.woken
	}
}

// Close ends the workers. Run must not be called afterwards.
func (p *Pool) Close() {
	if !p.closed.Swap(true) {
		close(p.wake)
	}
	p.ended.Wait()
}

// claim does chunks until there are none left, the worker's own first, and says whether it did any.
func (p *Pool) claim(worker int) (any bool) {
	for i := range p.workers {
		if p.claimOf((worker+i)%p.workers, worker) {
			any = true
		}
	}
	return any
}

// claimOf does chunks of the share of owner.
func (p *Pool) claimOf(owner, worker int) (any bool) {
	s := &p.shares[owner]
	for s.left.Load() > 0 {
		i := s.left.Add(-1)
		if i < 0 {
			break
		}
		s.task.Do(s.end-1-int(i), worker)
		if s.undone.Add(-1) == 0 && p.asleep.Load() && p.asleep.CompareAndSwap(true, false) {
			p.woken <- struct{}{}
			runtime.Gosched() // the caller goes on here, sooner than another thread wakes up
		}
		any = true
	}
	return any
}

// work is the life of a worker.
func (p *Pool) work(worker int) {
	for !p.closed.Load() {
		if p.claim(worker) || p.spin(worker) {
			continue
		}
		p.parked.Add(1)
		if p.unclaimed() && p.unpark() {
			continue // work came between the last look and parking, and Run did not see this worker parked
		}
		<-p.wake
	}
}

// spin waits for a share of work for a short while and says whether there is one.
func (p *Pool) spin(worker int) bool {
	own := &p.shares[worker].left
	for start := time.Now(); time.Since(start) < spinTime && !p.closed.Load(); {
		for range spinRounds {
			if own.Load() > 0 {
				return true
			}
			pause(spinPauses)
		}
		yield() // whoever waits for this core has something to do
	}
	return false
}

// unclaimed says whether there are chunks to claim.
func (p *Pool) unclaimed() bool {
	for w := range p.shares {
		if p.shares[w].left.Load() > 0 {
			return true
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
