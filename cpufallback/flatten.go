package cpufallback

import "cuflow/device"

// flattenTask transposes every channel, rows x cols, of x into y. A job is one channel.
type flattenTask struct {
	rows, cols int
	jobs       int
	chunks     int
	x, y       []float32
}

func (t *flattenTask) Do(chunk, _ int) {
	first, last := share(t.jobs, t.chunks, chunk, 1)
	for job := first; job < last; job++ {
		size := t.rows * t.cols
		transpose(t.rows, t.cols, t.x[job*size:][:size], t.y[job*size:][:size])
	}
}

// transpose: y[j*rows+i] = x[i*cols+j], in squares that stay in the L1 cache.
func transpose(rows, cols int, x, y []float32) {
	const side = 16
	for i0 := 0; i0 < rows; i0 += side {
		for j0 := 0; j0 < cols; j0 += side {
			i1, j1 := min(i0+side, rows), min(j0+side, cols)
			for j := j0; j < j1; j++ {
				to := y[j*rows : (j+1)*rows]
				for i := i0; i < i1; i++ {
					to[i] = x[i*cols+j]
				}
			}
		}
	}
}

func (b *Backend) runFlatten(jobs, rows, cols int, x, y device.Buffer) {
	size := jobs * rows * cols
	mustFit(x.Len() == size && y.Len() == size)
	if size == 0 {
		return
	}
	b.elem.flatten = flattenTask{rows: rows, cols: cols, jobs: jobs, chunks: chunksOf(size, jobs), x: x.Host(), y: y.Host()}
	b.pool.Run(b.elem.flatten.chunks, &b.elem.flatten)
}

// Flatten makes channels of pixels: y[c*P+p, n] = x[c,n,p].
func (b *Backend) Flatten(r device.Rows, x, y device.Buffer) { b.runFlatten(r.C, r.N, r.P, x, y) }

// Unflatten undoes Flatten.
func (b *Backend) Unflatten(r device.Rows, x, y device.Buffer) { b.runFlatten(r.C, r.P, r.N, x, y) }
