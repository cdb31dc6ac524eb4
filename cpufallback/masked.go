package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

// maskedTasks are the tasks and scratch of device.Autoregressive.
type maskedTasks struct {
	stairs stairsTask
	outer  maskedOuterTask
	add    maskedAddTask

	steps  []gemm.Stair
	packed []float32 // weights of the stairs
	outers []maskedOuter
	parts  []float32 // sums over parts of the columns
}

// stairsTask is a product with a staircase, by ranges of columns; before, in a first run, the stairs' weights are gathered.
type stairsTask struct {
	k       *gemm.Kernels
	scratch []gemm.Scratch
	gemm.Stairs
	step   int // columns in a chunk
	shape  device.Masked
	w      []float32
	gather func(t *stairsTask, a *gemm.Stair)
}

func (t *stairsTask) Do(chunk, worker int) {
	if t.gather != nil {
		t.gather(t, &t.Steps[chunk])
		return
	}
	m := chunk * t.step
	t.k.Stairs(&t.scratch[worker], &t.Stairs, m, min(m+t.step, t.B.M))
}

// gatherRows copies a stair's rows of the weights; what does not count becomes 0.
func gatherRows(t *stairsTask, a *gemm.Stair) {
	cin := t.shape.Cin()
	for i := range a.Rows {
		o := a.Row + i
		row := a.W[i*a.K:][:a.K]
		reach := copy(row, t.w[o*cin:][:t.shape.Reach(o)])
		clear(row[reach:])
	}
}

// gatherColumns copies a stair's columns of the weights as rows; what does not count becomes 0.
func gatherColumns(t *stairsTask, a *gemm.Stair) {
	cin := t.shape.Cin()
	for k := range a.K {
		for i, v := range t.w[(a.From+k)*cin+a.Row:][:a.Rows] {
			a.W[i*a.K+k] = v
		}
	}
	for i := range a.Rows {
		clear(a.W[i*a.K:][:t.shape.Start(a.Row+i)-a.From])
	}
}

// stairs cuts rows outputs into stairs, the i-th of terms [from, to) of its first and last row, and gives each its weights.
func (b *Backend) stairs(rows int, terms func(s device.Masked, first, last int) (from, to int), s device.Masked) []gemm.Stair {
	high := b.gemm.StairRows()
	n := (rows + high - 1) / high
	steps, size := grow(&b.masked.steps, n), 0
	for i := range steps {
		lo, hi := rows*i/n, rows*(i+1)/n
		from, to := terms(s, lo, hi-1)
		steps[i] = gemm.Stair{Row: lo, Rows: hi - lo, From: from, K: to - from}
		size += steps[i].Rows * steps[i].K
	}
	w := gemm.Grow(&b.masked.packed, size)
	for i := range steps {
		size = steps[i].Rows * steps[i].K
		steps[i].W, w = w[:size], w[size:]
	}
	return steps
}

func reachOf(s device.Masked, _, last int) (from, to int)  { return 0, s.Reach(last) }
func startOf(s device.Masked, first, _ int) (from, to int) { return s.Start(first), s.Cout() }

func (b *Backend) runStairs(s device.Masked, gather func(*stairsTask, *gemm.Stair), w []float32, p gemm.Stairs) {
	t := &b.masked.stairs
	*t = stairsTask{k: b.gemm, scratch: b.workerScratch(), Stairs: p, step: p.Columns(), shape: s, w: w, gather: gather}
	gemm.ReserveAll(t.scratch, func(s *gemm.Scratch) { t.k.ReserveStairs(s, &t.Stairs) })
	b.pool.Run(len(p.Steps), t)
	t.gather = nil
	b.pool.Run((s.N+t.step-1)/t.step, t)
	*t = stairsTask{}
}

func fitMasked(s device.Masked, w, x, y device.Buffer) {
	if !s.Valid() {
		panic("cpufallback: there is no such masked layer")
	}
	mustFit(w.Len() == s.Weights() && x.Len() == s.Cin()*s.N && y.Len() == s.Cout()*s.N)
}

