package cpufallback

import (
	"cuflow/cpufallback/internal/gemm"
	"cuflow/device"
)

const maxMix = 1024 // channels

func (b *Backend) MixForward(c, m int, a, bias, x device.Buffer) {
	mustFit(c > 0 && c <= maxMix && a.Len() == c*c && x.Len() == c*m && (bias.Nil() || bias.Len() == c))
	if m == 0 {
		return
	}
	if b.gemm.Mixes(c, false) {
		t := columnsTask{c: c, m: m, a: a.Host(), bias: bias.Host(), x: x.Host()}
		if bias.Nil() {
			t.bias = b.conv.zeros(c)
		}
		b.runColumns(t)
		return
	}
	w := gemm.Weights{W: a.Host(), Groups: 1, Rows: c, Row: c, Segs: 1, K: c, Col: 1}
	b.runProduct(gemm.Product{A: w, B: b.conv.channels(c, m, x), C: x.Host(), End: gemm.End{Bias: bias.Host()}})
}

func (b *Backend) MixBackward(c, m int, a, x, dx, da device.Buffer) {
	mustFit(c > 0 && c <= maxMix && a.Len() == c*c && x.Len() == c*m && dx.Len() == c*m && da.Len() == c*c)
	if m == 0 {
		return
	}
	if b.gemm.Mixes(c, true) {
		t := columnsTask{c: c, m: m, a: grow(&b.conv.mixed, c*c), bias: b.conv.zeros(c), x: x.Host(), dx: dx.Host()}
		for i := range c {
			for j := range c {
				t.a[j*c+i] = a.Host()[i*c+j]
			}
		}
		b.runColumnsBackward(t, da.Host())
		return
	}
	px, pdx := b.conv.channels(c, m, x), b.conv.channels(c, m, dx)
	b.runOuter(gemm.Outer{X: pdx, Y: px}, addTask{dw: da.Host(), row: c, run: c})
	transposed := gemm.Weights{W: a.Host(), Groups: 1, Rows: c, Row: 1, Segs: 1, K: c, Col: c}
	b.runProduct(gemm.Product{A: transposed, B: pdx, C: dx.Host()})
}

// channels is x [C][M] as an operand, without shifts.
func (t *convTasks) channels(c, m int, x device.Buffer) gemm.Pixels {
	return gemm.Pixels{X: x.Host(), M: m, Chans: c, Taps: t.plain()}
}

// columnsTask is a mix of few channels by ranges of columns, or with dx its gradient: a is the transpose then.
type columnsTask struct {
	k                     *gemm.Kernels
	scratch               []gemm.Scratch
	c, m, step            int
	a, bias, x, dx, parts []float32
}

func (t *columnsTask) Do(chunk, worker int) {
	s, m0 := &t.scratch[worker], chunk*t.step
	m1 := min(m0+t.step, t.m)
	if t.dx == nil {
		t.k.Mix(s, t.a, t.bias, t.x, t.m, m0, m1)
		return
	}
	da := t.parts[chunk*t.c*t.c:][:t.c*t.c]
	clear(da)
	t.k.MixBackward(s, t.a, t.bias, t.x, t.dx, da, t.m, m0, m1)
}

func (b *Backend) runColumns(t columnsTask) {
	const (
		enough = 1 << 16 // multiplications that are worth a claim
		claims = 16
	)
	t.k, t.scratch = b.gemm, b.workerScratch()
	gemm.ReserveAll(t.scratch, t.k.ReserveMix)
	t.step = (max(enough/(t.c*t.c), (t.m+claims-1)/claims) + line - 1) / line * line
	if t.dx != nil {
		t.parts = gemm.Grow(&b.conv.parts, claims*t.c*t.c)
	}
	b.conv.mix = t
	b.pool.Run(t.chunks(), &b.conv.mix)
}

func (t *columnsTask) chunks() int { return (t.m + t.step - 1) / t.step }

// runColumnsBackward does t, and adds its parts to da in order.
func (b *Backend) runColumnsBackward(t columnsTask, da []float32) {
	b.runColumns(t)
	task := &b.conv.mix
	b.gemm.Add(da, task.parts, t.c*t.c, task.chunks())
	*task = columnsTask{}
}

// zeros are what is added where there is no bias.
func (t *convTasks) zeros(n int) []float32 {
	zeros := grow(&t.none, n)
	clear(zeros)
	return zeros
}
