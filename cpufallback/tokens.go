package cpufallback

import (
	"cuflow/cpufallback/internal/vec"
	"cuflow/device"
)

// tokenTask does chunks of rows of tokens. do is a plain function, not a closure, which would allocate.
type tokenTask struct {
	k *vec.Kernels
	device.Rows
	rows, chunks int
	do           func(t *tokenTask, row int)
	q            int
	index        []float32 // or labels
	table        []float32
	x, y         []float32
}

func (t *tokenTask) Do(chunk, _ int) {
	first, last := share(t.rows, t.chunks, chunk, 1)
	for row := first; row < last; row++ {
		t.do(t, row)
	}
}

// runTokens does t.do on rows of size elements each.
func (b *Backend) runTokens(rows, size int, t tokenTask) {
	t.k, t.rows, t.chunks = b.vec, rows, chunksOf(rows*size, rows)
	b.transformer.tokens = t
	b.pool.Run(t.chunks, &b.transformer.tokens)
	b.transformer.tokens = tokenTask{}
}

// AddPositions: x[c,n,:] += pos[c,:].
func (b *Backend) AddPositions(r device.Rows, pos, x device.Buffer) {
	mustFit(pos.Len() == r.C*r.P && x.Len() == r.Len())
	b.runTokens(r.C, r.M(), tokenTask{Rows: r, table: pos.Host(), x: x.Host(), do: func(t *tokenTask, c int) {
		for n := range t.N {
			t.k.Axpy(1, t.table[c*t.P:(c+1)*t.P], t.x[(c*t.N+n)*t.P:][:t.P])
		}
	}})
}

// PositionsBackward: dpos[c,:] += sum_n dx[c,n,:].
func (b *Backend) PositionsBackward(r device.Rows, dx, dpos device.Buffer) {
	mustFit(dpos.Len() == r.C*r.P && dx.Len() == r.Len())
	b.runTokens(r.C, r.M(), tokenTask{Rows: r, table: dpos.Host(), x: dx.Host(), do: func(t *tokenTask, c int) {
		for n := range t.N {
			t.k.Axpy(1, t.x[(c*t.N+n)*t.P:][:t.P], t.table[c*t.P:(c+1)*t.P])
		}
	}})
}

// Embed: x[c,n,:] += table[label[n],c].
func (b *Backend) Embed(r device.Rows, classes int, label, table, x device.Buffer) {
	mustFit(label.Len() == r.N && table.Len() == classes*r.C && x.Len() == r.Len())
	b.runTokens(r.C, r.M(), tokenTask{Rows: r, index: label.Host(), table: table.Host(), x: x.Host(), do: func(t *tokenTask, c int) {
		for n, label := range t.index {
			t.k.MulAdd(t.x[(c*t.N+n)*t.P:][:t.P], 1, t.table[int(label)*t.C+c])
		}
	}})
}

// EmbedBackward: dtable[k,c] += sum of dx[c,n,:] over the samples of class k.
func (b *Backend) EmbedBackward(r device.Rows, classes int, label, dx, dtable device.Buffer) {
	mustFit(label.Len() == r.N && dtable.Len() == classes*r.C && dx.Len() == r.Len())
	b.runTokens(r.C, r.M(), tokenTask{Rows: r, index: label.Host(), table: dtable.Host(), x: dx.Host(), do: func(t *tokenTask, c int) {
		for n, label := range t.index {
			t.table[int(label)*t.C+c] += t.k.Sum(t.x[(c*t.N+n)*t.P:][:t.P])
		}
	}})
}

// Gather: y[i,j] = x[i,index[j]], or 0.
func (b *Backend) Gather(rows, p, q int, index, x, y device.Buffer) {
	mustFit(index.Len() == q && x.Len() == rows*p && y.Len() == rows*q)
	b.runTokens(rows, q, tokenTask{Rows: device.Rows{P: p}, q: q, index: index.Host(), x: x.Host(), y: y.Host(), do: func(t *tokenTask, i int) {
		from, to := t.x[i*t.P:(i+1)*t.P], t.y[i*t.q:(i+1)*t.q]
		for j, v := range t.index {
			to[j] = 0
			if v >= 0 {
				to[j] = from[int(v)]
			}
		}
	}})
}

// Scatter: y[i,index[j]] = x[i,j], or nothing.
func (b *Backend) Scatter(rows, p, q int, index, x, y device.Buffer) {
	mustFit(index.Len() == q && x.Len() == rows*q && y.Len() == rows*p)
	b.runTokens(rows, q, tokenTask{Rows: device.Rows{P: p}, q: q, index: index.Host(), x: x.Host(), y: y.Host(), do: func(t *tokenTask, i int) {
		from, to := t.x[i*t.q:(i+1)*t.q], t.y[i*t.P:(i+1)*t.P]
		for j, v := range t.index {
			if v >= 0 {
				to[int(v)] = from[j]
			}
		}
	}})
}
