package cpufallback

import (
	"math"

	"cuflow/cpufallback/internal/gemm"
	"cuflow/cpufallback/internal/nn"
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// transformerTasks are the tasks and scratch of device.Transformer.
type transformerTasks struct {
	attend attendTask
	step   attendStepTask
	norm   layerNormTask
	gelu   geluTask
	tokens tokenTask

	memory   []float32 // of attention, by worker
	columns  []float32 // of layer norms, by worker
	partials []float32 // of their parameters' gradients, by chunk
}

// attendTask does pairs of a head and a sample, each on one core. What some neighbouring samples of a head need is copied first: rows of a
// batch lie far apart. Copied, tokens are in panels of as many as a register has lanes, [panel][d][lane], the last one filled up, so that a
// panel is the right factor of a product as it lies there, and all of them the left one. Scores are made for a panel of queries (or
// keys) at a time against all tokens that they meet; so memory grows with T.
type attendTask struct {
	k       *gemm.Kernels
	nn      *nn.Kernels
	scratch []gemm.Scratch
	memory  []float32

	device.Heads
	d, lanes, panels      int // channels of a head, tokens of a panel, panels of a sample
	run                   int // samples that are copied at once
	backward              bool
	chunks                int
	qkv, y, lse, dy, dqkv []float32
}

// runMemory is what one worker has for a run of samples.
type runMemory struct {
	q, k, v, y, dy []float32 // [sample][panel][d][lane]
	x, g           []float32 // [token][lane], scores and their gradients
	lse, delta     []float32 // [token]
	inv            []float32 // [lane]
}

// size is of a sample's copy of d channels.
func (t *attendTask) size() int { return t.panels * t.d * t.lanes }

// floats is the size of a runMemory.
func (t *attendTask) floats() int {
	arrays := 3
	if t.backward {
		arrays = 5
	}
	tokens := t.panels * t.lanes
	return arrays*t.run*t.size() + 2*tokens*t.lanes + 2*tokens + t.lanes + line
}

// of cuts a worker's memory.
func (t *attendTask) of(worker int) (p runMemory) {
	size := t.floats()
	mem := t.memory[worker*size:][:size]
	cut := func(n int) []float32 {
		piece := mem[:n]
		mem = mem[n:]
		return piece
	}
	all, tokens := t.run*t.size(), t.panels*t.lanes
	p.q, p.k, p.v = cut(all), cut(all), cut(all)
	if t.backward {
		p.y, p.dy = cut(all), cut(all)
	}
	p.x, p.g = cut(tokens*t.lanes), cut(tokens*t.lanes)
	p.lse, p.delta, p.inv = cut(tokens), cut(tokens), cut(t.lanes)
	return p
}

func (t *attendTask) Do(chunk, worker int) {
	p, s := t.of(worker), &t.scratch[worker]
	first, last := share(t.H*t.N, t.chunks, chunk, 1)
	for first < last {
		h, n := first/t.N, first%t.N
		count := min(t.run, last-first, t.N-n)
		if t.backward {
			t.runBackward(s, &p, h, n, count)
		} else {
			t.runForward(s, &p, h, n, count)
		}
		first += count
	}
	s.Forget()
}

// scale is what scores are multiplied by.
func (t *attendTask) scale() float32 { return float32(1 / math.Sqrt(float64(t.d))) }

// gather copies d channels, from channel c on, of count samples from n on.
func (t *attendTask) gather(x []float32, c, n, count int, to []float32) {
	size, whole, rest := t.d*t.lanes, t.T/t.lanes, t.T%t.lanes
	for i := range t.d {
		row, at := x[(c+i)*t.M()+n*t.T:][:count*t.T], i*t.lanes
		if rest == 0 {
			t.nn.Move(to[at:], row, size, t.lanes, count*whole)
			continue
		}
		for s := range count {
			tokens := row[s*t.T : (s+1)*t.T]
			t.nn.Move(to[at:], tokens, size, t.lanes, whole)
			at += whole * size
			clear(to[at+copy(to[at:], tokens[whole*t.lanes:]) : at+t.lanes])
			at += size
		}
	}
}

// spread writes a copy back.
func (t *attendTask) spread(from []float32, x []float32, c, n, count int) {
	size, whole, rest := t.d*t.lanes, t.T/t.lanes, t.T%t.lanes
	for i := range t.d {
		row, at := x[(c+i)*t.M()+n*t.T:][:count*t.T], i*t.lanes
		if rest == 0 {
			t.nn.Move(row, from[at:], t.lanes, size, count*whole)
			continue
		}
		for s := range count {
			tokens := row[s*t.T : (s+1)*t.T]
			t.nn.Move(tokens, from[at:], t.lanes, size, whole)
			at += whole * size
			copy(tokens[whole*t.lanes:], from[at:])
			at += size
		}
	}
}

// panel is one of a sample's.
func (t *attendTask) panel(x []float32, p int) []float32 {
	size := t.d * t.lanes
	return x[p*size : (p+1)*size]
}

// turned is count panels, from p on, as a matrix of tokens by channels, plain the same as one of channels by tokens.
func (t *attendTask) turned(x []float32, p, count int) gemm.Weights {
	size := t.d * t.lanes
	return gemm.Weights{W: x[p*size:], Groups: count, Group: size, Rows: t.lanes, Row: 1, Segs: 1, K: t.d, Col: t.lanes}
}

func (t *attendTask) plain(x []float32, p, count int) gemm.Weights {
	size := t.d * t.lanes
	return gemm.Weights{W: x[p*size:], Groups: 1, Rows: t.d, Row: t.lanes, Segs: count, Seg: size, K: t.lanes, Col: 1}
}

// product makes the panel c = a b.
func (t *attendTask) product(s *gemm.Scratch, a gemm.Weights, b, c []float32) {
	t.k.TimesResident(s, &a, b, t.lanes, c, t.lanes, false)
}

// later sets what a causal attention has not: in rows 0 .. of a panel whose row 0 is its column 0's own token, the columns before the
// row, or with turned those after it.
func (t *attendTask) later(x []float32, v float32, turned bool) {
	for i := range min(t.lanes, len(x)/t.lanes) {
		row := x[i*t.lanes : (i+1)*t.lanes]
		part := row[:i]
		if turned {
			part = row[i+1:]
		}
		for j := range part {
			part[j] = v
		}
	}
}

// runForward is Attend of a head and count samples. A panel of queries becomes that of y.
func (t *attendTask) runForward(s *gemm.Scratch, p *runMemory, h, n, count int) {
	t.gather(t.qkv, h*t.d, n, count, p.q)
	t.gather(t.qkv, t.C+h*t.d, n, count, p.k)
	t.gather(t.qkv, 2*t.C+h*t.d, n, count, p.v)
	for i := range count {
		q, k, v := p.q[i*t.size():], p.k[i*t.size():], p.v[i*t.size():]
		for panel := range t.panels {
			met := t.panels // panels of keys
			if t.Causal {
				met = panel + 1
			}
			x, keys, own := p.x[:met*t.lanes*t.lanes], min(t.T, met*t.lanes), t.panel(q, panel)
			t.product(s, t.turned(k, 0, met), own, x)
			if t.Causal {
				t.later(x[panel*t.lanes*t.lanes:], float32(math.Inf(-1)), false)
			}
			lse := p.lse[panel*t.lanes : (panel+1)*t.lanes]
			t.nn.Softmax(x[:keys*t.lanes], t.scale(), lse, p.inv)
			clear(x[keys*t.lanes:])
			t.product(s, t.plain(v, 0, met), x, own)
			t.nn.Rows(own, p.inv)
		}
		copy(t.lse[h*t.M()+(n+i)*t.T:][:t.T], p.lse)
	}
	t.spread(p.q, t.y, h*t.d, n, count)
}

// runBackward is AttendBackward of a head and count samples: gradients of queries, a panel of queries at a time, then those of keys and
// values, a panel of keys at a time. They take the place of y, of the keys and of the values.
func (t *attendTask) runBackward(s *gemm.Scratch, p *runMemory, h, n, count int) {
	t.gather(t.qkv, h*t.d, n, count, p.q)
	t.gather(t.qkv, t.C+h*t.d, n, count, p.k)
	t.gather(t.qkv, 2*t.C+h*t.d, n, count, p.v)
	t.gather(t.y, h*t.d, n, count, p.y)
	t.gather(t.dy, h*t.d, n, count, p.dy)
	for i := range count {
		q, k, v, y, dy := p.q[i*t.size():], p.k[i*t.size():], p.v[i*t.size():], p.y[i*t.size():], p.dy[i*t.size():]
		clear(p.lse[copy(p.lse, t.lse[h*t.M()+(n+i)*t.T:][:t.T]):])
		for panel := range t.panels {
			t.queries(s, p, q, k, v, y, dy, panel)
		}
		for panel := range t.panels {
			t.keys(s, p, q, k, v, dy, panel)
		}
	}
	t.spread(p.y, t.dqkv, h*t.d, n, count)
	t.spread(p.k, t.dqkv, t.C+h*t.d, n, count)
	t.spread(p.v, t.dqkv, 2*t.C+h*t.d, n, count)
}

// queries makes the gradient of a panel of queries, in the place of y.
func (t *attendTask) queries(s *gemm.Scratch, p *runMemory, q, k, v, y, dy []float32, panel int) {
	met := t.panels
	if t.Causal {
		met = panel + 1
	}
	x, g, keys := p.x[:met*t.lanes*t.lanes], p.g[:met*t.lanes*t.lanes], min(t.T, met*t.lanes)
	lse, delta := p.lse[panel*t.lanes:(panel+1)*t.lanes], p.delta[panel*t.lanes:(panel+1)*t.lanes]
	t.nn.Dots(t.panel(y, panel), t.panel(dy, panel), delta)
	t.product(s, t.turned(k, 0, met), t.panel(q, panel), x)
	t.product(s, t.turned(v, 0, met), t.panel(dy, panel), g)
	t.nn.Scores(x[:keys*t.lanes], g[:keys*t.lanes], t.scale(), lse, delta)
	clear(g[keys*t.lanes:])
	if t.Causal {
		t.later(g[panel*t.lanes*t.lanes:], 0, false)
	}
	t.product(s, t.plain(k, 0, met), g, t.panel(y, panel))
}

// keys makes the gradients of a panel of keys and values, in their places.
func (t *attendTask) keys(s *gemm.Scratch, p *runMemory, q, k, v, dy []float32, panel int) {
	first := 0 // panel of queries
	if t.Causal {
		first = panel
	}
	met := t.panels - first
	x, g, from := p.x[:met*t.lanes*t.lanes], p.g[:met*t.lanes*t.lanes], first*t.lanes
	queries := t.T - from
	t.product(s, t.turned(q, first, met), t.panel(k, panel), x)
	t.product(s, t.turned(dy, first, met), t.panel(v, panel), g)
	t.nn.ScoresTurned(x[:queries*t.lanes], g[:queries*t.lanes], t.scale(), p.lse[from:t.T], p.delta[from:t.T])
	clear(x[queries*t.lanes:])
	clear(g[queries*t.lanes:])
	if t.Causal {
		t.later(x, 0, true)
		t.later(g, 0, true)
	}
	t.product(s, t.plain(q, first, met), g, t.panel(k, panel))
	t.product(s, t.plain(dy, first, met), x, t.panel(v, panel))
}

func fitHeads(s device.Heads) {
	if !s.Valid() {
		panic("cpufallback: there is no such attention")
	}
}

func (b *Backend) runAttend(t attendTask) {
	const (
		floats = 64 << 10 // of a run's copies: a quarter of the L2 cache
		most   = 64       // samples of a run
	)
	if t.N == 0 {
		return
	}
	t.k, t.nn, t.scratch = b.gemm, b.nn, b.workerScratch()
	t.d, t.lanes = t.C/t.H, t.k.Lanes()
	t.panels = (t.T + t.lanes - 1) / t.lanes
	t.run = max(1, min(most, floats/(5*t.size())))
	t.chunks = chunksOf(int(t.Flops()/32), t.H*t.N) // few enough that a run is long
	for _, a := range []gemm.Weights{t.turned(nil, 0, t.panels), t.plain(nil, 0, t.panels)} {
		gemm.ReserveAll(t.scratch, func(s *gemm.Scratch) { t.k.ReserveResident(s, &a) })
	}
	t.memory = gemm.Grow(&b.transformer.memory, b.pool.Workers()*t.floats())
	b.transformer.attend = t
	b.pool.Run(t.chunks, &b.transformer.attend)
	b.transformer.attend = attendTask{}
}

// Attend: y = softmax(q k^T / sqrt(d)) v by heads.
func (b *Backend) Attend(s device.Heads, qkv, y, lse device.Buffer) {
	fitHeads(s)
	mustFit(qkv.Len() == 3*s.C*s.M() && y.Len() == s.C*s.M() && lse.Len() == s.H*s.M())
	b.runAttend(attendTask{Heads: s, qkv: qkv.Host(), y: y.Host(), lse: lse.Host()})
}

// AttendBackward makes the gradients of queries, keys and values.
func (b *Backend) AttendBackward(s device.Heads, qkv, y, lse, dy, dqkv device.Buffer) {
	fitHeads(s)
	mustFit(qkv.Len() == 3*s.C*s.M() && y.Len() == s.C*s.M() && lse.Len() == s.H*s.M() && dy.Len() == s.C*s.M() && dqkv.Len() == 3*s.C*s.M())
	b.runAttend(attendTask{Heads: s, backward: true, qkv: qkv.Host(), y: y.Host(), lse: lse.Host(), dy: dy.Host(), dqkv: dqkv.Host()})
}

// attendStepTask does pairs of a head and a sample for one token.
type attendStepTask struct {
	k      *vec.Kernels
	memory []float32 // scores of the tokens so far, and a number twice, by worker
	device.Heads
	token                int
	chunks               int
	qkv, keys, values, y []float32
}

func (t *attendStepTask) Do(chunk, worker int) {
	d, count := t.C/t.H, t.token+1
	mem := t.memory[worker*3*t.T:]
	x, top, sum := mem[:count], mem[t.T:][:count], mem[2*t.T:][:count]
	scale := float32(1 / math.Sqrt(float64(d)))
	first, last := share(t.H*t.N, t.chunks, chunk, 1)
	for pair := first; pair < last; pair++ {
		h, n := pair/t.N, pair%t.N
		clear(x)
		for c := h * d; c < h*d+d; c++ {
			row, at := (c*t.N+n)*t.T, c*t.N+n
			t.keys[row+t.token], t.values[row+t.token] = t.qkv[t.C*t.N+at], t.qkv[2*t.C*t.N+at]
			t.k.Axpy(t.qkv[at], t.keys[row:row+count], x)
		}
		most := x[0]
		for _, v := range x {
			most = max(most, v)
		}
		t.k.Fill(top, scale*most)
		clear(sum)
		t.k.Shares(scale, x, top, x, sum)
		all := t.k.Sum(x)
		for c := h * d; c < h*d+d; c++ {
			row := (c*t.N + n) * t.T
			_, value := t.k.SumsAbout(t.values[row:row+count], x, 0)
			t.y[c*t.N+n] = value / all
		}
	}
}

// AttendStep is one token of Attend, whose keys and values join those before.
func (b *Backend) AttendStep(s device.Heads, t int, qkv, keys, values, y device.Buffer) {
	fitHeads(s)
	mustFit(t >= 0 && t < s.T && qkv.Len() == 3*s.C*s.N && keys.Len() == s.C*s.M() && values.Len() == s.C*s.M() && y.Len() == s.C*s.N)
	if s.N == 0 {
		return
	}
	b.transformer.step = attendStepTask{
		k: b.vec, memory: grow(&b.transformer.memory, b.pool.Workers()*3*s.T), Heads: s, token: t,
		chunks: chunksOf(s.C*s.N*(t+8)/2, s.H*s.N),
		qkv:    qkv.Host(), keys: keys.Host(), values: values.Host(), y: y.Host(),
	}
	b.pool.Run(b.transformer.step.chunks, &b.transformer.step)
	b.transformer.step = attendStepTask{}
}
