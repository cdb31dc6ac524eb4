package plot

import (
	"errors"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Points are N points of two coordinates.
type Points struct{ X, Y []float64 }

// PointsOf separates coordinates [N][2].
func PointsOf(pairs []float64) (p Points) {
	for i := 0; i+1 < len(pairs); i += 2 {
		p.X, p.Y = append(p.X, pairs[i]), append(p.Y, pairs[i+1])
	}
	return p
}

// Len is N.
func (p Points) Len() int { return len(p.X) }

// finite leaves out points with a coordinate that is no number.
func (p Points) finite() (q Points) {
	for i := range p.X {
		if finite(p.X[i]) && finite(p.Y[i]) {
			q.X, q.Y = append(q.X, p.X[i]), append(q.Y, p.Y[i])
		}
	}
	return q
}

// window is a part of the plane that a panel shows.
type window struct{ x0, x1, y0, y1 float64 }

// around is a window that shows nearly all points of all sets: all but a share tail on each side, and some room.
func around(tail float64, sets ...Points) (window, error) {
	var xs, ys []float64
	for _, s := range sets {
		f := s.finite()
		xs, ys = append(xs, f.X...), append(ys, f.Y...)
	}
	if len(xs) == 0 {
		return window{}, errors.New("there are no points to draw")
	}
	of := func(v []float64) (float64, float64) {
		slices.Sort(v)
		low, high := stat.Quantile(tail, stat.Empirical, v, nil), stat.Quantile(1-tail, stat.Empirical, v, nil)
		room := 0.06 * (high - low)
		if room == 0 {
			room = math.Max(1e-3, 1e-3*math.Abs(low))
		}
		return low - room, high + room
	}
	var w window
	w.x0, w.x1 = of(xs)
	w.y0, w.y1 = of(ys)
	return w, nil
}

// uneven is the ratio of sides from which on a unit of x and a unit of y are no longer drawn equally long: two columns of a
// table need not have anything to do with each other.
const uneven = 4

// framed widens a window to the ratio of a frame's width and height so that units are equally long both ways, unless it is uneven.
func (w window) framed(ratio float64) window {
	dx, dy := w.x1-w.x0, w.y1-w.y0
	if dx > uneven*ratio*dy || dy*ratio > uneven*dx {
		return w
	}
	if dx < ratio*dy {
		m := (ratio*dy - dx) / 2
		w.x0, w.x1 = w.x0-m, w.x1+m
	} else {
		m := (dx/ratio - dy) / 2
		w.y0, w.y1 = w.y0-m, w.y1+m
	}
	return w
}

// shape is the ratio of width and height that a frame takes: the window's own, from 3:2 to 2:3; a square for one that is uneven.
func (w window) shape() float64 {
	r := (w.x1 - w.x0) / (w.y1 - w.y0)
	if r > uneven || r < 1.0/uneven {
		return 1
	}
	return min(max(r, 2.0/3), 3.0/2)
}

// axes shows a window under two names.
func (w window) axes(names [2]string) (x, y axis) {
	return axis{label: names[0], low: w.x0, high: w.x1}, axis{label: names[1], low: w.y0, high: w.y1}
}

// radius is the size of dots that lets as many be seen beside each other.
func radius(n int) (r float64) {
	return min(max(60/math.Sqrt(float64(max(n, 1))), 0.7), 1.8)
}

// GridAround is a grid of n points each way over what a picture of the points shows.
func GridAround(n int, sets ...Points) (Grid, error) {
	w, err := around(0.001, sets...)
	if err != nil {
		return Grid{}, err
	}
	ratio := w.shape()
	w = w.framed(ratio)
	return Grid{X0: w.x0, X1: w.x1, Y0: w.y0, Y1: w.y1, NX: n, NY: n}, nil
}
