package flowgpu

import (
	"fmt"
	"math"

	"cuflow/device"
)

// The uses of random numbers, kept apart from each other for one seed.
const (
	streamInit   = 1       // dequantisation of the batch that sets actnorms
	streamTrain  = 2       // dequantisation in training, by step
	streamEval   = 3       // dequantisation in evaluation, by sample
	streamFit    = 4       // dequantisation of what a mixture is fitted to, by sample
	streamPick   = 5       // components of sampled mixtures, by sample
	streamDrop   = 6       // whose class is not told in training, by step
	streamSample = 16      // latents, by sample; one stream per region from here
	streamLayers = 1 << 16 // numbers that layers draw: 256 streams for each of the above

	streamDropout = 1 << 24 // dropout, by step; one stream per place in the model from here
)

// Workspace is a model's memory for one batch size: the batch in flight, its gradient, and the two arenas, sized by
// a dry run. Methods that take n allow any n up to the batch size.
type Workspace struct {
	m       *Model
	batch   int
	chain   Chain
	s       State
	all     device.Buffer // everything below is cut from this
	pixels  device.Buffer // [D*N] whole numbers, before dequantisation
	logdet  device.Buffer // [N]
	label   device.Buffer // [N] of a class-conditional model
	labels  []float32     // the same on the host
	context device.Buffer // [E][N] of a conditional model
	given   int           // samples that context is of
	noise   Chain         // of variational dequantisation, before chain

	seen, dseen device.Buffer // what that sees of images, and the gradient
	surprise    device.Buffer // [N] -log q(u|v)
	fresh       bool          // x is noise that is not on pixels yet
	varied      bool          // it was, in the last pass forward
	at          device.Buffer // [2] step and first sample, for noise
	atHost      [2]float32
	regions     []device.Rows // latent blocks as they lie in memory, for N = 1
	priors      []Prior       // of each
	flops       int64         // of one pass: a training step, or an evaluation and a sampling
	solves      int64         // of continuous layers in a rehearsal of it, which are not in flops
}

// NewWorkspace prepares training on batches in a memory mode, or with mode "" evaluation and sampling only. The error says
// how much memory was missing.
func (m *Model) NewWorkspace(batch int, mode Mode) (*Workspace, error) {
	w := &Workspace{m: m, batch: batch, regions: latentRegions(m.blocks)}
	w.noise = mode.chain(m.dequant)
	w.chain, w.priors = mode.chain(m.blocks), priorsOf(m.cfg, m.prior, len(w.regions))
	training := mode != ""
	if training {
		if err := m.needGradients(); err != nil {
			return nil, err
		}
	}
	plan := w.dryRun(training, mode)

	n := m.cfg.D() * batch
	sizes := []int{n, n, 0, batch, 2, plan.scratch, plan.stash, 0, m.features * batch, m.cfg.seenLen() * batch, 0, 0}
	if training {
		sizes[2], sizes[10] = n, sizes[9]
	}
	if m.cfg.variational() {
		sizes[11] = batch
	}
	if m.cfg.Classes > 0 {
		sizes[7] = batch
		w.labels = make([]float32, batch)
	}
	total := 0
	for _, size := range sizes {
		total += aligned(size)
	}
	all, err := m.be.Alloc(total)
	if err != nil {
		return nil, fmt.Errorf("a batch of %d images in mode %q: %w; use a smaller --batch or another --memory", batch, mode, err)
	}
	w.all = all
	cut := func(size int) device.Buffer {
		piece := all.Slice(0, size)
		all = all.Slice(aligned(size), all.Len())
		return piece
	}
	w.pixels, w.s.x, w.s.dx, w.logdet, w.at = cut(sizes[0]), cut(sizes[1]), cut(sizes[2]), cut(sizes[3]), cut(sizes[4])
	w.s.Scratch, w.s.Stash = device.NewArena(cut(sizes[5])), device.NewArena(cut(sizes[6]))
	w.label, w.context = cut(sizes[7]), cut(sizes[8])
	w.seen, w.dseen, w.surprise = cut(sizes[9]), cut(sizes[10]), cut(sizes[11])
	w.s.Backend, w.s.Keep, w.s.KeepX = m.be, mode == Stash, mode != Reversible
	w.s.Solving, w.s.At = &Solving{}, w.at
	w.flops, w.solves = plan.flops, plan.solves
	return w, nil
}

// Close frees the memory.
func (w *Workspace) Close() { w.m.be.Free(w.all) }

// Bytes is the memory that the workspace holds.
func (w *Workspace) Bytes() int64 { return 4 * int64(w.all.Len()) }

