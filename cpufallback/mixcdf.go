package cpufallback

import (
	"math"

	"cuflow/device"
)

// cdfTasks are the tasks and scratch of device.Cumulative.
type cdfTasks struct {
	mix  mixTask
	beta betaTask

	parts []mixPart // a table for each worker, since parts hold what they come to at a point
}

// mixTask is CDF, its inverse or its backward pass. Everything is float64 from the parameters on: the arithmetic of a component
// costs far more than moving it, and so both tails and the inverse are as good as a float32 can say.
type mixTask struct {
	device.Rows
	m         device.Mixture
	pass      pass
	chunks    int
	table     []mixPart // by worker [C][K], or for the backward pass [K]
	logits    []float32
	means     []float32
	logs      []float32
	x, logdet []float32
	dx        []float32
	dld       float64
	span      int // backward: elements of a cell
	cells     int // in all, perRow of them in a row
	perRow    int
	sums      []float64 // by cell, [K][3]: for logits, means and logs
}

func (t *mixTask) Do(chunk, worker int) {
	if t.pass == backward {
		first, last := share(t.cells, t.chunks, chunk, 1)
		mix, row := t.table[worker*t.m.K:][:t.m.K], -1
		for cell := first; cell < last; cell++ {
			if c := cell / t.perRow; c != row {
				row = c
				fillMixture(mix, c, t.C, t.logits, t.means, t.logs)
			}
			t.back(mix, cell)
		}
		return
	}
	table := t.table[worker*t.C*t.m.K:][:t.C*t.m.K]
	first, last := share(t.N, t.chunks, chunk, 1)
	for c := range t.C {
		fillMixture(table[c*t.m.K:][:t.m.K], c, t.C, t.logits, t.means, t.logs)
	}
	for n := first; n < last; n++ {
		sum := 0.0
		for c := range t.C {
			mix, row := table[c*t.m.K:][:t.m.K], t.x[c*t.M()+n*t.P:][:t.P]
			for i, v := range row {
				if t.pass == forward {
					q := cdfAt(t.m, mix, float64(v))
					row[i] = float32(q.y)
					sum += q.ld
				} else {
					x, q := cdfRoot(t.m, mix, float64(v), bellQuantile(t.m, float64(v)))
					row[i] = float32(x)
					sum -= q.ld
				}
			}
		}
		t.logdet[n] += float32(sum)
	}
}

// back goes over one cell: elements of one channel. With pi and tau a component's shares of f and of the smaller tail T:
//
//	dF/dx = f;  dF/dmean = -pi*f;  dF/dlog scale = -pi*f*t*scale;  dF/dlogit = (tau-w)*T, or less that for the upper tail
//	d log f by the same: sum pi*slope/scale;  -pi*slope/scale;  -pi*(1+t*slope);  pi-w, slope that of log f0
func (t *mixTask) back(mix []mixPart, cell int) {
	k := t.m.K
	sums := t.sums[cell*3*k:][:3*k]
	clear(sums)
	c := cell / t.perRow
	lo := c*t.M() + cell%t.perRow*t.span
	hi := min(lo+t.span, (c+1)*t.M())
	for i := lo; i < hi; i++ {
		q := cdfAt(t.m, mix, float64(t.x[i]))
		g := float64(t.dx[i]) - t.dld*q.slope // by y
		rise := g * math.Exp(q.ld+q.logT-q.logf)
		if q.upper {
			rise = -rise
		}
		g *= math.Exp(q.ld) // by x through y
		score := 0.0
		for j := range mix {
			p := &mix[j]
			slope := -p.t
			if t.m.Of == device.LogisticBell {
				slope = -math.Tanh(p.t / 2)
			}
			by := t.dld * slope * p.inv
			score += p.f * by
			sums[3*j] += rise*(p.tail-p.w) + t.dld*(p.f-p.w)
			sums[3*j+1] -= p.f * (g + by)
			sums[3*j+2] -= p.f * ((g+by)*p.t*p.scale + t.dld)
		}
		t.dx[i] = float32(g + score)
	}
	for j := range mix {
		sums[3*j+2] *= mix[j].growth
	}
}

// cdfCost is what an element costs for each component, in units of plain loops' work.
const cdfCost = 32

func (b *Backend) runMix(r device.Rows, m device.Mixture, logits, means, logs, x device.Buffer, t mixTask) *mixTask {
	kc := m.K * r.C
	mustFit(m.K > 0 && logits.Len() == kc && means.Len() == kc && logs.Len() == kc && x.Len() == r.Len())
	t.Rows, t.m = r, m
	t.logits, t.means, t.logs, t.x = logits.Host(), means.Host(), logs.Host(), x.Host()
	cost := cdfCost * m.K * r.Len()
	if t.pass == backward {
		t.span = max(1, grain/(cdfCost*m.K))
		t.perRow = (r.M() + t.span - 1) / t.span
		t.cells = r.C * t.perRow
		t.chunks = chunksOf(cost, t.cells)
		t.table = grow(&b.cdf.parts, b.pool.Workers()*m.K)
		t.sums = grow(&b.elem.partial, t.cells*3*m.K)
	} else {
		t.chunks = chunksOf(cost, r.N)
		t.table = grow(&b.cdf.parts, b.pool.Workers()*kc)
	}
	b.cdf.mix = t
	if r.Len() > 0 {
		b.pool.Run(t.chunks, &b.cdf.mix)
	}
	return &b.cdf.mix
}

// CDF: x = link(F(x)).
func (b *Backend) CDF(r device.Rows, m device.Mixture, logits, means, logs, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N)
	b.runMix(r, m, logits, means, logs, x, mixTask{pass: forward, logdet: logdet.Host()})
}

// CDFInverse undoes CDF.
func (b *Backend) CDFInverse(r device.Rows, m device.Mixture, logits, means, logs, x, logdet device.Buffer) {
	mustFit(logdet.Len() == r.N)
	b.runMix(r, m, logits, means, logs, x, mixTask{pass: inverse, logdet: logdet.Host()})
}

// CDFBackward takes dy to dx and adds the gradients of the mixtures, cell by cell in order.
func (b *Backend) CDFBackward(r device.Rows, m device.Mixture, logits, means, logs, x, dx device.Buffer, dld float32,
	dlogits, dmeans, dlogs device.Buffer) {
	kc := m.K * r.C
	mustFit(dx.Len() == r.Len() && dlogits.Len() == kc && dmeans.Len() == kc && dlogs.Len() == kc)
	t := b.runMix(r, m, logits, means, logs, x, mixTask{pass: backward, dx: dx.Host(), dld: float64(dld)})
	for which, out := range [3][]float32{dlogits.Host(), dmeans.Host(), dlogs.Host()} {
		for c := range r.C {
			for k := range m.K {
				sum := 0.0
				for cell := c * t.perRow; cell < (c+1)*t.perRow; cell++ {
					sum += t.sums[3*(cell*m.K+k)+which]
				}
				out[k*r.C+c] += float32(sum)
			}
		}
	}
}
