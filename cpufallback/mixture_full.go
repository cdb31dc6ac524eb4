package cpufallback

import (
	"math"

	"cuflow/device"
)

// Center: y = x - mean.
func (b *Backend) Center(c, m int, mean, x, y device.Buffer) {
	mustFit(mean.Len() == c && x.Len() == c*m && y.Len() == c*m)
	b.runRows(c, m, rowTask{b: mean.Host(), x: x.Host(), y: y.Host(), do: func(t *rowTask, _, row, lo, hi int) {
		t.k.Affine(1, -t.b[row], t.x[lo:hi], t.y[lo:hi])
	}})
}

// CenterBackward: dx += dy; dmean -= sum_m dy.
func (b *Backend) CenterBackward(c, m int, dy, dx, dmean device.Buffer) {
	mustFit(dy.Len() == c*m && dx.Len() == c*m && dmean.Len() == c)
	t := b.runRows(c, m, rowTask{x: dy.Host(), y: dx.Host(), do: func(t *rowTask, cell, _, lo, hi int) {
		t.k.Axpy(1, t.x[lo:hi], t.y[lo:hi])
		t.sums[0][cell] = float64(t.k.Sum(t.x[lo:hi]))
	}})
	for i := range c {
		dmean.Host()[i] -= float32(t.rowSum(0, i))
	}
}

// Weigh: x[c,m] = a*w[m]*x[c,m].
func (b *Backend) Weigh(c, m int, a float32, w, x device.Buffer) {
	mustFit(w.Len() == m && x.Len() == c*m)
	b.runMixture(c, c*m, mixtureTask{Components: device.Components{N: m}, a: a, r: w.Host(), x: x.Host(), do: func(t *mixtureTask, c, _ int) {
		x := t.x[c*t.N : (c+1)*t.N]
		for i, w := range t.r {
			x[i] *= t.a * w
		}
	}})
}

// Triangle: a has exp(logs) on the diagonal, l below.
func (b *Backend) Triangle(d int, logs, l, a device.Buffer) {
	mustFit(logs.Len() == d && l.Len() == d*(d-1)/2 && a.Len() == d*d)
	b.runMixture(d, d*d, mixtureTask{Components: device.Components{D: d}, logs: logs.Host(), l: l.Host(), x: a.Host(),
		do: func(t *mixtureTask, i, _ int) {
			row := t.x[i*t.D : (i+1)*t.D]
			copy(row, t.l[i*(i-1)/2:][:i])
			row[i] = exp(t.logs[i])
			clear(row[i+1:])
		}})
}

// TriangleBackward: dlogs[i] += da[i,i]*exp(logs[i]); dl += what lies below the diagonal of da.
func (b *Backend) TriangleBackward(d int, logs, da, dlogs, dl device.Buffer) {
	mustFit(logs.Len() == d && da.Len() == d*d && dlogs.Len() == d && dl.Len() == d*(d-1)/2)
	b.runMixture(d, d*d, mixtureTask{Components: device.Components{D: d}, logs: logs.Host(), dx: da.Host(), dlogs: dlogs.Host(), l: dl.Host(),
		do: func(t *mixtureTask, i, _ int) {
			row := t.dx[i*t.D : (i+1)*t.D]
			t.k.Axpy(1, row[:i], t.l[i*(i-1)/2:][:i])
			t.dlogs[i] += row[i] * exp(t.logs[i])
		}})
}

// MixturePick: pick[n] is the first component with u[n] below the sum of the weights up to its own.
func (b *Backend) MixturePick(k, n int, logits, u, pick device.Buffer) {
	mustFit(k > 0 && logits.Len() == k && u.Len() == n && pick.Len() == n)
	upTo, sum := b.logWeights(logits.Host()), 0.0
	for i, w := range upTo {
		sum += math.Exp(w)
		upTo[i] = sum
	}
	for i, v := range u.Host() {
		k := 0
		for k < len(upTo)-1 && !(float64(v) < upTo[k]) {
			k++
		}
		pick.Host()[i] = float32(k)
	}
}

// MixturePlace: x becomes the y with A[k] (y - mean[k]) = x, k = pick[n].
func (b *Backend) MixturePlace(s device.Components, pick, mean, logs, l, x device.Buffer) {
	mustFit(pick.Len() == s.N && mean.Len() == s.K*s.D && logs.Len() == s.K*s.D && (l.Nil() || l.Len() == s.K*s.Triangle()) && x.Len() == s.D*s.N)
	work := 16 * s.D * s.N
	if !l.Nil() {
		work += s.N * s.Triangle()
	}
	b.runMixture(s.N, work, mixtureTask{Components: s, pick: pick.Host(), mean: mean.Host(), logs: logs.Host(), l: l.Host(), x: x.Host(),
		wide: grow(&b.elem.partial, b.pool.Workers()*s.D), do: mixturePlace})
}

func mixturePlace(t *mixtureTask, n, worker int) {
	k := int(t.pick[n])
	mean, logs, away := t.mean[k*t.D:], t.logs[k*t.D:], t.wide[worker*t.D:][:t.D]
	for i := range away { // away = y - mean
		x := &t.x[i*t.N+n]
		v := float64(*x)
		if t.l != nil {
			row := t.l[k*t.Triangle()+i*(i-1)/2:][:i]
			for j, l := range row {
				v -= float64(l) * away[j]
			}
		}
		away[i] = v * math.Exp(-float64(logs[i]))
		*x = float32(float64(mean[i]) + away[i])
	}
}