// latentRegions lists where the latent lies in the batch's memory: the last level first, then what each split retired,
// from the last split to the first. Each region is [C][N][P].
func latentRegions(blocks []block) (regions []device.Rows) {
	last := blocks[len(blocks)-1]
	regions = append(regions, device.Rows{C: last.c, N: 1, P: last.h * last.w})
	for i := len(blocks) - 1; i >= 0; i-- {
		for _, l := range blocks[i].chain {
			if split, ok := l.(*Split); ok {
				regions = append(regions, device.Rows{C: split.retire, N: 1, P: blocks[i].h * blocks[i].w})
			}
		}
	}
	return regions
}

// eachRegion calls f with each latent region of a batch of n samples and where it begins.
func (w *Workspace) eachRegion(n int, f func(i int, r device.Rows, lo int)) {
	lo := 0
	for i, r := range w.regions {
		r.N = n
		f(i, r, lo)
		lo += r.Len()
	}
}

// plan is how much memory a step takes from each arena, and its arithmetic.
type plan struct {
	scratch, stash int
	flops          int64
	solves         int64 // arithmetic of continuous layers, apart
}

// dryRun takes one step on a backend that only counts.
func (w *Workspace) dryRun(training bool, mode Mode) plan {
	tally := &device.Tally{}
	n := w.m.cfg.D() * w.batch
	w.s = State{
		Backend: tally, x: device.Phantom(n), dx: device.Phantom(n),
		Scratch: device.NewCountingArena(), Stash: device.NewCountingArena(),
		Keep: mode == Stash, KeepX: mode != Reversible, At: device.Phantom(2), Solving: &Solving{Rehearsal: true},
	}
	w.pixels, w.logdet, w.label, w.at = device.Phantom(n), device.Phantom(w.batch), device.Phantom(w.batch), device.Phantom(2)
	w.context, w.given = device.Phantom(w.m.features*w.batch), w.batch
	w.seen, w.dseen, w.surprise = device.Phantom(w.m.cfg.seenLen()*w.batch), device.Phantom(w.m.cfg.seenLen()*w.batch), device.Phantom(w.batch)
	w.dequantize(w.batch, device.Stream{})
	w.forward(w.batch, training)
	if training {
		w.backward()
	} else {
		w.draw(w.batch, 1, 0)
		w.inverse(w.batch)
	}
	flops, solves := tally.Flops, w.s.Solving.Flops
	if w.m.cfg.guided() && !training { // there is memory for it, if it should be asked for
		w.s.Guidance = 1
		w.draw(w.batch, 1, 0)
		w.inverse(w.batch)
	}
	p := plan{scratch: w.s.Scratch.High(), stash: w.s.Stash.High(), flops: flops - solves, solves: solves}
	w.s, w.given = State{}, 0
	return p
}

// enter begins a pass over n samples of the data's shape.
func (w *Workspace) enter(n int) {
	if n > w.batch {
		panic("flowgpu: more samples than the workspace was made for")
	}
	cfg := &w.m.cfg
	w.s.N, w.s.C, w.s.H, w.s.W = n, cfg.Channels, cfg.Height, cfg.Width
	w.s.LogDet = w.logdet.Slice(0, n)
	if cfg.Classes > 0 {
		w.s.Label = w.label.Slice(0, n)
	}
	if w.m.features > 0 {
		if n != w.given {
			panic("flowgpu: a context of another number of samples than the batch")
		}
		w.s.Context = w.context.Slice(0, w.m.features*n)
	}
	if seen := cfg.seenLen() * n; seen > 0 {
		w.s.Pixels, w.s.Context = w.pixels.Slice(0, cfg.D()*n), w.seen.Slice(0, seen)
		if w.dseen.Len() > 0 {
			w.s.DContext = w.dseen.Slice(0, seen)
		}
	}
	w.s.Scratch.Release(0)
	w.s.Stash.Release(0)
}

// rows is the shape of n samples of the data.
func (w *Workspace) rows(n int) device.Rows {
	cfg := &w.m.cfg
	return device.Rows{C: cfg.Channels, N: n, P: cfg.Height * cfg.Width}
}

// setLabels uploads the classes of the next batch. A model without classes takes none.
func (w *Workspace) setLabels(classes []int32) error {
	k := w.m.cfg.Classes
	if k == 0 {
		return nil
	}
	if len(classes) > w.batch {
		return fmt.Errorf("%d labels for a batch of %d", len(classes), w.batch)
	}
	for i, c := range classes {
		if c < 0 || int(c) >= k {
			return fmt.Errorf("sample %d is of class %d, but the model knows 0 to %d", i, c, k-1)
		}
		w.labels[i] = float32(c)
	}
	w.s.Upload(w.label.Slice(0, len(classes)), w.labels[:len(classes)])
	return nil
}

