package data

import (
	"runtime"
	"sync"
)

// Batch is one prepared batch of training samples.
type Batch struct {
	X      []float32 // [C][N][H][W], whole numbers 0 .. Levels-1; of vectors [D][N], as Column says
	Bytes  []byte    // X as bytes, where LoaderOptions asks for them
	Labels []int32   // [N] or nil
	// Context is the features of the samples' context, [E][N], or nil.
	Context []float32
	N       int
	// Epoch of the batch, and the batches already taken in it after this one. A run that has finished with this batch
	// goes on with NewLoader(set, batch, seed, Epoch, Index).
	Epoch, Index int

	lent bool // between Next and Release
}

// ring is how many batches a Loader owns: one in the step, one ready, one being filled.
const ring = 3

// Loader prepares shuffled training batches ahead of the step on its own goroutines. Batches are full; the N%batch
// samples at the end of an epoch's order are left out of that epoch and come again in another. Next, Err, Release and
// Close are for one goroutine.
type Loader struct {
	source     Source
	info       Info
	seed       uint64
	augment    Augment
	workers    int
	free, full chan *Batch // between them and the two goroutines: ring batches, so neither send ever waits
	stop       chan struct{}
	worker     sync.WaitGroup
	close      sync.Once
	held       int   // batches between Next and Release
	failure    error // why prepare gave up: written before it closes full, read after
	err        error // failure, once Next has met it
}

// LoaderOptions are those choices of a Loader that may be left out.
type LoaderOptions struct {
	// Workers is how many samples of a batch are read at once: 0 is one for a *Set and *Vectors, which only copy, and as many
	// as there are processors for what must be decoded. The batches are the same whatever it is.
	Workers int
	Augment Augment
	// Bytes has batches carry their intensities as bytes too, for devices behind a bus. There must be at most 256.
	Bytes bool
}

// NewLoader starts at the position where index batches of the given epoch are done; index may be the epoch's last or
// more, which counts on into the epochs that follow. The source must have at least one batch: Batches says so in words.
func NewLoader(s Source, batch int, seed uint64, epoch, index int) *Loader {
	return NewLoaderWith(s, batch, seed, epoch, index, LoaderOptions{})
}

// NewLoaderWith is NewLoader with options. Augment.Check says in words what a shift may be.
func NewLoaderWith(s Source, batch int, seed uint64, epoch, index int, o LoaderOptions) *Loader {
	perEpoch, err := Batches(s, batch)
	if err != nil {
		panic("data: NewLoader: fewer samples than one batch")
	}
	if epoch < 0 || index < 0 {
		panic("data: NewLoader: negative position")
	}
	info := s.Info()
	if o.Bytes && (info.Levels < 1 || info.Levels > 256) {
		panic("data: NewLoader: intensities that are no bytes")
	}
	if o.Augment.Check(info.H, info.W) != nil {
		panic("data: NewLoader: shift out of range")
	}
	l := &Loader{source: s, info: info, seed: seed, augment: o.Augment, workers: o.Workers,
		free: make(chan *Batch, ring), full: make(chan *Batch, ring), stop: make(chan struct{})}
	if l.workers < 1 {
		l.workers = runtime.GOMAXPROCS(0)
		switch s.(type) {
		case *Set, *Vectors:
			l.workers = 1
		}
	}
	for range ring {
		b := &Batch{X: make([]float32, batch*info.D()), N: batch}
		if o.Bytes {
			b.Bytes = make([]byte, len(b.X))
		}
		if info.Classes > 0 {
			b.Labels = make([]int32, batch)
		}
		if info.Context > 0 {
			b.Context = make([]float32, batch*info.Context)
		}
		l.free <- b
	}
	l.worker.Go(func() { l.prepare(epoch+index/perEpoch, index%perEpoch, perEpoch) })
	return l
}

// prepare fills free batches in order until the loader is closed or a sample cannot be read.
func (l *Loader) prepare(epoch, index, perEpoch int) {
	defer close(l.full)
	var order []int32
	for ; ; epoch, index = epoch+1, 0 {
		order = Order(l.info.N, l.seed, epoch, order)
		for ; index < perEpoch; index++ {
			select {
			case b := <-l.free:
				if l.failure = l.fill(b, order[index*b.N:][:b.N], epoch); l.failure != nil {
					return
				}
				if b.Bytes != nil {
					narrow(b.Bytes, b.X)
				}
				b.Epoch, b.Index = epoch, index+1
				l.full <- b
			case <-l.stop:
				return
			}
		}
	}
}

func (l *Loader) fill(b *Batch, samples []int32, epoch int) error {
	if l.workers > 1 {
		return parallel(l.workers, b.N, func(i int) error { return l.load(b, i, int(samples[i]), epoch) })
	}
	for i, sample := range samples {
		if err := l.load(b, i, int(sample), epoch); err != nil {
			return err
		}
	}
	return nil
}

// narrow makes bytes of whole numbers.
func narrow(dst []byte, src []float32) {
	for i, v := range src {
		dst[i] = byte(v)
	}
}

func (l *Loader) load(b *Batch, i, sample, epoch int) error {
	if err := l.source.Load(b.X, sample, i, b.N); err != nil {
		return err
	}
	if b.Labels != nil {
		b.Labels[i] = l.source.Label(sample)
	}
	if b.Context != nil {
		l.source.Given(b.Context, sample, i, b.N)
	}
	l.augment.apply(b.X, l.info, i, b.N, l.seed, epoch, sample)
	return nil
}

// Next waits for the next batch, which is the caller's until Release. At most three may be held. It is nil where a sample
// could not be read, when all batches before it have been given out: Err says why. This cannot happen with a *Set.
func (l *Loader) Next() *Batch {
	if l.held == ring {
		panic("data: Next with all batches held")
	}
	b, ok := <-l.full
	if !ok && l.failure != nil {
		l.err = l.failure
		return nil
	}
	if !ok {
		panic("data: Next after Close")
	}
	l.held++
	b.lent = true
	return b
}

// Err is why Next returned nil.
func (l *Loader) Err() error { return l.err }

// Release gives a batch back to be filled again.
func (l *Loader) Release(b *Batch) {
	if !b.lent {
		panic("data: Release of a batch that is not held")
	}
	b.lent = false
	l.held--
	l.free <- b
}

// Close stops the goroutines and returns when they have ended. Next must not be called afterwards; Close may.
func (l *Loader) Close() {
	l.close.Do(func() { close(l.stop) })
	l.worker.Wait()
}
