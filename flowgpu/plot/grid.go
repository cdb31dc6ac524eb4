package plot

import (
	"errors"
	"fmt"
)

// Grid is NX x NY points with the corners of a rectangle among them. Values on it are rows of ascending y, each of ascending x:
// value j*NX+i is that of X(i), Y(j).
type Grid struct {
	X0, X1, Y0, Y1 float64
	NX, NY         int
}

// X is the i-th place along x.
func (g Grid) X(i int) float64 { return g.X0 + (g.X1-g.X0)*float64(i)/float64(g.NX-1) }

// Y is the j-th place along y.
func (g Grid) Y(j int) float64 { return g.Y0 + (g.Y1-g.Y0)*float64(j)/float64(g.NY-1) }

// Len is NX*NY.
func (g Grid) Len() int { return g.NX * g.NY }

// Cell is the area that a point stands for.
func (g Grid) Cell() float64 {
	return (g.X1 - g.X0) / float64(g.NX-1) * (g.Y1 - g.Y0) / float64(g.NY-1)
}

// Points lists all places, [Len][2].
func (g Grid) Points() []float64 {
	all := make([]float64, 0, 2*g.Len())
	for j := range g.NY {
		for i := range g.NX {
			all = append(all, g.X(i), g.Y(j))
		}
	}
	return all
}

func (g Grid) check(values []float64) error {
	switch {
	case g.NX < 2 || g.NY < 2 || !(g.X1 > g.X0) || !(g.Y1 > g.Y0):
		return errors.New("a grid needs two points and some length each way")
	case len(values) != g.Len():
		return fmt.Errorf("%d values on a grid of %d x %d", len(values), g.NX, g.NY)
	}
	return nil
}

// between is the bilinear value at a point; beyond the grid that of its edge.
func (g Grid) between(values []float64, x, y float64) float64 {
	u := min(max((x-g.X0)/(g.X1-g.X0), 0), 1) * float64(g.NX-1)
	v := min(max((y-g.Y0)/(g.Y1-g.Y0), 0), 1) * float64(g.NY-1)
	i, j := min(int(u), g.NX-2), min(int(v), g.NY-2)
	s, t := u-float64(i), v-float64(j)
	at := func(i, j int) float64 { return values[j*g.NX+i] }
	return (1-t)*((1-s)*at(i, j)+s*at(i+1, j)) + t*((1-s)*at(i, j+1)+s*at(i+1, j+1))
}