// setContext uploads the features [E][n] of the next batch's context. A model without takes none.
func (w *Workspace) setContext(features []float32) error {
	e := w.m.features
	if e == 0 {
		return nil
	}
	if len(features)%e != 0 || len(features) > e*w.batch {
		return fmt.Errorf("%d values of a context of %d features, for a batch of %d: give as many for each sample", len(features), e, w.batch)
	}
	w.given = len(features) / e
	w.s.Upload(w.context.Slice(0, len(features)), features)
	return nil
}

// conditioned says whether there is a context for n samples, where one is needed.
func (w *Workspace) conditioned(n int) error {
	if w.m.features > 0 && w.given != n {
		return fmt.Errorf("a conditional model has the context of %d samples, for %d: give theirs first", w.given, n)
	}
	return nil
}

// noiseAt uploads which step and sample the next noise belongs to.
func (w *Workspace) noiseAt(step, first int) {
	w.atHost = [2]float32{float32(step), float32(first)}
	w.s.Upload(w.at, w.atHost[:])
}

// dequantize makes the n samples in pixels continuous and centres them: x = (v + u)/Intensities - 1/2. Vectors, which come
// scaled, take the noise of their columns.
func (w *Workspace) dequantize(n int, rng device.Stream) {
	cfg := &w.m.cfg
	size := cfg.D() * n
	w.s.Noise = device.Stream{Seed: rng.Seed, ID: streamLayers + 256*rng.ID}
	if cfg.Intensities == 0 {
		w.blur(n, rng, w.pixels.Slice(0, size), w.s.x.Slice(0, size))
		return
	}
	if w.fresh = cfg.variational(); w.fresh {
		w.s.Logistic(w.rows(n), 1, rng, w.at, w.s.x.Slice(0, size))
		return
	}
	if cfg.Noise > 0 {
		w.roughen(n, rng, w.pixels.Slice(0, size), w.s.x.Slice(0, size))
		return
	}
	w.s.Dequantize(w.rows(n), cfg.Intensities, rng, w.at, w.pixels.Slice(0, size), w.s.x.Slice(0, size))
}

// logVolume is the constant that the change from the data's units to x adds to a sample's log-density, in nats: the density
// of v+u is that of x divided by Intensities in each of D dimensions, and by each column's Std.
func (m *Model) logVolume() (nats float64) {
	if m.cfg.Intensities == 0 {
		for _, c := range m.columns {
			nats -= math.Log(c.Std)
		}
		return nats
	}
	return -float64(m.cfg.D()) * math.Log(float64(m.cfg.Intensities))
}

// forward takes x to z and leaves log p(x), but for logVolume, in LogDet.
func (w *Workspace) forward(n int, training bool) {
	w.enter(n)
	s := &w.s
	s.Training = training
	s.Fill(s.LogDet, 0)
	if w.varied = w.fresh; w.varied {
		w.fresh = false
		w.vary()
	}
	if alpha := w.m.cfg.Logit; alpha > 0 {
		s.Logit(w.rows(n), float32(alpha), s.X(), s.LogDet)
	}
	w.chain.Forward(s)
	w.eachRegion(n, func(i int, r device.Rows, lo int) { w.priors[i].LogProb(s, r, s.x.Slice(lo, lo+r.Len())) })
}

// backward takes z back to x and adds the gradient of the loss, -mean log p(x), to every parameter.
func (w *Workspace) backward() {
	s := &w.s
	s.DLogDet = -1 / float32(s.N)
	w.eachRegion(s.N, func(i int, r device.Rows, lo int) {
		w.priors[i].Backward(s, r, s.x.Slice(lo, lo+r.Len()), s.dx.Slice(lo, lo+r.Len()))
	})
	w.chain.Backward(s)
	if w.varied {
		w.noise.Backward(s)
	}
}

// inverse takes z to x. The log-determinant of the way back is not wanted.
func (w *Workspace) inverse(n int) {
	w.enter(n)
	last := w.m.blocks[len(w.m.blocks)-1]
	w.s.C, w.s.H, w.s.W = last.c, last.h, last.w
	w.s.Training = false
	w.chain.Inverse(&w.s)
	if alpha := w.m.cfg.Logit; alpha > 0 {
		w.s.LogitInverse(w.rows(n), float32(alpha), w.s.X())
	}
}