// MaskedForward: y = act(b + w x).
func (b *Backend) MaskedForward(s device.Masked, act device.Act, w, bias, x, y device.Buffer) {
	fitMasked(s, w, x, y)
	mustFit(bias.Len() == s.Cout())
	if s.N == 0 {
		return
	}
	b.runStairs(s, gatherRows, w.Host(), gemm.Stairs{
		Steps: b.stairs(s.Cout(), reachOf, s),
		B:     gemm.Pixels{X: x.Host(), M: s.N, Chans: s.Cin(), Taps: b.conv.plain()},
		C:     y.Host(), End: gemm.End{Bias: bias.Host(), ReLU: act == device.ReLU},
	})
}

// MaskedBackwardData: dx += w^T dy.
func (b *Backend) MaskedBackwardData(s device.Masked, w, dy, dx device.Buffer) {
	b.maskedBackward(s, w, dy, dx, gemm.End{Add: true})
}

// MaskedBackwardAct: h = w^T dy, through the activation that made h.
func (b *Backend) MaskedBackwardAct(s device.Masked, act device.Act, w, dy, h device.Buffer) {
	b.maskedBackward(s, w, dy, h, gemm.End{Mask: act == device.ReLU})
}

func (b *Backend) maskedBackward(s device.Masked, w, dy, dx device.Buffer, end gemm.End) {
	fitMasked(s, w, dx, dy)
	if s.N == 0 {
		return
	}
	b.runStairs(s, gatherColumns, w.Host(), gemm.Stairs{
		Steps: b.stairs(s.Cin(), startOf, s),
		B:     gemm.Pixels{X: dy.Host(), M: s.N, Chans: s.Cout(), Taps: b.conv.plain()},
		C:     dx.Host(), End: end,
	})
}

// MaskedBackwardStep is MaskedBackwardAct of the inputs of one step, which have a part in the same outputs.
func (b *Backend) MaskedBackwardStep(s device.Masked, d int, act device.Act, w, dy, h device.Buffer) {
	fitMasked(s, w, h, dy)
	mustFit(d >= 1 && d < s.D)
	lo, hi := s.BackwardStep(d)
	if s.N == 0 || lo == hi {
		return
	}
	start, cin := s.BackwardStepStart(d), s.Cin()
	c := h.Host()[lo*s.N : hi*s.N]
	if start == s.Cout() {
		clear(c)
		return
	}
	b.runProduct(gemm.Product{
		A: gemm.Weights{W: w.Host()[start*cin+lo:], Groups: 1, Rows: hi - lo, Row: 1, Segs: 1, K: s.Cout() - start, Col: cin},
		B: gemm.Pixels{X: dy.Host()[start*s.N:], M: s.N, Chans: s.Cout() - start, Taps: b.conv.plain()},
		C: c, End: gemm.End{Mask: act == device.ReLU},
	})
}

// MaskedStep is MaskedForward of the rows of one step, which share their inputs: a product like any other.
func (b *Backend) MaskedStep(s device.Masked, d int, act device.Act, w, bias, x, y device.Buffer) {
	fitMasked(s, w, x, y)
	mustFit(bias.Len() == s.Cout() && d >= 0 && d < s.D)
	lo, hi := s.Step(d)
	if s.N == 0 || lo == hi {
		return
	}
	reach, cin := s.StepReach(d), s.Cin()
	end := gemm.End{Bias: bias.Host()[lo:hi], ReLU: act == device.ReLU}
	c := y.Host()[lo*s.N : hi*s.N]
	if reach == 0 {
		end.Nothing(c, hi-lo, s.N)
		return
	}
	b.runProduct(gemm.Product{
		A: gemm.Weights{W: w.Host()[lo*cin:], Groups: 1, Rows: hi - lo, Row: cin, Segs: 1, K: reach, Col: 1},
		B: gemm.Pixels{X: x.Host(), M: s.N, Chans: reach, Taps: b.conv.plain()},
		C: c, End: end,
	})
}
