package data

import "sync"

// Batch is one prepared batch of training samples.
type Batch struct {
	X      []float32 // [C][N][H][W], whole numbers 0 .. Levels-1
	Labels []int32   // [N] or nil
	N      int
	// Epoch of the batch, and the batches already taken in it after this one. A run that has finished with this batch
	// goes on with NewLoader(set, batch, seed, Epoch, Index).
	Epoch, Index int

	lent bool // between Next and Release
}

// ring is how many batches a Loader owns: one in the step, one ready, one being filled.
const ring = 3

// Loader prepares shuffled training batches ahead of the step on its own goroutine. Batches are full; the N%batch
// samples at the end of an epoch's order are left out of that epoch and come again in another. Next, Release and Close
// are for one goroutine.
type Loader struct {
	set        *Set
	seed       uint64
	free, full chan *Batch // between them and the two goroutines: ring batches, so neither send ever waits
	stop       chan struct{}
	worker     sync.WaitGroup
	close      sync.Once
	held       int // batches between Next and Release
}

// NewLoader starts at the position where index batches of the given epoch are done; index may be the epoch's last or
// more, which counts on into the epochs that follow. The set must have at least one batch: Batches says so in words.
func NewLoader(s *Set, batch int, seed uint64, epoch, index int) *Loader {
	perEpoch, err := s.Batches(batch)
	if err != nil {
		panic("data: NewLoader: fewer samples than one batch")
	}
	if epoch < 0 || index < 0 {
		panic("data: NewLoader: negative position")
	}
	l := &Loader{set: s, seed: seed, free: make(chan *Batch, ring), full: make(chan *Batch, ring), stop: make(chan struct{})}
	for range ring {
		b := &Batch{X: make([]float32, batch*s.D()), N: batch}
		if s.Labels != nil {
			b.Labels = make([]int32, batch)
		}
		l.free <- b
	}
	l.worker.Go(func() { l.prepare(epoch+index/perEpoch, index%perEpoch, perEpoch) })
	return l
}

// prepare fills free batches in order until the loader is closed.
func (l *Loader) prepare(epoch, index, perEpoch int) {
	defer close(l.full)
	var order []int32
	for ; ; epoch, index = epoch+1, 0 {
		order = Order(l.set.N, l.seed, epoch, order)
		for ; index < perEpoch; index++ {
			select {
			case b := <-l.free:
				l.fill(b, order[index*b.N:][:b.N])
				b.Epoch, b.Index = epoch, index+1
				l.full <- b
			case <-l.stop:
				return
			}
		}
	}
}

func (l *Loader) fill(b *Batch, samples []int32) {
	for i, sample := range samples {
		l.set.place(b.X, int(sample), i, b.N)
		if b.Labels != nil {
			b.Labels[i] = l.set.Labels[sample]
		}
	}
}

// Next waits for the next batch, which is the caller's until Release. At most three may be held.
func (l *Loader) Next() *Batch {
	if l.held == ring {
		panic("data: Next with all batches held")
	}
	b, ok := <-l.full
	if !ok {
		panic("data: Next after Close")
	}
	l.held++
	b.lent = true
	return b
}

// Release gives a batch back to be filled again.
func (l *Loader) Release(b *Batch) {
	if !b.lent {
		panic("data: Release of a batch that is not held")
	}
	b.lent = false
	l.held--
	l.free <- b
}

// Close stops the goroutine and returns when it has ended. Next must not be called afterwards; Close may.
func (l *Loader) Close() {
	l.close.Do(func() { close(l.stop) })
	l.worker.Wait()
}
